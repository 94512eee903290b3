/*
 * Response rate limiting: what one client network gets of one kind of response over UDP, so that forged addresses turn
 * us on nobody. Who has a good cookie, signs or comes by TCP is not counted: the address is its own.
 *
 * Threads:   a table belongs to its worker. Rates are of the whole gateway: each worker has its share, as the kernel
 *            spreads clients over them.
 * Memory:    1 MiB a worker, touched only where limiting is on.
 * Limits:    65,536 buckets a worker. Where a set of four is full, the one that is furthest from its limit goes: a
 *            flood from many networks does not make us forget those that are limited.
 */
#ifndef ZONEGATE_SERVE_RATELIMIT_H
#define ZONEGATE_SERVE_RATELIMIT_H

#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct ratelimit_settings {
	uint32_t rate_milli;    /* thousandths of a response a second, of the whole gateway; 0: off */
	uint32_t slip;          /* each slip-th limited response is sent with TC=1; 0: none */
};

/* ANSWER: with data. EMPTY: a referral or NODATA. The others are small, and count each for itself. */
enum ratelimit_kind { RATELIMIT_ANSWER, RATELIMIT_EMPTY, RATELIMIT_NXDOMAIN, RATELIMIT_ERROR };
enum ratelimit_verdict { RATELIMIT_SEND, RATELIMIT_DROP, RATELIMIT_SLIP, RATELIMIT_VERDICTS };

struct ratelimit;

/* workers: that share the rate; at least 1. NULL: no memory. */
struct ratelimit *ratelimit_new(unsigned workers);
void ratelimit_free(struct ratelimit *limit);
/* One response for `client`, whose network is its /24 or /56. Only where rate_milli > 0. */
enum ratelimit_verdict ratelimit_take(struct ratelimit *limit, const struct ratelimit_settings *settings,
				      const struct sockaddr_storage *client, enum ratelimit_kind kind, uint64_t now_ms);

#endif
