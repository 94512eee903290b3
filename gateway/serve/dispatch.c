#include "serve/dispatch.h"
#include "answer/answer.h"
#include "base/clock.h"
#include "transfer/axfr.h"
#include "transfer/digests.h"
#include "transfer/ixfr.h"
#include "update/audit.h"
#include "wire/rdata.h"
#include <stdlib.h>

/*
 * 64 KiB of UPDATE whose names are all pointers grow to some 3 MiB; evaluated again after a lost race, to twice that.
 */
#define UPDATE_ARENA_CAP (16u << 20)
#define PADDING_BLOCK 468   /* of responses (RFC 8467 4.1) */
#define UPDATE_UDP_SIZE 512 /* "at most 512 bytes on UDP": what the clients' libraries read */

/* One message and its answer. On the stack; only what is used is written. */
struct exchange {
	const struct dispatch *dispatch;
	const struct dispatch_request *request;
	const struct serve_settings *settings;
	const struct message *msg;
	const struct peer *peer;
	struct stream *stream;
	struct compose compose;
	struct edns_reply *reply;         /* NULL: no OPT */
	struct tsig tsig;
	struct ede ede;
};

static enum dispatch_result
refuse(struct exchange *exchange, unsigned rcode)
{
	exchange->compose.rcode = rcode;
	return DISPATCH_ANSWER;
}

static enum dispatch_result
refuse_because(struct exchange *exchange, unsigned rcode, int code, const char *text)
{
	/* Nobody reads the text where there is no OPT, but for the audit line of an UPDATE. */
	ede_set(&exchange->ede, code, "%s", text);
	return refuse(exchange, rcode);
}

static struct policy_requestor
requestor(const struct exchange *exchange)
{
	return (struct policy_requestor){
		.key_name = exchange->tsig.verdict == TSIG_GOOD ? exchange->tsig.key->name : NULL,
		.address = (const struct sockaddr *)&exchange->peer->remote,
		.tcp = exchange->peer->transport != TRANSPORT_UDP,
		.names = exchange->peer->names,
		.names_size = exchange->peer->names_size,
	};
}

/* ---- QUERY ---- */

/* The requestor's serial: the SOA in the authority section of an IXFR (RFC 1995 3). False: there is none. */
static bool
ixfr_serial(const struct message *msg, uint32_t *serial)
{
	size_t offset = msg->start[SECTION_AUTHORITY], end, owner_size;
	struct record record;
	uint8_t owner[NAME_MAX_SIZE], soa[2 * NAME_MAX_SIZE + 20];

	if (msg->count[SECTION_AUTHORITY] != 1)
		return false;
	message_record(msg, &offset, &record);
	owner_size = message_owner(msg, &record, owner);
	if (record.type != TYPE_SOA || record.class_ != CLASS_IN || owner_size != msg->qname_size ||
	    memcmp(owner, msg->qname, owner_size) != 0)
		return false;
	if (rdata_expand(msg->wire, msg->size, record.rdata, record.rdata_size, TYPE_SOA, soa, sizeof soa, &end) !=
	    STATUS_OK)
		return false;
	*serial = rdata_soa_serial(soa, end);
	return true;
}

/* "This is the version": to an IXFR over UDP, where no more fits, and to who is up to date (RFC 1995 2, 4). */
static enum dispatch_result
answer_soa(struct exchange *exchange, const struct zone_version *version)
{
	struct rrset soa;

	exchange->compose.flags |= FLAG_AA;
	if (version_soa(version, &soa) && !compose_rrset(&exchange->compose, SECTION_ANSWER, NULL, TYPE_SOA, soa.ttl_s,
							 soa.packed, soa.packed_size, soa.count))
		exchange->compose.flags |= FLAG_TC;
	return DISPATCH_ANSWER;
}

/*
 * RFC 1995 2: one message over UDP, or the SOA alone, which sends the client to TCP; 4: the whole zone where the serial
 * is not known.
 */
static enum dispatch_result
start_incremental(struct exchange *exchange, struct zone *zone, const struct zone_version *version)
{
	const struct message *msg = exchange->msg;
	uint32_t serial;

	if (!ixfr_serial(msg, &serial))
		return refuse(exchange, RCODE_FORMERR);
	if ((int32_t)(version->serial - serial) <= 0)
		return answer_soa(exchange, version);
	if (exchange->peer->transport == TRANSPORT_UDP) {
		if (!ixfr_compose(&exchange->compose, zone, version, serial))
			return answer_soa(exchange, version);
		exchange->compose.flags |= FLAG_AA;
		return DISPATCH_ANSWER;
	}
	enum status status = ixfr_start(msg, &exchange->tsig, zone, version, serial, &exchange->stream);
	if (status == STATUS_NOT_FOUND)
		status = axfr_start(msg, &exchange->tsig, version, &exchange->stream);
	return status == STATUS_OK ? DISPATCH_STREAM : refuse(exchange, RCODE_SERVFAIL);
}

static enum dispatch_result
start_transfer(struct exchange *exchange, struct zone *zone, const struct zone_version *version)
{
	const struct message *msg = exchange->msg;

	if (msg->qtype == TYPE_IXFR)
		return start_incremental(exchange, zone, version);
	if (axfr_start(msg, &exchange->tsig, version, &exchange->stream) != STATUS_OK)
		return refuse(exchange, RCODE_SERVFAIL);
	return DISPATCH_STREAM;
}

/* A zone and its own digest, or nothing. */
static enum dispatch_result
start_digested(struct exchange *exchange, struct zone *zone)
{
	struct zone_version *version = digests_newest(zone);

	if (version == NULL)
		return refuse_because(exchange, RCODE_SERVFAIL, EDE_NOT_READY, "the zone's digest is not known yet");
	enum dispatch_result result = start_transfer(exchange, zone, version);
	version_unpin(version);
	return result;
}

static enum dispatch_result
dispatch_transfer(struct exchange *exchange)
{
	const struct message *msg = exchange->msg;
	struct policy_requestor who = requestor(exchange);

	if (msg->qclass != CLASS_IN)
		return refuse(exchange, RCODE_REFUSED);
	/* RFC 5936 4.2 leaves AXFR over UDP undefined. */
	if (msg->qtype == TYPE_AXFR && exchange->peer->transport == TRANSPORT_UDP)
		return refuse_because(exchange, RCODE_REFUSED, EDE_NOT_SUPPORTED, "AXFR is for TCP");
	struct zone *zone = table_exact(exchange->dispatch->serve->table, msg->qname, msg->qname_size);
	if (zone == NULL)
		return refuse_because(exchange, RCODE_NOTAUTH, EDE_NOT_AUTHORITATIVE, "not a zone of this server");
	const struct transfer_settings *settings = atomic_load_explicit(&zone->transfer_settings, memory_order_acquire);
	if (settings == NULL || !acl_allows(settings->allow_transfer, &who))
		return refuse_because(exchange, RCODE_REFUSED, EDE_PROHIBITED, "not in allow-transfer");
	const struct zone_version *version = zone_current(zone);
	if (version == NULL)
		return refuse_because(exchange, RCODE_SERVFAIL, EDE_NOT_READY, "the zone is not ready");
	return settings->zonemd ? start_digested(exchange, zone) : start_transfer(exchange, zone, version);
}

/* QTYPEs that are no data: all but ANY, which answer/ knows. */
static enum dispatch_result
dispatch_meta(struct exchange *exchange)
{
	uint16_t type = exchange->msg->qtype;

	if (type == TYPE_AXFR || type == TYPE_IXFR)
		return dispatch_transfer(exchange);
	return refuse(exchange, type == TYPE_OPT || type == TYPE_TSIG ? RCODE_FORMERR : RCODE_NOTIMP);
}

/* RFC 6895 3.1: QTYPEs and meta types; but ANY is for answer/. */
static inline bool
is_meta(uint16_t type)
{
	return (type >= 128 && type <= 254) || type == TYPE_OPT;
}

/* The closest zone above the name answers, but for DS at its apex the one above that (RFC 4035 3.1.4.1). */
static inline const struct zone *
zone_of_query(const struct table *table, const struct message *msg)
{
	const struct zone *zone = table_find(table, msg->qname, msg->qname_size, msg->qname_labels);

	if (msg->qtype != TYPE_DS || zone == NULL || zone->name_size != msg->qname_size || msg->qname_labels == 0)
		return zone;
	size_t label = msg->qname[0] + 1u;
	const struct zone *parent =
		table_find(table, msg->qname + label, msg->qname_size - label, msg->qname_labels - 1u);
	return parent != NULL ? parent : zone;
}

static bool
may_query(const struct exchange *exchange, const struct zone *zone)
{
	struct policy_requestor who = requestor(exchange);
	const struct transfer_settings *settings = atomic_load_explicit(&zone->transfer_settings, memory_order_acquire);

	return settings == NULL || settings->allow_query == NULL || acl_allows(settings->allow_query, &who);
}

/* A QUERY that is not plain, or whose zone cannot answer. */
static enum dispatch_result
dispatch_query(struct exchange *exchange)
{
	const struct message *msg = exchange->msg;
	const struct serve *serve = exchange->dispatch->serve;

	if (is_meta(msg->qtype))
		return dispatch_meta(exchange);
	if (msg->qclass == CLASS_CH) {
		const struct serve_settings *settings = exchange->settings;
		answer_chaos(msg, settings->identity,
			     settings->version_text ? settings->version_text : serve->version_text, &exchange->compose);
		return DISPATCH_ANSWER;
	}
	if (msg->qclass != CLASS_IN)
		return refuse(exchange, RCODE_REFUSED);
	const struct zone *zone = zone_of_query(serve->table, msg);
	if (zone == NULL)
		return refuse_because(exchange, RCODE_REFUSED, EDE_NOT_AUTHORITATIVE, "not in a zone of this server");
	if (!may_query(exchange, zone)) {
		if (exchange->reply != NULL)
			exchange->reply->zoneversion = false;
		return refuse_because(exchange, RCODE_REFUSED, EDE_PROHIBITED, "not in allow-query");
	}
	const struct zone_version *version = zone_current(zone);
	if (version == NULL)
		return refuse_because(exchange, RCODE_SERVFAIL, EDE_NOT_READY, "the zone is not ready");
	if (exchange->reply != NULL && exchange->msg->edns.zoneversion)
		exchange->reply->zone_serial = version->serial; /* of the one that answers */
	answer_query(msg, version, tree_leaf(&version->tree, answer_hash(msg, version)),
		     exchange->peer->transport != TRANSPORT_UDP, &exchange->compose);
	return DISPATCH_ANSWER;
}

/* ---- NOTIFY: we are primary for all of our zones ---- */

static enum dispatch_result
dispatch_notify(struct exchange *exchange)
{
	const struct message *msg = exchange->msg;

	if (table_exact(exchange->dispatch->serve->table, msg->qname, msg->qname_size) == NULL)
		return refuse_because(exchange, RCODE_NOTAUTH, EDE_NOT_AUTHORITATIVE, "not a zone of this server");
	return refuse_because(exchange, RCODE_REFUSED, EDE_NOT_SUPPORTED, "this server is a primary of the zone");
}

/* ---- UPDATE ---- */

#define CERT_PREFIX_SIZE 5 /* "cert:" */
#define WHO_TEXT_SIZE (CERT_PREFIX_SIZE + NAME_TEXT_SIZE)

/* "cert:NAME" with the first name of the certificate; NULL: there is none. */
static const char *
cert_text(const struct peer *peer, char text[WHO_TEXT_SIZE])
{
	if (peer->names_size == 0)
		return NULL;
	memcpy(text, "cert:", CERT_PREFIX_SIZE);
	name_to_text(peer->names, text + CERT_PREFIX_SIZE);
	return text;
}

/* Who asks, for a log: the key's name, else the certificate's; NULL: nobody that we know. */
static const char *
who_text(const struct exchange *exchange, char text[WHO_TEXT_SIZE])
{
	const struct tsig *tsig = &exchange->tsig;

	if (tsig->verdict == TSIG_NONE)
		return cert_text(exchange->peer, text);
	if (tsig->key != NULL)
		return tsig->key->text;
	return tsig->verdict == TSIG_BADKEY ? name_to_text(tsig->key_name, text) : NULL;
}

/* An UPDATE that ends at the door: nothing was allocated for it (updates.md, "queues are bounded"). */
static enum dispatch_result
refuse_update(struct exchange *exchange, struct zone *zone, const char *verdict)
{
	char text[WHO_TEXT_SIZE];
	unsigned rcode = exchange->compose.rcode;
	const char *reason =
		exchange->ede.code == EDE_NONE ? tsig_reason(exchange->tsig.verdict) : exchange->ede.text;

	if (zone != NULL)
		zone_count_update(zone, rcode);
	if (exchange->dispatch->serve->audit != NULL)
		audit_refused(exchange->dispatch->serve->audit, exchange->msg,
			      (const struct sockaddr *)&exchange->peer->remote,
			      (enum update_transport)exchange->peer->transport, who_text(exchange, text), rcode,
			      verdict, reason);
	return DISPATCH_ANSWER;
}

/* On any thread. */
static void
update_released(struct update_request *request)
{
	struct pending *pending = (struct pending *)(void *)request;

	pending->give_back(pending);
}

/* The message moves into the request's own memory, for as long as it is on its way. */
static bool
copy_message(struct update_request *request, const struct message *msg)
{
	uint8_t *wire = arena_copy(&request->arena, msg->wire, msg->size);

	if (wire == NULL)
		return false;
	request->msg = *msg;
	request->msg.wire = wire;
	if (msg->edns.present && msg->edns.cookie != NULL)
		request->msg.edns.cookie = wire + (msg->edns.cookie - msg->wire);
	return true;
}

/* The certificate's names live as long as the connection: the request takes them with it. */
static bool
copy_names(struct update_request *request, const struct peer *peer)
{
	char text[WHO_TEXT_SIZE];

	if (peer->names_size == 0)
		return true;
	request->names = arena_copy(&request->arena, peer->names, peer->names_size);
	request->names_size = peer->names_size;
	request->key_text = arena_text(&request->arena, cert_text(peer, text));
	return request->names != NULL && request->key_text != NULL;
}

static void
fill_request(struct update_request *request, const struct exchange *exchange, struct zone *zone)
{
	const struct tsig *tsig = &exchange->tsig;

	request->client = exchange->peer->remote;
	request->transport = (enum update_transport)exchange->peer->transport;
	request->arrival_ns = clock_monotonic_ns();
	request->zone = zone;
	request->others_wait = exchange->request->origin->others_wait;
	request->release = update_released;
	request->ede.code = EDE_NONE;
	if (tsig->verdict != TSIG_GOOD)
		return;
	/* Lent by the keyring, which the pending's TSIG holds. */
	request->key_name = tsig->key->name;
	request->key_text = tsig->key->text;
	memcpy(request->mac, tsig->mac, sizeof request->mac);
	request->has_mac = true;
}

/* NULL: no memory. */
static struct pending *
pending_new(const struct exchange *exchange, struct zone *zone)
{
	struct pending *pending = calloc(1, sizeof *pending);

	if (pending == NULL)
		return NULL;
	arena_init(&pending->update.arena, UPDATE_ARENA_CAP);
	if (!copy_message(&pending->update, exchange->msg) || !copy_names(&pending->update, exchange->peer)) {
		arena_free(&pending->update.arena);
		free(pending);
		return NULL;
	}
	fill_request(&pending->update, exchange, zone);
	pending->update.owner = pending;
	if (exchange->msg->tsig_offset != 0)
		pending->tsig = exchange->tsig;
	tsig_hold(&pending->tsig);
	pending->peer = *exchange->peer;
	pending->peer.names = pending->update.names;
	pending->worker = exchange->dispatch->worker;
	pending->origin = *exchange->request->origin;
	pending->give_back = exchange->dispatch->give_back;
	return pending;
}

void
dispatch_pending_free(struct pending *pending)
{
	tsig_release(&pending->tsig);
	arena_free(&pending->update.arena);
	free(pending);
}

static enum dispatch_result
submit_update(struct exchange *exchange, struct zone *zone)
{
	const struct serve *serve = exchange->dispatch->serve;
	struct pending *pending = pending_new(exchange, zone);

	if (pending == NULL) {
		refuse_because(exchange, RCODE_SERVFAIL, EDE_OTHER, "out of memory");
		return refuse_update(exchange, zone, "memory");
	}
	struct update_request *request = &pending->update;
	request->rcode = update_check_form(request);
	if (request->rcode == RCODE_NOERROR) {
		committer_submit(serve->committer, request);
		return DISPATCH_LATER;
	}
	zone_count_update(zone, request->rcode);
	if (serve->audit != NULL)
		audit_update(serve->audit, request, request->rcode == RCODE_NOTZONE ? "notzone" : "formerr",
		             clock_monotonic_ns() - request->arrival_ns);
	exchange->ede = request->ede;
	exchange->compose.rcode = request->rcode;
	dispatch_pending_free(pending);
	return DISPATCH_ANSWER;
}

static enum dispatch_result
dispatch_update(struct exchange *exchange)
{
	const struct message *msg = exchange->msg;
	struct policy_requestor who = requestor(exchange);
	struct zone *zone = msg->qclass == CLASS_IN
				    ? table_exact(exchange->dispatch->serve->table, msg->qname, msg->qname_size)
				    : NULL;

	if (zone == NULL) { /* RFC 2136 3.1.2 */
		refuse_because(exchange, RCODE_NOTAUTH, EDE_NOT_AUTHORITATIVE, "not a zone of this server");
		return refuse_update(exchange, NULL, "notauth");
	}
	const struct update_settings *settings = atomic_load_explicit(&zone->update_settings, memory_order_acquire);
	if (settings == NULL || !update_could_allow(settings, &who)) {
		refuse_because(exchange, RCODE_REFUSED, EDE_PROHIBITED,
			       who.key_name != NULL   ? "no rule for this key"
			       : who.names_size > 0 ? "no rule for this certificate"
						    : "no rule for unsigned updates from this address");
		return refuse_update(exchange, zone, "policy");
	}
	if (zone_current(zone) == NULL) {
		refuse_because(exchange, RCODE_SERVFAIL, EDE_NOT_READY, "the zone is not ready");
		return refuse_update(exchange, zone, "notready");
	}
	return submit_update(exchange, zone);
}

/* ---- one message in, one out ---- */

/* What an OPT of ours says, and what its options point to. */
struct opt {
	struct edns_reply reply;
	bool known;                  /* a good cookie: the client's address is its own */
	uint8_t cookie[COOKIE_SIZE];
};

/* Options that few requests ask for. */
static __attribute__((noinline)) void
opt_more(struct opt *opt, struct serve_counters *counters, const struct serve_settings *settings,
	 const struct message *msg, const struct peer *peer, const struct zone_version *version)
{
	/* RFC 9660 3.2: in every answer of a zone of ours, referrals and errors too. */
	if (msg->edns.zoneversion && version != NULL) {
		opt->reply.zoneversion = true;
		opt->reply.zone_labels = version->apex_labels;
		opt->reply.zone_serial = version->serial;
	}
	if (msg->edns.cookie != NULL && settings->cookies.count > 0) {
		enum cookie_verdict verdict = cookie_answer(&settings->cookies, &peer->remote, msg->edns.cookie,
							    msg->edns.cookie_size, clock_wall_s(), opt->cookie);
		if (counters != NULL)
			stat_add(&counters->cookies[verdict], 1);
		opt->known = verdict == COOKIE_GOOD;
		opt->reply.cookie = opt->cookie;
		opt->reply.cookie_size = COOKIE_SIZE;
	}
	if (peer->transport == TRANSPORT_UDP)
		return; /* RFC 7828 3.2.1, RFC 7830 6: of no use without a connection, without encryption */
	if (msg->edns.keepalive)
		opt->reply.keepalive_100ms = settings->keepalive_100ms;
	if (msg->edns.padding && peer->transport == TRANSPORT_TLS)
		opt->reply.padding_block = PADDING_BLOCK;
}

/*
 * The OPT of an answer, but for the EDE; NULL: the request had none (RFC 6891 6.1.1).
 * counters  the worker's; NULL: the request has been counted, and this may be another thread
 * version   of the question's zone; NULL: none
 */
static inline struct edns_reply *
opt_init(struct opt *opt, struct serve_counters *counters, const struct serve_settings *settings,
	 const struct message *msg, const struct peer *peer, const struct zone_version *version)
{
	opt->known = false;
	if (!msg->edns.present)
		return NULL;
	opt->reply = (struct edns_reply){
		.udp_size = EDNS_UDP_SIZE,
		.dnssec_ok = msg->edns.dnssec_ok,
		.nsid = msg->edns.nsid ? settings->identity : NULL, /* RFC 5001 2.3 */
		.keepalive_100ms = -1,
	};
	if (msg->edns.cookie != NULL || msg->edns.keepalive || msg->edns.padding || msg->edns.zoneversion)
		opt_more(opt, counters, settings, msg, peer, version);
	return &opt->reply;
}

/* ---- response rate limiting ---- */

static enum ratelimit_kind
response_kind(const struct compose *compose)
{
	if (compose->rcode == RCODE_NXDOMAIN)
		return RATELIMIT_NXDOMAIN;
	if (compose->rcode != RCODE_NOERROR)
		return RATELIMIT_ERROR;
	return compose->count[SECTION_ANSWER] > 0 ? RATELIMIT_ANSWER : RATELIMIT_EMPTY;
}

/*
 * A response that is ready but for its end. False: it is not sent. One that slips through is empty, with TC=1: who asks
 * in earnest comes again by TCP.
 */
static __attribute__((noinline)) bool
limit_response(const struct dispatch *dispatch, const struct serve_settings *settings, const struct message *msg,
	       const struct peer *peer, struct compose *compose)
{
	enum ratelimit_verdict verdict = ratelimit_take(dispatch->ratelimit, &settings->ratelimit, &peer->remote,
							response_kind(compose), clock_monotonic_ms());

	stat_add(&dispatch->counters->limited[verdict], 1);
	if (verdict == RATELIMIT_SLIP) {
		unsigned rcode = compose->rcode;
		compose_begin(compose, msg, compose->out.base, compose->limit, compose->reserved);
		compose->flags |= FLAG_TC;
		compose->rcode = rcode;
	}
	return verdict != RATELIMIT_DROP;
}

static size_t
limit_of(const struct message *msg, const struct serve_settings *settings, enum transport transport, size_t room)
{
	if (transport != TRANSPORT_UDP)
		return room;
	if (message_opcode(msg) == OPCODE_UPDATE)
		return UPDATE_UDP_SIZE;
	return compose_udp_limit(msg, settings->udp_size);
}

/* OPT and header; then the signature. The answer's size, or 0 where it cannot be signed. */
static size_t
finish(struct compose *compose, struct edns_reply *reply, const struct ede *ede, struct tsig *tsig, uint8_t *buffer,
       size_t room)
{
	if (reply != NULL) {
		reply->rcode = compose->rcode;
		reply->ede = ede;
	}
	size_t size = compose_finish(compose, reply);
	if (tsig->verdict != TSIG_NONE && tsig_sign(tsig, buffer, &size, room, clock_wall_s()) != STATUS_OK)
		return 0;
	return size;
}

/* RFC 7873 5.4, RFC 9619 3: a query without a question asks for a server cookie, with nothing but an OPT. */
static bool
asks_cookie(const struct message *msg)
{
	return message_opcode(msg) == OPCODE_QUERY && msg->count[SECTION_QUESTION] == 0 &&
	       msg->count[SECTION_ANSWER] == 0 && msg->count[SECTION_AUTHORITY] == 0 &&
	       msg->count[SECTION_ADDITIONAL] == 1 && msg->opt_offset == MESSAGE_HEADER_SIZE &&
	       msg->start[SECTION_COUNT] == msg->size && msg->edns.cookie != NULL && !msg->edns.bad_cookie;
}

static enum dispatch_result
choose(struct exchange *exchange, enum parse_verdict verdict)
{
	const struct message *msg = exchange->msg;

	if (verdict == PARSE_NOTIMP)
		return refuse(exchange, RCODE_NOTIMP);
	if (exchange->tsig.verdict > TSIG_GOOD) { /* RFC 8945 5.2 */
		refuse(exchange, tsig_rcode(&exchange->tsig));
		if (message_opcode(msg) == OPCODE_UPDATE)
			return refuse_update(exchange, NULL, tsig_verdict_text(exchange->tsig.verdict));
		return DISPATCH_ANSWER;
	}
	if (verdict == PARSE_FORMERR && asks_cookie(msg) && msg->edns.version == 0)
		return DISPATCH_ANSWER;
	if (verdict == PARSE_FORMERR || (msg->edns.present && msg->edns.bad_cookie)) { /* RFC 7873 5.2.2 */
		refuse(exchange, RCODE_FORMERR);
		return message_opcode(msg) == OPCODE_UPDATE ? refuse_update(exchange, NULL, "formerr")
							    : DISPATCH_ANSWER;
	}
	if (msg->edns.present && msg->edns.version > 0)
		return refuse(exchange, RCODE_BADVERS); /* RFC 6891 6.1.3 */
	switch (message_opcode(msg)) {
	case OPCODE_QUERY:
		return dispatch_query(exchange);
	case OPCODE_NOTIFY:
		return dispatch_notify(exchange);
	default:
		return dispatch_update(exchange);
	}
}

static void
count(struct serve_counters *counters, enum transport transport, unsigned rcode)
{
	stat_add(&counters->queries[transport][rcode < 23 ? rcode : 23], 1);
}

static bool
asks_zoneversion(const struct dispatch_request *request)
{
	const struct message *msg = &request->msg;

	return request->verdict == PARSE_OK && message_opcode(msg) == OPCODE_QUERY && msg->qclass == CLASS_IN &&
	       msg->edns.present && msg->edns.zoneversion && msg->edns.version == 0;
}

static const struct zone_version *
version_of_query(const struct serve *serve, const struct message *msg)
{
	const struct zone *zone = zone_of_query(serve->table, msg);

	return zone != NULL ? zone_current(zone) : NULL;
}

/* Anything but a plain query that one of our zones answers. */
static __attribute__((noinline)) enum dispatch_result
answer_special(const struct dispatch *dispatch, const struct dispatch_request *request,
	       const struct serve_settings *settings, uint8_t *buffer, size_t room, size_t *answer_size,
	       struct stream **stream)
{
	const struct message *msg = &request->msg;
	enum transport transport = request->peer->transport;
	struct exchange exchange;
	struct opt opt;

	if (request->verdict == PARSE_DROP) {
		stat_add_shared(&dispatch->counters->dropped, 1);
		return DISPATCH_DROP;
	}
	exchange.dispatch = dispatch;
	exchange.request = request;
	exchange.settings = settings;
	exchange.msg = msg;
	exchange.peer = request->peer;
	exchange.ede.code = EDE_NONE;
	tsig_verify(msg, settings->keys, msg->tsig_offset != 0 ? clock_wall_s() : 0, &exchange.tsig);
	if (exchange.tsig.verdict > TSIG_GOOD)
		stat_add(&dispatch->counters->tsig_failures[exchange.tsig.verdict], 1);
	const struct zone_version *version = asks_zoneversion(request) ? version_of_query(dispatch->serve, msg) : NULL;
	struct edns_reply *reply = exchange.reply = opt_init(&opt, dispatch->counters, settings, msg, request->peer,
						       version);
	size_t reserved = (reply != NULL ? edns_reply_size(reply) : 0) + tsig_room(&exchange.tsig);
	compose_begin(&exchange.compose, msg, buffer, limit_of(msg, settings, transport, room), reserved);

	enum dispatch_result result = choose(&exchange, request->verdict);
	if (result == DISPATCH_STREAM) {
		*stream = exchange.stream;
		count(dispatch->counters, transport, RCODE_NOERROR);
	}
	if (result != DISPATCH_ANSWER)
		return result;
	if (message_opcode(msg) != OPCODE_UPDATE)
		count(dispatch->counters, transport, exchange.compose.rcode);
	if (settings->ratelimit.rate_milli > 0 && transport == TRANSPORT_UDP && !opt.known &&
	    exchange.tsig.verdict != TSIG_GOOD &&
	    !limit_response(dispatch, settings, msg, request->peer, &exchange.compose))
		return DISPATCH_DROP;
	*answer_size = finish(&exchange.compose, reply, &exchange.ede, &exchange.tsig, buffer, room);
	return *answer_size > 0 ? DISPATCH_ANSWER : DISPATCH_DROP;
}

/* Zones with more names than this do not stay in the cache: their branches are asked for ahead of use. */
#define FAR_NAMES 32768

void
dispatch_prepare(const struct dispatch *dispatch, const uint8_t *wire, size_t size, struct dispatch_request *request)
{
	struct message *msg = &request->msg;

	request->plain = false;
	request->verdict = parse_message(wire, size, msg);
	if (request->verdict != PARSE_OK || message_opcode(msg) != OPCODE_QUERY || msg->tsig_offset != 0 ||
	    msg->qclass != CLASS_IN || is_meta(msg->qtype) ||
	    (msg->edns.present && (msg->edns.version > 0 || msg->edns.bad_cookie)))
		return;
	const struct zone *zone = zone_of_query(dispatch->serve->table, msg);
	const struct zone_version *version = zone != NULL ? zone_current(zone) : NULL;
	if (version == NULL || atomic_load_explicit(&zone->restricted, memory_order_relaxed))
		return;
	request->plain = true;
	request->version = version;
	request->hash = answer_hash(msg, version);
	if (version->tree.count > FAR_NAMES)
		tree_prefetch(&version->tree, request->hash);
}

enum dispatch_result
dispatch_answer(const struct dispatch *dispatch, const struct dispatch_request *request,
                uint8_t *buffer, size_t room, size_t *answer_size, struct stream **stream)
{
	const struct serve_settings *settings = atomic_load_explicit(&dispatch->serve->settings, memory_order_acquire);
	const struct message *msg = &request->msg;
	enum transport transport = request->peer->transport;
	struct compose compose;
	struct opt opt;
	size_t limit = room, reserved = 0;

	if (!request->plain)
		return answer_special(dispatch, request, settings, buffer, room, answer_size, stream);
	struct edns_reply *reply = opt_init(&opt, dispatch->counters, settings, msg, request->peer,
					    request->version);
	if (reply != NULL)
		reserved = edns_reply_size(reply);
	if (transport == TRANSPORT_UDP)
		limit = compose_udp_limit(msg, settings->udp_size);
	compose_begin(&compose, msg, buffer, limit, reserved);
	answer_query(msg, request->version, request->leaf, transport != TRANSPORT_UDP, &compose);
	count(dispatch->counters, transport, compose.rcode);
	if (settings->ratelimit.rate_milli > 0 && transport == TRANSPORT_UDP && !opt.known &&
	    !limit_response(dispatch, settings, msg, request->peer, &compose))
		return DISPATCH_DROP;
	*answer_size = compose_finish(&compose, reply);
	return DISPATCH_ANSWER;
}

enum dispatch_result
dispatch_message(const struct dispatch *dispatch, const uint8_t *wire, size_t size, const struct peer *peer,
                 const struct origin *origin, uint8_t *buffer, size_t room, size_t *answer_size,
                 struct stream **stream)
{
	struct dispatch_request request;

	request.peer = peer;
	request.origin = origin;
	dispatch_prepare(dispatch, wire, size, &request);
	dispatch_approach(&request);
	return dispatch_answer(dispatch, &request, buffer, room, answer_size, stream);
}

enum dispatch_result
dispatch_pending(const struct dispatch *dispatch, struct pending *pending, uint8_t *buffer, size_t room,
		 size_t *answer_size)
{
	const struct serve_settings *settings = atomic_load_explicit(&dispatch->serve->settings, memory_order_acquire);
	struct update_request *request = &pending->update;
	const struct message *msg = &request->msg;
	struct compose compose;
	struct opt opt;

	if (request->drop) { /* on-store-failure: say nothing, the client tries the next server */
		stat_add_shared(&dispatch->counters->dropped, 1);
		return DISPATCH_DROP;
	}
	struct edns_reply *reply = opt_init(&opt, NULL, settings, msg, &pending->peer, NULL);
	size_t reserved = (reply != NULL ? edns_reply_size(reply) : 0) + tsig_room(&pending->tsig);
	compose_begin(&compose, msg, buffer, limit_of(msg, settings, pending->peer.transport, room), reserved);
	compose.rcode = request->rcode;
	*answer_size = finish(&compose, reply, &request->ede, &pending->tsig, buffer, room);
	return *answer_size > 0 ? DISPATCH_ANSWER : DISPATCH_DROP;
}
