// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <sched.h>
#include <time.h>

static uint64_t nanoseconds(clockid_t clock) {
  struct timespec time = {0, 0};
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t CFDMetricsLinux_real_time(void) { return nanoseconds(CLOCK_REALTIME); }

uint64_t CFDMetricsLinux_monotonic_time(void) { return nanoseconds(CLOCK_MONOTONIC); }

uint64_t CFDMetricsLinux_coarse_time(void) { return nanoseconds(CLOCK_MONOTONIC_COARSE); }

void CFDMetricsLinux_sleep(uint32_t microseconds) {
  struct timespec time = {(time_t)(microseconds / 1000000), (long)(microseconds % 1000000) * 1000};
  nanosleep(&time, NULL);
}

void CFDMetricsLinux_yield(void) { sched_yield(); }
