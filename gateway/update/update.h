/*
 * RFC 2136: from an UPDATE message and a zone version to a change, or an RCODE. Pure: nothing is published, stored or
 * sent here.
 *
 * Threads:   update_evaluate: any thread, with the version pinned or in an RCU section.
 * Memory:    results lie in request->arena.
 * Standards: RFC 2136 3; updates.md.
 */
#ifndef ZONEGATE_UPDATE_UPDATE_H
#define ZONEGATE_UPDATE_UPDATE_H

#include "base/arena.h"
#include "keys/policy.h"
#include "update/form.h"
#include "wire/message.h"
#include "zone/change.h"
#include "zone/serial.h"
#include "zone/table.h"

enum update_failure { UPDATE_FAIL_DROP, UPDATE_FAIL_SERVFAIL }; /* on-store-failure */

/* What the configuration says of a zone's updates; immutable, replaced at reload (zone->update_settings). */
struct update_settings {
	_Atomic unsigned others;      /* zones that share it, but one */
	struct policy *policy;        /* NULL: see allow_update */
	struct acl *allow_update;     /* NULL and no policy: nobody */
	enum serial_rule serial;
	bool strict;
	bool zonemd;                  /* the gateway alone makes the ZONEMD of the apex */
	unsigned timeout_ms;
	enum update_failure on_failure_udp, on_failure_tcp;
};
/* Frees policy and acl too, once nobody shares it. */
void update_settings_free(struct update_settings *settings);

enum update_transport { UPDATE_UDP, UPDATE_TCP, UPDATE_TLS };

/* A cap for a request's arena with which every UPDATE of 64 KiB can be read, compressed names and all. */
#define UPDATE_ARENA_CAP_BYTES ((size_t)32 << 20)

/*
 * One UPDATE on its way through the gateway. Owned by the committer from committer_submit until release. Zeroed by its
 * maker.
 */
struct update_request {
	struct arena arena;            /* holds the message's bytes and all that is made of them */
	struct message msg;            /* over bytes in the arena */
	struct sockaddr_storage client; /* address and port */
	enum update_transport transport;
	const uint8_t *key_name;       /* verified; lower-case wire name in the arena; NULL: unsigned */
	const char *key_text;          /* the same as text, or "cert:NAME" of a client certificate; NULL: neither */
	const uint8_t *names;          /* all names of that certificate, as in struct policy_requestor; in the arena */
	size_t names_size;
	uint8_t mac[8]; bool has_mac;  /* first octets of the request's MAC */
	uint64_t arrival_ns;           /* monotonic */
	struct zone *zone;             /* pinned by table rules: see zone/table.h */
	bool others_wait;              /* for this thread: run it in another, if there is one */
	/* the outcome */
	bool drop;                     /* send nothing (on-store-failure) */
	unsigned rcode;
	struct ede ede;                /* why, for the client's OPT, the log and the audit line */
	uint64_t version;              /* of the change that it made; 0: none */
	uint32_t serial;
	/* Called exactly once, on any thread, when the outcome stands; the request is the callee's again. */
	void (*release)(struct update_request *request);
	void *owner;                   /* serve/'s own */
	/* private to update/ */
	struct form *form;             /* the sections, read; made by update_check_form */
	struct retransmit_entry *retransmit;
	struct update_request *next;   /* for whoever owns it at the moment */
};

enum update_effect {
	UPDATE_CHANGE,  /* *change is to be committed */
	/*
	 * request->rcode is the answer (NOERROR without effect, or a refusal, or a prerequisite that failed): nothing
	 * to write
	 */
	UPDATE_NOTHING,
};

/*
 * The steps of updates.md in order: zone, form of the update section, policy, prerequisites, update, serial, net
 * effect. Sets request->rcode and request->ede; may be called again with a later version.
 * change  out, in the request's arena: ops, reads, base, base_id; origin but for `gateway`, and time, are the
 *         committer's
 */
enum update_effect update_evaluate(struct update_request *request, const struct zone_version *version,
                                   const struct update_settings *settings, uint64_t wall_s, struct change *change);

/*
 * FORMERR, NOTZONE and the like that need no zone content: form of zone, prerequisite and update section. NOERROR: go
 * on.
 */
unsigned update_check_form(struct update_request *request);
/* Could this sender be allowed anything in this zone? Before memory is spent on the request. */
bool update_could_allow(const struct update_settings *settings, const struct policy_requestor *who);

/*
 * Every owner name that the message mentions (prerequisites and update section), lower case, once each: what an UPDATE
 * waits for while another with one of them is in flight. In the request's arena.
 */
MUST_USE enum status update_names(struct update_request *request, const uint8_t ***names, size_t *count);

#endif
