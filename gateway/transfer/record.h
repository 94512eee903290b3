/*
 * One record into a message of a transfer: names within the zone point to where they stand already.
 *
 * Threads:   any; no state.
 * Memory:    writes into the message's buffer.
 * Standards: RFC 1035 4.1.4; RFC 3597 4 (which RDATA is compressed); RFC 5936 3.4 (names keep their case).
 */
#ifndef ZONEGATE_TRANSFER_RECORD_H
#define ZONEGATE_TRANSFER_RECORD_H

#include "transfer/stream.h"

#define RECORD_POINTER 0xc000
#define RECORD_POINTER_LIMIT 0x4000 /* 14 bits of offset (RFC 1035 4.1.4) */
#define RECORD_FIXED_SIZE 10        /* TYPE, CLASS, TTL, RDLENGTH */
#define RECORD_SOA_NUMBERS 20

/*
 * `own` octets of labels, then the zone's name: a pointer to it if there is one in the message. The caller has made
 * room.
 */
static inline uint8_t *
record_put_within(struct stream_message *message, uint8_t *at, const uint8_t *name, size_t own,
		  const struct zone_version *version)
{
	bytes_copy(at, name, own);
	at += own;
	if (message->apex != 0) {
		bytes_put_u16(at, (uint16_t)(RECORD_POINTER | message->apex));
		return at + 2;
	}
	size_t offset = (size_t)(at - message->base);
	if (version->apex_size > 1 && offset < RECORD_POINTER_LIMIT)
		message->apex = (uint16_t)offset;
	memcpy(at, version->apex, version->apex_size);
	return at + version->apex_size;
}

/* A name in RDATA of a type that may be compressed (RFC 3597 4); its case is kept (RFC 5936 3.4). */
static inline uint8_t *
record_put_name(struct stream_message *message, uint8_t *at, const uint8_t *name, const struct zone_version *version,
		size_t *taken)
{
	size_t size = name_size(name), own = 0;

	*taken = size;
	while (size - own > version->apex_size)
		own += name[own] + 1u;
	if (size - own == version->apex_size && memcmp(name + own, version->apex, version->apex_size) == 0)
		return record_put_within(message, at, name, own, version);
	memcpy(at, name, size);
	return at + size;
}

static inline uint8_t *
record_put_rdata(struct stream_message *message, uint8_t *at, uint16_t type, struct rdata rdata,
		 const struct zone_version *version)
{
	size_t taken;

	switch (type) {
	case TYPE_NS: case TYPE_CNAME: case TYPE_PTR:
		return record_put_name(message, at, rdata.bytes, version, &taken);
	case TYPE_MX:
		memcpy(at, rdata.bytes, 2);
		return record_put_name(message, at + 2, rdata.bytes + 2, version, &taken);
	case TYPE_SOA:
		at = record_put_name(message, at, rdata.bytes, version, &taken);
		at = record_put_name(message, at, rdata.bytes + taken, version, &taken);
		memcpy(at, rdata.bytes + rdata.size - RECORD_SOA_NUMBERS, RECORD_SOA_NUMBERS);
		return at + RECORD_SOA_NUMBERS;
	default:
		bytes_copy(at, rdata.bytes, rdata.size);
		return at + rdata.size;
	}
}

/*
 * One record; false: no room. Room is measured without compression, which only saves.
 * name, own   the owner without the zone's name
 * owner       offset of the same owner in this message, set once it is written; 0: not yet
 */
static inline __attribute__((always_inline)) bool
record_put(struct stream_message *message, uint16_t *owner, const uint8_t *name, size_t own, uint16_t type,
	   uint32_t ttl_s, struct rdata rdata, const struct zone_version *version)
{
	size_t most = own + version->apex_size + RECORD_FIXED_SIZE + rdata.size;
	uint8_t *at = message->at;

	/*
	 * Two octets more than a name takes are possible where the zone is the root, whose pointer is longer than
	 * itself.
	 */
	if ((size_t)(message->end - at) < most + 2)
		return false;
	if (*owner != 0) {
		bytes_put_u16(at, (uint16_t)(RECORD_POINTER | *owner));
		at += 2;
	} else {
		size_t offset = (size_t)(at - message->base);
		at = record_put_within(message, at, name, own, version);
		if (offset < RECORD_POINTER_LIMIT && own > 0)
			*owner = (uint16_t)offset;
	}
	bytes_put_u32(at, (uint32_t)type << 16 | CLASS_IN);
	bytes_put_u32(at + 4, ttl_s);
	uint8_t *data = at + RECORD_FIXED_SIZE;
	message->at = record_put_rdata(message, data, type, rdata, version);
	bytes_put_u16(data - 2, (uint16_t)(message->at - data));
	message->count++;
	return true;
}

#endif
