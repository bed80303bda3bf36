// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <sched.h>

// Weak, so that the library loads with a glibc that has no rseq support (before 2.35).
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

ptrdiff_t CFDMetricsLinux_rseq_offset;

__attribute__((constructor)) static void find_rseq(void) {
  if (&__rseq_size != NULL && &__rseq_offset != NULL && __rseq_size > 0) CFDMetricsLinux_rseq_offset = __rseq_offset;
}

CFDMETRICS_LINUX_PRESERVE_ALL uint32_t CFDMetricsLinux_getcpu(void) {
  int cpu = sched_getcpu();
  return cpu < 0 ? 0 : (uint32_t)cpu;
}
