// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Writers of a histogram that observe 1.0 without end, and a reader that wants every snapshot whole: the sum, the count
// and the +Inf bucket speak of the same observations, and never fall.
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

static const char FAMILY_NAME[] = "snapshot_seconds";

static fdm_histogram *open_histogram(const char *directory) {
  static const double bounds[] = {0.5, 1.0, 2.5};
  fdm_descriptor descriptor;
  memset(&descriptor, 0, sizeof descriptor);
  descriptor.struct_size = sizeof descriptor;
  descriptor.type = FDM_HISTOGRAM;
  descriptor.name = FAMILY_NAME;
  descriptor.bounds = bounds;
  descriptor.bound_count = 3;
  fdm_family *family = NULL;
  REQUIRE_OK(fdm_register(open_store(directory), &descriptor, &family));
  fdm_histogram *histogram = NULL;
  REQUIRE_OK(fdm_histogram_labels(family, NULL, 0, &histogram));
  return histogram;
}

// observe DIRECTORY PROGRESS PROCESS: observes 1.0 until phase 1.
int role_observe(int argc, char **argv) {
  REQUIRE(argc == 3);
  size_t process = (size_t)atoi(argv[2]);
  struct progress progress = map_progress(argv[1], process + 1);
  fdm_histogram *histogram = open_histogram(argv[0]);
  struct progress_row *row = &progress.rows[process];
  __atomic_store_n(&row->ready, 1, __ATOMIC_RELEASE);
  while (__atomic_load_n(&progress.header->phase, __ATOMIC_RELAXED) == 0) {
    fdm_histogram_observe(histogram, 1.0);
    __atomic_store_n(&row->done[0], row->done[0] + 1, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&row->finished, 1, __ATOMIC_RELEASE);
  return 0;
}

// The value of the sample line that begins with this text. Lines are found by their whole beginning, name and labels.
static double sample(const char *text, const char *suffix) {
  char start[120];
  snprintf(start, sizeof start, "\n%s%s ", FAMILY_NAME, suffix);
  const char *line = strstr(text, start);
  if (line == NULL) {
    FAIL("no line of %s%s in the exposition:\n%s", FAMILY_NAME, suffix, text);
  }
  if (strstr(line + 1, start) != NULL) {
    FAIL("two lines of %s%s in the exposition:\n%s", FAMILY_NAME, suffix, text);
  }
  return strtod(line + strlen(start), NULL);
}

// Checks one whole exposition and returns its count.
static double check_exposition(const char *directory) {
  char *text = NULL;
  size_t length = 0;
  REQUIRE_OK(fdm_render_directory(directory, FDM_FORMAT_TEXT, 0, &text, &length));
  double count = sample(text, "_count");
  double sum = sample(text, "_sum");
  double below = sample(text, "_bucket{le=\"0.5\"}");
  double bound = sample(text, "_bucket{le=\"1.0\"}");
  double above = sample(text, "_bucket{le=\"2.5\"}");
  double infinite = sample(text, "_bucket{le=\"+Inf\"}");
  if (sum != count || infinite != count || below != 0 || bound != count || above != count) {
    FAIL("torn: _count %.17g, _sum %.17g, buckets %.17g %.17g %.17g %.17g, of observations of 1.0 alone", count, sum,
         below, bound, above, infinite);
  }
  fdm_free(text);
  return count;
}

// snapshots DIRECTORY COUNT EVERY: COUNT readings of the histogram; every EVERY-th is a whole exposition too. Goes on
// beyond COUNT until one in fifty saw something new: on a busy machine, a reader can be alone for long.
int role_snapshots(int argc, char **argv) {
  REQUIRE(argc == 3);
  unsigned long snapshots = strtoul(argv[1], NULL, 10);
  unsigned long every = strtoul(argv[2], NULL, 10);
  fdm_histogram *histogram = open_histogram(argv[0]);
  double first = 0, last = 0;
  unsigned long distinct = 0, expositions = 0, same = 0, i = 0;
  for (; i < snapshots || distinct < snapshots / 50; i++) {
    uint64_t count = 0;
    double sum = 0;
    fdm_histogram_value(histogram, &count, &sum);
    if (sum != (double)count) {
      FAIL("torn: snapshot %lu has count %llu and sum %.17g, of observations of 1.0 alone", i,
           (unsigned long long)count, sum);
    }
    if ((double)count < last) {
      FAIL("snapshot %lu fell from %.17g to %llu", i, last, (unsigned long long)count);
    }
    bool is_new = (double)count != last;
    distinct += is_new;
    same = is_new ? 0 : same + 1;
    if (same % 64 == 63) {
      sched_yield();
    }
    first = i == 0 ? (double)count : first;
    last = (double)count;
    if (i % every == 0) {
      double rendered = check_exposition(argv[0]);
      expositions += 1;
      if (rendered < last) {
        FAIL("the exposition after snapshot %lu fell from %.17g to %.17g", i, last, rendered);
      }
      last = rendered;
    }
  }
  printf("{\"snapshots\": %lu, \"expositions\": %lu, \"distinct\": %lu, \"first\": %.17g, \"last\": %.17g}\n", i,
         expositions, distinct, first, last);
  return 0;
}
