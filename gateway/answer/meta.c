#include "answer/meta.h"
#include "answer/answer.h"
#include <string.h>

void
meta_any(struct answer *answer, const struct node *node)
{
	const uint8_t *at = NULL;
	struct rrset rrset;

	while (node_next(node, &at, &rrset)) {
		/* A subset of the RRsets is an answer (RFC 8482 4.1): no amplification for who forges addresses. */
		if (!answer_add(answer, answer_owner(answer), &rrset) || !answer->tcp)
			return;
	}
}

/* A name of two labels, lower case. */
static bool
is_named(const struct message *msg, const char *first, const char *second)
{
	size_t first_size = strlen(first), second_size = strlen(second);
	const uint8_t *name = msg->qname;

	return msg->qname_size == first_size + second_size + 3 && name[0] == first_size && memcmp(name + 1, first, first_size) == 0 &&
	       name[first_size + 1] == second_size && memcmp(name + first_size + 2, second, second_size) == 0;
}

void
answer_chaos(const struct message *msg, const char *identity, const char *version_text, struct compose *compose)
{
	const char *text = NULL;
	uint8_t rdata[256];

	if (is_named(msg, "id", "server") || is_named(msg, "hostname", "bind"))
		text = identity;
	else if (is_named(msg, "version", "bind") || is_named(msg, "version", "server"))
		text = version_text;
	if (text == NULL) {
		compose->rcode = RCODE_REFUSED;
		return;
	}
	compose->flags |= FLAG_AA;
	if (msg->qtype != TYPE_TXT && msg->qtype != TYPE_ANY)
		return;
	size_t size = strnlen(text, 255);
	rdata[0] = (uint8_t)size;
	memcpy(rdata + 1, text, size);
	if (!compose_record(compose, SECTION_ANSWER, msg->qname, TYPE_TXT, CLASS_CH, 0, rdata, size + 1))
		compose->flags |= FLAG_TC;
}
