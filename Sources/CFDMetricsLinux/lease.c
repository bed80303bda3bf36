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
#include <sys/syscall.h>
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

int CFDMetricsLinux_byte_is_exclusive(int fd, int64_t offset) {
  struct flock lock = byte_at(offset);
  lock.l_type = F_RDLCK;  // Shared locks are not in its way.
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -errno;
  return lock.l_type != F_UNLCK;
}

int CFDMetricsLinux_any_is_locked(int fd, int64_t offset) {
  struct flock lock = byte_at(offset);
  lock.l_len = 0;  // To the end of what offsets there are.
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0) return -errno;
  return lock.l_type != F_UNLCK;
}

// ---- What a fork child must not keep --------------------------------------------------------------------------------

// state: 0 free, 1 being filled in, 2 the descriptor is open, or was just closed. A record is cleared after its descriptor is
// closed, so that no child misses it; what has the number in the child may then be something else, so that the child looks
// which file it is. A page is cleared before it is unmapped, and once it is not inherited any more.
enum { HEADER_WORDS = 6 };
static struct pending {
  atomic_int state;
  int fd;
  uint64_t device;
  uint64_t inode;
  _Atomic(void *) page;
  size_t length;
  // What stands at the beginning of the page: magic number, version and id of the store, which no other mapping has.
  uint64_t header[HEADER_WORDS];
} pending[16];

static int is_file(int fd, uint64_t device, uint64_t inode) {
  struct CFDMetricsLinux_file file;
  return CFDMetricsLinux_fstat(fd, &file) == 0 && file.device == device && file.inode == inode;
}

static void drop_pending_in_child(void) {
  for (size_t i = 0; i < sizeof pending / sizeof pending[0]; i++) {
    struct pending *record = &pending[i];
    if (atomic_load_explicit(&record->state, memory_order_acquire) == 2) {
      // A descriptor of this file that is open in the child belongs to a thread of the parent.
      if (is_file(record->fd, record->device, record->inode)) close(record->fd);
      void *page = atomic_load_explicit(&record->page, memory_order_acquire);
      // Where MADV_DONTFORK had been applied already nothing is mapped here, or by now something else. Reading it could fault;
      // the kernel says so instead (EFAULT).
      if (page != NULL && (access(page, F_OK) == 0 || errno != EFAULT) &&
          memcmp(page, record->header, sizeof record->header) == 0) {
        munmap(page, record->length);
      }
    }
    atomic_store_explicit(&record->page, NULL, memory_order_relaxed);
    atomic_store_explicit(&record->state, 0, memory_order_release);
  }
}

int CFDMetricsLinux_pending_begin(int fd) {
  struct CFDMetricsLinux_file file;
  if (CFDMetricsLinux_fstat(fd, &file) != 0) return -1;
  for (size_t i = 0; i < sizeof pending / sizeof pending[0]; i++) {
    int free_state = 0;
    if (!atomic_compare_exchange_strong(&pending[i].state, &free_state, 1)) continue;
    pending[i].fd = fd;
    pending[i].device = file.device;
    pending[i].inode = file.inode;
    atomic_store_explicit(&pending[i].page, NULL, memory_order_relaxed);
    // Release: a child that sees this state sees the rest.
    atomic_store_explicit(&pending[i].state, 2, memory_order_release);
    return (int)i;
  }
  return -1;
}

void CFDMetricsLinux_pending_page(int index, void *page, size_t length) {
  if (index < 0) return;
  if (page != NULL) {
    memcpy(pending[index].header, page, sizeof pending[index].header);
    pending[index].length = length;
  }
  atomic_store_explicit(&pending[index].page, page, memory_order_release);
}

void CFDMetricsLinux_pending_end(int index) {
  if (index < 0) return;
  atomic_store_explicit(&pending[index].page, NULL, memory_order_relaxed);
  atomic_store_explicit(&pending[index].state, 0, memory_order_release);
}

// ---- Forks ----------------------------------------------------------------------------------------------------------

static atomic_uint forks_begun, forks_ended;
// The thread that is between the two; of several the latest. 0: none. No thread-local word, whose first touch by a thread may
// allocate, which a signal handler must not.
static _Atomic(long) forking_thread;
// 1 in the process that wrote it, 0 in a fork child of it from its first instruction on (MADV_WIPEONFORK).
static _Atomic(atomic_uint *) not_a_new_child;

static void begin_fork(void) {
  atomic_store(&forking_thread, syscall(SYS_gettid));
  atomic_fetch_add(&forks_begun, 1);
}

static void end_fork(void) {
  long own = syscall(SYS_gettid);
  atomic_fetch_add(&forks_ended, 1);
  atomic_compare_exchange_strong(&forking_thread, &own, 0);
}

static void start_child(void) {
  // Other threads may have been forking too; they are not here.
  atomic_store(&forks_ended, atomic_load(&forks_begun));
  atomic_store(&forking_thread, 0);
  drop_pending_in_child();
  atomic_uint *mark = atomic_load(&not_a_new_child);
  if (mark != NULL) atomic_store(mark, 1);
}

// What pthread_atfork(3) is in glibc, whose libc.so has had it for ever, and the function only in newer versions.
#if defined(__GLIBC__)
extern void *__dso_handle __attribute__((visibility("hidden")));
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *library);
#define AT_FORK(prepare, parent, child) __register_atfork(prepare, parent, child, &__dso_handle)
#else
#define AT_FORK pthread_atfork
#endif

__attribute__((constructor)) static void watch_forks(void) {
  atomic_uint *mark = CFDMetricsLinux_wiped_page();
  if (mark != NULL) atomic_store(mark, 1);
  atomic_store(&not_a_new_child, mark);
  AT_FORK(begin_fork, end_fork, start_child);
}

uint64_t CFDMetricsLinux_thread(void) { return (uint64_t)syscall(SYS_gettid); }

uint32_t CFDMetricsLinux_forks_begun(void) { return atomic_load(&forks_begun); }

int CFDMetricsLinux_is_forking(void) {
  if (atomic_load(&forks_begun) == atomic_load(&forks_ended)) return 0;
  // A child whose handler is still to come: whoever was forking is not here.
  atomic_uint *mark = atomic_load(&not_a_new_child);
  if (mark != NULL && atomic_load(mark) == 0) return 0;
  return atomic_load(&forking_thread) == syscall(SYS_gettid) ? 2 : 1;
}
