/*
 * DNS cookies: what tells a client who has our last answer from one whose address is forged.
 *
 * Threads:   any; no state but the secrets, which are immutable.
 * Memory:    nothing is allocated but by cookie_load, for its reading.
 * Limits:    COOKIE_SECRETS secrets: the first makes cookies, all are accepted, so that servers which share an address
 *            can change secrets one after the other (RFC 9018 5).
 * Standards: RFC 7873; RFC 9018, whose server cookies are the same for every maker of servers.
 */
#ifndef ZONEGATE_SERVE_COOKIE_H
#define ZONEGATE_SERVE_COOKIE_H

#include "base/status.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define COOKIE_SECRETS 4
#define COOKIE_SECRET_SIZE 16
#define COOKIE_CLIENT_SIZE 8
#define COOKIE_SIZE 24          /* client's and server's, as RFC 9018 makes them */
#define COOKIE_REASON_SIZE 400

struct cookie_secrets {
	unsigned count;         /* 0: cookies are not answered */
	uint8_t bytes[COOKIE_SECRETS][COOKIE_SECRET_SIZE];
};

/* NEW: the client's half only. BAD: a server cookie that is not ours, too old, or of another address. */
enum cookie_verdict { COOKIE_NEW, COOKIE_BAD, COOKIE_GOOD, COOKIE_VERDICTS };

/*
 * Judge the COOKIE option of a request (8, or 16 to 40 octets) and make the one of its answer.
 * now_s    wall clock, seconds since 1970
 */
enum cookie_verdict cookie_answer(const struct cookie_secrets *secrets, const struct sockaddr_storage *client,
				  const uint8_t *cookie, size_t size, uint64_t now_s, uint8_t out[COOKIE_SIZE]);

/* A secret that nobody knows. */
void cookie_random(struct cookie_secrets *secrets);
/*
 * Secrets from a file: each line is 32 hexadecimal digits; empty lines and those that begin with # are passed over.
 * STATUS_IO, STATUS_MALFORMED; reason ("FILE: …" where it cannot be read, or "FILE:LINE: …") has COOKIE_REASON_SIZE.
 */
MUST_USE enum status cookie_load(const char *path, struct cookie_secrets *secrets, char *reason);

#endif
