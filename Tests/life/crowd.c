// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Very many processes on one store: each attaches it by itself, records once and waits.
//
//   crowd DIRECTORY FIRST SECOND
//
// Starts FIRST processes, says how many have recorded, and is sent a line; the same with SECOND more; then shows the
// store, is sent a line, and lets them all end. Its last line is how many ended well.
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdmetrics.h"

enum { AT_A_TIME = 8 };
static fdm_store *store;

static void check(fdm_status status, const char *what) {
  if (status == FDM_OK) return;
  fprintf(stderr, "%s: %d %s\n", what, status, fdm_last_error());
  _exit(1);
}

static void attach(const char *directory) {
  fdm_options options = {.struct_size = sizeof options, .directory = directory};
  check(fdm_store_open(&options, &store), "open");
}

static fdm_family *family(uint32_t type, const char *name) {
  double bounds[] = {1, 2};
  int has_bounds = type == FDM_HISTOGRAM;
  fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .type = type, .name = name,
                               .gauge_mode = type == FDM_GAUGE ? FDM_GAUGE_LIVESUM : 0,
                               .bounds = has_bounds ? bounds : NULL, .bound_count = has_bounds ? 2 : 0};
  fdm_family *made;
  check(fdm_register(store, &descriptor, &made), name);
  return made;
}

static void record(const char *directory) {
  fdm_counter *jobs;
  fdm_histogram *wait;
  fdm_gauge *busy;
  attach(directory);
  check(fdm_counter_labels(family(FDM_COUNTER, "jobs"), NULL, 0, &jobs), "jobs");
  check(fdm_histogram_labels(family(FDM_HISTOGRAM, "wait"), NULL, 0, &wait), "wait");
  check(fdm_gauge_labels(family(FDM_GAUGE, "busy"), NULL, 0, &busy), "busy");
  check(fdm_counter_add(jobs, 10), "add");
  fdm_histogram_observe(wait, 1.5);
  fdm_gauge_set(busy, 1);
}

// Each process is a child of this one and has its ends of two pipes: it says that it is ready, and waits for the end.
// A few start at a time. How many have recorded.
static int start(const char *directory, int count, const int ready[2], const int end[2]) {
  int seen = 0;
  for (int i = 0; i < count; i++) {
    pid_t child = fork();
    if (child < 0) return 0;
    if (child == 0) {
      close(end[1]);
      close(ready[0]);
      record(directory);
      char byte = '.';
      if (write(ready[1], &byte, 1) != 1) _exit(2);
      _exit(read(end[0], &byte, 1) == 0 ? 0 : 3);
    }
    char byte;
    while (seen < (i + 1 < count ? i + 1 - AT_A_TIME : count) && read(ready[0], &byte, 1) == 1) seen++;
  }
  return seen;
}

static void pause_for_line(void) {
  fflush(stdout);
  while (getchar() != '\n' && !feof(stdin)) continue;
}

int main(int count, char **arguments) {
  if (count != 4) return 2;
  int ready[2], end[2], total = 0;
  if (pipe(ready) || pipe(end)) return 2;
  for (int i = 2; i < 4; i++) {
    int number = atoi(arguments[i]);
    total += number;
    printf("%d\n", start(arguments[1], number, ready, end));
    pause_for_line();
  }
  char *text;
  size_t length;
  attach(arguments[1]);
  check(fdm_render(store, FDM_FORMAT_TEXT, FDM_RENDER_SELF_METRICS, &text, &length), "render");
  fwrite(text, 1, length, stdout);
  fdm_free(text);
  puts("# end");
  pause_for_line();
  close(end[1]);
  int well = 0;
  for (int status; wait(&status) > 0;) well += status == 0;
  printf("%d\n", well);
  return well == total ? 0 : 1;
}
