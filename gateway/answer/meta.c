#include "answer/meta.h"

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
