#include "keys/tsig.h"
#include <string.h>

/*
 * RDATA beside the two names and the variable parts: Time Signed 6, Fudge 2, MAC Size 2, Original ID 2, Error 2, Other
 * Len 2.
 */
#define RDATA_FIXED_SIZE 16
/* TYPE 2, CLASS 2, TTL 4, RDLENGTH 2. */
#define RECORD_FIXED_SIZE 10
#define OTHER_TIME_SIZE 6
/* RFC 8945 5.2.2.1: no MAC is shorter than 10 octets. */
#define MAC_MIN_SIZE 10
/* TSIG variables without Other Data: two names, CLASS 2, TTL 4, Time Signed 6, Fudge 2, Error 2, Other Len 2. */
#define VARIABLES_MAX_SIZE (2 * NAME_MAX_SIZE + 18)

/* One TSIG record as it lies in a message. */
struct tsig_record {
	const uint8_t *mac, *other;
	uint16_t mac_size, other_size;
};

/* What goes into a MAC (RFC 8945 4.3). */
struct tsig_digest {
	uint8_t header[MESSAGE_HEADER_SIZE];
	uint8_t prior_size[2];
	uint8_t variables[VARIABLES_MAX_SIZE];
	struct digest_part parts[6];
	size_t count;
};

static const struct {
	const char *text;
	uint16_t error, rcode;
	const char *reason;
} verdicts[TSIG_VERDICTS] = {
	[TSIG_NONE] = {"none", RCODE_NOERROR, RCODE_NOERROR, ""},
	[TSIG_GOOD] = {"good", RCODE_NOERROR, RCODE_NOERROR, ""},
	/* 5.2.1 to 5.2.4 */
	[TSIG_BADKEY] = {"badkey", RCODE_BADKEY, RCODE_NOTAUTH, "no key of this name and algorithm"},
	[TSIG_BADSIG] = {"badsig", RCODE_BADSIG, RCODE_NOTAUTH, "signed with another secret, or altered on the way"},
	[TSIG_BADTIME] = {"badtime", RCODE_BADTIME, RCODE_NOTAUTH, "the time signed is not now: compare clocks"},
	[TSIG_BADTRUNC] = {"badtrunc", RCODE_BADTRUNC, RCODE_NOTAUTH, "the signature is shorter than the key allows"},
	[TSIG_FORMERR] = {"formerr", RCODE_NOERROR, RCODE_FORMERR, "the TSIG record is malformed"},
};

unsigned
tsig_rcode(const struct tsig *tsig)
{
	return verdicts[tsig->verdict].rcode;
}

const char *
tsig_verdict_text(enum tsig_verdict verdict)
{
	require(verdict < TSIG_VERDICTS);
	return verdicts[verdict].text;
}

const char *
tsig_reason(enum tsig_verdict verdict)
{
	require(verdict < TSIG_VERDICTS);
	return verdicts[verdict].reason;
}

void
tsig_hold(struct tsig *tsig)
{
	if (tsig->key)
		keyring_hold(tsig->key->keyring);
}

void
tsig_release(struct tsig *tsig)
{
	if (tsig->key)
		keyring_free(tsig->key->keyring);
	tsig->key = NULL;
}

/* ---- the MAC ---- */

static void
digest_add(struct tsig_digest *digest, const void *bytes, size_t size)
{
	invariant(digest->count < ARRAY_SIZE(digest->parts));
	digest->parts[digest->count++] = (struct digest_part){bytes, size};
}

/* The MAC of the request, or of the message before in a stream (5.3.1, 5.3.2): with its length. */
static void
digest_add_prior(struct tsig_digest *digest, const uint8_t *mac, uint16_t size)
{
	bytes_put_u16(digest->prior_size, size);
	digest_add(digest, digest->prior_size, sizeof digest->prior_size);
	digest_add(digest, mac, size);
}

/* The message without its TSIG, with the id that it had when it was signed (4.3.2). */
static void
digest_add_message(struct tsig_digest *digest, const uint8_t *wire, size_t size, uint16_t original_id,
		   uint16_t additional_count)
{
	memcpy(digest->header, wire, sizeof digest->header);
	bytes_put_u16(digest->header, original_id);
	bytes_put_u16(digest->header + 10, additional_count);
	digest_add(digest, digest->header, sizeof digest->header);
	digest_add(digest, wire + sizeof digest->header, size - sizeof digest->header);
}

/* 4.3.3: names in canonical form; Other Data is the caller's to keep. */
static void
digest_add_variables(struct tsig_digest *digest, const struct key *key, const struct algorithm *algorithm,
		     uint64_t time_s, uint16_t fudge_s, uint16_t error, const uint8_t *other, uint16_t other_size)
{
	struct writer out = writer_over(digest->variables, sizeof digest->variables);

	writer_bytes(&out, key->name, name_size(key->name));
	writer_u16(&out, CLASS_ANY);
	writer_u32(&out, 0);
	writer_bytes(&out, algorithm->name, name_size(algorithm->name));
	writer_u48(&out, time_s);
	writer_u16(&out, fudge_s);
	writer_u16(&out, error);
	writer_u16(&out, other_size);
	invariant(!out.failed);
	digest_add(digest, digest->variables, writer_size(&out));
	if (other_size > 0)
		digest_add(digest, other, other_size);
}

/* 4.3.3.1: in a stream, after its first message. */
static void
digest_add_timers(struct tsig_digest *digest, uint64_t time_s, uint16_t fudge_s)
{
	struct writer out = writer_over(digest->variables, sizeof digest->variables);

	writer_u48(&out, time_s);
	writer_u16(&out, fudge_s);
	digest_add(digest, digest->variables, writer_size(&out));
}

static void
digest_make(const struct tsig_digest *digest, const struct key *key, uint8_t mac[DIGEST_MAX_SIZE])
{
	digest_hmac(key->digest_key, digest->parts, digest->count, mac);
}

/* ---- reading ---- */

/* RDATA (4.2); false: not a TSIG. */
static bool
record_read_rdata(struct reader *in, struct tsig *tsig, struct tsig_record *record)
{
	size_t size;

	/* Not compressed: 4.2 takes the form of RFC 1035 3.3 and RFC 3597 4 forbids it for newer types. */
	if (name_check(in->at, reader_left(in), &size) != STATUS_OK)
		return false;
	memcpy(tsig->algorithm_name, reader_take(in, size), size);
	tsig->time_signed_s = reader_u48(in);
	tsig->fudge_s = reader_u16(in);
	record->mac_size = reader_u16(in);
	record->mac = reader_take(in, record->mac_size);
	tsig->original_id = reader_u16(in);
	tsig->error = reader_u16(in);
	record->other_size = reader_u16(in);
	record->other = reader_take(in, record->other_size);
	return !in->failed && reader_left(in) == 0;
}

/* The TSIG of a message into `tsig` and `record`; false: not a TSIG. */
static bool
record_read(const struct message *msg, struct tsig *tsig, struct tsig_record *record)
{
	size_t size, next;

	if (name_parse(msg->wire, msg->size, msg->tsig_offset, tsig->key_name, &size, &next) != STATUS_OK)
		return false;
	struct reader in = reader_over(msg->wire + next, msg->size - next);
	uint16_t type = reader_u16(&in), class_ = reader_u16(&in);
	uint32_t ttl_s = reader_u32(&in);
	uint16_t rdata_size = reader_u16(&in);
	/* 4.2: class ANY, TTL 0; 5.1: the last record, so the message ends with it. */
	if (in.failed || type != TYPE_TSIG || class_ != CLASS_ANY || ttl_s != 0 || rdata_size != reader_left(&in))
		return false;
	return record_read_rdata(&in, tsig, record);
}

/* ---- verifying ---- */

/* 5.2.1: do we know the key, and is it one of that algorithm? */
static bool
verify_key(const struct keyring *keys, struct tsig *tsig)
{
	uint8_t name[NAME_MAX_SIZE];

	name_lower(tsig->key_name, name);
	struct key *key = keyring_find(keys, name);
	if (!key)
		return false;
	/* A key of a shortened algorithm is also used under the full name: BIND sends it so. */
	if (name_equal(tsig->algorithm_name, key->algorithm->name))
		tsig->algorithm = key->algorithm;
	else if (name_equal(tsig->algorithm_name, key->algorithm->full->name))
		tsig->algorithm = key->algorithm->full;
	else
		return false;
	tsig->key = key;
	return true;
}

/* 5.2.2.1: longer than the algorithm makes it, or shorter than 10 octets and half the digest. */
static bool
mac_size_is_legal(const struct algorithm *algorithm, uint16_t size)
{
	size_t half = digest_size(algorithm->digest) / 2;

	return size <= algorithm->mac_size && size >= MAC_MIN_SIZE && size >= half;
}

static bool
time_is_near(uint64_t time_signed_s, uint64_t now_s, uint16_t fudge_s)
{
	uint64_t apart_s = now_s > time_signed_s ? now_s - time_signed_s : time_signed_s - now_s;

	return apart_s <= fudge_s;
}

/* RFC 8945 5.2: "checks MUST be performed in the following order". */
static enum tsig_verdict
verify_checks(const struct message *msg, const struct keyring *keys, uint64_t now_s, struct tsig *tsig)
{
	struct tsig_record record;
	struct tsig_digest digest = {.count = 0};
	uint8_t mac[DIGEST_MAX_SIZE];

	if (msg->count[SECTION_ADDITIONAL] == 0 || !record_read(msg, tsig, &record))
		return TSIG_FORMERR;
	if (!verify_key(keys, tsig)) /* 5.2.1 */
		return TSIG_BADKEY;
	if (!mac_size_is_legal(tsig->algorithm, record.mac_size)) /* 5.2.2.1 */
		return TSIG_FORMERR;
	tsig->mac_size = record.mac_size;
	memcpy(tsig->mac, record.mac, record.mac_size);

	digest_add_message(&digest, msg->wire, msg->tsig_offset, tsig->original_id,
			   (uint16_t)(msg->count[SECTION_ADDITIONAL] - 1));
	digest_add_variables(&digest, tsig->key, tsig->algorithm, tsig->time_signed_s, tsig->fudge_s, tsig->error,
			     record.other, record.other_size);
	digest_make(&digest, tsig->key, mac);
	if (!digest_equal(mac, tsig->mac, tsig->mac_size)) /* 5.2.2 */
		return TSIG_BADSIG;
	if (!time_is_near(tsig->time_signed_s, now_s, tsig->fudge_s)) /* 5.2.3 */
		return TSIG_BADTIME;
	if (tsig->mac_size < tsig->key->algorithm->mac_size) /* 5.2.4 */
		return TSIG_BADTRUNC;
	return TSIG_GOOD;
}

void
tsig_verify(const struct message *msg, const struct keyring *keys, uint64_t now_s, struct tsig *tsig)
{
	tsig->key = NULL;
	tsig->algorithm = NULL;
	tsig->mac_size = 0;
	tsig->verdict = TSIG_NONE;
	if (msg->tsig_offset == 0)
		return;
	tsig->verdict = verify_checks(msg, keys, now_s, tsig);
	if (tsig->verdict == TSIG_FORMERR)
		tsig->key = NULL;
	if (tsig->verdict == TSIG_GOOD) {
		stat_add_shared(&tsig->key->uses, 1);
		atomic_store_explicit(&tsig->key->last_use_s, now_s, memory_order_relaxed);
	}
}

/* ---- signing ---- */

/* Errors about the key or the MAC are answered unsigned, about time and truncation signed (5.3.2). */
static bool
verdict_is_signed(enum tsig_verdict verdict)
{
	return verdict == TSIG_GOOD || verdict == TSIG_BADTIME || verdict == TSIG_BADTRUNC;
}

/* Of the answer: as the request's, but a request's that was too short is answered in the length that we want. */
static uint16_t
answer_mac_size(const struct tsig *tsig)
{
	if (!verdict_is_signed(tsig->verdict))
		return 0;
	return tsig->verdict == TSIG_BADTRUNC ? tsig->algorithm->mac_size : tsig->mac_size;
}

size_t
tsig_room(const struct tsig *tsig)
{
	if (tsig->verdict == TSIG_NONE || tsig->verdict == TSIG_FORMERR)
		return 0;
	return name_size(tsig->key_name) + RECORD_FIXED_SIZE + name_size(tsig->algorithm_name) + RDATA_FIXED_SIZE +
	       answer_mac_size(tsig) + (tsig->verdict == TSIG_BADTIME ? OTHER_TIME_SIZE : 0);
}

/* Put the record at the end of the message (5.1): no name is compressed, and ARCOUNT counts it. */
static void
record_write(const struct tsig *tsig, uint8_t *wire, size_t *size, const uint8_t *mac, uint64_t time_s,
	     const uint8_t *other, uint16_t other_size)
{
	uint16_t mac_size = answer_mac_size(tsig);
	size_t algorithm_size = name_size(tsig->algorithm_name);
	struct writer out = writer_over(wire + *size, tsig_room(tsig));

	writer_bytes(&out, tsig->key_name, name_size(tsig->key_name));
	writer_u16(&out, TYPE_TSIG);
	writer_u16(&out, CLASS_ANY);
	writer_u32(&out, 0);
	writer_u16(&out, (uint16_t)(algorithm_size + RDATA_FIXED_SIZE + mac_size + other_size));
	writer_bytes(&out, tsig->algorithm_name, algorithm_size);
	writer_u48(&out, time_s);
	writer_u16(&out, TSIG_FUDGE_S);
	writer_u16(&out, mac_size);
	writer_bytes(&out, mac, mac_size);
	writer_u16(&out, bytes_get_u16(wire)); /* Original ID: that of this message, for those on its way to change */
	writer_u16(&out, verdicts[tsig->verdict].error);
	writer_u16(&out, other_size);
	writer_bytes(&out, other, other_size);
	invariant(!out.failed && writer_left(&out) == 0);
	*size += writer_size(&out);
	bytes_put_u16(wire + 10, (uint16_t)(bytes_get_u16(wire + 10) + 1));
}

enum sign_form { SIGN_REQUEST, SIGN_ANSWER, SIGN_NEXT };

static enum status
sign(struct tsig *tsig, uint8_t *wire, size_t *size, size_t room, uint64_t now_s, enum sign_form form)
{
	struct tsig_digest digest = {.count = 0};
	uint8_t mac[DIGEST_MAX_SIZE], other[OTHER_TIME_SIZE];
	uint16_t mac_size = answer_mac_size(tsig), other_size = 0, error = verdicts[tsig->verdict].error;
	uint64_t time_s = now_s;

	require(*size >= MESSAGE_HEADER_SIZE && *size <= room);
	if (room - *size < tsig_room(tsig))
		return STATUS_LIMIT;
	if (tsig->verdict == TSIG_BADTIME) { /* 5.2.3: the requestor's time, and ours in Other Data */
		time_s = tsig->time_signed_s;
		bytes_put_u16(other, (uint16_t)(now_s >> 32));
		bytes_put_u32(other + 2, (uint32_t)now_s);
		other_size = sizeof other;
	}
	if (mac_size > 0) {
		if (form != SIGN_REQUEST)
			digest_add_prior(&digest, tsig->mac, tsig->mac_size);
		digest_add_message(&digest, wire, *size, bytes_get_u16(wire), bytes_get_u16(wire + 10));
		if (form == SIGN_NEXT)
			digest_add_timers(&digest, time_s, TSIG_FUDGE_S);
		else
			digest_add_variables(&digest, tsig->key, tsig->algorithm, time_s, TSIG_FUDGE_S, error, other,
					     other_size);
		digest_make(&digest, tsig->key, mac);
	}
	record_write(tsig, wire, size, mac, time_s, other, other_size);
	if (mac_size > 0) {
		memcpy(tsig->mac, mac, mac_size);
		tsig->mac_size = mac_size;
	}
	return STATUS_OK;
}

enum status
tsig_sign(struct tsig *tsig, uint8_t *wire, size_t *size, size_t room, uint64_t now_s)
{
	return tsig_sign_next(tsig, wire, size, room, now_s, true);
}

enum status
tsig_sign_next(struct tsig *tsig, uint8_t *wire, size_t *size, size_t room, uint64_t now_s, bool first)
{
	if (tsig->verdict == TSIG_NONE || tsig->verdict == TSIG_FORMERR)
		return STATUS_OK;
	return sign(tsig, wire, size, room, now_s, first ? SIGN_ANSWER : SIGN_NEXT);
}

/* ---- requests of our own ---- */

enum status
tsig_sign_request(struct tsig *tsig, struct key *key, uint8_t *wire, size_t *size, size_t room, uint64_t now_s)
{
	require(*size >= MESSAGE_HEADER_SIZE);
	tsig->verdict = TSIG_GOOD;
	tsig->key = key;
	tsig->algorithm = key->algorithm;
	memcpy(tsig->key_name, key->name, name_size(key->name));
	memcpy(tsig->algorithm_name, key->algorithm->name, name_size(key->algorithm->name));
	tsig->mac_size = key->algorithm->mac_size;
	tsig->time_signed_s = now_s;
	tsig->fudge_s = TSIG_FUDGE_S;
	tsig->original_id = bytes_get_u16(wire);
	tsig->error = RCODE_NOERROR;
	return sign(tsig, wire, size, room, now_s, SIGN_REQUEST);
}

/* `before`: unsigned messages of a stream since the last signed one; `first`: no message was before this. */
static bool
check_answer(struct tsig *tsig, const struct message *msg, const uint8_t *before, size_t before_size, bool first,
	     uint64_t now_s)
{
	struct tsig answer;
	struct tsig_record record;
	struct tsig_digest digest = {.count = 0};
	uint8_t mac[DIGEST_MAX_SIZE];

	if (msg->tsig_offset == 0 || msg->count[SECTION_ADDITIONAL] == 0 || !record_read(msg, &answer, &record))
		return false;
	/* 5.4: the same key and algorithm; an error, signed or not, is no success. */
	if (!name_equal(answer.key_name, tsig->key_name) || !name_equal(answer.algorithm_name, tsig->algorithm_name) ||
	    answer.error != RCODE_NOERROR)
		return false;
	if (!mac_size_is_legal(tsig->algorithm, record.mac_size) || record.mac_size < tsig->key->algorithm->mac_size)
		return false;
	digest_add_prior(&digest, tsig->mac, tsig->mac_size);
	if (before_size > 0)
		digest_add(&digest, before, before_size);
	digest_add_message(&digest, msg->wire, msg->tsig_offset, answer.original_id,
			   (uint16_t)(msg->count[SECTION_ADDITIONAL] - 1));
	if (first)
		digest_add_variables(&digest, tsig->key, tsig->algorithm, answer.time_signed_s, answer.fudge_s,
				     answer.error, record.other, record.other_size);
	else
		digest_add_timers(&digest, answer.time_signed_s, answer.fudge_s);
	digest_make(&digest, tsig->key, mac);
	if (!digest_equal(mac, record.mac, record.mac_size) ||
	    !time_is_near(answer.time_signed_s, now_s, answer.fudge_s))
		return false;
	memcpy(tsig->mac, record.mac, record.mac_size);
	tsig->mac_size = record.mac_size;
	return true;
}

bool
tsig_check_response(struct tsig *tsig, const struct message *msg, uint64_t now_s)
{
	return check_answer(tsig, msg, NULL, 0, true, now_s);
}

bool
tsig_check_next(struct tsig *tsig, const struct message *msg, const uint8_t *before, size_t before_size, uint64_t now_s)
{
	return check_answer(tsig, msg, before, before_size, false, now_s);
}

unsigned
tsig_error(const struct message *msg)
{
	struct tsig answer;
	struct tsig_record record;

	return msg->tsig_offset != 0 && record_read(msg, &answer, &record) ? answer.error : RCODE_NOERROR;
}
