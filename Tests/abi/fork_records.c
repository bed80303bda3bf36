// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// fork_records FOLDER: what a fork child is told of the fork that it comes from, and what it drops of its parent's: the
// descriptor and the page of a lease that was just being taken, and nothing else that has their number or address by then.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "CFDMetricsLinux.h"

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);   \
      _exit(1);                                                                   \
    }                                                                             \
  } while (0)

enum { PAGE = 4096 };

// Answers of handlers that run while the library's own has not run yet, or has run already.
static int in_prepare = -1, in_parent = -1, in_child = -1;

static void prepare(void) { in_prepare = CFDMetricsLinux_is_forking(); }
static void parent(void) { in_parent = CFDMetricsLinux_is_forking(); }
static void child(void) { in_child = CFDMetricsLinux_is_forking(); }

// Before the library's constructor: so the handlers in parent and child come before the library's, that before the fork after it.
__attribute__((constructor(101))) static void come_first(void) { pthread_atfork(prepare, parent, child); }

static int file_of(const char *folder, const char *name, char content) {
  char path[1024], page[PAGE];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  memset(page, content, sizeof page);
  int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  CHECK(file >= 0 && write(file, page, sizeof page) == (ssize_t)sizeof page);
  return file;
}

// Forks, and lets the child do its checks.
static void in_a_child(void (*checks)(int file, char *page), int file, char *page) {
  fflush(NULL);
  pid_t process = fork();
  CHECK(process >= 0);
  if (process == 0) {
    CHECK(in_child == 0);
    CHECK(CFDMetricsLinux_is_forking() == 0);
    checks(file, page);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(process, &status, 0) == process && status == 0);
}

static int is_mapped(const char *page) { return access(page, F_OK) == 0 || errno != EFAULT; }

static void both_are_gone(int file, char *page) {
  CHECK(fcntl(file, F_GETFD) == -1 && errno == EBADF);
  CHECK(!is_mapped(page));
}

static void both_are_there(int file, char *page) {
  CHECK(fcntl(file, F_GETFD) >= 0);
  CHECK(is_mapped(page) && page[0] == 'x');
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  int file = file_of(argv[1], "segment", 's');
  char *page = (char *)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
  CHECK(page != MAP_FAILED);

  int record = CFDMetricsLinux_pending_begin(file);
  CHECK(record >= 0);
  CFDMetricsLinux_pending_page(record, page, PAGE);
  in_a_child(both_are_gone, file, page);
  // The thread that forks must not wait for itself.
  CHECK(in_prepare == 2 && in_parent == 2 && CFDMetricsLinux_is_forking() == 0);

  // The number and the address are something else's now, though the record is still there.
  CHECK(munmap(page, PAGE) == 0 && close(file) == 0);
  CHECK(file_of(argv[1], "other", 'o') == file);
  CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
  page[0] = 'x';
  in_a_child(both_are_there, file, page);

  // And where nothing is there any more, nothing happens.
  CHECK(munmap(page, PAGE) == 0 && close(file) == 0);
  in_a_child(both_are_gone, file, page);

  // A record that has ended says nothing.
  file = file_of(argv[1], "segment", 's');
  page = (char *)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(page != MAP_FAILED);
  page[0] = 'x';
  CFDMetricsLinux_pending_end(record);
  in_a_child(both_are_there, file, page);
  printf("fork_records: all checks passed\n");
  return 0;
}
