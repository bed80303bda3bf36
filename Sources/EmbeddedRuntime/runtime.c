// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What Embedded Swift asks its surroundings for, beside memcpy and the like. The library's build (scripts/build-library.sh)
// binds the names that Swift uses to these, so that nothing of another name is defined where the library is linked statically.
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

// posix_memalign(3): all memory of Swift's.
int CFDMetricsLinux_posix_memalign(void **block, size_t alignment, size_t size) {
  *block = CFDMetricsLinux_allocate(size, alignment);
  return 0;
}

// ceil(3), of the sizes of hash tables, which is all that libm would be needed for.
double CFDMetricsLinux_ceil(double number) {
  const double whole = (double)(int64_t)number;
  return whole < number ? whole + 1 : whole;
}

// arc4random_buf(3): the seed of Swift's hash tables. One that can be guessed is better than none.
void CFDMetricsLinux_arc4random_buf(void *bytes, size_t count) { CFDMetricsLinux_random(bytes, count); }
