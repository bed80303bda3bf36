// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A file that would grow beyond RLIMIT_FSIZE raises SIGXFSZ in the thread that asks for it, which ends the process. Here it is
// an error like a full file system: the signal is blocked meanwhile, and taken if it came.
// sigprocmask(2) is this thread's on Linux; the name for it with threads is not in every libc.so.
struct guard {
  sigset_t before;
  int was_pending;
};

static int is_pending(void) {
  sigset_t set;
  return sigpending(&set) == 0 && sigismember(&set, SIGXFSZ) == 1;
}

static void begin_guard(struct guard *guard) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  sigprocmask(SIG_BLOCK, &set, &guard->before);
  guard->was_pending = is_pending();
}

static void end_guard(const struct guard *guard, int error) {
  if (error == EFBIG && !guard->was_pending && is_pending()) {
    sigset_t set;
    struct timespec none = {0, 0};
    sigemptyset(&set);
    sigaddset(&set, SIGXFSZ);
    while (sigtimedwait(&set, NULL, &none) < 0 && errno == EINTR) {
    }
  }
  sigprocmask(SIG_SETMASK, &guard->before, NULL);
}

int CFDMetricsLinux_reserve(int fd, int64_t offset, int64_t length) {
  struct guard guard;
  int error;
  begin_guard(&guard);
  do {
    error = fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
  } while (error == EINTR);
  end_guard(&guard, error);
  return error;
}

int CFDMetricsLinux_truncate(int fd, int64_t size) {
  struct guard guard;
  int error;
  begin_guard(&guard);
  do {
    error = ftruncate(fd, size) == 0 ? 0 : errno;
  } while (error == EINTR);
  end_guard(&guard, error);
  return error;
}

int CFDMetricsLinux_write_at(int fd, const void *bytes, size_t count, int64_t offset) {
  struct guard guard;
  const char *next = bytes;
  int error = 0;
  begin_guard(&guard);
  while (count > 0 && error == 0) {
    ssize_t written = pwrite(fd, next, count, offset);
    if (written > 0) {
      next += written;
      offset += written;
      count -= (size_t)written;
    } else if (written == 0 || errno != EINTR) {
      error = written == 0 ? ENOSPC : errno;
    }
  }
  end_guard(&guard, error);
  return error;
}

int CFDMetricsLinux_open_segment(const char *directory, uint32_t number, int writable, uint64_t device, uint64_t inode) {
  char path[PATH_MAX];
  // By hand: snprintf is not async-signal-safe.
  static const char before[] = "/fdmetrics-", after[] = ".seg";
  char digits[10];
  size_t length = strlen(directory), count = 0;
  if (length + sizeof before + sizeof digits + sizeof after > sizeof path) return -ENAMETOOLONG;
  memcpy(path, directory, length);
  memcpy(path + length, before, sizeof before - 1);
  length += sizeof before - 1;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  while (count > 0) path[length++] = digits[--count];
  memcpy(path + length, after, sizeof after);

  int fd = CFDMetricsLinux_open(path, writable);
  if (fd < 0) return -errno;
  struct CFDMetricsLinux_file file;
  if (CFDMetricsLinux_fstat(fd, &file) != 0 || file.device != device || file.inode != inode) {
    close(fd);
    return -ESTALE;
  }
  return fd;
}

_Atomic(uint64_t) CFDMetricsLinux_refusal_words[CFDMETRICS_LINUX_REFUSALS];

void *CFDMetricsLinux_refusals(void) { return CFDMetricsLinux_refusal_words; }
