// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// allocations FOLDER: no update allocates, nor does the look-up of a series that is there. The program has the C
// library's allocating functions under their own names, so that the dynamic linker gives them to every library; they
// count, and give memory that nobody takes back: those of the C library cannot be called by another name everywhere.
#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__cplusplus) && defined(__GLIBC__)
#define NO_THROW noexcept
#else
#define NO_THROW
#endif

enum { HEADER = 16 };
static char memory[1 << 28];
static size_t taken;
static uint64_t allocations;

static void count_one(void) { __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED); }

// Zeroed memory, its size before it.
static void *take(size_t alignment, size_t size) {
  count_one();
  if (size > sizeof memory / 2) {
    return NULL;
  }
  if (alignment < HEADER) {
    alignment = HEADER;
  }
  size_t length = HEADER + alignment + size;
  size_t start = __atomic_fetch_add(&taken, length, __ATOMIC_RELAXED);
  if (start + length > sizeof memory) {
    return NULL;
  }
  uintptr_t address = ((uintptr_t)memory + start + HEADER + alignment - 1) / alignment * alignment;
  memcpy((char *)address - HEADER, &size, sizeof size);
  return (void *)address;
}

void *malloc(size_t size) NO_THROW { return take(HEADER, size); }

void *calloc(size_t count, size_t size) NO_THROW {
  return size != 0 && count > SIZE_MAX / size ? NULL : take(HEADER, count * size);
}

void *realloc(void *pointer, size_t size) NO_THROW {
  void *made = take(HEADER, size);
  if (pointer != NULL && made != NULL) {
    size_t old;
    memcpy(&old, (char *)pointer - HEADER, sizeof old);
    memcpy(made, pointer, old < size ? old : size);
  }
  return made;
}

void *memalign(size_t alignment, size_t size) NO_THROW { return take(alignment, size); }

void *aligned_alloc(size_t alignment, size_t size) NO_THROW { return take(alignment, size); }

int posix_memalign(void **pointer, size_t alignment, size_t size) NO_THROW {
  *pointer = take(alignment, size);
  return *pointer == NULL ? ENOMEM : 0;
}

void free(void *pointer) NO_THROW { (void)pointer; }

size_t malloc_usable_size(void *pointer) NO_THROW {
  size_t size = 0;
  if (pointer != NULL) {
    memcpy(&size, (char *)pointer - HEADER, sizeof size);
  }
  return size;
}

void *mmap(void *address, size_t size, int protection, int flags, int descriptor, off_t offset) NO_THROW {
  // A mapped file is no allocation: a process slot is kept by a mapping of the store.
  if ((flags & MAP_ANONYMOUS) != 0) {
    count_one();
  }
  return (void *)syscall(SYS_mmap, address, size, protection, flags, descriptor, offset);
}

#ifdef __cplusplus
}
#endif

enum { UPDATES = 100000 };

static uint64_t counted(void) { return __atomic_load_n(&allocations, __ATOMIC_RELAXED); }

// Does something 100,000 times, after once to warm up, and fails if anything was allocated meanwhile.
#define CHECK_NO_ALLOCATION(statement)                                                                       \
  do {                                                                                                       \
    statement;                                                                                               \
    uint64_t before = counted();                                                                             \
    for (int turn = 0; turn < UPDATES; turn++) {                                                             \
      statement;                                                                                             \
    }                                                                                                        \
    uint64_t made = counted() - before;                                                                      \
    if (made != 0) {                                                                                         \
      fprintf(stderr, "%s:%d: %d times `%s` allocated %llu times, expected none\n", __FILE__, __LINE__,      \
              (int)UPDATES, #statement, (unsigned long long)made);                                           \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)

static fdm_family *registered(fdm_store *store, uint32_t type, uint32_t gauge_mode, const char *name) {
  static const char *const names[] = {"method", "path"};
  fdm_descriptor descriptor = descriptor_of(type, name);
  descriptor.gauge_mode = gauge_mode;
  descriptor.label_names = names;
  descriptor.label_count = 2;
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  return family;
}

// The interposition works, or the rest would prove nothing: a rendering is seen to allocate.
static void check_counting(fdm_store *store) {
  uint64_t before = counted();
  char *text = NULL;
  size_t length = 0;
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  fdm_free(text);
  CHECK(counted() > before);
}

// Nor does the first update of a gauge in a fork child, which takes an instance of its own: 200 of them, so that space has to
// be reserved meanwhile.
static void check_fork_child(fdm_family *gauges) {
  enum { GAUGES = 200 };
  static fdm_gauge *made[GAUGES];
  for (int index = 0; index < GAUGES; index++) {
    char text[16];
    const char *values[2];
    values[0] = text;
    values[1] = "fork";
    snprintf(text, sizeof text, "%d", index);
    CHECK_OK(fdm_gauge_labels(gauges, values, 2, &made[index]));
    fdm_gauge_set(made[index], 1);
  }
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    // Nor does taking a process slot, which the first of them does.
    uint64_t before = counted();
    for (int index = 0; index < GAUGES; index++) {
      fdm_gauge_set(made[index], index);
      fdm_gauge_inc(made[index]);
    }
    CHECK(counted() == before);
    for (int index = 0; index < GAUGES; index++) {
      CHECK_NUMBER(fdm_gauge_value(made[index]), index + 1);
    }
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  fdm_store *store = opened(argv[1]);
  fdm_family *counters = registered(store, FDM_COUNTER, 0, "counter");
  fdm_family *gauges = registered(store, FDM_GAUGE, FDM_GAUGE_SUM, "gauge");
  fdm_family *recents = registered(store, FDM_GAUGE, FDM_GAUGE_MOSTRECENT, "recent");
  fdm_family *histograms = registered(store, FDM_HISTOGRAM, 0, "histogram");
  fdm_family *summaries = registered(store, FDM_SUMMARY, 0, "summary");
  static const char *const values[] = {"GET", "/a/path/that/is/longer/than/a/small/string"};
  fdm_string strings[2];
  strings[0] = string_of(values[0]);
  strings[1] = string_of(values[1]);
  fdm_counter *counter = NULL;
  fdm_gauge *gauge = NULL, *recent = NULL;
  fdm_histogram *histogram = NULL;
  fdm_summary *summary = NULL;
  fdm_zmq_link *link = NULL;
  void *handle = NULL;

  // The first turn of each makes the series; the 100,000 after it find it.
  CHECK_NO_ALLOCATION(CHECK_OK(fdm_counter_labels(counters, values, 2, &counter)));
  CHECK_NO_ALLOCATION(CHECK_OK(fdm_labels(counters, strings, 2, &handle)));
  CHECK_NO_ALLOCATION(CHECK_OK(fdm_gauge_labels(gauges, values, 2, &gauge)));
  CHECK_NO_ALLOCATION(CHECK_OK(fdm_histogram_labels(histograms, values, 2, &histogram)));
  CHECK_NO_ALLOCATION(CHECK_OK(fdm_summary_labels(summaries, values, 2, &summary)));
  CHECK_OK(fdm_gauge_labels(recents, values, 2, &recent));
  CHECK_OK(fdm_zmq_link_open(store, "app", "ipc:///a", &link));
  check_counting(store);

  CHECK_NO_ALLOCATION(fdm_counter_inc(counter));
  CHECK_NO_ALLOCATION(CHECK_OK(fdm_counter_add(counter, 0.5)));
  CHECK_NO_ALLOCATION(fdm_counter_add_u64(counter, 2));
  CHECK_NO_ALLOCATION(fdm_gauge_set(gauge, 1.5));
  CHECK_NO_ALLOCATION(fdm_gauge_set_at(gauge, 1, 2));
  CHECK_NO_ALLOCATION(CHECK_OK(fdm_gauge_add(gauge, 0.5)));
  CHECK_NO_ALLOCATION(fdm_gauge_inc(gauge));
  CHECK_NO_ALLOCATION(fdm_gauge_dec(gauge));
  CHECK_NO_ALLOCATION(fdm_gauge_set(recent, 3));
  CHECK_NO_ALLOCATION(fdm_gauge_set_at(recent, 3, 4));
  CHECK_NO_ALLOCATION(fdm_histogram_observe(histogram, 0.5));
  CHECK_NO_ALLOCATION(fdm_histogram_observe(histogram, 1e9));
  CHECK_NO_ALLOCATION(fdm_summary_observe(summary, 0.5));
  CHECK_NO_ALLOCATION(fdm_zmq_sent(link, 10));
  CHECK_NO_ALLOCATION(fdm_zmq_send_failed(link));
  CHECK_NO_ALLOCATION(fdm_zmq_received(link, 10));
  CHECK_NO_ALLOCATION(fdm_zmq_received_stamped(link, 10, fdm_zmq_now()));

  // The updates were real ones.
  CHECK_NUMBER(fdm_counter_value(counter), (UPDATES + 1) * 3.5);
  uint64_t count = 0;
  fdm_histogram_value(histogram, &count, NULL);
  CHECK(count == 2 * (UPDATES + 1));
  fdm_summary_value(summary, &count, NULL);
  CHECK(count == UPDATES + 1);
  CHECK_NUMBER(fdm_gauge_value(recent), 3);
  check_fork_child(gauges);
  CHECK_OK(fdm_store_close(store));
  printf("allocations: none in %d of each update\n", (int)UPDATES);
  return 0;
}
