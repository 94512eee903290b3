/*
 * Any bytes as a message to a server with a zone that has everything: the answer must be well formed, have the
 * request's id and fit its limit; a transfer is pulled to its end; an UPDATE that is accepted comes back and is
 * answered.
 *
 * The first octet chooses: 1 TCP, 2 signed by a key of ours, 4 the UPDATE's outcome is to be dropped.
 */
#include "base/clock.h"
#include "base/rcu.h"
#include "serve/dispatch.h"
#include "tests/unit/zone_text.h"
#include "transfer/axfr.h"
#include "update/audit.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define NOW_S 1700000000u

static const char zone_content[] =
	"@ 3600 SOA ns hostmaster 7 3600 900 604800 300\n"
	"@ 3600 NS ns\n"
	"@ 3600 MX 10 mail\n"
	"ns 3600 A 192.0.2.53\n"
	"ns 3600 AAAA 2001:db8::53\n"
	"mail 3600 A 192.0.2.25\n"
	"a 60 CNAME b\n"
	"b 60 CNAME c.d\n"
	"l 60 CNAME l\n"
	"d 60 DNAME e\n"
	"c.e 60 A 192.0.2.1\n"
	"g 60 DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.g\n"
	"* 60 TXT \"wild\"\n"
	"*.w 60 CNAME mail\n"
	"s 60 SRV 1 2 3 mail\n"
	"h 60 HTTPS 1 . alpn=h2\n"
	"h 60 A 192.0.2.2\n"
	"z 60 NS ns.z\n"
	"z 60 NS ns.y\n"
	"ns.z 60 A 192.0.2.3\n"
	"ns.z 60 AAAA 2001:db8::3\n"
	"y 60 NS ns.y\n"
	"ns.y 60 A 192.0.2.4\n"
	"x.t.u 60 LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m\n";

static struct serve serve;
static struct serve_settings settings;
static struct serve_counters counters;
static struct pending *given;
static bool drop;

void
committer_submit(struct committer *committer, struct update_request *request)
{
	(void)committer;
	request->rcode = request->msg.id % 11;
	request->drop = drop;
	if (request->msg.id & 0x100)
		ede_set(&request->ede, EDE_OTHER, "a reason");
	request->release(request);
}

void
audit_update(struct audit *audit, const struct update_request *request, const char *verdict, uint64_t duration_ns)
{
	(void)audit; (void)request; (void)verdict; (void)duration_ns;
}

void
audit_refused(struct audit *audit, const struct message *msg, const struct sockaddr *client,
	      enum update_transport transport, const char *key, unsigned rcode, const char *verdict, const char *reason)
{
	(void)audit; (void)msg; (void)client; (void)transport; (void)key; (void)rcode;
	require(verdict != NULL && reason != NULL);
}

static void
give_back(struct pending *pending)
{
	given = pending;
}

static const struct dispatch dispatch = {.serve = &serve, .counters = &counters, .give_back = give_back};

static void
start(void)
{
	static const uint8_t apex[] = "\7example\3com";
	char reason[KEYRING_REASON_SIZE];
	struct zone *zone = table_zone_new(apex);
	struct transfer_settings *transfer = calloc(1, sizeof *transfer);
	struct update_settings *update = calloc(1, sizeof *update);

	rcu_register_thread();
	clock_set_wall_us((uint64_t)NOW_S * 1000000);
	serve.table = table_new();
	serve.audit = (struct audit *)&serve;
	serve.version_text = "zonegate";
	settings.keys = keyring_new();
	settings.identity = strdup("gw1");
	settings.udp_size = 1232;
	require(keyring_add(settings.keys, "k.", "hmac-sha256", "bWFk", reason) == STATUS_OK);
	atomic_store(&serve.settings, &settings);
	transfer->allow_transfer = acl_new();
	update->allow_update = acl_new();
	require(acl_add(transfer->allow_transfer, "key k.", reason) == STATUS_OK &&
		acl_add(update->allow_update, "key k.", reason) == STATUS_OK);
	atomic_store(&zone->transfer_settings, transfer);
	atomic_store(&zone->update_settings, update);
	require(table_add(serve.table, zone) == STATUS_OK);
	table_publish(serve.table, zone, zone_text_load(zone->name, zone_content));
	table_set_state(zone, ZONE_READY);
}

static void
check_answer(const uint8_t *request, const uint8_t *answer, size_t size, size_t limit, const struct tsig *tsig)
{
	struct message msg;

	require(size >= MESSAGE_HEADER_SIZE && size <= limit);
	require(memcmp(request, answer, 2) == 0 && (answer[2] & 0x80) != 0);
	if (((answer[2] >> 3) & 15) <= OPCODE_UPDATE && (answer[3] & 15) != RCODE_NOTIMP)
		require(parse_response(answer, size, &msg) == PARSE_OK || (answer[3] & 15) == RCODE_FORMERR);
	if (tsig != NULL && (answer[3] & 15) != RCODE_FORMERR && (answer[3] & 15) != RCODE_NOTIMP) {
		struct tsig copy = *tsig;
		require(tsig_check_response(&copy, &msg, NOW_S));
	}
}

static void
pull(const uint8_t *request, struct stream *stream, uint8_t *answer)
{
	size_t size;

	do {
		require(stream_next(stream, answer, MESSAGE_MAX_SIZE, &size) == STATUS_OK);
		if (size > 0)
			check_answer(request, answer, size, MESSAGE_MAX_SIZE, NULL);
	} while (size > 0);
	stream_free(stream);
}

static void
send_message(const uint8_t *wire, size_t size, bool tcp, const struct tsig *tsig)
{
	static uint8_t answer[MESSAGE_MAX_SIZE];
	struct peer peer = {.transport = tcp ? TRANSPORT_TCP : TRANSPORT_UDP};
	struct stream *stream = NULL;
	size_t answer_size, room = tcp ? MESSAGE_MAX_SIZE : 4096, limit = tcp ? room : 1232;

	((struct sockaddr_in *)&peer.remote)->sin_family = AF_INET;
	given = NULL;
	switch (dispatch_message(&dispatch, wire, size, &peer, &(struct origin){0}, answer, room, &answer_size,
				 &stream)) {
	case DISPATCH_ANSWER:
		check_answer(wire, answer, answer_size, limit, tsig);
		break;
	case DISPATCH_STREAM:
		require(tcp && tsig != NULL);
		pull(wire, stream, answer);
		break;
	case DISPATCH_LATER:
		require(given != NULL && tsig != NULL);
		if (dispatch_pending(&dispatch, given, answer, room, &answer_size) == DISPATCH_ANSWER)
			check_answer(wire, answer, answer_size, limit, tsig);
		else
			require(drop);
		dispatch_pending_free(given);
		break;
	case DISPATCH_DROP:
		break;
	}
	rcu_quiescent_state();
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint8_t wire[MESSAGE_MAX_SIZE];
	struct message msg;
	struct tsig tsig;

	if (serve.table == NULL)
		start();
	if (size < 1 || size > 16384)
		return 0;
	bool tcp = bytes[0] & 1, is_signed = bytes[0] & 2;
	drop = bytes[0] & 4;
	size--;
	memcpy(wire, bytes + 1, size);
	/* Only what has no signature yet, and can be found to have one afterwards. */
	is_signed = is_signed && parse_message(wire, size, &msg) == PARSE_OK && msg.tsig_offset == 0 &&
		    msg.sig0_offset == 0;
	if (is_signed)
		require(tsig_sign_request(&tsig, keyring_at(settings.keys, 0), wire, &size, sizeof wire, NOW_S) ==
			STATUS_OK);
	send_message(wire, size, tcp, is_signed ? &tsig : NULL);
	return 0;
}
