/*
 * zonegatectl import: a zone's content from a master file, or from another server by AXFR.
 *
 * Threads:   the thread of the connection: a registered RCU reader that is offline. The gateway's lock is held while
 *            the zone changes, not while another server sends.
 * Errors:    call->reason; nothing is imported then, nor of a transfer that does not come to its end.
 * Standards: RFC 5936; RFC 8945 5.3.1; RFC 9103.
 */
#ifndef ZONEGATE_CONTROL_IMPORT_H
#define ZONEGATE_CONTROL_IMPORT_H

#include "control/call.h"

enum status import_run(struct call *call);

#endif
