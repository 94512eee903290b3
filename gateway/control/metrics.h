/*
 * What there is to measure, in Prometheus' text format 0.0.4; names are those of interface.md.
 *
 * Threads:   a registered RCU reader that is offline; takes the gateway's lock for reading.
 */
#ifndef ZONEGATE_CONTROL_METRICS_H
#define ZONEGATE_CONTROL_METRICS_H

#include "control/gateway.h"
#include <stdio.h>

void metrics_write(struct gateway *gateway, FILE *out);

#endif
