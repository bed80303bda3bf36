// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// The worker program of the process tests: worker ROLE ARGUMENTS. Also holds what the roles share.
#include "worker.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void fail_at(const char *file, int line, const char *format, ...) {
  fflush(stdout);
  fprintf(stderr, "%s:%d: pid %d: ", file, line, (int)getpid());
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, "\n");
  fflush(stderr);
  // _exit, because a fork child must not run what its parent registered with atexit.
  _exit(1);
}

fdm_store *open_store(const char *directory) {
  fdm_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.directory = directory;
  options.series_limit = 1000000;
  fdm_store *store = NULL;
  REQUIRE_OK(fdm_store_open(&options, &store));
  return store;
}

fdm_family *open_family(fdm_store *store, uint32_t type, uint32_t gauge_mode, const char *name, const char *label) {
  fdm_descriptor descriptor;
  memset(&descriptor, 0, sizeof descriptor);
  descriptor.struct_size = sizeof descriptor;
  descriptor.type = type;
  descriptor.gauge_mode = gauge_mode;
  descriptor.name = name;
  descriptor.help = "A family of the process tests.";
  descriptor.label_names = label == NULL ? NULL : &label;
  descriptor.label_count = label == NULL ? 0 : 1;
  fdm_family *family = NULL;
  REQUIRE_OK(fdm_register(store, &descriptor, &family));
  return family;
}

struct progress map_progress(const char *path, size_t rows) {
  size_t size = PROGRESS_HEADER + rows * PROGRESS_ROW;
  int descriptor = -1;
  int flags = MAP_SHARED | MAP_ANONYMOUS;
  if (path != NULL) {
    descriptor = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(descriptor >= 0);
    flags = MAP_SHARED;
  }
  void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, descriptor, 0);
  REQUIRE(address != MAP_FAILED);
  if (descriptor >= 0) {
    close(descriptor);
  }
  struct progress progress;
  progress.header = (struct progress_header *)address;
  progress.rows = (struct progress_row *)((char *)address + PROGRESS_HEADER);
  return progress;
}

uint64_t next_random(uint64_t *state) {
  // xorshift64*: what matters here is that a seed repeats the sequence.
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (*state * UINT64_C(2685821657736338717)) >> 16;
}

void sleep_microseconds(long microseconds) {
  struct timespec time = {microseconds / 1000000, (microseconds % 1000000) * 1000};
  nanosleep(&time, NULL);
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
  } roles[] = {
      {"shell", role_shell},     {"storm", role_storm},         {"forks", role_forks}, {"churn", role_churn},
      {"observe", role_observe}, {"snapshots", role_snapshots}, {"fill", role_fill},   {"resume", role_resume},
      {"reuse", role_reuse},     {"inherit", role_inherit},
  };
  for (size_t i = 0; argc > 1 && i < sizeof roles / sizeof roles[0]; i++) {
    if (strcmp(argv[1], roles[i].name) == 0) {
      return roles[i].run(argc - 2, argv + 2);
    }
  }
  fprintf(stderr, "worker: expected a role as the first argument: shell, storm, forks, churn, observe, snapshots, "
                  "fill, resume, reuse or inherit\n");
  return 2;
}
