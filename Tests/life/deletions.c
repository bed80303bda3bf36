// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Threads that update through handles which they have had from the start, and look others up, while the store is taken
// out of its directory again and again.
//
//   deletions DIRECTORY THREADS TIMES KEPT
//
// Segments are not unlinked but renamed into KEPT/<n>: to the process that is the same, and every count can be found
// later.
// Prints how often each was recorded, how many look-ups there were, and the gauge's value; ends when it is sent a line.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fdmetrics.h"

static fdm_store *store;
static fdm_counter *jobs;
static fdm_histogram *wait;
static fdm_gauge *busy;
static fdm_family *routes;
static atomic_int ended;
static atomic_ulong done, looked_up;

static void check(fdm_status status, const char *what) {
  if (status == FDM_OK) return;
  fprintf(stderr, "%s: %d %s\n", what, status, fdm_last_error());
  exit(1);
}

static fdm_family *family(uint32_t type, const char *name, size_t labels) {
  fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .type = type, .name = name, .help = name,
                               .label_names = (const char *[]){"route"}, .label_count = labels,
                               .gauge_mode = type == FDM_GAUGE ? FDM_GAUGE_LIVESUM : 0};
  fdm_family *made;
  check(fdm_register(store, &descriptor, &made), name);
  return made;
}

static void *record(void *unused) {
  (void)unused;
  unsigned next = 0;
  while (!atomic_load(&ended)) {
    for (int i = 0; i < 50; i++) {
      fdm_counter_inc(jobs);
      fdm_histogram_observe(wait, 0.25);
      fdm_gauge_inc(busy);
      fdm_gauge_dec(busy);
    }
    char route[16];
    snprintf(route, sizeof route, "%u", next++ % 100);
    fdm_counter *counter;
    check(fdm_counter_labels(routes, (const char *[]){route}, 1, &counter), "route");
    fdm_counter_inc(counter);
    atomic_fetch_add(&looked_up, 1);
    atomic_fetch_add(&done, 50);
  }
  return NULL;
}

// Segment 0 goes first: from then on the store is not in the directory any more.
static void take_away(const char *directory, const char *kept, int number) {
  char from[4096], to[4096];
  snprintf(to, sizeof to, "%s/%d", kept, number);
  if (mkdir(to, 0700)) exit(3);
  for (int segment = 0; segment < 16; segment++) {
    snprintf(from, sizeof from, "%s/fdmetrics-%d.seg", directory, segment);
    snprintf(to, sizeof to, "%s/%d/fdmetrics-%d.seg", kept, number, segment);
    if (rename(from, to) && segment == 0) exit(4);
  }
}

// A scrape that comes while a thread is just moving shows the store that it leaves.
static void scrape_until_there(const char *directory) {
  char first[4096];
  snprintf(first, sizeof first, "%s/fdmetrics-0.seg", directory);
  do {
    char *text;
    size_t length;
    check(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length), "render");
    fdm_free(text);
  } while (access(first, F_OK));
}

static void await(unsigned long count) {
  while (atomic_load(&done) < count) usleep(100);
}

int main(int count, char **arguments) {
  if (count != 5) return 2;
  int threads = atoi(arguments[2]), times = atoi(arguments[3]);
  fdm_options options = {.struct_size = sizeof options, .directory = arguments[1]};
  check(fdm_store_open(&options, &store), "open");
  check(fdm_counter_labels(family(FDM_COUNTER, "jobs", 0), NULL, 0, &jobs), "jobs");
  check(fdm_histogram_labels(family(FDM_HISTOGRAM, "wait", 0), NULL, 0, &wait), "wait");
  check(fdm_gauge_labels(family(FDM_GAUGE, "busy", 0), NULL, 0, &busy), "busy");
  routes = family(FDM_COUNTER, "routes", 1);
  fdm_gauge_set(busy, 1000);
  pthread_t thread[64];
  for (int i = 0; i < threads; i++)
    if (pthread_create(&thread[i], NULL, record, NULL)) return 5;
  for (int i = 0; i < times; i++) {
    await(atomic_load(&done) + 1000);
    take_away(arguments[1], arguments[4], i);
    // Updates go on in what was taken away.
    await(atomic_load(&done) + 1000);
    scrape_until_there(arguments[1]);
  }
  await(atomic_load(&done) + 1000);
  atomic_store(&ended, 1);
  for (int i = 0; i < threads; i++) pthread_join(thread[i], NULL);
  // What a thread was just adding to a store that it left is fetched a second later, at the next scrape.
  sleep(3);
  scrape_until_there(arguments[1]);
  printf("%lu %lu %g\n", atomic_load(&done), atomic_load(&looked_up), fdm_gauge_value(busy));
  // Who reads the directory now finds a live process in it.
  fflush(stdout);
  getchar();
  return 0;
}
