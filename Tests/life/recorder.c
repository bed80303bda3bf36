// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// A process in C that does one thing for each line of standard input, and answers each with one line.
//
//   open DIRECTORY        attaches a store and takes the handles that it keeps
//   register NAME AMOUNT  registers a counter, which is a look into the directory, and adds to it
//   count AMOUNT          adds to the counter jobs through the handle from the start
//   busy AMOUNT           adds to the gauge busy, of mode livesum, in the same way
//   queue AMOUNT          adds to the gauge queue of the logical worker 3
//   scrape                the text; its line feeds come as form feeds
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdmetrics.h"

static fdm_store *store;
static fdm_counter *jobs;
static fdm_gauge *busy, *queue;

static void check(fdm_status status, const char *what) {
  if (status == FDM_OK) return;
  fprintf(stderr, "%s: %d %s\n", what, status, fdm_last_error());
  exit(1);
}

static fdm_family *family(uint32_t type, const char *name, const char *help, uint32_t mode) {
  fdm_descriptor descriptor = {
      .struct_size = sizeof descriptor, .type = type, .name = name, .help = help, .gauge_mode = mode};
  fdm_family *made;
  check(fdm_register(store, &descriptor, &made), name);
  return made;
}

static void take_handles(const char *directory) {
  fdm_options options = {.struct_size = sizeof options, .directory = directory};
  check(fdm_store_open(&options, &store), "open");
  check(fdm_counter_labels(family(FDM_COUNTER, "jobs", "Jobs", 0), NULL, 0, &jobs), "jobs");
  check(fdm_gauge_labels(family(FDM_GAUGE, "busy", "Busy", FDM_GAUGE_LIVESUM), NULL, 0, &busy), "busy");
  check(fdm_gauge_of_worker(family(FDM_GAUGE, "queue", "Queue", FDM_GAUGE_LIVEALL), NULL, 0, 3, &queue), "queue");
}

static void scrape(void) {
  char *text;
  size_t length;
  check(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length), "render");
  for (size_t i = 0; i < length; i++)
    if (text[i] == '\n') text[i] = '\f';
  puts(text);
  fdm_free(text);
}

int main(void) {
  char line[4096];
  while (fgets(line, sizeof line, stdin)) {
    char *verb = strtok(line, " \n"), *first = strtok(NULL, " \n"), *second = strtok(NULL, " \n");
    if (!verb) return 2;
    if (!strcmp(verb, "scrape")) {
      scrape();
    } else {
      if (!first) return 2;
      if (!strcmp(verb, "open")) {
        take_handles(first);
      } else if (!strcmp(verb, "register") && second) {
        fdm_counter *counter;
        check(fdm_counter_labels(family(FDM_COUNTER, first, first, 0), NULL, 0, &counter), first);
        check(fdm_counter_add(counter, atof(second)), first);
      } else if (!strcmp(verb, "count")) {
        check(fdm_counter_add(jobs, atof(first)), "count");
      } else if (!strcmp(verb, "busy")) {
        check(fdm_gauge_add(busy, atof(first)), "busy");
      } else if (!strcmp(verb, "queue")) {
        check(fdm_gauge_add(queue, atof(first)), "queue");
      } else {
        return 2;
      }
      puts("done");
    }
    fflush(stdout);
  }
  return 0;
}
