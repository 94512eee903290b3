/*
 * A query and a zone version in, the content of a response out: RFC 1034 4.3.2, pure.
 *
 * Threads:   any, in an RCU section.
 * Memory:    writes into the struct compose; nothing is allocated.
 * Standards: RFC 1034 4.3.2, 2308, 4592, 6672, 8482, 9471, 4035 3.1.4.1 (DS at a cut).
 */
#ifndef ZONEGATE_ANSWER_ANSWER_H
#define ZONEGATE_ANSWER_ANSWER_H

#include "wire/compose.h"
#include "zone/version.h"

/*
 * Fill answer, authority, additional; AA, TC and RCODE.
 * msg       a query of class IN for a type that is no meta type but ANY, for a name within version's zone; for DS at
 *           an apex whose parent zone is ours too the caller gives the parent's version
 * leaf      tree_leaf of the name's hash: the caller has asked the memory for it
 * tcp       ANY over TCP gets all RRsets, over UDP one of them (RFC 8482)
 */
void answer_query(const struct message *msg, const struct zone_version *version, uintptr_t leaf, bool tcp,
		  struct compose *compose);

/* What its name is looked for by. */
static inline uint64_t
answer_hash(const struct message *msg, const struct zone_version *version)
{
	return tree_hash(msg->qname, msg->qname_size - version->apex_size);
}

/* Class CH: id.server, version.server, hostname.bind, version.bind TXT. identity NULL: REFUSED. */
void answer_chaos(const struct message *msg, const char *identity, const char *version_text, struct compose *compose);

#endif
