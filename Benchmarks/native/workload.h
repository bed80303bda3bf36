// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What all libraries are given to record, so that they do the same work, and what is checked of the text they give.
#ifndef FDMETRICS_BENCHMARKS_WORKLOAD_H
#define FDMETRICS_BENCHMARKS_WORKLOAD_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// Fifteen finite bounds; +Inf is the sixteenth bucket.
#define WORKLOAD_BOUNDS .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 25
// The fourteen of the exposition's histograms, the default of Prometheus's own clients.
#define WORKLOAD_TEXT_BOUNDS .005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10

enum {
  WORKLOAD_VALUES = 1024,  // different observed values, a power of two
  WORKLOAD_SERIES = 64     // series of the labelled family, a power of two
};

// The one observed value where it does not vary.
static const double workload_value = .3;

// Observed values spread evenly over the orders of magnitude of the bounds, in no order that a branch predictor could
// learn within a slice, and the same in every program.
static double workload_values[WORKLOAD_VALUES];
static inline void workload_make_values(void) {
  uint64_t state = 0x9e3779b97f4a7c15;
  for (int i = 0; i < WORKLOAD_VALUES; i++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    workload_values[i] = .002 * pow(20000, (double)(state >> 11) / 9007199254740992.0);
  }
}

// Counts the sample lines of a text whose name starts with prefix ("" for all) and adds up their values.
static inline void workload_sum(const char *text, const char *prefix, long *lines, double *sum) {
  size_t prefix_length = strlen(prefix);
  *lines = 0, *sum = 0;
  while (*text) {
    const char *end = strchr(text, '\n');
    if (!end) end = text + strlen(text);
    if (*text != '#' && end > text && !strncmp(text, prefix, prefix_length)) {
      const char *value = end;
      while (value > text && value[-1] != ' ') value--;
      *sum += strtod(value, NULL);
      ++*lines;
    }
    text = *end ? end + 1 : end;
  }
}

#endif
