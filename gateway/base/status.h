/*
 * Results and broken contracts.
 *
 * Threads:   any.
 * Errors:    one enum for failures in the whole program. A protocol outcome ("prerequisite not met", "bad signature")
 *            is not a failure and never a status: it is a value of its module's own enum.
 */
#ifndef ZONEGATE_BASE_STATUS_H
#define ZONEGATE_BASE_STATUS_H

#include <stddef.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, args) __attribute__((format(printf, text, args)))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

enum status {
	STATUS_OK = 0,
	STATUS_MALFORMED,   /* bytes from outside break their format */
	STATUS_INVALID,     /* well formed, but not allowed to mean that */
	STATUS_LIMIT,       /* a cap of ours was reached: arena, size, count */
	STATUS_NO_MEMORY,   /* the system has no memory left */
	STATUS_NOT_FOUND,   /* what was asked for is not there */
	STATUS_EXISTS,      /* what was to be made is there */
	STATUS_FULL,        /* a bounded queue is full: later, or tell the requestor */
	STATUS_RETRY,       /* a store: nothing was written, the same again may work */
	STATUS_REFUSED,     /* a store: this one will never work, others may */
	STATUS_STOP,        /* a store: nothing works until a person acts */
	STATUS_UNSUPPORTED, /* this store or build cannot do it */
	STATUS_IO,          /* the system said no: errno has it */
	STATUS_TIMEOUT,     /* not within the time given */
	STATUS_COUNT
};

/* "malformed", "limit reached", …: for logs and error messages; never NULL. */
const char *status_text(enum status status);

/*
 * Writes why into reason[size] and returns `status`. Octets that a terminal or a log would obey become "?": what is
 * quoted there may come from anybody.
 */
enum status status_say(char *reason, size_t size, enum status status, const char *format, ...) PRINTF_LIKE(4, 5);

/* The caller broke the contract. Stays on in release builds; never on what a packet can cause. */
#define require(condition) ((condition) ? (void)0 : status_broken("require", #condition, __FILE__, __LINE__))
/* We broke our own. */
#define invariant(condition) ((condition) ? (void)0 : status_broken("invariant", #condition, __FILE__, __LINE__))

_Noreturn void status_broken(const char *kind, const char *condition, const char *file, int line);

#endif
