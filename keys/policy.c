#include "keys/policy.h"
#include "base/bytes.h"
#include "base/must.h"
#include "keys/address.h"
#include "wire/rrtype.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum rule_kind {
	RULE_NAME, RULE_SUBDOMAIN, RULE_ZONESUB, RULE_WILDCARD, RULE_SELF, RULE_SELFSUB, RULE_SELFWILD, RULE_TCP_SELF,
	RULE_6TO4_SELF, RULE_KINDS
};

static const char *const kind_texts[RULE_KINDS] = {
	[RULE_NAME] = "name", [RULE_SUBDOMAIN] = "subdomain", [RULE_ZONESUB] = "zonesub", [RULE_WILDCARD] = "wildcard",
	[RULE_SELF] = "self", [RULE_SELFSUB] = "selfsub", [RULE_SELFWILD] = "selfwild", [RULE_TCP_SELF] = "tcp-self",
	[RULE_6TO4_SELF] = "6to4-self",
};
#define KINDS_TEXT "name, subdomain, zonesub, wildcard, self, selfsub, selfwild, tcp-self and 6to4-self"

struct rule_type {
	uint16_t type, limit; /* 0: no limit */
};

struct rule {
	char *text;
	bool grant, cert; /* cert: the identity is a name of a client certificate, not a key's */
	enum rule_kind kind;
	uint8_t identity[NAME_MAX_SIZE], name[NAME_MAX_SIZE];
	struct rule_type *types; /* none: all but RRSIG NS SOA NSEC NSEC3 */
	size_t type_count;
	struct address_prefix *from; /* none: from anywhere */
	size_t from_count;
};

struct policy {
	uint8_t zone[NAME_MAX_SIZE];
	struct rule *rules;
	size_t count;
};

static const uint8_t root_name[1] = {0};

struct policy *
policy_new(const uint8_t *zone)
{
	struct policy *policy = must(calloc(1, sizeof *policy));

	name_lower(zone, policy->zone);
	return policy;
}

static void
rule_clear(struct rule *rule)
{
	free(rule->text);
	free(rule->types);
	free(rule->from);
}

void
policy_free(struct policy *policy)
{
	if (!policy)
		return;
	for (size_t i = 0; i < policy->count; i++)
		rule_clear(&policy->rules[i]);
	free(policy->rules);
	free(policy);
}

/* ---- reading a rule ---- */

/* The words of a rule; a word may be quoted. */
struct words {
	char *at;   /* what is left */
	char *word; /* the one at hand; NULL after the last */
	char *reason;
};

#define words_say(words, ...) status_say((words)->reason, POLICY_REASON_SIZE, STATUS_MALFORMED, __VA_ARGS__)

static void
words_next(struct words *words)
{
	char *at = words->at + strspn(words->at, " \t\r\n");
	bool quoted = *at == '"';

	words->word = NULL;
	if (*at == '\0') {
		words->at = at;
		return;
	}
	words->word = at + quoted;
	at = quoted ? strchrnul(at + 1, '"') : at + strcspn(at, " \t\r\n");
	words->at = *at ? at + 1 : at;
	*at = '\0';
}

static bool
words_is(const struct words *words, const char *text)
{
	return words->word && strcasecmp(words->word, text) == 0;
}

/* A name; one without a final dot is absolute too, as in BIND. */
static bool
word_is_name(const char *word, uint8_t *out)
{
	if (*word == '\0' || strcmp(word, "@") == 0 || name_from_text(word, strlen(word), root_name, out) != STATUS_OK)
		return false;
	name_lower(out, out);
	return true;
}

static enum status
read_action(struct words *words, struct rule *rule)
{
	rule->grant = words_is(words, "grant");
	if (!rule->grant && !words_is(words, "deny"))
		return words_say(words, "a rule begins with grant or deny, not with '%.40s'",
				 words->word ? words->word : "");
	words_next(words);
	if (!words->word)
		return words_say(words, "the name of a key, or '*', is missing after '%s'",
				 rule->grant ? "grant" : "deny");
	rule->cert = strncasecmp(words->word, "cert:", 5) == 0;
	if (!word_is_name(words->word + (rule->cert ? 5 : 0), rule->identity))
		return words_say(words, "'%.60s' is not the name of a %s", words->word,
				 rule->cert ? "certificate" : "key");
	words_next(words);
	return STATUS_OK;
}

static enum status
read_kind(struct words *words, struct rule *rule)
{
	if (!words->word)
		return words_say(words, "the type of the rule is missing: " KINDS_TEXT);
	for (size_t i = 0; i < RULE_KINDS; i++) {
		if (!words_is(words, kind_texts[i]))
			continue;
		rule->kind = (enum rule_kind)i;
		if (rule->cert && (rule->kind == RULE_TCP_SELF || rule->kind == RULE_6TO4_SELF))
			return words_say(words, "a rule of type %s knows its requestor by the address, not by cert:",
					 kind_texts[i]);
		words_next(words);
		return STATUS_OK;
	}
	if (strncasecmp(words->word, "ms-", 3) == 0 || strncasecmp(words->word, "krb5-", 5) == 0)
		return words_say(words, "'%.30s' needs GSS-TSIG, which is not supported: there are " KINDS_TEXT,
				 words->word);
	return words_say(words, "'%.30s' is not a type of rule that is supported: there are " KINDS_TEXT, words->word);
}

/* name, subdomain, wildcard: a name that can match something in the zone. */
static enum status
check_name(struct words *words, const struct policy *policy, const struct rule *rule)
{
	char zone[NAME_TEXT_SIZE];
	bool is_wildcard = rule->kind == RULE_WILDCARD;
	uint16_t type;

	if (is_wildcard && !name_is_wildcard(rule->name))
		return words_say(
			words, "'%.60s' is not a wildcard: a rule of type wildcard needs a name that begins with '*.'",
			words->word);
	const uint8_t *top = is_wildcard ? name_strip(rule->name, 1) : rule->name;
	if (name_is_within(top, policy->zone) || (rule->kind != RULE_NAME && name_is_within(policy->zone, top)))
		return STATUS_OK;
	if (rrtype_from_text(words->word, &type) == STATUS_OK)
		return words_say(words, "'%.20s' is a type: a rule of type %s needs a name before it", words->word,
		                 kind_texts[rule->kind]);
	return words_say(words, "'%.60s' is not in the zone %.60s: the rule could never match", words->word,
	                 name_to_text(policy->zone, zone));
}

/* The name field; BIND wants one for each type of rule but zonesub, even where it says nothing. */
static enum status
read_name(struct words *words, const struct policy *policy, struct rule *rule)
{
	enum status status = STATUS_OK;

	memcpy(rule->name, policy->zone, name_size(policy->zone));
	if (rule->kind == RULE_ZONESUB)
		return STATUS_OK;
	if (!words->word)
		return words_say(words, "the name is missing after '%s'", kind_texts[rule->kind]);
	if (!word_is_name(words->word, rule->name))
		return words_say(words, "'%.60s' is not a name", words->word);
	switch (rule->kind) {
	case RULE_SELF:
	case RULE_SELFSUB:
	case RULE_SELFWILD:
		if (!name_equal(rule->name, root_name) && !name_equal(rule->name, rule->identity))
			status = words_say(words, "'%.60s': the name of a rule of type %s is '.' or that of its key",
					   words->word, kind_texts[rule->kind]);
		break;
	case RULE_TCP_SELF:
	case RULE_6TO4_SELF:
		if (!name_equal(rule->name, root_name))
			status = words_say(words, "'%.60s': the name of a rule of type %s is '.'", words->word,
					   kind_texts[rule->kind]);
		break;
	default:
		status = check_name(words, policy, rule);
	}
	words_next(words);
	return status;
}

/* "(n)" of a type, cut off its word. */
static enum status
read_limit(struct words *words, char *open, uint16_t *limit)
{
	char *end;

	if (open[1] < '0' || open[1] > '9')
		return words_say(words, "'%.40s': a limit is a number in parentheses, as in PTR(1)", words->word);
	unsigned long value = strtoul(open + 1, &end, 10);
	if (strcmp(end, ")") != 0)
		return words_say(words, "'%.40s': a limit is a number in parentheses, as in PTR(1)", words->word);
	if (value < 1 || value > UINT16_MAX)
		return words_say(words, "'%.40s': a limit is from 1 to 65535", words->word);
	*limit = (uint16_t)value;
	*open = '\0';
	return STATUS_OK;
}

static enum status
read_types(struct words *words, struct rule *rule)
{
	for (; words->word && !words_is(words, "from"); words_next(words)) {
		struct rule_type type = {0, 0};
		char *open = strchr(words->word, '(');
		enum status status = open ? read_limit(words, open, &type.limit) : STATUS_OK;
		if (status != STATUS_OK)
			return status;
		if (rrtype_from_text(words->word, &type.type) != STATUS_OK)
			return words_say(words, "'%.60s' is not a type", words->word);
		if (type.type != TYPE_ANY && rrtype_is_meta(type.type))
			return words_say(words, "'%.60s' is not a type of data", words->word);
		rule->types = must(reallocarray(rule->types, rule->type_count + 1, sizeof type));
		rule->types[rule->type_count++] = type;
	}
	return STATUS_OK;
}

static enum status
read_from(struct words *words, struct rule *rule)
{
	char why[ADDRESS_REASON_SIZE];

	if (!words->word)
		return STATUS_OK;
	words_next(words);
	if (!words->word)
		return words_say(words, "an address is missing after 'from'");
	for (; words->word; words_next(words)) {
		rule->from = must(reallocarray(rule->from, rule->from_count + 1, sizeof *rule->from));
		if (!address_prefix_from_text(words->word, &rule->from[rule->from_count], why))
			return words_say(words, "%s", why);
		rule->from_count++;
	}
	return STATUS_OK;
}

static enum status
rule_read(const struct policy *policy, struct words *words, struct rule *rule)
{
	enum status status = read_action(words, rule);

	if (status == STATUS_OK)
		status = read_kind(words, rule);
	if (status == STATUS_OK)
		status = read_name(words, policy, rule);
	if (status == STATUS_OK)
		status = read_types(words, rule);
	return status == STATUS_OK ? read_from(words, rule) : status;
}

enum status
policy_add_rule(struct policy *policy, const char *text, char *reason)
{
	struct rule rule = {.text = must(strdup(text))};
	char *copy = must(strdup(text));
	size_t length = strlen(copy);

	/* BIND's final semicolon is no part of the rule. */
	while (length > 0 && strchr(" \t\r\n", copy[length - 1]))
		copy[--length] = '\0';
	if (length > 0 && copy[length - 1] == ';')
		copy[length - 1] = '\0';
	struct words words = {.at = copy, .reason = reason};
	words_next(&words);
	enum status status = rule_read(policy, &words, &rule);
	free(copy);
	if (status != STATUS_OK) {
		rule_clear(&rule);
		return status;
	}
	policy->rules = must(reallocarray(policy->rules, policy->count + 1, sizeof rule));
	policy->rules[policy->count++] = rule;
	return STATUS_OK;
}

/* ---- matching ---- */

/* BIND's dns_name_matcheswildcard: below the wildcard's parent, at any depth, not at it. */
static bool
name_matches_wildcard(const uint8_t *name, const uint8_t *wildcard)
{
	const uint8_t *parent = name_strip(wildcard, 1);

	return name_is_within(name, parent) && !name_equal(name, parent);
}

static bool
identity_matches(const struct rule *rule, const uint8_t *identity)
{
	if (name_is_wildcard(rule->identity))
		return name_matches_wildcard(identity, rule->identity);
	return name_equal(identity, rule->identity);
}

static bool
from_matches(const struct rule *rule, const struct address *address)
{
	for (size_t i = 0; i < rule->from_count; i++)
		if (address_is_in(address, &rule->from[i]))
			return true;
	return rule->from_count == 0;
}

/* Who asks: the address in our form, and the names that it speaks for. */
struct asker {
	const uint8_t *key_name;
	const uint8_t *names; /* of its certificate */
	size_t names_size;
	bool has_address, tcp;
	struct address address;
};

static struct asker
asker_of(const struct policy_requestor *who)
{
	struct asker asker = {
		.key_name = who->key_name, .names = who->names, .names_size = who->names_size, .tcp = who->tcp};

	asker.has_address = who->address && address_from_sockaddr(who->address, &asker.address);
	return asker;
}

/* The name of its address under in-addr.arpa and ip6.arpa that a self rule speaks of; false: it has none. */
static bool
asker_reverse(const struct asker *asker, enum rule_kind kind, uint8_t *out)
{
	if (!asker->tcp || !asker->has_address)
		return false;
	if (kind == RULE_TCP_SELF)
		address_reverse_name(&asker->address, out);
	else
		address_6to4_name(&asker->address, out);
	return true;
}

/*
 * The next name of the asker that is the rule's identity, behind `before` (NULL: the first); NULL: there is no more. A
 * key has one name, a certificate may have several.
 */
static const uint8_t *
asker_identity(const struct rule *rule, const struct asker *asker, const uint8_t *before)
{
	if (!rule->cert)
		return !before && asker->key_name && identity_matches(rule, asker->key_name) ? asker->key_name : NULL;
	if (asker->names_size == 0)
		return NULL;
	for (const uint8_t *at = before ? before + name_size(before) : asker->names;
	     at < asker->names + asker->names_size; at += name_size(at))
		if (identity_matches(rule, at))
			return at;
	return NULL;
}

static bool
rule_matches_from(const struct rule *rule, const struct asker *asker)
{
	return rule->from_count == 0 || (asker->has_address && from_matches(rule, &asker->address));
}

/* identity: of asker_identity; NULL for the two kinds that know their requestor by its address. */
static bool
rule_matches_name(const struct rule *rule, const uint8_t *identity, const uint8_t *name)
{
	switch (rule->kind) {
	case RULE_NAME:
		return name_equal(name, rule->name);
	case RULE_SUBDOMAIN:
	case RULE_ZONESUB:
		return name_is_within(name, rule->name);
	case RULE_WILDCARD:
		return name_matches_wildcard(name, rule->name);
	case RULE_SELF:
		return name_equal(name, identity);
	case RULE_SELFSUB:
		return name_is_within(name, identity);
	default:
		return name_is_within(name, identity) && !name_equal(name, identity);
	}
}

static bool
rule_matches(const struct rule *rule, const struct asker *asker, const uint8_t *name)
{
	uint8_t reverse[NAME_MAX_SIZE];

	if (!rule_matches_from(rule, asker))
		return false;
	/* These two know their requestor by its address; a signature is not needed, and not looked at. */
	if (rule->kind == RULE_TCP_SELF || rule->kind == RULE_6TO4_SELF)
		return asker_reverse(asker, rule->kind, reverse) && identity_matches(rule, reverse) &&
		       name_equal(name, reverse);
	const uint8_t *identity = NULL;
	while ((identity = asker_identity(rule, asker, identity)) != NULL)
		if (rule_matches_name(rule, identity, name))
			return true;
	return false;
}

/* *limit as BIND takes it: of the type itself, else of ANY. */
static bool
rule_matches_type(const struct rule *rule, uint16_t type, uint32_t *limit)
{
	bool is_dnssec_made = type == TYPE_RRSIG || type == TYPE_NSEC || type == TYPE_NSEC3, found = false;

	*limit = 0;
	if (rule->type_count == 0)
		return !is_dnssec_made && type != TYPE_NS && type != TYPE_SOA;
	for (size_t i = 0; i < rule->type_count; i++) {
		if (rule->types[i].type == type) {
			*limit = rule->types[i].limit;
			return true;
		}
		if (rule->types[i].type == TYPE_ANY && !is_dnssec_made) {
			*limit = rule->types[i].limit;
			found = true;
		}
	}
	return found;
}

static struct policy_verdict
decide(const struct policy *policy, const struct asker *asker, const uint8_t *name, uint16_t type)
{
	uint32_t limit;

	for (size_t i = 0; i < policy->count; i++) {
		const struct rule *rule = &policy->rules[i];
		if (rule_matches_type(rule, type, &limit) && rule_matches(rule, asker, name))
			return (struct policy_verdict){rule->grant, (unsigned)i + 1, rule->grant ? limit : 0};
	}
	return (struct policy_verdict){false, 0, 0};
}

/* A type that no rule names stands for all of those. */
static uint16_t
unnamed_type(const struct policy *policy)
{
	for (uint16_t type = 65280;; type++) { /* private use, RFC 6895 3.1 */
		bool named = false;
		for (size_t i = 0; i < policy->count && !named; i++)
			for (size_t j = 0; j < policy->rules[i].type_count && !named; j++)
				named = policy->rules[i].types[j].type == type;
		if (!named || type == 65534)
			return type;
	}
}

/* Is any type allowed? It is enough to ask for the types that rules name, and for one that none names. */
static struct policy_verdict
decide_any(const struct policy *policy, const struct asker *asker, const uint8_t *name)
{
	const uint16_t unnamed[] = {unnamed_type(policy), TYPE_NS, TYPE_SOA};
	struct policy_verdict first = {false, 0, 0};

	for (size_t i = 0; i < ARRAY_SIZE(unnamed); i++) {
		struct policy_verdict verdict = decide(policy, asker, name, unnamed[i]);
		if (verdict.allowed)
			return verdict;
		if (i == 0)
			first = verdict;
	}
	for (size_t i = 0; i < policy->count; i++) {
		const struct rule *rule = &policy->rules[i];
		for (size_t j = 0; j < rule->type_count && rule->grant; j++) {
			if (rule->types[j].type == TYPE_ANY)
				continue;
			struct policy_verdict verdict = decide(policy, asker, name, rule->types[j].type);
			if (verdict.allowed)
				return verdict;
		}
	}
	return first;
}

struct policy_verdict
policy_allows(const struct policy *policy, const struct policy_requestor *who, const uint8_t *name, uint16_t type)
{
	struct asker asker = asker_of(who);

	return type == TYPE_ANY ? decide_any(policy, &asker, name) : decide(policy, &asker, name, type);
}

/* Is a name at or below `top` that is in the zone allowed something? A label that no rule has stands for all below. */
static bool
could_allow_within(const struct policy *policy, const struct asker *asker, const uint8_t *top, bool at, bool below)
{
	static const uint8_t label[2] = {1, 0};
	uint8_t child[NAME_MAX_SIZE];

	if (!name_is_within(top, policy->zone)) {
		if (!below || !name_is_within(policy->zone, top))
			return false;
		top = policy->zone; /* below a name above the zone: all of the zone */
		at = true;
	}
	if (at && decide_any(policy, asker, top).allowed)
		return true;
	return below && name_join(label, sizeof label, top, child) == STATUS_OK &&
	       decide_any(policy, asker, child).allowed;
}

static bool
rule_could_allow_as(const struct policy *policy, const struct rule *rule, const struct asker *asker,
		    const uint8_t *identity)
{
	switch (rule->kind) {
	case RULE_NAME:
		return could_allow_within(policy, asker, rule->name, true, false);
	case RULE_SUBDOMAIN:
	case RULE_ZONESUB:
		return could_allow_within(policy, asker, rule->name, true, true);
	case RULE_WILDCARD:
		return could_allow_within(policy, asker, name_strip(rule->name, 1), false, true);
	case RULE_SELF:
		return could_allow_within(policy, asker, identity, true, false);
	case RULE_SELFSUB:
		return could_allow_within(policy, asker, identity, true, true);
	default:
		return could_allow_within(policy, asker, identity, false, true);
	}
}

static bool
rule_could_allow(const struct policy *policy, const struct rule *rule, const struct asker *asker)
{
	uint8_t reverse[NAME_MAX_SIZE];
	const uint8_t *identity = NULL;

	if (!rule_matches_from(rule, asker))
		return false;
	if (rule->kind == RULE_TCP_SELF || rule->kind == RULE_6TO4_SELF)
		return asker_reverse(asker, rule->kind, reverse) && identity_matches(rule, reverse) &&
		       could_allow_within(policy, asker, reverse, true, false);
	while ((identity = asker_identity(rule, asker, identity)) != NULL)
		if (rule_could_allow_as(policy, rule, asker, identity))
			return true;
	return false;
}

bool
policy_could_allow(const struct policy *policy, const struct policy_requestor *who)
{
	struct asker asker = asker_of(who);

	for (size_t i = 0; i < policy->count; i++) {
		const struct rule *rule = &policy->rules[i];
		if (rule->grant && rule_could_allow(policy, rule, &asker))
			return true;
	}
	return false;
}

const char *
policy_rule_text(const struct policy *policy, unsigned rule)
{
	require(rule <= policy->count);
	return rule == 0 ? "no rule" : policy->rules[rule - 1].text;
}

const uint8_t *
policy_key(const struct policy *policy, size_t index)
{
	for (size_t i = 0; i < policy->count; i++) {
		const struct rule *rule = &policy->rules[i];
		if (rule->cert || rule->kind == RULE_TCP_SELF || rule->kind == RULE_6TO4_SELF ||
		    name_is_wildcard(rule->identity))
			continue;
		if (index-- == 0)
			return rule->identity;
	}
	return NULL;
}

bool
policy_has_cert(const struct policy *policy)
{
	for (size_t i = 0; i < policy->count; i++)
		if (policy->rules[i].cert)
			return true;
	return false;
}
