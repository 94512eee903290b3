/*
 * Who may update what: update-policy rules in BIND's grammar and meaning, and address lists (acl).
 *
 * Threads:   immutable once built; any thread.
 * Errors:    a rule's mistake is STATUS_MALFORMED with a reason that quotes the word that is wrong.
 * Standards: BIND 9 ARM "update-policy"; interface.md; updates.md step 4.
 * Terms:     a policy knows a key, an address, a name and a type: never a zone in memory.
 */
#ifndef ZONEGATE_KEYS_POLICY_H
#define ZONEGATE_KEYS_POLICY_H

#include "base/status.h"
#include "wire/name.h"
#include <netinet/in.h>
#include <sys/socket.h>

#define POLICY_REASON_SIZE 200

struct policy; /* rules of one zone */
struct acl;    /* addresses and keys: allow-update, allow-transfer */

/* Who asks. */
struct policy_requestor {
	const uint8_t *key_name;          /* lower-case wire name of the key that verified; NULL: unsigned */
	const struct sockaddr *address;   /* IPv4, IPv6 (mapped IPv4 counts as IPv4) */
	bool tcp;                         /* stream transport, for tcp-self and 6to4-self */
	/* Of a verified client certificate: lower-case wire names, one behind the other; names_size 0: none. */
	const uint8_t *names;
	size_t names_size;
};

/* ---- update-policy ---- */

/* zone: wire name, for zonesub and for checking that names are names of it. */
struct policy *policy_new(const uint8_t *zone);
void policy_free(struct policy *policy);
/*
 * Add one rule: "grant|deny IDENTITY RULETYPE [NAME] [TYPE…] [from ADDRESS[/LEN]…]".
 * Types may carry a limit: "PTR(1)". No types: all but RRSIG NS SOA NSEC NSEC3 (as BIND). IDENTITY is a key name, a
 * wildcard of key names, or "*", every key; "cert:" before any of these means a name of a client certificate instead.
 * Names without a final dot are absolute, as in BIND. All rule types but tcp-self and 6to4-self (whose identity is the
 * name that the address has, TCP only) want a signed request or a certificate, with "from" too. Stricter than BIND,
 * which takes these and never matches or never limits: a name outside the zone, a limit of 0, a meta type.
 */
MUST_USE enum status policy_add_rule(struct policy *policy, const char *rule, char *reason);

struct policy_verdict {
	bool allowed;
	unsigned rule;          /* number of the rule that decided, from 1; 0: none matched */
	uint32_t limit;         /* most records of the type at the name; 0: no limit (TYPE(n)) */
};

/*
 * The first rule that matches identity, address, name and type decides. name: lower-case wire name; type may be
 * TYPE_ANY only to ask for "any type at all".
 */
struct policy_verdict policy_allows(const struct policy *policy, const struct policy_requestor *who,
				    const uint8_t *name, uint16_t type);
/* Could any rule allow this sender something? (A message without an update section, updates.md 5.) */
bool policy_could_allow(const struct policy *policy, const struct policy_requestor *who);
/* The text of a rule by number, for logs; "no rule" for 0. */
const char *policy_rule_text(const struct policy *policy, unsigned rule);

/* ---- address and key lists ---- */

struct acl *acl_new(void);
void acl_free(struct acl *acl);
/* "key NAME", "cert:NAME", "ADDRESS", "ADDRESS/LEN", "any", "none", "!…" (as in BIND: first match decides). */
MUST_USE enum status acl_add(struct acl *acl, const char *element, char *reason);
bool acl_allows(const struct acl *acl, const struct policy_requestor *who); /* false for a NULL acl */
/* Every key name that rules and lists mention, for the check that the configuration knows it: NULL after the last. */
const uint8_t *policy_key(const struct policy *policy, size_t index);
const uint8_t *acl_key(const struct acl *acl, size_t index);
/* Does any of them speak of certificates? */
bool policy_has_cert(const struct policy *policy);
bool acl_has_cert(const struct acl *acl);

#endif
