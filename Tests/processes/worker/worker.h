// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What the roles of the worker program share. A role that finds something wrong says where and exits with 1; what it
// measured goes to standard output as one JSON object, for the test that started it to judge.
#ifndef WORKER_H
#define WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fdmetrics.h"

// ---------------------------------------------------------------------------------------------------------------------
// Failing

// Prints the place and the sentence, and ends the process with status 1.
void fail_at(const char *file, int line, const char *format, ...) __attribute__((noreturn, format(printf, 3, 4)));

#define FAIL(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define REQUIRE(condition)                                     \
  do {                                                         \
    if (!(condition)) {                                        \
      fail_at(__FILE__, __LINE__, "not true: %s", #condition); \
    }                                                          \
  } while (0)
#define REQUIRE_OK(call)                                                                          \
  do {                                                                                            \
    fdm_status require_status = (call);                                                           \
    if (require_status != FDM_OK) {                                                               \
      fail_at(__FILE__, __LINE__, "%s: %d, %s", #call, (int)require_status, fdm_last_error());    \
    }                                                                                             \
  } while (0)

// ---------------------------------------------------------------------------------------------------------------------
// Stores and families

// The store in a directory, with room for a million series in each family.
fdm_store *open_store(const char *directory);

// A family with at most one label (NULL: none). gauge_mode is 0 for all but gauges.
fdm_family *open_family(fdm_store *store, uint32_t type, uint32_t gauge_mode, const char *name, const char *label);

// ---------------------------------------------------------------------------------------------------------------------
// Progress: what each thread has completed, in a file that outlives a killed process

enum { KINDS = 13, PROGRESS_KINDS = 16, PROGRESS_ROW = 512, PROGRESS_HEADER = 4096 };

// One thread's row. Written by this thread alone, read by whoever maps the file; begun[k] is raised before an update of
// kind k and done[k] after it, so that a kill leaves at most one update begun and not done.
struct progress_row {
  uint64_t begun[PROGRESS_KINDS];
  uint64_t done[PROGRESS_KINDS];
  uint64_t ready;     // 1 when the thread has begun to update
  uint64_t finished;  // 1 when the thread has done all of its fixed work
  uint8_t unused[PROGRESS_ROW - 2 * PROGRESS_KINDS * sizeof(uint64_t) - 2 * sizeof(uint64_t)];
};

// The head of the file. phase: 0 work without end, 1 do the fixed work that is left and finish.
struct progress_header {
  uint64_t phase;
  uint8_t unused[PROGRESS_HEADER - sizeof(uint64_t)];
};

struct progress {
  struct progress_header *header;
  struct progress_row *rows;
};

// Maps an existing file, or anonymous memory that fork children share when path is NULL.
struct progress map_progress(const char *path, size_t rows);

// ---------------------------------------------------------------------------------------------------------------------
// Load: one update of each kind, in the families that load.py knows too

struct load {
  fdm_store *store;
  fdm_family *labelled, *fresh, *gauge_labelled;
  fdm_counter *plain, *fraction, *whole;
  fdm_histogram *histogram;
  fdm_summary *summary;
  fdm_gauge *gauge_sum, *gauge_livesum;
  fdm_zmq_link *link;
};

// Opens all families of the load in a store.
struct load open_load(fdm_store *store);

// Performs one update of a kind and accounts for it in the row. fresh names the series or family that the kinds which
// register something new register or find.
void update_load(struct load *load, struct progress_row *row, int kind, const char *fresh);

// A pseudo-random number; state must not start at zero.
uint64_t next_random(uint64_t *state);

// Sleeps.
void sleep_microseconds(long microseconds);

// ---------------------------------------------------------------------------------------------------------------------
// Roles: argv holds the arguments after the role's name; each returns the exit status

int role_shell(int argc, char **argv);
int role_storm(int argc, char **argv);
int role_forks(int argc, char **argv);
int role_churn(int argc, char **argv);
int role_observe(int argc, char **argv);
int role_snapshots(int argc, char **argv);
int role_fill(int argc, char **argv);
int role_resume(int argc, char **argv);
int role_reuse(int argc, char **argv);
int role_inherit(int argc, char **argv);

#endif
