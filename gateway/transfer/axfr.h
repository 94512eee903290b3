/*
 * Zone transfer out: AXFR from a pinned version (RFC 5936).
 *
 * Threads:   axfr_start on a worker in an RCU section; the stream then belongs to its connection.
 */
#ifndef ZONEGATE_TRANSFER_AXFR_H
#define ZONEGATE_TRANSFER_AXFR_H

#include "keys/policy.h"
#include "transfer/stream.h"
#include "zone/table.h"

struct transfer_target { struct sockaddr_storage address; uint8_t *key_name; /* wire, lower case; NULL: unsigned */ };

/*
 * What the configuration says of who may have a zone, in whole or in answers; immutable, replaced at reload
 * (zone->transfer_settings).
 */
struct transfer_settings {
	_Atomic unsigned others;           /* zones that share it, but one */
	struct acl *allow_transfer;        /* NULL: nobody */
	struct acl *allow_query;           /* NULL: everybody */
	bool zonemd;                       /* transfers have a digest: transfer/digests.h */
	struct transfer_target *notify; size_t notify_count;
};
/* The last one that shares it frees it. */
void transfer_settings_free(struct transfer_settings *settings);

/*
 * Where the version's digest is known (zone_version.zonemd), it stands for the apex's own ZONEMD.
 *
 * msg   the request; its tsig has been verified (or is TSIG_NONE): copied, its key is held until the stream ends
 * OK: *stream gives the whole response. STATUS_REFUSED etc. do not come from here: serve/dispatch.c has checked the
 *     acl.
 */
MUST_USE enum status axfr_start(const struct message *msg, const struct tsig *tsig, const struct zone_version *version,
				struct stream **stream);

#endif
