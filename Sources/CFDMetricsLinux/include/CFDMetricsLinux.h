// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// All that the core has of Linux and its C library. The Swift modules of the core import no C library themselves, for two
// reasons: Embedded Swift has no overlay of one, and sizes and numbers of its types belong to a machine and a library, while
// what stands here is the same on all. So this header needs those of a freestanding compiler alone, and one compilation of
// the Swift code serves glibc and musl.
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

// ---- Pairs of words -------------------------------------------------------------------------------------------------

struct CFDMetricsLinux_pair {
  uint64_t first;
  uint64_t second;
};

#if defined(__aarch64__)
// Whether this CPU has the atomic instructions of Armv8.1 (LSE). Without them two words are exchanged by a pair of exclusive
// loads and stores, which many cores that want the same line make fail again and again.
extern uint32_t CFDMetricsLinux_lse __attribute__((visibility("hidden")));
static inline __attribute__((always_inline)) int CFDMetricsLinux_has_lse(void) { return CFDMetricsLinux_lse != 0; }

// Puts `desired` in the place of two words, 16-byte aligned, if they are `expected`; returns what was there. Relaxed. For a CPU
// that has LSE: the compiler's own way to it is a call for each exchange, to a function that asks.
static inline __attribute__((always_inline)) struct CFDMetricsLinux_pair CFDMetricsLinux_exchange_pair(
    void *address, struct CFDMetricsLinux_pair expected, struct CFDMetricsLinux_pair desired) {
  // The instruction wants even registers and their successors.
  register uint64_t first __asm__("x2") = expected.first;
  register uint64_t second __asm__("x3") = expected.second;
  register uint64_t new_first __asm__("x4") = desired.first;
  register uint64_t new_second __asm__("x5") = desired.second;
  __asm__ volatile(
      ".arch_extension lse\n\t"
      "casp %0, %1, %2, %3, [%4]"
      : "+r"(first), "+r"(second)
      : "r"(new_first), "r"(new_second), "r"(address)
      : "memory");
  struct CFDMetricsLinux_pair found = {first, second};
  return found;
}
#endif

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

// ---- Errors ---------------------------------------------------------------------------------------------------------
//
// The numbers that the core tells apart. They are the same on every machine that Swift runs on; errors.c asserts it.
#define CFDMETRICS_LINUX_EPERM 1
#define CFDMETRICS_LINUX_ENOENT 2
#define CFDMETRICS_LINUX_EIO 5
#define CFDMETRICS_LINUX_EAGAIN 11
#define CFDMETRICS_LINUX_ENOMEM 12
#define CFDMETRICS_LINUX_EACCES 13
#define CFDMETRICS_LINUX_EBUSY 16
#define CFDMETRICS_LINUX_EEXIST 17
#define CFDMETRICS_LINUX_ENOTDIR 20
#define CFDMETRICS_LINUX_EISDIR 21
#define CFDMETRICS_LINUX_EINVAL 22
#define CFDMETRICS_LINUX_EFBIG 27
#define CFDMETRICS_LINUX_ENOSPC 28
#define CFDMETRICS_LINUX_EROFS 30
#define CFDMETRICS_LINUX_ENAMETOOLONG 36
#define CFDMETRICS_LINUX_ENOLCK 37
#define CFDMETRICS_LINUX_ENOSYS 38
#define CFDMETRICS_LINUX_ENOTEMPTY 39
#define CFDMETRICS_LINUX_ELOOP 40
#define CFDMETRICS_LINUX_EREMOTE 66
#define CFDMETRICS_LINUX_EOPNOTSUPP 95
#define CFDMETRICS_LINUX_ESTALE 116
#define CFDMETRICS_LINUX_EDQUOT 122

int32_t CFDMetricsLinux_errno(void);
// strerror(3).
const char *CFDMetricsLinux_strerror(int32_t error);

// ---- Clocks ---------------------------------------------------------------------------------------------------------

// Nanoseconds of CLOCK_REALTIME, CLOCK_MONOTONIC, and CLOCK_MONOTONIC_COARSE, which is some milliseconds behind and costs
// least.
uint64_t CFDMetricsLinux_real_time(void);
uint64_t CFDMetricsLinux_monotonic_time(void);
uint64_t CFDMetricsLinux_coarse_time(void);
void CFDMetricsLinux_sleep(uint32_t microseconds);
void CFDMetricsLinux_yield(void);

// ---- Calls of POSIX under their own names ---------------------------------------------------------------------------
//
// What POSIX says of them holds here, but for what is said beside them. -1 or NULL: CFDMetricsLinux_errno says why.

uint32_t CFDMetricsLinux_getpid(void);
uint32_t CFDMetricsLinux_geteuid(void);
const char *CFDMetricsLinux_getenv(const char *name);
char *CFDMetricsLinux_getcwd(void);  // To be freed.
char *CFDMetricsLinux_realpath(const char *path);  // To be freed.
void *CFDMetricsLinux_realloc(void *block, size_t size);
void *CFDMetricsLinux_dlsym(const char *name);  // Of RTLD_DEFAULT.
int32_t CFDMetricsLinux_close(int32_t fd);
ptrdiff_t CFDMetricsLinux_read(int32_t fd, void *bytes, size_t count);
ptrdiff_t CFDMetricsLinux_write(int32_t fd, const void *bytes, size_t count);
ptrdiff_t CFDMetricsLinux_pread(int32_t fd, void *bytes, size_t count, int64_t offset);
int32_t CFDMetricsLinux_link(const char *from, const char *to);
int32_t CFDMetricsLinux_unlink(const char *path);
int32_t CFDMetricsLinux_rename(const char *from, const char *to);
int32_t CFDMetricsLinux_mkdir(const char *path, uint32_t mode);
int32_t CFDMetricsLinux_mkdirat(int32_t fd, const char *name, uint32_t mode);
int32_t CFDMetricsLinux_rmdir(const char *path);
int32_t CFDMetricsLinux_fchmod(int32_t fd, uint32_t mode);
void CFDMetricsLinux_atexit(void (*function)(void));
size_t CFDMetricsLinux_strnlen(const char *text, size_t most);
static inline size_t CFDMetricsLinux_strlen(const char *text) { return __builtin_strlen(text); }
static inline int32_t CFDMetricsLinux_strcmp(const char *a, const char *b) { return __builtin_strcmp(a, b); }
static inline void CFDMetricsLinux_memcpy(void *to, const void *from, size_t count) { __builtin_memcpy(to, from, count); }

// ---- Memory when there is none --------------------------------------------------------------------------------------

// posix_memalign(3) and strdup(3) that never fail: see reserve.c. The library without a Swift runtime has all its memory from
// here. What they, realloc, getcwd and realpath gave is freed by CFDMetricsLinux_free.
void *CFDMetricsLinux_allocate(size_t size, size_t alignment);
char *CFDMetricsLinux_strdup(const char *text);
void CFDMetricsLinux_free(void *block);
// Whether memory ran out and there is still none. A call that may need some asks first, and fails if so.
int32_t CFDMetricsLinux_is_memory_short(void);
// Whether the kernel has as much now. For a call that knows that it needs more than the reserve has.
int32_t CFDMetricsLinux_has_memory(size_t size);

// ---- The system -----------------------------------------------------------------------------------------------------

size_t CFDMetricsLinux_page_size(void);
// Clock ticks a second, as /proc counts CPU time.
int64_t CFDMetricsLinux_ticks_per_second(void);
// CPUs that the machine has, also those that are off.
int64_t CFDMetricsLinux_configured_cpus(void);
enum { CFDMETRICS_LINUX_PATH_MAX = 4096 };

// ---- Files ----------------------------------------------------------------------------------------------------------

// What stat(2) says.
struct CFDMetricsLinux_file {
  uint64_t device;
  uint64_t inode;
  uint64_t links;
  int64_t size;
  int64_t blocks;    // of 512 bytes
  int64_t modified;  // seconds since the epoch
  uint32_t user;
  uint32_t permissions;  // the lower twelve bits of st_mode
  uint32_t device_major;
  uint32_t device_minor;
  uint8_t is_directory;
  uint8_t is_regular;
  uint8_t is_link;
};
int32_t CFDMetricsLinux_stat(const char *path, struct CFDMetricsLinux_file *file);
int32_t CFDMetricsLinux_lstat(const char *path, struct CFDMetricsLinux_file *file);
int32_t CFDMetricsLinux_fstat(int32_t fd, struct CFDMetricsLinux_file *file);

// open(2) with O_CLOEXEC, of a file that another process may have put there: no link is followed, and nobody is waited for.
// Async-signal-safe.
int32_t CFDMetricsLinux_open(const char *path, int32_t writable);
// Of a new one, for reading and writing, mode 0600.
int32_t CFDMetricsLinux_create(const char *path);
// Of a file of /proc, for reading.
int32_t CFDMetricsLinux_open_proc(const char *path);
// Of a directory; nofollow: not if it is a link.
int32_t CFDMetricsLinux_open_directory(const char *path, int32_t nofollow);
int32_t CFDMetricsLinux_open_directory_at(int32_t fd, const char *name);  // Follows no link.
// linkat(2) of what a descriptor has open, which need not have a name yet.
int32_t CFDMetricsLinux_link_descriptor(int32_t fd, const char *path);
// access(2): whether it exists; whether this process may make files in it.
int32_t CFDMetricsLinux_exists(const char *path);
int32_t CFDMetricsLinux_is_usable_directory(const char *path);

// opendir(3), readdir(3), closedir(3). The name is valid until the next call; NULL: there are no more.
void *CFDMetricsLinux_open_entries(const char *path);
const char *CFDMetricsLinux_next_entry(void *entries);
void CFDMetricsLinux_close_entries(void *entries);

// What follows a key, up to the line's end, in the first line of a text file that has the key and other words; a line may be
// of any length. To be freed. NULL: there is none, the file cannot be read, or there is no memory.
char *CFDMetricsLinux_value_in_line(const char *path, const char *words, const char *key);

// ---- Memory and files -----------------------------------------------------------------------------------------------

// mmap(2) of the beginning of a file, shared; and of memory that is zero and costs nothing until it is touched. NULL: errno.
void *CFDMetricsLinux_map(int32_t fd, size_t length, int32_t writable);
void *CFDMetricsLinux_map_memory(size_t length);
void CFDMetricsLinux_unmap(void *address, size_t length);

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
int CFDMetricsLinux_open_segment(const char *directory, uint32_t number, int writable, uint64_t device, uint64_t inode);
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
