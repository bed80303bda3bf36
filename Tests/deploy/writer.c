// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// writer LEDGER ROW: one process that records, in C; writer.py is the same in Python, and load.py says what both do.
#include <fcntl.h>
#include <fdmetrics.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { KINDS = 5, HEADER = 4096, ROW = 128, PAUSE_NANOSECONDS = 2000000 };

static void must(fdm_status status) {
  if (status != FDM_OK) {
    fprintf(stderr, "writer: %s: %s\n", fdm_strerror(status), fdm_last_error());
    exit(1);
  }
}

static fdm_family *family(fdm_store *store, fdm_descriptor descriptor) {
  fdm_family *result = NULL;
  descriptor.struct_size = sizeof descriptor;
  must(fdm_register(store, &descriptor, &result));
  return result;
}

static fdm_counter *counter(fdm_store *store, const char *name, const char *help, const char *label,
                            const char *value) {
  fdm_counter *result = NULL;
  fdm_descriptor descriptor = {.type = FDM_COUNTER, .name = name, .help = help, .label_names = &label,
                               .label_count = label != NULL};
  must(fdm_counter_labels(family(store, descriptor), &value, label != NULL, &result));
  return result;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: writer LEDGER ROW\n");
    return 2;
  }
  int row = atoi(argv[2]);
  int file = open(argv[1], O_RDWR | O_CLOEXEC);
  size_t size = HEADER + (size_t)(row + 1) * ROW;
  char *ledger = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file < 0 || ledger == MAP_FAILED) {
    perror(argv[1]);
    return 1;
  }
  uint64_t *begun = (uint64_t *)(ledger + HEADER + row * ROW);
  uint64_t *done = begun + ROW / 2 / sizeof *done;

  fdm_store *store = NULL;
  must(fdm_store_default(&store));
  char number[16], stage[32];
  snprintf(number, sizeof number, "%d", row);
  snprintf(stage, sizeof stage, "stage %d", row % 3);
  fdm_counter *requests = counter(store, "load_requests", "Requests of all writers.", NULL, NULL);
  fdm_counter *work = counter(store, "load_work_seconds", "Fractions that are exact in binary.", NULL, NULL);
  fdm_counter *steps = counter(store, "load_steps", "Rounds of each writer.", "writer", number);
  fdm_counter *stages = counter(store, "load:stage:requests", "A name with colons.", "stage", stage);
  static const double bounds[] = {16, 100};
  fdm_histogram *sizes = NULL;
  fdm_descriptor histogram = {.type = FDM_HISTOGRAM, .name = "load_size_bytes",
                              .help = "Observations in the middle bucket.", .bounds = bounds, .bound_count = 2};
  must(fdm_histogram_labels(family(store, histogram), NULL, 0, &sizes));

  char command;
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  struct timespec pause = {.tv_nsec = PAUSE_NANOSECONDS};
  puts("ready");
  fflush(stdout);
  if (read(STDIN_FILENO, &command, 1) < 0) return 1;
  for (uint64_t count = 1; poll(&input, 1, 0) == 0; count++) {
    for (int kind = 0; kind < KINDS; kind++) {
      // Sequentially consistent, so that neither the compiler nor the CPU moves an update out of its brackets.
      __atomic_store_n(&begun[kind], count, __ATOMIC_SEQ_CST);
      switch (kind) {
        case 0: fdm_counter_inc(requests); break;
        case 1: must(fdm_counter_add(work, 0.25)); break;
        case 2: fdm_counter_inc(steps); break;
        case 3: fdm_histogram_observe(sizes, 64); break;
        default: fdm_counter_inc(stages); break;
      }
      __atomic_store_n(&done[kind], count, __ATOMIC_SEQ_CST);
    }
    nanosleep(&pause, NULL);
  }
  puts("idle");
  fflush(stdout);
  while (read(STDIN_FILENO, &command, 1) > 0) {
  }
  return 0;
}
