/*
 * The control socket: one request a connection, from zonegatectl, answered as text or JSON lines.
 *
 *     request:  a line of JSON
 *               {"command":"log","arguments":["example.test."],"options":{"since":"3"},"json":true,"size":0}, then
 *               `size` octets
 *               (a master file for import)
 *     answer:   frames: "D SIZE\n" and SIZE octets of output, any number of them; last "E STATUS SIZE\n" and the
 *               reason, SIZE octets
 *
 * Threads:   one that accepts, one for each connection (at most CONTROL_MAX_CONNECTIONS), so that a long dump keeps
 *            nobody waiting.
 * Security:  the socket has mode 0660: who may write to it may do everything.
 */
#ifndef ZONEGATE_CONTROL_CONTROL_H
#define ZONEGATE_CONTROL_CONTROL_H

#include "control/gateway.h"

#define CONTROL_MAX_CONNECTIONS 64
#define CONTROL_MAX_REQUEST (1u << 20)   /* the line */
#define CONTROL_MAX_CONTENT (4ull << 30) /* what follows it */

struct control;

/*
 * Make the socket; a stale one is replaced, one that somebody listens on is STATUS_EXISTS. uid and gid: its owner,
 * -1: as it is.
 */
MUST_USE enum status control_listen(const char *path, uid_t uid, gid_t gid, int *fd, char *reason);
/* fd is given. */
MUST_USE enum status control_start(struct gateway *gateway, int fd, const char *path, struct control **control,
                                   char *reason);
/* Ends what is under way; the socket's file is removed. */
void control_stop(struct control *control);

#endif
