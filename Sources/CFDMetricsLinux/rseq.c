// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <dlfcn.h>
#include <sched.h>
#include <sys/auxv.h>

ptrdiff_t CFDMetricsLinux_rseq_offset;
uint32_t CFDMetricsLinux_ticks;

#if defined(__aarch64__)
uint32_t CFDMetricsLinux_lse;

__attribute__((constructor)) static void find_lse(void) {
  const unsigned long atomics = 1 << 8;  // HWCAP_ATOMICS of asm/hwcap.h
  CFDMetricsLinux_lse = (getauxval(AT_HWCAP) & atomics) != 0;
}
#endif

__attribute__((constructor)) static void find_rseq(void) {
  // By name, and not as weak symbols: those too would make the loader ask for the glibc that first had them (2.35).
  const ptrdiff_t *offset = dlsym(RTLD_DEFAULT, "__rseq_offset");
  const unsigned int *size = dlsym(RTLD_DEFAULT, "__rseq_size");
  if (offset != NULL && size != NULL && *size > 0) CFDMetricsLinux_rseq_offset = *offset;
}

CFDMETRICS_LINUX_PRESERVE_ALL uint32_t CFDMetricsLinux_getcpu(void) {
  int cpu = sched_getcpu();
  return cpu < 0 ? 0 : (uint32_t)cpu;
}
