/*
 * Versions of the libraries that the program runs with.
 *
 * Threads:   any.
 */
#ifndef ZONEGATE_CONTROL_LIBRARIES_H
#define ZONEGATE_CONTROL_LIBRARIES_H

#include <stdio.h>

/* The program's line, then one for each library. */
void libraries_print(FILE *out, const char *program);

#endif
