/*
 * Read sections and deferred free, over liburcu's QSBR flavour.
 *
 * Threads:   every thread that reads RCU-protected pointers calls rcu_register_thread first, announces a quiescent state
 *            between two pieces of work, and goes offline before it blocks. Readers cost nothing else.
 * Trap:      a pointer read inside a section dies at the next rcu_quiescent_state: a transfer that lasts minutes pins
 *            its zone version by count (zone/version.h) instead.
 */
#ifndef ZONEGATE_BASE_RCU_H
#define ZONEGATE_BASE_RCU_H

#define _LGPL_SOURCE
#include <urcu-qsbr.h>

#endif
