/*
 * What is made at start and at reload, before anything of it is in use: no memory for that ends the program.
 *
 * Threads:   any.
 */
#ifndef ZONEGATE_BASE_MUST_H
#define ZONEGATE_BASE_MUST_H

#include <stdlib.h>

static inline void *
must(void *allocated)
{
	if (allocated == NULL)
		abort();
	return allocated;
}

#endif
