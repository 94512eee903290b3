/*
 * What a worker's epoll watches: the first member of whatever hangs on a file descriptor.
 *
 * Threads:   the worker's.
 */
#ifndef ZONEGATE_SERVE_SOURCE_H
#define ZONEGATE_SERVE_SOURCE_H

#include <stdint.h>

struct source {
	void (*ready)(struct source *source, uint32_t events); /* events: EPOLLIN, … */
};

#endif
