/* The address and key lists of policy.h. */
#include "keys/policy.h"
#include "base/must.h"
#include "keys/address.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum element_kind { ELEMENT_ANY, ELEMENT_KEY, ELEMENT_CERT, ELEMENT_ADDRESS };

struct element {
	enum element_kind kind;
	bool negated;
	uint8_t key[NAME_MAX_SIZE]; /* or the name in a certificate; with a "*" in front any below it */
	struct address_prefix prefix;
};

struct acl {
	struct element *elements;
	size_t count;
};

struct acl *
acl_new(void)
{
	return must(calloc(1, sizeof(struct acl)));
}

void
acl_free(struct acl *acl)
{
	if (!acl)
		return;
	free(acl->elements);
	free(acl);
}

#define say(reason, ...) status_say(reason, POLICY_REASON_SIZE, STATUS_MALFORMED, __VA_ARGS__)

/* After "key" or "cert:": the name, bare or quoted; one without a final dot is absolute too. */
static enum status
read_key(const char *text, size_t length, struct element *element, enum element_kind kind, char *reason)
{
	static const uint8_t root[1] = {0};

	if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
		text++;
		length -= 2;
	}
	if (length == 0 || memchr(text, ' ', length) || (length == 1 && *text == '@') ||
	    name_from_text(text, length, root, element->key) != STATUS_OK)
		return say(reason, "'%.*s' is not the name of a %s", (int)(length < 60 ? length : 60), text,
			   kind == ELEMENT_KEY ? "key" : "certificate");
	name_lower(element->key, element->key);
	element->kind = kind;
	return STATUS_OK;
}

static enum status
read_element(const char *text, size_t length, struct element *element, char *reason)
{
	char word[64], why[ADDRESS_REASON_SIZE];

	if (length > 4 && strncasecmp(text, "key", 3) == 0 && (text[3] == ' ' || text[3] == '\t')) {
		size_t skipped = 3 + strspn(text + 3, " \t");
		return read_key(text + skipped, length - skipped, element, ELEMENT_KEY, reason);
	}
	if (length >= 5 && strncasecmp(text, "cert:", 5) == 0)
		return read_key(text + 5, length - 5, element, ELEMENT_CERT, reason);
	snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), text);
	if (strcasecmp(word, "any") == 0)
		return STATUS_OK;
	if (strcasecmp(word, "none") == 0) {
		element->negated = !element->negated;
		return STATUS_OK;
	}
	if (strcasecmp(word, "localhost") == 0 || strcasecmp(word, "localnets") == 0)
		return say(reason, "'%s' is not supported: list the addresses", word);
	element->kind = ELEMENT_ADDRESS;
	if (!address_prefix_from_text(word, &element->prefix, why))
		return say(reason, "%s: an element is 'key NAME', cert:NAME, an address, a prefix, any or none", why);
	return STATUS_OK;
}

enum status
acl_add(struct acl *acl, const char *text, char *reason)
{
	struct element element = {.kind = ELEMENT_ANY};
	size_t length;

	text += strspn(text, " \t");
	if (*text == '!') {
		element.negated = true;
		text++;
		text += strspn(text, " \t");
	}
	for (length = strlen(text); length > 0 && strchr(" \t", text[length - 1]); length--)
		continue;
	if (length == 0)
		return say(reason, "an empty element: it is 'key NAME', cert:NAME, an address, a prefix, any or none");
	enum status status = read_element(text, length, &element, reason);
	if (status != STATUS_OK)
		return status;
	acl->elements = must(reallocarray(acl->elements, acl->count + 1, sizeof element));
	acl->elements[acl->count++] = element;
	return STATUS_OK;
}

/* A name of the certificate, or one below that of a "*". */
static bool
cert_matches(const struct element *element, const struct policy_requestor *who)
{
	bool wildcard = name_is_wildcard(element->key);
	const uint8_t *parent = wildcard ? name_strip(element->key, 1) : NULL;

	for (size_t at = 0; at < who->names_size; at += name_size(who->names + at)) {
		const uint8_t *name = who->names + at;
		if (wildcard ? name_is_within(name, parent) && !name_equal(name, parent)
			     : name_equal(name, element->key))
			return true;
	}
	return false;
}

static bool
element_matches(const struct element *element, const struct policy_requestor *who, const struct address *address)
{
	switch (element->kind) {
	case ELEMENT_KEY:
		return who->key_name && name_equal(who->key_name, element->key);
	case ELEMENT_CERT:
		return cert_matches(element, who);
	case ELEMENT_ADDRESS:
		return address && address_is_in(address, &element->prefix);
	default:
		return true;
	}
}

bool
acl_allows(const struct acl *acl, const struct policy_requestor *who)
{
	struct address address;

	if (!acl)
		return false;
	bool has_address = who->address && address_from_sockaddr(who->address, &address);
	for (size_t i = 0; i < acl->count; i++)
		if (element_matches(&acl->elements[i], who, has_address ? &address : NULL))
			return !acl->elements[i].negated;
	return false;
}

const uint8_t *
acl_key(const struct acl *acl, size_t index)
{
	for (size_t i = 0; i < acl->count; i++)
		if (acl->elements[i].kind == ELEMENT_KEY && index-- == 0)
			return acl->elements[i].key;
	return NULL;
}

bool
acl_has_cert(const struct acl *acl)
{
	for (size_t i = 0; i < acl->count; i++)
		if (acl->elements[i].kind == ELEMENT_CERT)
			return true;
	return false;
}
