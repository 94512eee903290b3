/*
 * zonegatectl: one command to the running gateway over its control socket; keygen needs none.
 *
 * What a command does is in control/commands.c; here are only its arguments and what happens on this side.
 */
#include "base/status.h"
#include "control/client.h"
#include "keys/keyring.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DONE = 0, FAILED = 1, USAGE = 2 };

struct arguments {
	const char *config, *socket;
	const char *words[CLIENT_MAX_ARGUMENTS]; /* the command first */
	size_t count;
	const char *wrong; /* the word that nothing can be made of */
	bool help, version;
	struct client_request request;
};

struct command {
	const char *name;
	size_t arguments;
	const char *help;
	const char *options[9];                  /* "=x": takes a value; "+x": may be repeated */
	int (*run)(struct arguments *arguments); /* NULL: send it */
};

static int run_add(struct arguments *arguments);
static int run_import(struct arguments *arguments);
static int run_export(struct arguments *arguments);
static int run_keygen(struct arguments *arguments);
static int run_stop(struct arguments *arguments);

/* Another server, for import and add. */
#define SOURCE_OPTIONS "=from", "=key", "=key-file", "tls", "=tls-ca", "=tls-hostname"

static const struct command commands[] = {
	{"add",
	 1,
	 "add ZONE --store S [--file F | --from ADDRESS[@PORT] ...] [--policy \"RULE\"]...",
	 {"=store", "=file", "+policy", SOURCE_OPTIONS},
	 run_add},
	{"check", 1, "check ZONE", {NULL}, NULL},
	{"diff", 3, "diff ZONE FROM TO", {NULL}, NULL},
	{"dump",
	 1,
	 "dump ZONE [--at VERSION|TIME] [--zonemd] [--zonemd-hash sha384|sha512]",
	 {"=at", "zonemd", "=zonemd-hash"},
	 NULL},
	{"export", 2, "export ZONE FILE", {NULL}, run_export},
	{"freeze", 1, "freeze ZONE", {NULL}, NULL},
	{"import",
	 2,
	 "import ZONE FILE | import ZONE --from ADDRESS[@PORT] [--key NAME | --key-file FILE]\n"
	 "         [--tls] [--tls-ca FILE] [--tls-hostname NAME]",
	 {SOURCE_OPTIONS},
	 run_import},
	{"keygen", 1, "keygen [-a ALGORITHM] NAME", {"=a"}, run_keygen},
	{"keys", 0, "keys", {NULL}, NULL},
	{"log",
	 1,
	 "log ZONE [--since VERSION|TIME] [--follow] [--verify] [--raw]",
	 {"=since", "follow", "verify", "raw"},
	 NULL},
	{"reload", 0, "reload", {NULL}, NULL},
	{"remove", 1, "remove ZONE", {NULL}, NULL},
	{"rollback", 2, "rollback ZONE VERSION", {NULL}, NULL},
	{"snapshot", 1, "snapshot ZONE", {NULL}, NULL},
	{"status", 0, "status", {NULL}, NULL},
	{"stop", 0, "stop", {NULL}, run_stop},
	{"thaw", 1, "thaw ZONE", {NULL}, NULL},
	{"zones", 0, "zones", {NULL}, NULL},
};

static void
print_usage(FILE *out)
{
	fputs("usage: zonegatectl [-c FILE | -s SOCKET] [--json] COMMAND\n       zonegatectl -V | -h\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %s\n", commands[i].help);
}

/* Of the command, where it is known which. `what`: the word that is wrong, or NULL. */
static int
usage(const struct command *command, const char *problem, const char *what)
{
	fprintf(stderr, "zonegatectl: %s%s%s\n", problem, what ? ": " : "", what ? what : "");
	if (command)
		fprintf(stderr, "usage: zonegatectl %s\n", command->help);
	else
		print_usage(stderr);
	return USAGE;
}

static int
fail(const char *reason)
{
	fprintf(stderr, "zonegatectl: %s\n", reason);
	return FAILED;
}

/* ---- arguments ---- */

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/* "--at=3", "--at 3", "-a x"; *at is moved over the value. The option's entry, or NULL. */
static const char *
find_option(const struct command *command, const char *word)
{
	const char *name = word + 1 + (word[1] == '-');
	size_t length = strcspn(name, "=");

	for (size_t i = 0; command && i < ARRAY_SIZE(command->options) && command->options[i]; i++) {
		const char *option = command->options[i];
		const char *plain = option + (option[0] == '=' || option[0] == '+');
		/* One letter has one dash. */
		if (strlen(plain) == length && memcmp(plain, name, length) == 0 && (length == 1) == (word[1] != '-'))
			return option;
	}
	return NULL;
}

static bool
take_option(struct arguments *arguments, const char *option, int argc, char **argv, int *at)
{
	const char *equals = strchr(argv[*at], '=');
	bool valued = option[0] == '=' || option[0] == '+';
	const char *name = option + valued, *value = equals && argv[*at][1] == '-' ? equals + 1 : NULL;

	if (valued && !value) {
		if (*at + 1 >= argc)
			return false;
		value = argv[++*at];
	}
	if (!valued && value)
		return false;
	return client_add_option(&arguments->request, name, value, option[0] == '+');
}

/* Options of ours, anywhere; 0: none of them, -1: wrong. */
static int
take_global(struct arguments *arguments, int argc, char **argv, int *at)
{
	static const struct {
		const char *words[2];
		size_t flag;
	} flags[] = {
		{{"--json", "--json"}, offsetof(struct arguments, request.json)},
		{{"-h", "--help"}, offsetof(struct arguments, help)},
		{{"-V", "--version"}, offsetof(struct arguments, version)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (strcmp(argv[*at], flags[i].words[0]) == 0 || strcmp(argv[*at], flags[i].words[1]) == 0) {
			*(bool *)((char *)arguments + flags[i].flag) = true;
			return 1;
		}
	if (strcmp(argv[*at], "-c") != 0 && strcmp(argv[*at], "-s") != 0)
		return 0;
	if (*at + 1 >= argc)
		return -1;
	*(argv[*at][1] == 'c' ? &arguments->config : &arguments->socket) = argv[*at + 1];
	++*at;
	return 1;
}

static bool
parse(struct arguments *arguments, int argc, char **argv)
{
	bool only_words = false;

	for (int i = 1; i < argc; i++) {
		const struct command *command = arguments->count > 0 ? find_command(arguments->words[0]) : NULL;
		arguments->wrong = argv[i];
		int global = only_words ? 0 : take_global(arguments, argc, argv, &i);
		if (global < 0)
			return false;
		if (global > 0)
			continue;
		if (!only_words && strcmp(argv[i], "--") == 0) {
			only_words = true;
		} else if (!only_words && argv[i][0] == '-' && argv[i][1] != '\0') {
			const char *option = find_option(command, argv[i]);
			if (!option || !take_option(arguments, option, argc, argv, &i))
				return false;
		} else if (arguments->count < CLIENT_MAX_ARGUMENTS) {
			arguments->words[arguments->count++] = argv[i];
		} else {
			return false;
		}
	}
	return true;
}

/* ---- commands ---- */

static int
send_request(struct arguments *arguments, FILE *out)
{
	char reason[CLIENT_REASON_SIZE] = "";

	arguments->request.command = arguments->words[0];
	arguments->request.arguments = arguments->words + 1;
	arguments->request.argument_count = arguments->count - 1;
	if (client_run(&arguments->request, arguments->config, arguments->socket, out, reason) != STATUS_OK)
		return fail(reason);
	if (fflush(out) != 0)
		return fail(strerror(errno));
	return DONE;
}

static char *
read_whole(const char *path, size_t *size)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t room = 65536, used = 0;
	char *bytes = file ? malloc(room) : NULL;

	while (bytes && !ferror(file) && !feof(file)) {
		if (used == room) {
			char *more = realloc(bytes, room *= 2);
			if (!more)
				break;
			bytes = more;
		}
		used += fread(bytes + used, 1, room - used, file);
	}
	if (bytes && (ferror(file) || !feof(file))) {
		free(bytes);
		bytes = NULL;
	}
	if (file && file != stdin)
		fclose(file);
	*size = used;
	return bytes;
}

/* Files are the user's: the gateway may not be able to read them, so it gets the bytes. */
static char *
read_or_say(const char *path, size_t *size)
{
	char *content = read_whole(path, size);

	if (!content)
		fprintf(stderr, "zonegatectl: %s: %s\n", path, strerror(errno ? errno : ENOMEM));
	return content;
}

/* The text of the file that an option names, as another option. */
static int
send_file(struct arguments *arguments, const char *option, const char *as)
{
	const char *path = client_option(&arguments->request, option);
	size_t size;
	char *content = path ? read_or_say(path, &size) : NULL, *text = content ? strndup(content, size) : NULL;
	bool added = text && client_add_option(&arguments->request, as, text, false);

	if (content && !added)
		fprintf(stderr, "zonegatectl: %s: not a text file\n", path);
	free(content);
	free(text);
	return !path || added ? DONE : FAILED;
}

static int
run_from(struct arguments *arguments)
{
	if (client_option(&arguments->request, "key") && client_option(&arguments->request, "key-file"))
		return usage(find_command(arguments->words[0]), "--key and --key-file exclude each other", NULL);
	int code = send_file(arguments, "key-file", "key-text");
	if (code == DONE)
		code = send_file(arguments, "tls-ca", "tls-ca-text");
	return code == DONE ? send_request(arguments, stdout) : code;
}

/* The gateway reads it, from another folder perhaps: a file that is here gets its whole name. */
static bool
name_file(struct arguments *arguments)
{
	const char *file = client_option(&arguments->request, "file");
	char *whole = file ? realpath(file, NULL) : NULL;
	bool named = !whole || client_set_option(&arguments->request, "file", whole);

	free(whole);
	return named;
}

static int
run_add(struct arguments *arguments)
{
	if (!client_option(&arguments->request, "store"))
		return usage(find_command("add"), "add: --store is missing", NULL);
	if (!name_file(arguments))
		return fail("--file: not UTF-8");
	return run_from(arguments);
}

static int
run_import(struct arguments *arguments)
{
	if (client_option(&arguments->request, "from"))
		return run_from(arguments);
	if (arguments->request.options)
		return usage(find_command("import"), "import of a file takes no options; a server is named by --from",
			     NULL);
	char *content = read_or_say(arguments->words[2], &arguments->request.content_size);

	if (!content)
		return FAILED;
	arguments->request.content = content;
	int code = send_request(arguments, stdout);
	free(content);
	return code;
}

/* Where a file's own folder is; the caller frees. */
static char *
folder_of(const char *path)
{
	char *copy = strdup(path), *folder = copy ? strdup(dirname(copy)) : NULL;

	free(copy);
	return folder;
}

static bool
sync_folder(const char *path)
{
	char *folder = folder_of(path);
	int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	bool synced = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	free(folder);
	return synced;
}

static const char *unfinished; /* the temporary file of an export */

static void
remove_unfinished(int signal)
{
	unlink(unfinished);
	raise(signal); /* SA_RESETHAND: and so ends, once this has returned */
}

/* A signal that ends us takes the temporary file along; one that is ignored, as by nohup, stays so. */
static void
remove_if_ended(const char *path)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	struct sigaction action = {.sa_handler = remove_unfinished, .sa_flags = (int)SA_RESETHAND}, before;

	unfinished = path;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

/* Temporary file, fsync, rename: the file has the old content or the new one, whatever happens. */
static int
run_export(struct arguments *arguments)
{
	const char *path = arguments->words[2];
	char *temporary = NULL;
	mode_t mask = umask(0);

	umask(mask);
	arguments->words[0] = "dump";
	arguments->count = 2;
	if (strcmp(path, "-") == 0)
		return send_request(arguments, stdout);
	if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
		return fail("no memory");
	remove_if_ended(temporary); /* which has it from here on */
	int fd = mkostemp(temporary, O_CLOEXEC);
	FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!out || fchmod(fd, 0666 & ~mask) != 0) {
		fprintf(stderr, "zonegatectl: %s: %s\n", path, strerror(errno));
		if (fd >= 0)
			unlink(temporary);
		return FAILED;
	}
	int code = send_request(arguments, out);
	bool synced = code == DONE && fsync(fd) == 0;
	bool closed = fclose(out) == 0;
	if (code == DONE && (!synced || !closed || rename(temporary, path) != 0 || !sync_folder(path))) {
		fprintf(stderr, "zonegatectl: %s: %s\n", path, strerror(errno));
		code = FAILED;
	}
	if (code != DONE)
		unlink(temporary);
	return code;
}

static int
run_keygen(struct arguments *arguments)
{
	char text[2048];
	const char *algorithm = client_option(&arguments->request, "a");

	if (keyring_generate(arguments->words[1], algorithm ? algorithm : "hmac-sha256", text, sizeof text) !=
	    STATUS_OK) {
		fprintf(stderr, "zonegatectl: keygen: no such algorithm or no key name: %s %s\n",
			algorithm ? algorithm : "hmac-sha256", arguments->words[1]);
		return FAILED;
	}
	fputs(text, stdout);
	return fflush(stdout) == 0 ? DONE : fail(strerror(errno));
}

/* Returns when the gateway has ended. */
static int
run_stop(struct arguments *arguments)
{
	arguments->request.until_closed = true;
	return send_request(arguments, stdout);
}

static int
run_words(struct arguments *arguments)
{
	const struct command *command = arguments->count > 0 ? find_command(arguments->words[0]) : NULL;

	if (arguments->version)
		return puts("zonegatectl " PACKAGE_VERSION), DONE;
	if (arguments->help && command)
		return printf("usage: zonegatectl %s\n", command->help), DONE;
	if (arguments->help)
		return print_usage(stdout), DONE;
	if (arguments->config && arguments->socket)
		return usage(NULL, "-c and -s exclude each other", NULL);
	if (arguments->count == 0)
		return usage(NULL, "no command", NULL);
	if (!command)
		return usage(NULL, "no such command", arguments->words[0]);
	/* import has no FILE where it has --from. */
	size_t wanted = command->arguments - (command->run == run_import && client_option(&arguments->request, "from"));
	if (arguments->count - 1 != wanted) {
		fprintf(stderr, "usage: zonegatectl %s\n", command->help);
		return USAGE;
	}
	return command->run ? command->run(arguments) : send_request(arguments, stdout);
}

int
main(int argc, char **argv)
{
	struct arguments arguments = {0};
	bool parsed = parse(&arguments, argc, argv);
	const struct command *command = arguments.count > 0 ? find_command(arguments.words[0]) : NULL;
	int code = parsed ? run_words(&arguments) : usage(command, "wrong argument", arguments.wrong);

	client_free(&arguments.request);
	return code;
}
