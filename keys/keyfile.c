#include "keys/keyfile.h"
#include "base/digest.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1 << 20)
/* A secret of 1,024 octets in base64, with some white space. */
#define TOKEN_MAX_SIZE 2048
#define KEY_SYNTAX "key \"name\" { algorithm hmac-sha256; secret \"base64\"; };"

enum token { TOKEN_END, TOKEN_WORD, TOKEN_STRING, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_SEMICOLON, TOKEN_BAD };

struct keyfile {
	const char *at, *end, *path;
	char *reason;
	keyfile_add *add;
	void *context;
	size_t keys;              /* seen so far */
	unsigned line;            /* of what is read next */
	enum token token;         /* the one just read */
	unsigned token_line;
	char text[TOKEN_MAX_SIZE]; /* of a word or string */
};

static enum status keyfile_says(struct keyfile *file, unsigned line, const char *format, ...) PRINTF_LIKE(3, 4);

/* "FILE:LINE: reason". */
static enum status
keyfile_says(struct keyfile *file, unsigned line, const char *format, ...)
{
	va_list args;
	int length = snprintf(file->reason, KEYFILE_REASON_SIZE, "%.300s:%u: ", file->path, line);

	invariant(length > 0 && length < KEYFILE_REASON_SIZE);
	va_start(args, format);
	vsnprintf(file->reason + length, (size_t)(KEYFILE_REASON_SIZE - length), format, args);
	va_end(args);
	for (char *c = file->reason; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return STATUS_MALFORMED;
}

/* ---- tokens ---- */

static bool
keyfile_sees(const struct keyfile *file, const char *text)
{
	size_t size = strlen(text);

	return (size_t)(file->end - file->at) >= size && memcmp(file->at, text, size) == 0;
}

static void
skip_line(struct keyfile *file)
{
	while (file->at < file->end && *file->at != '\n')
		file->at++;
}

/* C's comment; false: it does not end. */
static bool
skip_comment(struct keyfile *file)
{
	for (file->at += 2; file->at < file->end; file->at++) {
		if (keyfile_sees(file, "*/")) {
			file->at += 2;
			return true;
		}
		file->line += *file->at == '\n';
	}
	return false;
}

static bool
skip_space(struct keyfile *file)
{
	while (file->at < file->end) {
		if (*file->at == '#' || keyfile_sees(file, "//"))
			skip_line(file);
		else if (keyfile_sees(file, "/*")) {
			if (!skip_comment(file))
				return false;
		} else if (*file->at && strchr(" \t\r\n", *file->at))
			file->line += *file->at++ == '\n';
		else
			break;
	}
	return true;
}

/* A string ends at its quote; \" is a quote in it, any other backslash stays (as in BIND: a name may have \DDD). */
static enum token
read_string(struct keyfile *file)
{
	size_t length = 0;

	for (file->at++; file->at < file->end && length < sizeof file->text - 1; file->at++) {
		char c = *file->at;
		if (c == '"') {
			file->at++;
			file->text[length] = '\0';
			return TOKEN_STRING;
		}
		if (c == '\0' || c == '\n')
			break;
		if (c == '\\' && file->end - file->at > 1) {
			if (file->at[1] != '"')
				file->text[length++] = c;
			if (length == sizeof file->text - 1 || file->at[1] == '\n' || file->at[1] == '\0')
				break;
			c = *++file->at;
		}
		file->text[length++] = c;
	}
	file->text[0] = '\0';
	return TOKEN_BAD;
}

static enum token
read_word(struct keyfile *file)
{
	size_t length = 0;

	while (file->at < file->end && *file->at && !strchr(" \t\r\n{};\"#", *file->at)) {
		/* A slash is of base64, too: only a comment ends the word. */
		if (length == sizeof file->text - 1 || keyfile_sees(file, "/*") || keyfile_sees(file, "//"))
			break;
		file->text[length++] = *file->at++;
	}
	file->text[length] = '\0';
	return length > 0 ? TOKEN_WORD : TOKEN_BAD;
}

static enum token
keyfile_read(struct keyfile *file)
{
	if (!skip_space(file)) {
		file->token_line = file->line;
		return file->token = TOKEN_BAD;
	}
	file->token_line = file->line;
	file->text[0] = '\0';
	if (file->at == file->end)
		return file->token = TOKEN_END;
	switch (*file->at) {
	case '"':
		return file->token = read_string(file);
	case '{':
		file->at++;
		return file->token = TOKEN_OPEN;
	case '}':
		file->at++;
		return file->token = TOKEN_CLOSE;
	case ';':
		file->at++;
		return file->token = TOKEN_SEMICOLON;
	default:
		return file->token = read_word(file);
	}
}

const char *
keyfile_word(const char *text)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t length = strlen(text);

	/* tsig-keygen's shortest secrets, of 16 and 20 octets, end in '='; the others are of 38 characters and more. */
	return length <= 30 && strspn(text, harmless) == length ? text : "...";
}

/* The token at hand is not what belongs here. */
static enum status
keyfile_expected(struct keyfile *file, const char *what)
{
	static const char *const signs[] = {
		[TOKEN_END] = "the end of the file",
		[TOKEN_OPEN] = "\"{\"",
		[TOKEN_CLOSE] = "\"}\"",
		[TOKEN_SEMICOLON] = "\";\"",
		[TOKEN_BAD] = "a string or comment that does not end, or a byte that is no text",
	};

	if (file->token == TOKEN_WORD || file->token == TOKEN_STRING)
		return keyfile_says(file, file->token_line, "expected %s, found \"%s\"", what,
				    keyfile_word(file->text));
	return keyfile_says(file, file->token_line, "expected %s, found %s", what, signs[file->token]);
}

static bool
keyfile_takes(struct keyfile *file, enum token token)
{
	return keyfile_read(file) == token;
}

static bool
keyfile_takes_text(struct keyfile *file)
{
	enum token token = keyfile_read(file);

	return token == TOKEN_WORD || token == TOKEN_STRING;
}

/* ---- statements ---- */

struct key_statement {
	char name[TOKEN_MAX_SIZE], algorithm[TOKEN_MAX_SIZE], secret[TOKEN_MAX_SIZE];
	bool has_algorithm, has_secret;
};

static enum status
read_key_option(struct keyfile *file, struct key_statement *key)
{
	unsigned line = file->token_line;
	bool is_secret = strcasecmp(file->text, "secret") == 0;

	if (!is_secret && strcasecmp(file->text, "algorithm") != 0)
		return keyfile_expected(file, "algorithm or secret");
	if (is_secret ? key->has_secret : key->has_algorithm)
		return keyfile_says(file, line, "%s is there twice", is_secret ? "secret" : "algorithm");
	if (!keyfile_takes_text(file))
		return keyfile_expected(file, is_secret ? "the secret" : "an algorithm");
	memcpy(is_secret ? key->secret : key->algorithm, file->text, sizeof file->text);
	*(is_secret ? &key->has_secret : &key->has_algorithm) = true;
	return keyfile_takes(file, TOKEN_SEMICOLON) ? STATUS_OK : keyfile_expected(file, "\";\"");
}

/* After "key": NAME { algorithm …; secret …; }; */
static enum status
read_key(struct keyfile *file, struct key_statement *key)
{
	if (!keyfile_takes_text(file))
		return keyfile_expected(file, "the name of the key");
	memcpy(key->name, file->text, sizeof file->text);
	if (!keyfile_takes(file, TOKEN_OPEN))
		return keyfile_expected(file, "\"{\"");
	while (keyfile_read(file) == TOKEN_WORD) {
		enum status status = read_key_option(file, key);
		if (status != STATUS_OK)
			return status;
	}
	if (file->token != TOKEN_CLOSE)
		return keyfile_expected(file, "algorithm, secret or \"}\"");
	if (!keyfile_takes(file, TOKEN_SEMICOLON))
		return keyfile_expected(file, "\";\" after \"}\"");
	return STATUS_OK;
}

static enum status
add_key(struct keyfile *file)
{
	unsigned line = file->token_line;
	char reason[KEYFILE_REASON_SIZE];
	struct key_statement *key = calloc(1, sizeof *key);

	if (!key)
		return keyfile_says(file, line, "no memory");
	enum status status = read_key(file, key);
	if (status != STATUS_OK)
		goto out;
	if (!key->has_algorithm || !key->has_secret) {
		status = keyfile_says(file, line, "the key \"%.255s\" has no %s", key->name,
				      key->has_algorithm ? "secret" : "algorithm");
		goto out;
	}
	status = file->add(file->context, key->name, key->algorithm, key->secret, reason);
	file->keys++;
	if (status != STATUS_OK)
		keyfile_says(file, line, "%s", reason);
out:
	digest_wipe(key, sizeof *key);
	free(key);
	return status;
}

/* A statement of named.conf or rndc.conf that is none of ours: up to its semicolon, outside of all braces. */
static enum status
skip_statement(struct keyfile *file)
{
	unsigned line = file->token_line, depth = 0;
	char word[32];

	snprintf(word, sizeof word, "%.31s", file->text);
	for (;;) {
		switch (keyfile_read(file)) {
		case TOKEN_OPEN:
			depth++;
			break;
		case TOKEN_CLOSE:
			if (depth == 0)
				return keyfile_expected(file, "a statement");
			depth--;
			break;
		case TOKEN_SEMICOLON:
			if (depth == 0)
				return STATUS_OK;
			break;
		case TOKEN_END:
			return keyfile_says(file, line, "the statement \"%s\" does not end", word);
		case TOKEN_BAD:
			return keyfile_expected(file, "a statement");
		default:
			break;
		}
	}
}

static enum status
read_statement(struct keyfile *file)
{
	static const char *const passed_over[] = {"options", "controls", "server", "update-policy"};

	if (file->token == TOKEN_SEMICOLON)
		return STATUS_OK;
	if (file->token != TOKEN_WORD)
		return keyfile_expected(file, "a key statement");
	if (strcasecmp(file->text, "key") == 0)
		return add_key(file);
	for (size_t i = 0; i < ARRAY_SIZE(passed_over); i++)
		if (strcasecmp(file->text, passed_over[i]) == 0)
			return skip_statement(file);
	if (strcmp(file->text, "nsupdate") == 0) { /* the advice at the end of what ddns-confgen prints */
		skip_line(file);
		return STATUS_OK;
	}
	if (strcasecmp(file->text, "Private-key-format:") == 0)
		return keyfile_says(file, file->token_line,
				    "a K*.private file is not read: put the key into a file of the form %s",
				    KEY_SYNTAX);
	return keyfile_expected(file, "a key statement");
}

/*
 * Of the pairs that the old dnssec-keygen wrote, K<name>+<algorithm>+<id>.key and .private: nsupdate -k takes them, we
 * do not.
 */
static bool
path_is_old_pair(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

	return name[0] == 'K' && strchr(name, '+') && dot && (strcmp(dot, ".key") == 0 || strcmp(dot, ".private") == 0);
}

enum status
keyfile_parse(const char *text, size_t size, const char *path, keyfile_add *add, void *context, char *reason)
{
	struct keyfile file = {.at = text,
			       .end = text + size,
			       .path = path,
			       .reason = reason,
			       .add = add,
			       .context = context,
			       .line = 1};
	enum status status = STATUS_OK;

	while (status == STATUS_OK && keyfile_read(&file) != TOKEN_END)
		status = read_statement(&file);
	if (status == STATUS_OK && file.keys == 0)
		status = keyfile_says(&file, file.token_line, "there is no key here: expected %s", KEY_SYNTAX);
	digest_wipe(file.text, sizeof file.text);
	return status;
}

/* ---- files ---- */

/* The whole file; *text is the caller's to wipe and free. */
static enum status
file_read(const char *path, char **text, size_t *size, char *reason)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	enum status status = STATUS_OK;
	size_t used = 0;
	ssize_t got = 1;

	*text = NULL;
	if (fd < 0) {
		snprintf(reason, KEYFILE_REASON_SIZE, "%.300s: %s", path, strerror(errno));
		return STATUS_IO;
	}
	*text = malloc(FILE_MAX_BYTES + 1);
	if (!*text)
		status = STATUS_NO_MEMORY;
	while (status == STATUS_OK && used <= FILE_MAX_BYTES && got > 0) {
		got = read(fd, *text + used, FILE_MAX_BYTES + 1 - used);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			status = STATUS_IO;
		else
			used += (size_t)got;
	}
	if (status != STATUS_OK)
		snprintf(reason, KEYFILE_REASON_SIZE, "%.300s: %s", path,
			 strerror(status == STATUS_IO ? errno : ENOMEM));
	else if (used > FILE_MAX_BYTES) {
		snprintf(reason, KEYFILE_REASON_SIZE, "%.300s: a key file of over 1 MiB", path);
		status = STATUS_LIMIT;
	}
	close(fd);
	*size = used;
	return status;
}

enum status
keyfile_load(const char *path, keyfile_add *add, void *context, char *reason)
{
	char *text;
	size_t size;

	if (path_is_old_pair(path)) {
		snprintf(reason, KEYFILE_REASON_SIZE,
			 "%.300s:1: K*.key and K*.private files are not read: put the key into a file of the form %s",
			 path, KEY_SYNTAX);
		return STATUS_MALFORMED;
	}
	enum status status = file_read(path, &text, &size, reason);
	if (status == STATUS_OK)
		status = keyfile_parse(text, size, path, add, context, reason);
	if (text)
		digest_wipe(text, size);
	free(text);
	return status;
}
