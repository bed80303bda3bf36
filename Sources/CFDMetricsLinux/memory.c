// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

char *CFDMetricsLinux_error_buffer(void) {
  static __thread char text[CFDMETRICS_LINUX_ERROR_SIZE];
  return text;
}

size_t CFDMetricsLinux_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

void *CFDMetricsLinux_wiped_page(void) {
  size_t size = CFDMetricsLinux_page_size();
  char *pages = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return NULL;
  if (madvise(pages + size, size, MADV_WIPEONFORK) != 0) {
    int error = errno;
    munmap(pages, 2 * size);
    errno = error;
    return NULL;
  }
  return pages + size;
}

void CFDMetricsLinux_free_wiped_page(void *page) {
  size_t size = CFDMetricsLinux_page_size();
  munmap((char *)page - size, 2 * size);
}

static void *or_null(void *pages) { return pages == MAP_FAILED ? NULL : pages; }

void *CFDMetricsLinux_map(int32_t fd, size_t length, int32_t writable) {
  return or_null(mmap(NULL, length, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0));
}

void *CFDMetricsLinux_map_memory(size_t length) {
  return or_null(mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

void CFDMetricsLinux_unmap(void *address, size_t length) { munmap(address, length); }

int CFDMetricsLinux_dont_fork(void *page, size_t length) {
  return madvise(page, length, MADV_DONTFORK) == 0 ? 0 : errno;
}

int CFDMetricsLinux_open_nameless(const char *directory) {
  return open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

int64_t CFDMetricsLinux_file_system_type(int fd) {
  struct statfs info;
  // f_type is signed on some machines: CIFS's magic has the top bit set.
  return fstatfs(fd, &info) == 0 ? (int64_t)(uint32_t)info.f_type : -(int64_t)errno;
}

int CFDMetricsLinux_random(void *bytes, size_t count) {
  char *next = bytes;
  while (count > 0) {
    // Not by the function, which glibc has since 2.25.
    long got = syscall(SYS_getrandom, next, count, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    next += got;
    count -= (size_t)got;
  }
  return 0;
}
