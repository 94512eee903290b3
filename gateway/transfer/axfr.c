#include "transfer/axfr.h"
#include <stdlib.h>

/* Nodes asked from memory before the first of them is read: some 100 ns each that would be waited for one after the other. */
#define AHEAD 32
#define POINTER 0xc000
#define POINTER_LIMIT 0x4000      /* 14 bits of offset (RFC 1035 4.1.4) */
#define RECORD_FIXED_SIZE 10      /* TYPE, CLASS, TTL, RDLENGTH */
#define SOA_NUMBERS 20

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

/* ---- names ---- */

/* `own` octets of labels, then the zone's name: a pointer to it if there is one in the message. The caller has made room. */
static inline uint8_t *
put_within(struct stream_message *message, uint8_t *at, const uint8_t *name, size_t own, const struct zone_version *version)
{
	if (own > 0)
		memcpy(at, name, own);
	at += own;
	if (message->apex != 0) {
		bytes_put_u16(at, (uint16_t)(POINTER | message->apex));
		return at + 2;
	}
	size_t offset = (size_t)(at - message->base);
	if (version->apex_size > 1 && offset < POINTER_LIMIT)
		message->apex = (uint16_t)offset;
	memcpy(at, version->apex, version->apex_size);
	return at + version->apex_size;
}

/* A name in RDATA of a type that may be compressed (RFC 3597 4); its case is kept (RFC 5936 3.4). */
static uint8_t *
put_rdata_name(struct stream_message *message, uint8_t *at, const uint8_t *name, const struct zone_version *version, size_t *taken)
{
	size_t size = name_size(name), own = 0;

	*taken = size;
	while (size - own > version->apex_size)
		own += name[own] + 1u;
	if (size - own == version->apex_size && memcmp(name + own, version->apex, version->apex_size) == 0)
		return put_within(message, at, name, own, version);
	memcpy(at, name, size);
	return at + size;
}

static uint8_t *
put_rdata(struct stream_message *message, uint8_t *at, uint16_t type, struct rdata rdata, const struct zone_version *version)
{
	size_t taken;

	switch (type) {
	case TYPE_NS: case TYPE_CNAME: case TYPE_PTR:
		return put_rdata_name(message, at, rdata.bytes, version, &taken);
	case TYPE_MX:
		memcpy(at, rdata.bytes, 2);
		return put_rdata_name(message, at + 2, rdata.bytes + 2, version, &taken);
	case TYPE_SOA:
		at = put_rdata_name(message, at, rdata.bytes, version, &taken);
		at = put_rdata_name(message, at, rdata.bytes + taken, version, &taken);
		memcpy(at, rdata.bytes + rdata.size - SOA_NUMBERS, SOA_NUMBERS);
		return at + SOA_NUMBERS;
	default:
		if (rdata.size > 0)
			memcpy(at, rdata.bytes, rdata.size);
		return at + rdata.size;
	}
}

/* ---- records ---- */

/* One record of `node`; false: no room. Room is measured without compression, which only saves. */
static inline bool
put_record(struct axfr *axfr, struct stream_message *message, const struct node *node, const struct rrset *rrset, struct rdata rdata)
{
	const struct zone_version *version = axfr->version;
	size_t most = node->name_size + version->apex_size + RECORD_FIXED_SIZE + rdata.size;
	uint8_t *at = message->at;

	/* Two octets more than a name takes are possible where the zone is the root, whose pointer is longer than itself. */
	if ((size_t)(message->end - at) < most + 2)
		return false;
	if (axfr->owner != 0) {
		bytes_put_u16(at, (uint16_t)(POINTER | axfr->owner));
		at += 2;
	} else {
		size_t offset = (size_t)(at - message->base);
		at = put_within(message, at, node_name(node), node->name_size, version);
		if (offset < POINTER_LIMIT && node->name_size > 0)
			axfr->owner = (uint16_t)offset;
	}
	bytes_put_u32(at, (uint32_t)rrset->type << 16 | CLASS_IN);
	bytes_put_u32(at + 4, rrset->ttl_s);
	uint8_t *data = at + RECORD_FIXED_SIZE;
	message->at = put_rdata(message, data, rrset->type, rdata, version);
	bytes_put_u16(data - 2, (uint16_t)(message->at - data));
	message->count++;
	return true;
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
