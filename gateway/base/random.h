/*
 * Unpredictable numbers from the kernel, buffered by thread.
 *
 * Threads:   any.
 */
#ifndef ZONEGATE_BASE_RANDOM_H
#define ZONEGATE_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

void random_bytes(void *out, size_t size);
/* Uniform in [0, bound); bound > 0. */
uint32_t random_below(uint32_t bound);

#endif
