#include "transfer/axfr.h"
#include "transfer/record.h"
#include "zone/zonemd.h"
#include <stdlib.h>

/*
 * Nodes asked from memory before the first of them is read: some 100 ns each that would be waited for one after the
 * other.
 */
#define AHEAD 32

enum axfr_step { AXFR_SOA_FIRST, AXFR_DIGEST, AXFR_NODES, AXFR_SOA_LAST, AXFR_ENDED };

struct axfr {
	struct stream stream;          /* first: stream.release's argument is this */
	struct zone_version *version;  /* pinned */
	struct tree_walk walk;
	enum axfr_step step;
	bool digested;                 /* zonemd stands for the apex's own */
	struct rrset zonemd;
	bool walked;                   /* `ahead` holds the last nodes */
	unsigned ahead_at, ahead_count;
	const struct node *ahead[AHEAD];
	/* Where the last message broke off: a node, NULL for the next one, and how many of its records are out. */
	const struct node *node;
	size_t sent;
};

void
transfer_settings_free(struct transfer_settings *settings)
{
	if (settings == NULL || atomic_fetch_sub(&settings->others, 1) > 0)
		return;
	acl_free(settings->allow_transfer);
	acl_free(settings->allow_query);
	for (size_t i = 0; i < settings->notify_count; i++)
		free(settings->notify[i].key_name);
	free(settings->notify);
	free(settings);
}

/* ---- records ---- */

static bool
put_soa(struct axfr *axfr, struct stream_message *message)
{
	uint16_t owner = 0;
	struct rrset soa;

	invariant(version_soa(axfr->version, &soa));
	return record_put(message, &owner, NULL, 0, TYPE_SOA, soa.ttl_s, rrset_first(&soa), axfr->version);
}

static bool
put_digest(struct axfr *axfr, struct stream_message *message)
{
	uint16_t owner = 0;

	return !axfr->digested || record_put(message, &owner, NULL, 0, TYPE_ZONEMD, axfr->zonemd.ttl_s,
					     rrset_first(&axfr->zonemd), axfr->version);
}

/* What comes in another way than with its node. */
static bool
is_apart(const struct axfr *axfr, const struct node *node, uint16_t type)
{
	return node->name_size == 0 && (type == TYPE_SOA || (type == TYPE_ZONEMD && axfr->digested));
}

/* The next nodes of the walk, asked from memory all at once. */
static const struct node *
next_node(struct axfr *axfr)
{
	if (axfr->ahead_at == axfr->ahead_count) {
		axfr->ahead_at = axfr->ahead_count = 0;
		while (!axfr->walked && axfr->ahead_count < AHEAD) {
			const struct node *node = tree_next(&axfr->version->tree, &axfr->walk);
			if (node == NULL) {
				axfr->walked = true;
				break;
			}
			/* A small node may lie in two lines. */
			__builtin_prefetch(node);
			__builtin_prefetch((const char *)node + 40);
			axfr->ahead[axfr->ahead_count++] = node;
		}
		if (axfr->ahead_count == 0)
			return NULL;
	}
	return axfr->ahead[axfr->ahead_at++];
}

/*
 * The records of axfr->node that are not out yet, but for the SOA, which stands first and last; false: the message is
 * full.
 */
static __attribute__((noinline)) bool
put_node(struct axfr *axfr, struct stream_message *message)
{
	const struct node *node = axfr->node;
	const uint8_t *node_at = NULL, *rdata_at;
	uint16_t owner = 0;
	struct rrset rrset;
	size_t number = 0;

	while (node_next(node, &node_at, &rrset)) {
		if (is_apart(axfr, node, rrset.type))
			continue;
		rdata_at = rrset.packed;
		for (unsigned left = rrset.count; left > 0; left--) {
			struct rdata rdata = rrset_next(&rdata_at);
			if (number++ < axfr->sent)
				continue;
			if (message->count == UINT16_MAX ||
			    !record_put(message, &owner, node_name(node), node->name_size, rrset.type, rrset.ttl_s,
					rdata, axfr->version)) {
				axfr->sent = number - 1;
				return false;
			}
		}
	}
	axfr->sent = 0;
	return true;
}

/* False: the message is full. */
static bool
put_nodes(struct axfr *axfr, struct stream_message *message)
{
	for (;;) {
		if (axfr->node == NULL && (axfr->node = next_node(axfr)) == NULL)
			return true;
		if (!put_node(axfr, message))
			return false;
		axfr->node = NULL;
	}
}

static enum status
axfr_fill(struct stream *stream, struct stream_message *message, bool *ended)
{
	struct axfr *axfr = (struct axfr *)(void *)stream;

	/* RFC 5936 2.2: the SOA is the first record and the last. */
	if (axfr->step == AXFR_SOA_FIRST && put_soa(axfr, message))
		axfr->step = AXFR_DIGEST;
	if (axfr->step == AXFR_DIGEST && put_digest(axfr, message))
		axfr->step = AXFR_NODES;
	if (axfr->step == AXFR_NODES && put_nodes(axfr, message))
		axfr->step = AXFR_SOA_LAST;
	if (axfr->step == AXFR_SOA_LAST && message->count < UINT16_MAX && put_soa(axfr, message))
		axfr->step = AXFR_ENDED;
	*ended = axfr->step == AXFR_ENDED;
	/* A record that a message of its own cannot hold: only together with a long TSIG. */
	return message->count > 0 ? STATUS_OK : STATUS_LIMIT;
}

static void
axfr_release(struct stream *stream)
{
	struct axfr *axfr = (struct axfr *)(void *)stream;

	version_unpin(axfr->version);
	free(axfr);
}

enum status
axfr_start(const struct message *msg, const struct tsig *tsig, const struct zone_version *version,
	   struct stream **stream)
{
	struct axfr *axfr = calloc(1, sizeof *axfr);

	if (axfr == NULL)
		return STATUS_NO_MEMORY;
	stream_init(&axfr->stream, msg, tsig);
	axfr->stream.fill = axfr_fill;
	axfr->stream.release = axfr_release;
	axfr->version = version_pin(version);
	axfr->digested = zonemd_known(version, &axfr->zonemd);
	axfr->step = AXFR_SOA_FIRST;
	*stream = &axfr->stream;
	return STATUS_OK;
}
