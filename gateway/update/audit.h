/*
 * One line for every UPDATE, accepted or not, and why: an event in the process log, and a JSON line in the audit file.
 *
 * Threads:   any; one write(2) a line, O_APPEND. audit_reopen after the file was rotated.
 */
#ifndef ZONEGATE_UPDATE_AUDIT_H
#define ZONEGATE_UPDATE_AUDIT_H

#include "update/update.h"

struct audit;

/* path NULL: the process log only. STATUS_IO with errno. */
MUST_USE enum status audit_open(const char *path, struct audit **audit);
void audit_reopen(struct audit *audit);
void audit_close(struct audit *audit);

/*
 * The outcome of a request that is about to be released; `verdict` in one word ("applied", "nothing", "prerequisite",
 * "policy", "formerr", "timeout", …).
 */
void audit_update(struct audit *audit, const struct update_request *request, const char *verdict, uint64_t duration_ns);
/* The same for one that never became a request (TSIG failed, not our zone, refused at the door). */
void audit_refused(struct audit *audit, const struct message *msg, const struct sockaddr *client,
		   enum update_transport transport, const char *key, unsigned rcode, const char *verdict,
		   const char *reason);

#endif
