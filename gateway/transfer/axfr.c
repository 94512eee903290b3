#include "transfer/axfr.h"
#include "transfer/record.h"
#include <stdlib.h>

/* Nodes asked from memory before the first of them is read: some 100 ns each that would be waited for one after the other. */
#define AHEAD 32

enum axfr_step { AXFR_SOA_FIRST, AXFR_NODES, AXFR_SOA_LAST, AXFR_ENDED };

struct axfr {
	struct stream stream;          /* first: stream.release's argument is this */
	struct zone_version *version;  /* pinned */
	struct tree_walk walk;
	enum axfr_step step;
	bool walked;                   /* `ahead` holds the last nodes */
	unsigned ahead_at, ahead_count;
	const struct node *ahead[AHEAD];
	/* Where the last message broke off. */
	const struct node *node;
	const uint8_t *node_at;        /* for node_next */
	struct rrset rrset;
	const uint8_t *rdata_at;
	unsigned rdata_left;
	/* The owner in this message: written at `owner`, 0: not yet. */
	uint16_t owner;
};

void
transfer_settings_free(struct transfer_settings *settings)
{
	if (settings == NULL)
		return;
	acl_free(settings->allow_transfer);
	for (size_t i = 0; i < settings->notify_count; i++)
		free(settings->notify[i].key_name);
	free(settings->notify);
	free(settings);
}

/* ---- records ---- */

/* One record of `node`; false: no room. */
static inline bool
put_record(struct axfr *axfr, struct stream_message *message, const struct node *node, const struct rrset *rrset, struct rdata rdata)
{
	return record_put(message, &axfr->owner, node_name(node), node->name_size, rrset->type, rrset->ttl_s, rdata, axfr->version);
}

static bool
put_soa(struct axfr *axfr, struct stream_message *message)
{
	struct rrset soa;

	axfr->owner = 0;
	invariant(version_soa(axfr->version, &soa));
	return put_record(axfr, message, axfr->version->apex_node, &soa, rrset_first(&soa));
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
			__builtin_prefetch(node);
			axfr->ahead[axfr->ahead_count++] = node;
		}
		if (axfr->ahead_count == 0)
			return NULL;
	}
	return axfr->ahead[axfr->ahead_at++];
}

/* The RRset that comes next, of this node or a later one; false: the walk is over. */
static bool
next_rrset(struct axfr *axfr)
{
	for (;;) {
		while (axfr->node != NULL && node_next(axfr->node, &axfr->node_at, &axfr->rrset)) {
			if (axfr->rrset.type == TYPE_SOA && axfr->node->name_size == 0) /* stands first and last */
				continue;
			axfr->rdata_at = axfr->rrset.packed;
			axfr->rdata_left = axfr->rrset.count;
			return true;
		}
		axfr->node = next_node(axfr);
		axfr->node_at = NULL;
		axfr->owner = 0;
		if (axfr->node == NULL)
			return false;
	}
}

/* False: the message is full. */
static bool
put_nodes(struct axfr *axfr, struct stream_message *message)
{
	for (;;) {
		while (axfr->rdata_left > 0) {
			const uint8_t *at = axfr->rdata_at;
			struct rdata rdata = rrset_next(&at);
			if (message->count == UINT16_MAX || !put_record(axfr, message, axfr->node, &axfr->rrset, rdata))
				return false;
			axfr->rdata_at = at;
			axfr->rdata_left--;
		}
		if (!next_rrset(axfr))
			return true;
	}
}

static enum status
axfr_fill(struct stream *stream, struct stream_message *message, bool *ended)
{
	struct axfr *axfr = (struct axfr *)(void *)stream;

	axfr->owner = 0;
	/* RFC 5936 2.2: the SOA is the first record and the last. */
	if (axfr->step == AXFR_SOA_FIRST && put_soa(axfr, message))
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
axfr_start(const struct message *msg, const struct tsig *tsig, const struct zone_version *version, struct stream **stream)
{
	struct axfr *axfr = calloc(1, sizeof *axfr);

	if (axfr == NULL)
		return STATUS_NO_MEMORY;
	stream_init(&axfr->stream, msg, tsig);
	axfr->stream.fill = axfr_fill;
	axfr->stream.release = axfr_release;
	axfr->version = version_pin(version);
	axfr->step = AXFR_SOA_FIRST;
	*stream = &axfr->stream;
	return STATUS_OK;
}
