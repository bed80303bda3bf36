// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// For LD_PRELOAD: kernels and file systems that say no.
//
//   REFUSE_NAMELESS=1     open(2) with O_TMPFILE fails with EOPNOTSUPP, as on NFS
//   REFUSE_QUESTIONS=FILE questions about locks fail with EIO as long as FILE exists
//   COUNT_QUESTIONS=FILE  one byte is added to FILE for each question about a lock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_file(const char *path, int flags, mode_t mode) {
  const char *refused = getenv("REFUSE_NAMELESS");
  if (refused && (flags & O_TMPFILE) == O_TMPFILE) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_file(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_file(path, flags, mode);
}

static int control(int number, int command, void *argument) {
  if (command == F_OFD_GETLK) {
    const char *counted = getenv("COUNT_QUESTIONS"), *refused = getenv("REFUSE_QUESTIONS");
    if (counted) {
      int file = (int)syscall(SYS_openat, AT_FDCWD, counted, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      if (file < 0 || write(file, "?", 1) != 1) abort();
      close(file);
    }
    if (refused && access(refused, F_OK) == 0) {
      errno = EIO;
      return -1;
    }
  }
  return (int)syscall(SYS_fcntl, number, command, argument);
}

int fcntl(int number, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  return control(number, command, argument);
}

int fcntl64(int number, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  return control(number, command, argument);
}
