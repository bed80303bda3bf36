// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What Swift cannot import or express of Linux, and nothing else. May shrink as Swift gains thread-local storage,
// inline access to the thread pointer, and variadic fcntl.
#ifndef CFDMETRICS_LINUX_H
#define CFDMETRICS_LINUX_H

#include <stddef.h>
#include <stdint.h>

// ---- The CPU that runs this thread ----------------------------------------------------------------------------------
//
// glibc >= 2.35 registers a restartable-sequence area for each thread, at a fixed distance from the thread pointer; the
// kernel keeps cpu_id in it up to date. Reading it is one load. Its second 32-bit word is cpu_id (linux/rseq.h).
// 0: not registered (older glibc, or switched off by GLIBC_TUNABLES): sched_getcpu() then.
extern ptrdiff_t CFDMetricsLinux_rseq_offset __attribute__((visibility("hidden")));

// The slow way; -1 from the kernel becomes 0. It keeps all registers, so that an update, which may have to call it, need not
// spare any.
#if defined(__has_attribute) && __has_attribute(preserve_all)
#define CFDMETRICS_LINUX_PRESERVE_ALL __attribute__((preserve_all))
#else
#define CFDMETRICS_LINUX_PRESERVE_ALL
#endif
uint32_t CFDMetricsLinux_getcpu(void) CFDMETRICS_LINUX_PRESERVE_ALL;

// Only a hint by nature: the thread may be moved right after. Callers mask it to a lane and add atomically, so a stale
// or senseless number (cpu_id is -1 before registration) costs contention, never correctness.
static inline __attribute__((always_inline)) uint32_t CFDMetricsLinux_cpu(void) {
  ptrdiff_t offset = CFDMetricsLinux_rseq_offset;
  if (__builtin_expect(offset != 0, 1)) {
#if defined(__x86_64__)
    // Relative to the thread's segment register: one instruction, the thread pointer itself need not be loaded.
    return *(volatile uint32_t __seg_fs *)(offset + 4);
#else
    return *(volatile uint32_t *)((char *)__builtin_thread_pointer() + offset + 4);
#endif
  }
  return CFDMetricsLinux_getcpu();
}

// ---- Now and then ---------------------------------------------------------------------------------------------------

// True at every 1,024th call. A number without atomics: threads that count at once may lose counts of it.
extern uint32_t CFDMetricsLinux_ticks __attribute__((visibility("hidden")));
static inline __attribute__((always_inline)) int CFDMetricsLinux_tick(void) {
  return (++CFDMetricsLinux_ticks & 1023) == 0;
}

// ---- The last error of a thread -------------------------------------------------------------------------------------

enum { CFDMETRICS_LINUX_ERROR_SIZE = 1024 };
// This thread's buffer; lives as long as the thread.
char *CFDMetricsLinux_error_buffer(void);

// ---- Leases: open-file-description locks ----------------------------------------------------------------------------

// Takes an exclusive one-byte lock at offset through fd's open file description. 0, or errno.
int CFDMetricsLinux_lock_byte(int fd, int64_t offset);
// The same, shared with other holders that take it this way.
int CFDMetricsLinux_share_byte(int fd, int64_t offset);
// Gives such a lock back.
void CFDMetricsLinux_unlock_byte(int fd, int64_t offset);
// Whether another open file description holds the byte. 1, 0, or -errno.
int CFDMetricsLinux_byte_is_locked(int fd, int64_t offset);
// Whether another open file description holds the byte by an exclusive lock. 1, 0, or -errno.
int CFDMetricsLinux_byte_is_exclusive(int fd, int64_t offset);
// Whether another open file description holds any byte from offset on. 1, 0, or -errno.
int CFDMetricsLinux_any_is_locked(int fd, int64_t offset);

// The kernel's number of this thread. Never 0.
uint64_t CFDMetricsLinux_thread(void);

// Between open() and the end of madvise(MADV_DONTFORK) a fork child would inherit the descriptor or the mapping that
// holds its parent's lease, and keep it alive. Who takes a lease compares these before and after, and starts again if a
// fork came between: a fork begins before it copies anything, and ends after.
uint32_t CFDMetricsLinux_forks_begun(void);
// 0: no thread of this process is forking. 1: another thread is; it may itself wait for a lock of malloc's that this thread
// holds where this is a signal handler, so ask again a bounded number of times only. 2: this very thread is, and this is one
// of fork's handlers or a signal's: asking again never helps. In a fork child 0 from its first instruction on.
int CFDMetricsLinux_is_forking(void);
// And should the process be killed before it has started again: what is in that state stands here, and a fork child drops
// it first thing: it closes the descriptor if that is of the same file still, and unmaps the page if that is one of the file.
// The order of the calls: open, pending_begin, mmap, pending_page, MADV_DONTFORK, pending_page(NULL), close, pending_end; where
// the page is given up instead, pending_page(NULL) before munmap. All of them are async-signal-safe.
// Returns an index, or -1 when there is no room (then nothing is dropped).
int CFDMetricsLinux_pending_begin(int fd);
void CFDMetricsLinux_pending_page(int index, void *page, size_t length);
void CFDMetricsLinux_pending_end(int index);

// ---- Processes ------------------------------------------------------------------------------------------------------

// What a process slot says of its holder. Async-signal-safe, as the first update of a gauge is.
struct CFDMetricsLinux_self {
  uint64_t pid;
  uint64_t pid_namespace;  // inode of /proc/self/ns/pid; 0: not to be known
  uint64_t start_time;     // field 22 of /proc/self/stat; 0: not to be known
  char command[16];        // /proc/self/comm, padded with zeros
};
void CFDMetricsLinux_describe_self(struct CFDMetricsLinux_self *self);
// Whether a process of this pid namespace has this number, dead ones that nobody has waited for included.
int CFDMetricsLinux_process_exists(uint64_t pid);

// ---- The environment ------------------------------------------------------------------------------------------------

// Sets a variable by one store: of its entry, or, where it is new, of a copy of the environment that has it in the place of the
// present array. So a getenv(3) of another thread reads the old text or array or the new one, all of which stay: setenv(3) of
// glibc before 2.41 may free the array that it is reading. 0, or ENOMEM. A variable that another thread adds at the same moment
// may be lost.
int CFDMetricsLinux_set_environment(const char *name, const char *value);

// ---- Memory and files -----------------------------------------------------------------------------------------------

// A page that a fork child finds filled with zeros (MADV_WIPEONFORK), and an ordinary one right before it. Returns where
// the wiped one begins. NULL: errno says why.
void *CFDMetricsLinux_wiped_page(void);
void CFDMetricsLinux_free_wiped_page(void *page);
// madvise(MADV_DONTFORK). 0, or errno.
int CFDMetricsLinux_dont_fork(void *page, size_t length);
// fallocate(2) itself: glibc's posix_fallocate falls back to writing, which would race with other processes. 0, or errno;
// EFBIG beyond RLIMIT_FSIZE, in these three, in place of the signal SIGXFSZ. Async-signal-safe.
int CFDMetricsLinux_reserve(int fd, int64_t offset, int64_t length);
// A new file in a directory that has no name yet (O_TMPFILE), mode 0600, for reading and writing; -1: errno says why.
int CFDMetricsLinux_open_nameless(const char *directory);
// ftruncate(2). 0, or errno.
int CFDMetricsLinux_truncate(int fd, int64_t size);
// pwrite(2) of all the bytes. 0, or errno.
int CFDMetricsLinux_write_at(int fd, const void *bytes, size_t count, int64_t offset);
// Opens the file of a segment, if it is still this one. The descriptor, or -errno; -ESTALE: it is another file.
// Async-signal-safe.
int CFDMetricsLinux_open_segment(const char *directory, uint32_t number, int flags, uint64_t device, uint64_t inode);
// f_type of statfs(2), or -errno.
int64_t CFDMetricsLinux_file_system_type(int fd);
// Random bytes from the kernel (getrandom(2)). 0, or errno.
int CFDMetricsLinux_random(void *bytes, size_t count);

// ---- Standard output ------------------------------------------------------------------------------------------------

// Writes what is left of what was printed. 0: all of it has been written, ever; else errno, -1 where it is not known.
int CFDMetricsLinux_flush_output(void);

// ---- What was refused -----------------------------------------------------------------------------------------------

enum { CFDMETRICS_LINUX_REFUSALS = 1024 };
// As many atomic 64-bit words, zero at first. Here because a static of Swift's is made by its first user under a lock, which a
// signal handler must not take.
void *CFDMetricsLinux_refusals(void);

#endif
