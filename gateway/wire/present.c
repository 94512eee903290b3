#include "wire/present.h"
#include "wire/name.h"
#include "wire/present_field.h"
#include "wire/rdata.h"
#include "wire/rrtype.h"
#include <arpa/inet.h>
#include <ldns/ldns.h>
#include <stdio.h>

/*
 * How the RDATA of a type is written, field by field; types that are not here have the RFC 3597 form only.
 *   n name   a A  addresses   1 2 4 numbers   8 a locator (RFC 6742)   s a character-string   S one or more
 *   o one or none   q octets to the end, quoted   k a CAA tag   x hex to the end   b base64 to the end
 *   B the same or nothing   h a salt   H a hash in base32hex   T types of a bitmap   t a type   g an algorithm
 *   c a certificate type   i a time   p seconds   L LOC   P APL items   v SvcParams   e E an EUI-48, an EUI-64
 *   I IPSECKEY   M AMTRELAY   U HIP   N an NSAP
 */
static const struct layout {
	uint16_t type;
	const char *fields;
} layouts[] = {
	{TYPE_SOA, "nn4pppp"},
	{TYPE_MX, "2n"},
	{TYPE_TXT, "S"},
	{TYPE_SRV, "222n"},
	{TYPE_DHCID, "b"},
	{TYPE_DS, "2g1x"},
	{TYPE_TLSA, "111x"},
	{TYPE_SSHFP, "11x"},
	{TYPE_CAA, "1kq"},
	{TYPE_SVCB, "2nv"},
	{TYPE_HTTPS, "2nv"},
	{TYPE_NAPTR, "22sssn"},
	{TYPE_DNSKEY, "21gb"},
	{TYPE_CDNSKEY, "21gb"},
	{TYPE_CDS, "2g1x"},
	{TYPE_URI, "22q"},
	{TYPE_HINFO, "ss"},
	{TYPE_RP, "nn"},
	{TYPE_LOC, "L"},
	{TYPE_CERT, "c2gb"},
	{TYPE_OPENPGPKEY, "b"},
	{TYPE_SMIMEA, "111x"},
	{TYPE_APL, "P"},
	{TYPE_CSYNC, "42T"},
	{TYPE_ZONEMD, "411x"},
	{TYPE_RRSIG, "tg14ii2nb"},
	{TYPE_NSEC, "nT"},
	{TYPE_NSEC3, "112hHT"},
	{TYPE_NSEC3PARAM, "112h"},
	{TYPE_MB, "n"},
	{TYPE_MG, "n"},
	{TYPE_MR, "n"},
	{3, "n"},
	{4, "n"},
	{TYPE_MINFO, "nn"},
	{TYPE_AFSDB, "2n"},
	{19, "s"},
	{20, "so"},
	{21, "2n"},
	{22, "N"},
	{23, "n"},
	{TYPE_SIG, "tg14ii2nb"},
	{TYPE_KEY, "21gB"},
	{26, "2nn"},
	{27, "sss"},
	{TYPE_KX, "2n"},
	{TYPE_IPSECKEY, "I"},
	{55, "U"},
	{56, "S"},
	{57, "21gb"},
	{58, "nn"},
	{TYPE_SPF, "S"},
	{104, "28"},
	{105, "2a"},
	{106, "28"},
	{107, "2n"},
	{108, "e"},
	{109, "E"},
	{258, "S"},
	{260, "M"},
	{32768, "2g1x"},
	{32769, "2g1x"},
};

static const char *
layout_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(layouts); i++)
		if (layouts[i].type == type)
			return layouts[i].fields;
	return NULL;
}

int
present_mnemonic(const char *text, bool certificate)
{
	const ldns_lookup_table *row = ldns_lookup_by_name(certificate ? ldns_cert_algorithms : ldns_algorithms, text);

	return row == NULL ? -1 : row->id;
}

int
present_base32hex(const char *text, uint8_t *out, size_t room)
{
	return ldns_b32_pton_extended_hex(text, strlen(text), out, room);
}

bool
present_location(const char *text, struct writer *out)
{
	ldns_rdf *rdf = ldns_rdf_new_frm_str(LDNS_RDF_TYPE_LOC, text);

	if (rdf == NULL)
		return false;
	writer_bytes(out, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
	ldns_rdf_deep_free(rdf);
	return true;
}

char *
present_through_ldns(char kind, const uint8_t *octets, size_t size)
{
	ldns_rdf_type type = kind == 'L' ? LDNS_RDF_TYPE_LOC : LDNS_RDF_TYPE_NSEC3_NEXT_OWNER;
	ldns_rdf *rdf = ldns_rdf_new_frm_data(type, size, octets);
	char *text = rdf == NULL ? NULL : ldns_rdf2str(rdf);

	ldns_rdf_deep_free(rdf);
	return text;
}

static bool
is_one_name(uint16_t type)
{
	return type == TYPE_NS || type == TYPE_CNAME || type == TYPE_PTR || type == TYPE_DNAME;
}

/* "\# 4 0a000001" (RFC 3597 5), behind the "\#". */
static bool
parse_generic(struct scan *scan)
{
	struct token token;
	uint64_t size;

	if (!present_token(scan, "the length after \\#", &token) ||
	    !present_number(scan, &token, RDATA_MAX_SIZE, &size))
		return false;
	if (!present_at_end(scan) && !present_field_parse(scan, 'x'))
		return false;
	if (writer_size(&scan->out) != size)
		return present_fail(scan, "%zu octets where \\# says %u", writer_size(&scan->out), (unsigned)size);
	return true;
}

static bool
begins_generic(struct scan *scan)
{
	return !present_at_end(scan) && scan->end - scan->at >= 2 && scan->at[0] == '\\' && scan->at[1] == '#' &&
	       (scan->end - scan->at == 2 || scan->at[2] == ' ' || scan->at[2] == '\t');
}

static bool
parse_fields(struct scan *scan, uint16_t type)
{
	const char *fields = layout_of(type);
	char mnemonic[RRTYPE_TEXT_SIZE];

	if (begins_generic(scan)) {
		scan->at += 2;
		return parse_generic(scan);
	}
	if (is_one_name(type))
		fields = "n";
	else if (type == TYPE_A)
		fields = "a";
	else if (type == TYPE_AAAA)
		fields = "A";
	if (fields == NULL)
		return present_fail(scan, "%s needs the form \\# LENGTH HEX (RFC 3597)",
				    rrtype_to_text(type, mnemonic));
	for (; *fields != '\0'; fields++)
		if (!present_field_parse(scan, *fields))
			return false;
	return true;
}

enum status
present_parse(uint16_t type, const char *text, size_t length, const uint8_t *origin,
              uint8_t *rdata, size_t room, size_t *size, char *reason)
{
	struct scan scan = {.at = text, .end = text + length, .origin = origin, .reason = reason};
	char mnemonic[RRTYPE_TEXT_SIZE];

	scan.out = writer_over(rdata, room < RDATA_MAX_SIZE ? room : RDATA_MAX_SIZE);
	bool good = parse_fields(&scan, type);
	if (scan.out.failed)
		good = present_fail(&scan, "the data is too long");
	else if (good && !present_at_end(&scan))
		good = present_fail(&scan, "there is more than %s has fields for", rrtype_to_text(type, mnemonic));
	else if (good && rdata_check_plain(rdata, writer_size(&scan.out), type) != STATUS_OK)
		good = present_fail(&scan, "not valid data for %s", rrtype_to_text(type, mnemonic));
	if (!good)
		return STATUS_MALFORMED;
	*size = writer_size(&scan.out);
	return STATUS_OK;
}

static void
print_generic(struct print *print, const uint8_t *rdata, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	present_put_text(print, "\\# ");
	present_put_number(print, size);
	if (size > 0)
		present_put_char(print, ' ');
	for (size_t at = 0; at < size; at++) {
		present_put_char(print, digits[rdata[at] >> 4]);
		present_put_char(print, digits[rdata[at] & 15]);
	}
}

static bool
print_fields(struct print *print, const char *fields)
{
	for (const char *kind = fields; *kind != '\0'; kind++)
		if (!present_field_print(print, *kind, kind == fields))
			return false;
	return true;
}

enum status
present_rdata(uint16_t type, const uint8_t *rdata, size_t size, char *text, size_t room, size_t *length)
{
	struct print print = {.at = rdata, .end = rdata + size, .text = text, .text_end = text + room - 1};
	const char *fields;

	require(room >= 64);
	if (type == TYPE_A || type == TYPE_AAAA) {
		inet_ntop(type == TYPE_A ? AF_INET : AF_INET6, rdata, text, (socklen_t)room);
		*length = strlen(text);
		return STATUS_OK;
	}
	if (is_one_name(type) && room >= NAME_TEXT_SIZE) {
		*length = strlen(name_to_text(rdata, text));
		return STATUS_OK;
	}
	fields = is_one_name(type) ? "n" : layout_of(type);
	if (fields == NULL || !print_fields(&print, fields)) {
		print = (struct print){.at = rdata, .end = rdata + size, .text = text, .text_end = text + room - 1};
		print_generic(&print, rdata, size);
	}
	if (print.failed)
		return STATUS_LIMIT;
	*print.text = '\0';
	*length = (size_t)(print.text - text);
	return STATUS_OK;
}
