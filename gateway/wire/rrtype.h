/*
 * What a TYPE is: mnemonic, shape of its RDATA, singleton or not; CLASS, OPCODE and RCODE numbers.
 *
 * Threads:   any; constant tables.
 * Standards: IANA DNS parameters; RFC 3597 (TYPEnnn); RFC 3597 4 and RFC 6895 (which types may be compressed).
 */
#ifndef ZONEGATE_WIRE_RRTYPE_H
#define ZONEGATE_WIRE_RRTYPE_H

#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rrtype {
	TYPE_A = 1,
	TYPE_NS = 2,
	TYPE_CNAME = 5,
	TYPE_SOA = 6,
	TYPE_MB = 7,
	TYPE_MG = 8,
	TYPE_MR = 9,
	TYPE_NULL = 10,
	TYPE_PTR = 12,
	TYPE_HINFO = 13,
	TYPE_MINFO = 14,
	TYPE_MX = 15,
	TYPE_TXT = 16,
	TYPE_RP = 17,
	TYPE_AFSDB = 18,
	TYPE_SIG = 24,
	TYPE_KEY = 25,
	TYPE_AAAA = 28,
	TYPE_LOC = 29,
	TYPE_NXT = 30,
	TYPE_SRV = 33,
	TYPE_NAPTR = 35,
	TYPE_KX = 36,
	TYPE_CERT = 37,
	TYPE_DNAME = 39,
	TYPE_OPT = 41,
	TYPE_APL = 42,
	TYPE_DS = 43,
	TYPE_SSHFP = 44,
	TYPE_IPSECKEY = 45,
	TYPE_RRSIG = 46,
	TYPE_NSEC = 47,
	TYPE_DNSKEY = 48,
	TYPE_DHCID = 49,
	TYPE_NSEC3 = 50,
	TYPE_NSEC3PARAM = 51,
	TYPE_TLSA = 52,
	TYPE_SMIMEA = 53,
	TYPE_CDS = 59,
	TYPE_CDNSKEY = 60,
	TYPE_OPENPGPKEY = 61,
	TYPE_CSYNC = 62,
	TYPE_ZONEMD = 63,
	TYPE_SVCB = 64,
	TYPE_HTTPS = 65,
	TYPE_SPF = 99,
	TYPE_TKEY = 249,
	TYPE_TSIG = 250,
	TYPE_IXFR = 251,
	TYPE_AXFR = 252,
	TYPE_MAILB = 253,
	TYPE_MAILA = 254,
	TYPE_ANY = 255,
	TYPE_URI = 256,
	TYPE_CAA = 257
};

enum rrclass { CLASS_IN = 1, CLASS_CH = 3, CLASS_HS = 4, CLASS_NONE = 254, CLASS_ANY = 255 };

enum opcode { OPCODE_QUERY = 0, OPCODE_IQUERY = 1, OPCODE_STATUS = 2, OPCODE_NOTIFY = 4, OPCODE_UPDATE = 5 };

enum rcode {
	RCODE_NOERROR = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_YXDOMAIN = 6,
	RCODE_YXRRSET = 7,
	RCODE_NXRRSET = 8,
	RCODE_NOTAUTH = 9,
	RCODE_NOTZONE = 10,
	RCODE_BADVERS = 16,
	RCODE_BADSIG = 16,
	RCODE_BADKEY = 17,
	RCODE_BADTIME = 18,
	RCODE_BADMODE = 19,
	RCODE_BADNAME = 20,
	RCODE_BADALG = 21,
	RCODE_BADTRUNC = 22,
	RCODE_BADCOOKIE = 23
};

/*
 * The shape of RDATA, a string of fields in order:
 *   1 2 4 6 8  that many octets        c  a character-string        C  one or more character-strings to the end
 *   o  a character-string or nothing   t  a tag: a character-string of letters and digits, not empty (RFC 8659 4.1)
 *   x  a character-string of at least four digits (X25)             H  a hash: a character-string that is not empty
 *   n  a name that is compressed when sent (types of RFC 1035)      N  a name that is not, but may be when received
 *      (RFC 3597 4)
 *   U  a name that is never compressed                              u  the same, compared byte for byte
 *      n, N and U are compared without regard to case (RFC 4034 6.2)
 *   a  an IPv4 address    A  an IPv6 address    *  the rest, one octet at least    ?  the rest, may be empty
 *   s  SVCB parameters to the end, keys strictly increasing (RFC 9460 2.2)
 *   b  an NSEC type bitmap to the end, may be empty                 B  one that is not empty
 *   d  DS: digest type and digest                                   f  SSHFP: fingerprint type and fingerprint
 *   z  ZONEMD: hash algorithm and digest                            l  LOC      p  APL items to the end
 *   g  IPSECKEY gateway   m  AMTRELAY relay     h  HIP              q  A6
 *   NULL: unknown type (RFC 3597): any octets
 */
struct rrtype_info {
	uint16_t type;
	const char *mnemonic;
	const char *shape;
	bool singleton; /* SOA, CNAME, DNAME: a second one replaces the first */
	bool meta;      /* cannot be data in a zone: OPT, TSIG, TKEY, AXFR, IXFR, ANY, MAILA, MAILB */
	bool dnssec_made; /* RRSIG, NSEC, NSEC3: never to be updated (updates.md 4) */
};

/* The row of a type; never NULL: an unknown type gets a row with shape NULL, mnemonic NULL and type 0. */
const struct rrtype_info *rrtype_info(uint16_t type);
/* True for types that must not be in a zone: meta types, QTYPEs 128–255 of RFC 6895 3.1, type 0. */
bool rrtype_is_meta(uint16_t type);
/*
 * CNAME, and what may stand beside it (RFC 2181 10.1, RFC 4035 2.5). A question for one of them is not about the name
 * that the CNAME leads to (RFC 2535 2.3.5).
 */
bool rrtype_is_at_cname(uint16_t type);

#define RRTYPE_TEXT_SIZE 16
/* Mnemonic or TYPEnnn. */
const char *rrtype_to_text(uint16_t type, char out[RRTYPE_TEXT_SIZE]);
/* Case is ignored; also TYPEnnn. STATUS_INVALID. */
MUST_USE enum status rrtype_from_text(const char *text, uint16_t *type);

/* "NOERROR", "BADSIG" (tsig) … or "RCODE23"; static storage. rcode_text(16) is "BADVERS". */
const char *rcode_text(unsigned rcode);
/* "QUERY", "UPDATE", … or "OPCODE7"; static storage. */
const char *opcode_text(unsigned opcode);

#endif
