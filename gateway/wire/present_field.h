/*
 * The fields that RDATA text consists of: read from tokens, written back. Used by present.c alone.
 *
 * Threads:   any; no state.
 * Memory:    nothing is kept; ldns objects are freed before return.
 * Errors:    false, and a reason that a user can read.
 */
#ifndef ZONEGATE_WIRE_PRESENT_FIELD_H
#define ZONEGATE_WIRE_PRESENT_FIELD_H

#include "base/bytes.h"
#include "base/status.h"

/* Text that is being read, RDATA that comes out. */
struct scan {
	const char *at, *end;
	const uint8_t *origin; /* NULL: names must be absolute */
	struct writer out;
	char *reason;          /* PRESENT_REASON_SIZE */
};

struct token {
	const char *text;
	size_t length;
	bool quoted; /* the quotes themselves are not part of it */
};

/* Sets the reason; always false. */
bool present_fail(struct scan *scan, const char *format, ...) PRINTF_LIKE(2, 3);
/* Nothing but space left. */
bool present_at_end(struct scan *scan);
/* The next token; false with a reason where there is none or it is broken. `what` names it for the user. */
bool present_token(struct scan *scan, const char *what, struct token *token);
/* \DDD and \X to octets, `room` at most; *size gets them. */
bool present_unescape(struct scan *scan, const struct token *token, uint8_t *out, size_t room, size_t *size);
/* A decimal number up to `max`. */
bool present_number(struct scan *scan, const struct token *token, uint64_t max, uint64_t *value);

/* RDATA that is being read, text that comes out. */
struct print {
	const uint8_t *at, *end;
	char *text, *text_end; /* `text_end` keeps room for the NUL */
	bool failed;           /* no room */
};

void present_put_char(struct print *print, char character);
void present_put_text(struct print *print, const char *text);
void present_put_number(struct print *print, uint64_t value);
/* Quoted; what is special is escaped. */
void present_put_quoted(struct print *print, const uint8_t *octets, size_t size);

/*
 * One field of a layout (see the table in present.c). `first`: no space before it.
 * False of field_print: this value has no text of its own, the RFC 3597 form is to be used.
 */
bool present_field_parse(struct scan *scan, char kind);
bool present_field_print(struct print *print, char kind, bool first);

/* What ldns does for the fields, in present.c. The number of a mnemonic, or -1. */
int present_mnemonic(const char *text, bool certificate);
/* Octets written, or not above 0. */
int present_base32hex(const char *text, uint8_t *out, size_t room);
bool present_location(const char *text, struct writer *out);
/* The text of a field of kind L or H: the caller frees it; NULL: it has none. */
char *present_through_ldns(char kind, const uint8_t *octets, size_t size);

/* SvcParams (RFC 9460 2.1), in present_svcb.c; printed with a space before each. */
bool present_svcb_parse(struct scan *scan);
void present_svcb_print(struct print *print);

#endif
