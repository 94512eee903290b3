/*
 * cmocka with the headers that it wants before it.
 */
#ifndef ZONEGATE_TESTS_UNIT_CMOCKA_H
#define ZONEGATE_TESTS_UNIT_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#endif
