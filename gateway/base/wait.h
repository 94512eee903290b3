/*
 * Waiting on a condition until a time of the monotonic clock: whoever sets the wall's clock back makes nobody wait.
 *
 * Threads:   any; the mutex is held.
 */
#ifndef ZONEGATE_BASE_WAIT_H
#define ZONEGATE_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A condition for wait_until; freed as any. */
void wait_init(pthread_cond_t *condition);
/* until_ms: of clock_monotonic_ms. False: it has come; true: signalled, or for no reason. */
bool wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, uint64_t until_ms);

#endif
