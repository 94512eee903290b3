/*
 * Read sections and deferred free, over liburcu's QSBR flavour.
 *
 * Threads:   every thread that reads RCU-protected pointers calls rcu_register_thread first, announces a quiescent
 *            state between two pieces of work, and goes offline before it blocks. Readers cost nothing else.
 * Memory:    what was unlinked is freed after synchronize_rcu, by a thread that may wait. Not call_rcu: the thread
 *            sanitizer cannot follow it.
 * Trap:      a pointer read inside a section dies at the next rcu_quiescent_state: a transfer that lasts minutes pins
 *            its zone version by count (zone/version.h) instead.
 */
#ifndef ZONEGATE_BASE_RCU_H
#define ZONEGATE_BASE_RCU_H

/* Inline, but for the thread sanitizer, which takes the library's own way of sharing a flag for a race. */
#ifndef __SANITIZE_THREAD__
#define _LGPL_SOURCE
#endif
#include <urcu-qsbr.h>

/*
 * Nor can that sanitizer know that a quiescent state comes before the return of a synchronize_rcu that waited for it:
 * it would report each free as a race with the last read. Here it is told.
 */
#ifdef __SANITIZE_THREAD__

void __tsan_acquire(void *address);
void __tsan_release(void *address);

/* Weak: one in the whole process. */
__attribute__((weak)) char rcu_tsan_edge;

static inline void rcu_tsan_quiescent_state(void) { __tsan_release(&rcu_tsan_edge); urcu_qsbr_quiescent_state(); }
static inline void rcu_tsan_thread_offline(void) { __tsan_release(&rcu_tsan_edge); urcu_qsbr_thread_offline(); }
static inline void rcu_tsan_unregister_thread(void) { __tsan_release(&rcu_tsan_edge); urcu_qsbr_unregister_thread(); }
static inline void rcu_tsan_synchronize(void) { urcu_qsbr_synchronize_rcu(); __tsan_acquire(&rcu_tsan_edge); }

#undef rcu_quiescent_state
#undef rcu_thread_offline
#undef rcu_unregister_thread
#undef synchronize_rcu
#define rcu_quiescent_state rcu_tsan_quiescent_state
#define rcu_thread_offline rcu_tsan_thread_offline
#define rcu_unregister_thread rcu_tsan_unregister_thread
#define synchronize_rcu rcu_tsan_synchronize

#endif

#endif
