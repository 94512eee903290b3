/* Rules and list elements, one a line: each is read or refused; who may update something could be allowed something. */
#include "keys/policy.h"
#include "wire/rrtype.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const uint8_t zone[] = "\1z\4test", key_name[] = "\1k\1z\4test";

static void
ask(const struct policy *policy, const struct acl *acl, const struct policy_requestor *who, unsigned rules)
{
	static const uint8_t *const names[] = {zone, (const uint8_t *)"\1a\1z\4test", key_name,
					       (const uint8_t *)"\1b\1k\1z\4test"};
	static const uint16_t types[] = {TYPE_A, TYPE_TXT, TYPE_NS, TYPE_NSEC, TYPE_ANY};
	bool could = policy_could_allow(policy, who);

	for (size_t i = 0; i < ARRAY_SIZE(names) * ARRAY_SIZE(types); i++) {
		const uint8_t *name = names[i / ARRAY_SIZE(types)];
		uint16_t type = types[i % ARRAY_SIZE(types)];
		struct policy_verdict verdict = policy_allows(policy, who, name, type);
		require(verdict.rule <= rules && policy_rule_text(policy, verdict.rule));
		require(!verdict.allowed || (verdict.rule > 0 && (could || type == TYPE_NSEC)));
		/* What one type is allowed, any type is. */
		require(!verdict.allowed || type == TYPE_NSEC || policy_allows(policy, who, name, TYPE_ANY).allowed);
	}
	acl_allows(acl, who);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {0x010200c0}};
	char reason[POLICY_REASON_SIZE], *text = strndup((const char *)bytes, size), *rest = text, *line;
	struct policy *policy = policy_new(zone);
	struct acl *acl = acl_new();
	unsigned rules = 0;
	size_t keys = 0;

	while (rules < 16 && (line = strsep(&rest, "\n"))) {
		reason[0] = '\0';
		if (policy_add_rule(policy, line, reason) == STATUS_OK)
			rules++;
		else
			require(reason[0] != '\0');
		if (acl_add(acl, line, reason) != STATUS_OK)
			require(reason[0] != '\0');
	}
	for (unsigned i = 0; i < 4; i++) {
		struct policy_requestor who = {.key_name = i & 1 ? key_name : NULL,
		                               .address = (const struct sockaddr *)(const void *)&address, .tcp = i & 2,
		                               .names = key_name, .names_size = i & 2 ? sizeof key_name : 0};
		ask(policy, acl, &who, rules);
	}
	while (policy_key(policy, keys))
		keys++;
	require(keys <= rules);
	policy_free(policy);
	acl_free(acl);
	free(text);
	return 0;
}
