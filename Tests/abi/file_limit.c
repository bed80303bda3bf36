// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// file_limit FILE: what makes a file larger gives EFBIG beyond RLIMIT_FSIZE, and not the signal SIGXFSZ, which would end the
// process. The caller's signal mask stays, and so does a signal that was there before or that its own writes raise.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "CFDMetricsLinux.h"

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);   \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)

static volatile sig_atomic_t raised;

static void note(int signal) {
  (void)signal;
  raised++;
}

static int is_in(int (*get)(sigset_t *)) {
  sigset_t set;
  CHECK(get(&set) == 0);
  return sigismember(&set, SIGXFSZ);
}

static int mask(sigset_t *set) { return sigprocmask(SIG_BLOCK, NULL, set); }

static void check_refusals(int file) {
  static const char bytes[8192];
  CHECK(CFDMetricsLinux_truncate(file, 4096) == 0);
  CHECK(CFDMetricsLinux_truncate(file, 1 << 20) == EFBIG);
  CHECK(CFDMetricsLinux_reserve(file, 0, 1 << 20) == EFBIG);
  CHECK(CFDMetricsLinux_write_at(file, bytes, sizeof bytes, 0) == EFBIG);
  CHECK(CFDMetricsLinux_write_at(file, bytes, 100, 0) == 0);
  CHECK(CFDMetricsLinux_reserve(file, 0, 4096) == 0);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  int file = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(file >= 0);
  struct rlimit limit = {4096, 4096};
  CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);

  // By default the signal ends the process; so that this goes on says that it does not come.
  check_refusals(file);
  CHECK(!is_in(mask) && !is_in(sigpending));

  // A program's own handler hears of its own writes only.
  CHECK(signal(SIGXFSZ, note) != SIG_ERR);
  check_refusals(file);
  CHECK(raised == 0);
  CHECK(ftruncate(file, 1 << 20) != 0 && errno == EFBIG && raised == 1);

  // Who has blocked it and has one waiting keeps both.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
  check_refusals(file);
  CHECK(is_in(mask) && !is_in(sigpending));
  CHECK(raise(SIGXFSZ) == 0);
  check_refusals(file);
  CHECK(is_in(mask) && is_in(sigpending) && raised == 1);
  CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
  CHECK(raised == 2);
  printf("file_limit: all checks passed\n");
  return 0;
}
