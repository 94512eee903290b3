/*
 * NOTIFY out (RFC 1996): tells the secondaries of a zone that it has a new version.
 *
 * The first NOTIFY after a change leaves at once. While it is not acknowledged, further changes wait for the answer and
 * then leave as one; without an answer it is sent again, with the newest SOA, after retry_ms, doubled each time up to
 * NOTIFY_RETRY_MOST_MS, until there is one. An answer that says no is treated as none: a secondary that does not
 * know the zone yet may know it later.
 *
 * Who has acknowledged the first one, or one that had to be sent again, is told some more times (again_ms): BIND 9.18
 * says yes to a NOTIFY while a refresh is under way, and forgets it where that fails (`cancel_refresh` in its zone.c),
 * as it does when a gateway is killed and started; and where two connections were refused, it does not transfer from
 * this primary for ten minutes, whatever NOTIFY says. A secondary that is up to date answers and does nothing.
 *
 * It leaves from an address that we listen on (transfer/notify_sockets.h); from a port of its own, so that nobody can
 * acknowledge in a secondary's name without guessing it, nor disturb who answers queries.
 *
 * Threads:   one thread for all zones and targets; notify_zone, notify_forget, notify_set_keys: any.
 * Memory:    some 250 octets a zone and a target, 700 more where it has a key.
 * Errors:    counted and logged; nobody waits for a NOTIFY.
 * Limits:    without EDNS: a message over 512 octets goes without its answer section (RFC 1996 3.7: it is a hint).
 * Standards: RFC 1996; RFC 8945 (TSIG where the target has a key; its answer must be signed too).
 */
#ifndef ZONEGATE_TRANSFER_NOTIFY_H
#define ZONEGATE_TRANSFER_NOTIFY_H

#include "transfer/axfr.h"

#define NOTIFY_RETRY_MS 500
#define NOTIFY_RETRY_MOST_MS 60000 /* RFC 1996 3.6 */
#define NOTIFY_AGAIN 3
#define NOTIFY_AGAIN_MS \
	{ \
		3000, 60000, 610000 \
	} /* BIND: a refresh fails; its time-outs end; its cache of the unreachable */

struct notify_settings {
	const struct sockaddr_storage *addresses; /* that we listen on */
	size_t address_count;
	uint32_t again_ms[NOTIFY_AGAIN];          /* rising, after a first acknowledgement */
	uint32_t retry_ms;                        /* after the first that is not answered */
};

struct notify;

struct notify_counters {
	stat_counter sent;          /* messages, retries too */
	stat_counter retries;
	stat_counter acknowledged;
	stat_counter refused;       /* answers with another RCODE than NOERROR, or not signed as they must be */
	stat_counter failed;        /* could not be sent: the network, or no such key */
	stat_counter waiting;       /* a gauge: targets that have not acknowledged the newest yet */
};

/* keys: shared. settings: borrowed. NULL: no memory, no thread or no socket (errno). */
struct notify *notify_new(struct keyring *keys, const struct notify_settings *settings);
void notify_free(struct notify *notify);
/* At reload. */
void notify_set_keys(struct notify *notify, struct keyring *keys);
const struct notify_counters *notify_counters(const struct notify *notify);

/* Tell the targets in zone->transfer_settings about `version`. In an RCU section. */
void notify_zone(struct notify *notify, struct zone *zone, const struct zone_version *version);
/* No more about this zone; before it goes. */
void notify_forget(struct notify *notify, struct zone *zone);

#endif
