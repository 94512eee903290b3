#include "wire/rrtype.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Types that are not here are RFC 3597's: any octets, TYPEnnn. Every mnemonic is one that BIND and ldns print alike. */
#define ROW(number, text, rdata, ...) [number] = {.type = number, .mnemonic = text, .shape = rdata, __VA_ARGS__}

static const struct rrtype_info types[] = {
	ROW(TYPE_A, "A", "a"),
	ROW(TYPE_NS, "NS", "n"),
	ROW(3, "MD", "n"),
	ROW(4, "MF", "n"),
	ROW(TYPE_CNAME, "CNAME", "n", .singleton = true),
	ROW(TYPE_SOA, "SOA", "nn44444", .singleton = true),
	ROW(TYPE_MB, "MB", "n"),
	ROW(TYPE_MG, "MG", "n"),
	ROW(TYPE_MR, "MR", "n"),
	ROW(TYPE_NULL, "NULL", "?"),
	ROW(11, "WKS", "a1?"),
	ROW(TYPE_PTR, "PTR", "n"),
	ROW(TYPE_HINFO, "HINFO", "cc"),
	ROW(TYPE_MINFO, "MINFO", "nn"),
	ROW(TYPE_MX, "MX", "2n"),
	ROW(TYPE_TXT, "TXT", "C"),
	ROW(TYPE_RP, "RP", "NN"),
	ROW(TYPE_AFSDB, "AFSDB", "2N"),
	ROW(19, "X25", "x"),
	ROW(20, "ISDN", "co"),
	ROW(21, "RT", "2N"),
	ROW(22, "NSAP", "*"),
	ROW(23, "NSAP-PTR", "U"),
	ROW(TYPE_SIG, "SIG", "2114442N*"),
	ROW(TYPE_KEY, "KEY", "211?"),
	ROW(26, "PX", "2NN"),
	ROW(27, "GPOS", "ccc"),
	ROW(TYPE_AAAA, "AAAA", "A"),
	ROW(TYPE_LOC, "LOC", "l"),
	ROW(TYPE_NXT, "NXT", "N*"),
	ROW(31, "EID", "*"),
	ROW(32, "NIMLOC", "*"),
	ROW(TYPE_SRV, "SRV", "222N"),
	ROW(34, "ATMA", "1*"),
	ROW(TYPE_NAPTR, "NAPTR", "22cccN"),
	ROW(TYPE_KX, "KX", "2N"),
	ROW(TYPE_CERT, "CERT", "221*"),
	ROW(38, "A6", "q"),
	ROW(TYPE_DNAME, "DNAME", "N", .singleton = true),
	ROW(40, "SINK", "111?"),
	ROW(TYPE_OPT, "OPT", "?", .meta = true),
	ROW(TYPE_APL, "APL", "p"),
	ROW(TYPE_DS, "DS", "21d"),
	ROW(TYPE_SSHFP, "SSHFP", "1f"),
	ROW(TYPE_IPSECKEY, "IPSECKEY", "g"),
	ROW(TYPE_RRSIG, "RRSIG", "2114442U*", .dnssec_made = true),
	ROW(TYPE_NSEC, "NSEC", "uB", .dnssec_made = true),
	ROW(TYPE_DNSKEY, "DNSKEY", "211*"),
	ROW(TYPE_DHCID, "DHCID", "*"),
	ROW(TYPE_NSEC3, "NSEC3", "112cHb", .dnssec_made = true),
	ROW(TYPE_NSEC3PARAM, "NSEC3PARAM", "112c"),
	ROW(TYPE_TLSA, "TLSA", "111*"),
	ROW(TYPE_SMIMEA, "SMIMEA", "111*"),
	ROW(55, "HIP", "h"),
	ROW(56, "NINFO", "C"),
	ROW(57, "RKEY", "211*"),
	ROW(58, "TALINK", "uu"),
	ROW(TYPE_CDS, "CDS", "21d"),
	ROW(TYPE_CDNSKEY, "CDNSKEY", "211*"),
	ROW(TYPE_OPENPGPKEY, "OPENPGPKEY", "*"),
	ROW(TYPE_CSYNC, "CSYNC", "42b"),
	ROW(TYPE_ZONEMD, "ZONEMD", "41z"),
	ROW(TYPE_SVCB, "SVCB", "2us"),
	ROW(TYPE_HTTPS, "HTTPS", "2us"),
	ROW(TYPE_SPF, "SPF", "C"),
	ROW(104, "NID", "28"),
	ROW(105, "L32", "2a"),
	ROW(106, "L64", "28"),
	ROW(107, "LP", "2u"),
	ROW(108, "EUI48", "6"),
	ROW(109, "EUI64", "8"),
	ROW(TYPE_TKEY, "TKEY", NULL, .meta = true),
	ROW(TYPE_TSIG, "TSIG", NULL, .meta = true),
	ROW(TYPE_IXFR, "IXFR", NULL, .meta = true),
	ROW(TYPE_AXFR, "AXFR", NULL, .meta = true),
	ROW(TYPE_MAILB, "MAILB", NULL, .meta = true),
	ROW(TYPE_MAILA, "MAILA", NULL, .meta = true),
	ROW(TYPE_ANY, "ANY", NULL, .meta = true),
	ROW(TYPE_URI, "URI", "22*"),
	ROW(TYPE_CAA, "CAA", "1t?"),
	ROW(258, "AVC", "C"),
	ROW(259, "DOA", "441c?"),
	ROW(260, "AMTRELAY", "m"),
};

static const struct rrtype_info private_types[] = {
	{.type = 32768, .mnemonic = "TA", .shape = "21d"},
	{.type = 32769, .mnemonic = "DLV", .shape = "21d"},
};

static const struct rrtype_info unknown;

const struct rrtype_info *
rrtype_info(uint16_t type)
{
	if (type < ARRAY_SIZE(types))
		return &types[type];
	if (type == 32768 || type == 32769)
		return &private_types[type - 32768];
	return &unknown;
}

bool
rrtype_is_meta(uint16_t type)
{
	return type == 0 || type == TYPE_OPT || (type >= 128 && type <= 255);
}

bool
rrtype_is_at_cname(uint16_t type)
{
	return type == TYPE_CNAME || type == TYPE_RRSIG || type == TYPE_NSEC || type == TYPE_KEY;
}

const char *
rrtype_to_text(uint16_t type, char out[RRTYPE_TEXT_SIZE])
{
	const char *mnemonic = rrtype_info(type)->mnemonic;

	if (mnemonic != NULL)
		snprintf(out, RRTYPE_TEXT_SIZE, "%s", mnemonic);
	else
		snprintf(out, RRTYPE_TEXT_SIZE, "TYPE%u", type);
	return out;
}

/* TYPEnnn (RFC 3597 5): decimal, without a sign; leading zeros are harmless. */
static enum status
number_from_text(const char *digits, uint16_t *type)
{
	unsigned value = 0;

	if (*digits == '\0')
		return STATUS_INVALID;
	for (; *digits != '\0'; digits++) {
		if (*digits < '0' || *digits > '9')
			return STATUS_INVALID;
		value = value * 10 + (unsigned)(*digits - '0');
		if (value > UINT16_MAX)
			return STATUS_INVALID;
	}
	*type = (uint16_t)value;
	return STATUS_OK;
}

enum status
rrtype_from_text(const char *text, uint16_t *type)
{
	/* The types that zones are full of have low numbers: the walk is short for them. */
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const char *mnemonic = types[i].mnemonic;
		if (mnemonic != NULL && ((mnemonic[0] ^ text[0]) & 0xdf) == 0 && strcasecmp(mnemonic, text) == 0) {
			*type = types[i].type;
			return STATUS_OK;
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(private_types); i++) {
		if (strcasecmp(private_types[i].mnemonic, text) == 0) {
			*type = private_types[i].type;
			return STATUS_OK;
		}
	}
	if (strncasecmp(text, "TYPE", 4) == 0)
		return number_from_text(text + 4, type);
	return STATUS_INVALID;
}

/* A number without a name, in static storage: texts are made once, for all that fit twelve bits. */
static const char *
numbered(char (*texts)[12], size_t count, const char *prefix, unsigned number)
{
	static const char *const beyond = "UNKNOWN";

	if (number >= count)
		return beyond;
	/* Two threads may write the same characters at once, which leaves them as they are. */
	char text[12];
	snprintf(text, sizeof text, "%s%u", prefix, number);
	for (size_t at = 0; at < sizeof text; at++)
		__atomic_store_n(&texts[number][at], text[at], __ATOMIC_RELAXED);
	return texts[number];
}

const char *
rcode_text(unsigned rcode)
{
	static const char *const names[] = {
		"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET",
		"NOTAUTH", "NOTZONE", "DSOTYPENI", [RCODE_BADVERS] = "BADVERS", [RCODE_BADKEY] = "BADKEY",
		[RCODE_BADTIME] = "BADTIME", [RCODE_BADMODE] = "BADMODE", [RCODE_BADNAME] = "BADNAME",
		[RCODE_BADALG] = "BADALG", [RCODE_BADTRUNC] = "BADTRUNC", [RCODE_BADCOOKIE] = "BADCOOKIE",
	};
	static char others[4096][12];

	if (rcode < ARRAY_SIZE(names) && names[rcode] != NULL)
		return names[rcode];
	return numbered(others, ARRAY_SIZE(others), "RCODE", rcode);
}

const char *
opcode_text(unsigned opcode)
{
	static const char *const names[] = {"QUERY", "IQUERY", "STATUS", [OPCODE_NOTIFY] = "NOTIFY",
	                                    [OPCODE_UPDATE] = "UPDATE", [6] = "DSO"};
	static char others[16][12];

	if (opcode < ARRAY_SIZE(names) && names[opcode] != NULL)
		return names[opcode];
	return numbered(others, ARRAY_SIZE(others), "OPCODE", opcode);
}
