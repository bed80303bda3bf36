// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Roles at the limits of a machine: a file system that is full, and a process that has the number of a dead one.
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker.h"

struct full_store {
  fdm_store *store;
  fdm_counter *counter;
  fdm_gauge *gauge;
  fdm_histogram *histogram;
  fdm_family *fresh;
};

static struct full_store open_full_store(const char *directory) {
  struct full_store full;
  full.store = open_store(directory);
  fdm_family *family = open_family(full.store, FDM_COUNTER, 0, "old", NULL);
  REQUIRE_OK(fdm_counter_labels(family, NULL, 0, &full.counter));
  family = open_family(full.store, FDM_GAUGE, FDM_GAUGE_SUM, "old_gauge", NULL);
  REQUIRE_OK(fdm_gauge_labels(family, NULL, 0, &full.gauge));
  family = open_family(full.store, FDM_HISTOGRAM, 0, "old_seconds", NULL);
  REQUIRE_OK(fdm_histogram_labels(family, NULL, 0, &full.histogram));
  full.fresh = open_family(full.store, FDM_COUNTER, 0, "fresh", "id");
  return full;
}

static void update_old(struct full_store *full) {
  fdm_counter_inc(full->counter);
  fdm_gauge_inc(full->gauge);
  fdm_histogram_observe(full->histogram, 1.0);
}

static void print_text(const char *directory) {
  char *text = NULL;
  size_t length = 0;
  REQUIRE_OK(fdm_render_directory(directory, FDM_FORMAT_TEXT, 0, &text, &length));
  fwrite(text, 1, length, stdout);
  fdm_free(text);
}

// fill DIRECTORY COUNT: asks for COUNT new series in a directory whose file system is small. Prints a JSON line, then
// the exposition.
int role_fill(int argc, char **argv) {
  REQUIRE(argc == 2);
  unsigned long count = strtoul(argv[1], NULL, 10);
  struct full_store full = open_full_store(argv[0]);
  unsigned long made = 0, refused = 0;
  for (unsigned long i = 0; i < count; i++) {
    char name[24];
    snprintf(name, sizeof name, "%lu", i);
    const char *value = name;
    fdm_counter *counter = NULL;
    fdm_status status = fdm_counter_labels(full.fresh, &value, 1, &counter);
    if (status == FDM_OK) {
      made += 1;
    } else if (status == FDM_ERR_NO_SPACE) {
      refused += 1;
      REQUIRE(fdm_last_error()[0] != '\0');
    } else {
      FAIL("series %lu: expected FDM_OK or FDM_ERR_NO_SPACE, got %d: %s", i, (int)status, fdm_last_error());
    }
    // Recording through the handle of a refused series does nothing.
    fdm_counter_inc(counter);
    update_old(&full);
  }
  fdm_statistics statistics;
  memset(&statistics, 0, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  REQUIRE_OK(fdm_store_statistics(full.store, &statistics));
  printf("{\"made\": %lu, \"refused\": %lu, \"dropped_no_space\": %llu, \"counter\": %.17g}\n", made, refused,
         (unsigned long long)statistics.dropped_no_space, fdm_counter_value(full.counter));
  print_text(argv[0]);
  return 0;
}

// resume DIRECTORY COUNT: another process goes on with the old series of a full store. Prints the exposition.
int role_resume(int argc, char **argv) {
  REQUIRE(argc == 2);
  unsigned long count = strtoul(argv[1], NULL, 10);
  struct full_store full = open_full_store(argv[0]);
  for (unsigned long i = 0; i < count; i++) {
    fdm_counter_inc(full.counter);
    fdm_histogram_observe(full.histogram, 1.0);
  }
  print_text(argv[0]);
  return 0;
}

// Forks a child that attaches the store, sets the gauge to a value where there is one, says so and waits to be killed.
static pid_t start_holder(const char *directory, const double *value) {
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    fdm_store *store = open_store(directory);
    fdm_gauge *gauge = NULL;
    fdm_family *family = open_family(store, FDM_GAUGE, FDM_GAUGE_LIVESUM, "held", NULL);
    REQUIRE_OK(fdm_gauge_labels(family, NULL, 0, &gauge));
    if (value != NULL) {
      fdm_gauge_set(gauge, *value);
    }
    REQUIRE(write(ready[1], "r", 1) == 1);
    for (;;) {
      pause();
    }
  }
  close(ready[1]);
  char byte;
  REQUIRE(read(ready[0], &byte, 1) == 1);
  close(ready[0]);
  return child;
}

static void end_holder(pid_t child) {
  REQUIRE(kill(child, SIGKILL) == 0);
  REQUIRE(waitpid(child, NULL, 0) == child);
}

// Makes the next process of this PID namespace get this number.
static void reuse_pid(pid_t pid) {
  FILE *file = fopen("/proc/sys/kernel/ns_last_pid", "w");
  if (file == NULL) {
    FAIL("cannot write /proc/sys/kernel/ns_last_pid; run this test as root, in a PID namespace of its own");
  }
  fprintf(file, "%d", (int)pid - 1);
  REQUIRE(fclose(file) == 0);
}

static double held_value(const char *directory) {
  char *text = NULL;
  size_t length = 0;
  REQUIRE_OK(fdm_render_directory(directory, FDM_FORMAT_TEXT, 0, &text, &length));
  const char *line = strstr(text, "\nheld ");
  REQUIRE(line != NULL);
  double value = strtod(line + strlen("\nheld "), NULL);
  fdm_free(text);
  return value;
}

// reuse DIRECTORY: in a PID namespace of its own. Prints what a livesum gauge shows while its owner lives, after its
// death, when a process that sets nothing has the same number, and when such a process sets a value of its own.
int role_reuse(int argc, char **argv) {
  REQUIRE(argc == 1);
  double seven = 7, three = 3;
  pid_t first = start_holder(argv[0], &seven);
  double alive = held_value(argv[0]);
  end_holder(first);
  double dead = held_value(argv[0]);
  reuse_pid(first);
  pid_t second = start_holder(argv[0], NULL);
  double reused = held_value(argv[0]);
  end_holder(second);
  reuse_pid(first);
  pid_t third = start_holder(argv[0], &three);
  double own = held_value(argv[0]);
  end_holder(third);
  printf("{\"pids\": [%d, %d, %d], \"alive\": %.17g, \"dead\": %.17g, \"reused\": %.17g, \"own\": %.17g}\n",
         (int)first, (int)second, (int)third, alive, dead, reused, own);
  return 0;
}
