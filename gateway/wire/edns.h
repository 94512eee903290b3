/*
 * EDNS: OPT (RFC 6891) in, OPT out, Extended DNS Errors (RFC 8914), NSID (RFC 5001), ZONEVERSION (RFC 9660).
 *
 * Threads:   any; no state.
 * Memory:    struct edns points into the message; nothing is allocated.
 */
#ifndef ZONEGATE_WIRE_EDNS_H
#define ZONEGATE_WIRE_EDNS_H

#include "base/bytes.h"
#include "base/status.h"

#define EDNS_UDP_SIZE 1232 /* what we say we take and the most that we send by default (DNS flag day 2020) */

enum edns_option {
	EDNS_OPTION_UPDATE_LEASE = 2, EDNS_OPTION_NSID = 3, EDNS_OPTION_COOKIE = 10, EDNS_OPTION_TCP_KEEPALIVE = 11,
	EDNS_OPTION_PADDING = 12, EDNS_OPTION_EDE = 15, EDNS_OPTION_ZONEVERSION = 19
};

/* INFO-CODEs of RFC 8914 that we use. */
enum ede_code {
	EDE_NONE = -1,
	EDE_OTHER = 0,
	EDE_NOT_READY = 14,
	EDE_BLOCKED = 15,
	EDE_PROHIBITED = 18,
	EDE_NOT_AUTHORITATIVE = 20,
	EDE_NOT_SUPPORTED = 21,
	EDE_NETWORK_ERROR = 23,
	EDE_INVALID_DATA = 24,
	EDE_TOO_EARLY = 26
};

#define EDE_TEXT_SIZE 160

/* Why something was refused: code and text for the client's OPT, the log and the audit line. */
struct ede {
	int code; /* enum ede_code; EDE_NONE: none */
	char text[EDE_TEXT_SIZE];
};

/* What the OPT of a message says. */
struct edns {
	bool present;
	uint8_t version, extended_rcode;
	uint16_t udp_size; /* as sent; under 512 counts as 512 (RFC 6891 6.2.3) */
	bool dnssec_ok, nsid, keepalive, padding, zoneversion;
	const uint8_t *cookie; /* 8 to 40 octets, or NULL */
	uint8_t cookie_size;
	bool bad_cookie;       /* a COOKIE option of an illegal length: FORMERR (RFC 7873 5.2.2) */
};

/*
 * Read an OPT record: class and TTL of the record and its RDATA.
 * STATUS_MALFORMED: options that do not fit RDLENGTH. Unknown options are passed over.
 */
MUST_USE enum status edns_parse(uint16_t class_, uint32_t ttl, const uint8_t *rdata, size_t size, struct edns *edns);

/* What goes into the OPT of a response. */
struct edns_reply {
	uint16_t udp_size;
	unsigned rcode;              /* its upper eight bits go into the OPT */
	bool dnssec_ok;              /* copied from the request (RFC 3225 3) */
	const char *nsid;            /* NULL: none */
	const struct ede *ede;       /* NULL or code EDE_NONE: none */
	const uint8_t *cookie; uint8_t cookie_size; /* whole COOKIE option value; 0: none */
	int keepalive_100ms;         /* -1: none */
	bool zoneversion;            /* RFC 9660: labels and serial of the zone that answers */
	uint8_t zone_labels;
	uint32_t zone_serial;
	uint16_t padding_block;      /* 0: none; else the whole message is padded up to a multiple */
};
/* Octets that edns_write will take, padding left out. */
size_t edns_reply_size(const struct edns_reply *reply);
/* The text of an EDE is cut where room is short, then left out. */
void edns_write(struct writer *out, const struct edns_reply *reply);

void ede_set(struct ede *ede, int code, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
