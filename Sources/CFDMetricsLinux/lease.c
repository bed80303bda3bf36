// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct flock byte_at(int64_t offset) {
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = offset;
  lock.l_len = 1;
  return lock;
}

int CFDMetricsLinux_lock_byte(int fd, int64_t offset) {
  struct flock lock = byte_at(offset);
  return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

int CFDMetricsLinux_share_byte(int fd, int64_t offset) {
  struct flock lock = byte_at(offset);
  lock.l_type = F_RDLCK;
  return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

void CFDMetricsLinux_unlock_byte(int fd, int64_t offset) {
  struct flock lock = byte_at(offset);
  lock.l_type = F_UNLCK;
  fcntl(fd, F_OFD_SETLK, &lock);
}

int CFDMetricsLinux_byte_is_locked(int fd, int64_t offset) {
  struct flock lock = byte_at(offset);
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -errno;
  return lock.l_type != F_UNLCK;
}

int CFDMetricsLinux_any_is_locked(int fd, int64_t offset) {
  struct flock lock = byte_at(offset);
  lock.l_len = 0;  // To the end of what offsets there are.
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -errno;
  return lock.l_type != F_UNLCK;
}

// state: 0 free, 1 claimed. fd is kept as fd + 1, so that zeroed memory means none.
static struct pending {
  atomic_int state;
  atomic_int fd_plus_1;
  _Atomic(void *) page;
  atomic_size_t length;
} pending[16];

static void drop_pending_in_child(void) {
  for (size_t i = 0; i < sizeof pending / sizeof pending[0]; i++) {
    if (atomic_load_explicit(&pending[i].state, memory_order_acquire) == 0) continue;
    int fd = atomic_load_explicit(&pending[i].fd_plus_1, memory_order_relaxed) - 1;
    void *page = atomic_load_explicit(&pending[i].page, memory_order_relaxed);
    if (fd >= 0) close(fd);
    // Where MADV_DONTFORK had already been applied the page is not mapped here, and this changes nothing.
    if (page != NULL) munmap(page, atomic_load_explicit(&pending[i].length, memory_order_relaxed));
    atomic_store_explicit(&pending[i].page, NULL, memory_order_relaxed);
    atomic_store_explicit(&pending[i].fd_plus_1, 0, memory_order_relaxed);
    atomic_store_explicit(&pending[i].state, 0, memory_order_release);
  }
}

static atomic_uint forks_begun, forks_ended;

static void begin_fork(void) { atomic_fetch_add(&forks_begun, 1); }
static void end_fork(void) { atomic_fetch_add(&forks_ended, 1); }

static void start_child(void) {
  // Other threads may have been forking too; they are not here.
  atomic_store(&forks_ended, atomic_load(&forks_begun));
  drop_pending_in_child();
}

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(begin_fork, end_fork, start_child); }

uint32_t CFDMetricsLinux_forks_begun(void) { return atomic_load(&forks_begun); }
int CFDMetricsLinux_is_forking(void) { return atomic_load(&forks_begun) != atomic_load(&forks_ended); }

int CFDMetricsLinux_pending_begin(int fd) {
  for (size_t i = 0; i < sizeof pending / sizeof pending[0]; i++) {
    int free_state = 0;
    if (atomic_compare_exchange_strong(&pending[i].state, &free_state, 1)) {
      atomic_store_explicit(&pending[i].fd_plus_1, fd + 1, memory_order_release);
      return (int)i;
    }
  }
  return -1;
}

void CFDMetricsLinux_pending_page(int index, void *page, size_t length) {
  if (index < 0) return;
  atomic_store_explicit(&pending[index].length, length, memory_order_relaxed);
  atomic_store_explicit(&pending[index].page, page, memory_order_release);
}

void CFDMetricsLinux_pending_end(int index) {
  if (index < 0) return;
  atomic_store_explicit(&pending[index].page, NULL, memory_order_relaxed);
  atomic_store_explicit(&pending[index].fd_plus_1, 0, memory_order_relaxed);
  atomic_store_explicit(&pending[index].state, 0, memory_order_release);
}
