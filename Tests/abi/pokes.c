// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// pokes FOLDER SEED POKES: no word of a store can end a process that uses it, or keep it busy for ever. For one store after the
// other: some processes record, register, remove, look and render, while this one overwrites words of the store's files: of
// header, index, process slots, records and cells, some of which it puts back. Calls may fail, and numbers may be absurd;
// processes must neither end by a signal nor stop to get on.
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

enum { WORKERS = 4, POKES_OF_STORE = 2000, SEGMENTS = 16, HANG_SECONDS = 120, KEPT = 24, LANES = 2 };

// Shared with the workers.
static struct shared {
  int is_over;
  int ready;
  struct {
    uint64_t steps;
    int operation;
    char pad[48];
  } workers[WORKERS];
} *shared;

static uint64_t state;

static uint64_t next_number(void) {
  // splitmix64
  uint64_t number = state += 0x9E3779B97F4A7C15;
  number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9;
  number = (number ^ number >> 27) * 0x94D049BB133111EB;
  return number ^ number >> 31;
}

static uint64_t below(uint64_t limit) { return limit == 0 ? 0 : next_number() % limit; }

// ---- Workers --------------------------------------------------------------------------------------------------------

static const char *directory;
static fdm_store *store;
static fdm_family *families[16];
static void *kept[16][KEPT];
static fdm_zmq_link *zmq_link;
enum { COUNTERS, HISTOGRAMS, SUMMARIES, INFOS, STATES, GAUGES, LAST_GAUGE = GAUGES + 10 - 1 };

static fdm_store *opened_or_null(void) {
  fdm_options options = options_of(directory);
  options.lanes = LANES;
  options.series_limit = 300;
  fdm_store *made = NULL;
  // A header that was poked is refused.
  fdm_store_open(&options, &made);
  return made;
}

static void register_all(fdm_store *into, fdm_family **made) {
  static const char *const label_names[] = {"label"};
  static const char *const state_names[] = {"off", "on", "broken"};
  static const char *const names[] = {"counter", "histogram", "summary", "info", "state", "g1", "g2", "g3",
                                      "g4",      "g5",        "g6",      "g7",   "g8",    "g9", "g10"};
  for (int index = 0; index <= LAST_GAUGE; index++) {
    uint32_t type = index == COUNTERS     ? FDM_COUNTER
                    : index == HISTOGRAMS ? FDM_HISTOGRAM
                    : index == SUMMARIES  ? FDM_SUMMARY
                    : index == INFOS      ? FDM_INFO
                    : index == STATES     ? FDM_STATE_SET
                                          : FDM_GAUGE;
    fdm_descriptor descriptor = descriptor_of(type, names[index]);
    descriptor.label_names = label_names;
    descriptor.label_count = 1;
    descriptor.help = "help";
    if (type == FDM_GAUGE) {
      descriptor.gauge_mode = (uint32_t)(index - GAUGES + 1);
    }
    if (type == FDM_STATE_SET) {
      descriptor.states = state_names;
      descriptor.state_count = 3;
    }
    fdm_register(into, &descriptor, &made[index]);
  }
}

static void render(fdm_store *from) {
  static const uint32_t escapings[] = {FDM_RENDER_ESCAPE_UNDERSCORES, FDM_RENDER_ESCAPE_DOTS, FDM_RENDER_ESCAPE_VALUES,
                                       FDM_RENDER_ALLOW_UTF8};
  uint32_t format = (uint32_t)(1 + below(3)), options = (uint32_t)below(32) | escapings[below(4)];
  char *text = NULL;
  size_t length = 0;
  fdm_status status = from != NULL ? fdm_render(from, format, options, &text, &length)
                                   : fdm_render_directory(directory, format, options, &text, &length);
  if (status == FDM_OK) {
    CHECK(text != NULL && text[length] == '\0');
  }
  fdm_free(text);
}

static void update(int family, void *handle) {
  double value = below(10) == 0 ? 1e300 : (double)below(20);
  if (family == COUNTERS) {
    fdm_counter_inc((fdm_counter *)handle);
    fdm_counter_add((fdm_counter *)handle, value / 3);
    fdm_counter_value((fdm_counter *)handle);
  } else if (family == HISTOGRAMS) {
    fdm_histogram_observe((fdm_histogram *)handle, value);
    fdm_histogram_value((fdm_histogram *)handle, NULL, NULL);
  } else if (family == SUMMARIES) {
    fdm_summary_observe((fdm_summary *)handle, value);
    fdm_summary_value((fdm_summary *)handle, NULL, NULL);
  } else if (family >= GAUGES) {
    fdm_gauge_set((fdm_gauge *)handle, value);
    fdm_gauge_inc((fdm_gauge *)handle);
    fdm_gauge_set_at((fdm_gauge *)handle, value, 1e9);
    fdm_gauge_value((fdm_gauge *)handle);
  }
}

static void look_up(int family) {
  char text[32];
  snprintf(text, sizeof text, "value %d", (int)below(60));
  fdm_string value = string_of(text);
  if (family == INFOS) {
    fdm_string key = string_of("key");
    fdm_info_set(families[INFOS], &value, 1, &key, &value, 1);
  } else if (family == STATES) {
    fdm_state_set(families[STATES], &value, 1, below(2) == 0 ? "on" : "broken");
  } else {
    void *handle = NULL;
    fdm_labels(families[family], &value, 1, &handle);
    update(family, handle);
    kept[family][below(KEPT)] = handle;
  }
}

static void start_anew(void) {
  fdm_store *other = opened_or_null();
  if (other != NULL && other != store) {
    fdm_family *made[16];
    register_all(other, made);
    render(other);
  }
}

static void take_step(int operation) {
  fdm_string value = string_of("value 7");
  int family = (int)below(LAST_GAUGE + 1);
  fdm_statistics statistics;
  fdm_gauge *gauge = NULL;
  switch (operation) {
    case 0: render(store); break;
    case 1: render(NULL); break;
    case 2:
      memset(&statistics, 0, sizeof statistics);
      statistics.struct_size = sizeof statistics;
      fdm_store_statistics(store, &statistics);
      break;
    case 3: fdm_remove(families[family], &value, 1); break;
    case 4: fdm_clear(families[family]); break;
    case 5: fdm_store_join(store, NULL); break;
    case 6:
      fdm_gauge_of_worker(families[GAUGES + below(10)], &value, 1, (uint32_t)below(9), &gauge);
      fdm_gauge_set(gauge, 1);
      break;
    case 7: fdm_worker_ended(store, (uint32_t)below(9)); break;
    case 8: register_all(store, families); break;
    case 9:
      fdm_zmq_sent(zmq_link, 3);
      fdm_zmq_received_stamped(zmq_link, 3, 1);
      fdm_zmq_connection_event(zmq_link, FDM_ZMQ_CONNECTED);
      break;
    case 10: start_anew(); break;
    default:
      look_up(family);
      for (int turn = 0; turn < 20; turn++) {
        int other = (int)below(LAST_GAUGE + 1);
        void *handle = kept[other][below(KEPT)];
        if (handle != NULL) {
          update(other, handle);
        }
      }
  }
}

static void run_worker(int number, uint64_t seed) {
  state = seed;
  fdm_keep_notices(1);
  store = opened_or_null();
  CHECK(store != NULL);
  register_all(store, families);
  fdm_zmq_link_open(store, "app", "ipc:///a", &zmq_link);
  fdm_zmq_link_watch(zmq_link);
  for (int turn = 0; turn < 30; turn++) {
    take_step(99);
  }
  __atomic_fetch_add(&shared->ready, 1, __ATOMIC_SEQ_CST);
  while (!__atomic_load_n(&shared->is_over, __ATOMIC_RELAXED)) {
    // What walks over the whole store is rarer.
    int operation = below(4) == 0 ? (int)below(11) : 99;
    shared->workers[number].operation = operation;
    take_step(operation);
    __atomic_fetch_add(&shared->workers[number].steps, 1, __ATOMIC_RELAXED);
  }
}

// ---- The files ------------------------------------------------------------------------------------------------------

static struct {
  uint64_t *words;
  size_t size;
} files[SEGMENTS];

static uint64_t header(int number, size_t offset) { return __atomic_load_n(&files[number].words[offset / 8], __ATOMIC_RELAXED); }

static int map_files(void) {
  int count = 0;
  while (count < SEGMENTS && files[count].words != NULL) {
    count++;
  }
  for (; count < SEGMENTS; count++) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/fdmetrics-%d.seg", directory, count);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
      break;
    }
    struct stat info;
    CHECK(fstat(file, &info) == 0);
    void *words = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(words != MAP_FAILED);
    close(file);
    files[count].words = (uint64_t *)words;
    files[count].size = (size_t)info.st_size;
  }
  return count;
}

static void unmap_files(void) {
  for (int number = 0; number < SEGMENTS; number++) {
    if (files[number].words != NULL) {
      munmap(files[number].words, files[number].size);
    }
    files[number].words = NULL;
  }
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

// A word that means something: the offsets of the header's fields are those of docs/file-format.md.
static uint64_t *chosen_word(int count) {
  static const size_t changing[] = {256, 264, 320, 328, 384, 392, 400, 448, 512, 520, 528, 536, 576, 584, 592, 640};
  int number = below(4) == 0 ? (int)below((uint64_t)count) : 0;
  size_t index = 4096, capacity = (size_t)4096 << (number < 4 ? 2 * number : 8);
  size_t slots = index + capacity * 8, records = slots + (number == 0 ? 4096 * 64 : 0);
  size_t lanes = records + ((size_t)16 << 20 << (number < 3 ? 2 * number : 6));
  size_t offset;
  switch (below(8)) {
    case 0: offset = below(12) * 16 + below(2) * 8; break;
    case 1:
    case 2: offset = changing[below(sizeof changing / sizeof changing[0])]; break;
    case 3: {
      // A slot that is in use, if one is near.
      size_t slot = below(capacity);
      for (size_t turn = 0; turn < 300 && files[number].words[(index + slot * 8) / 8] == 0; turn++) {
        slot = (slot + 1) % capacity;
      }
      offset = index + slot * 8;
      break;
    }
    case 4: offset = number == 0 ? slots + below(512) : records + below(4096); break;
    case 5:
    case 6: offset = records + below(least((size_t)header(number, 256), 200000) + 64); break;
    default: offset = lanes + below(LANES) * (1 << 20) + below(least((size_t)header(number, 320), 1 << 19) + 64);
  }
  return &files[number].words[least(offset, files[number].size - 16) / 8];
}

static uint64_t chosen_value(const uint64_t *word) {
  uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
  switch (below(12)) {
    case 0: return (uint64_t)1 << 63;
    case 1: return UINT32_MAX;
    case 2: return 0;
    case 3: return UINT64_MAX;
    case 4: return __atomic_load_n(word + 1, __ATOMIC_RELAXED);
    case 5: return old + 1 + below(64);
    case 6: return old - 1 - below(64);
    case 7: return old ^ (uint64_t)1 << below(64);
    case 8: return old | (uint64_t)UINT32_MAX << 32;
    case 9: return INT64_MAX;
    case 10: return (old & (uint64_t)UINT32_MAX << 32) | below(1 << 28) * 64;
    default: return next_number();
  }
}

static void poke(int pokes) {
  enum { REMEMBERED = 16 };
  struct {
    uint64_t *word;
    uint64_t value;
  } before[REMEMBERED];
  memset(before, 0, sizeof before);
  int count = map_files();
  CHECK(count > 0);
  for (int turn = 0; turn < pokes; turn++) {
    if (turn % 64 == 0) {
      count = map_files();
    }
    uint64_t *word = chosen_word(count);
    int place = (int)below(REMEMBERED);
    // Most words are put back, so that there is a store to use.
    if (before[place].word != NULL && below(8) != 0) {
      __atomic_store_n(before[place].word, before[place].value, __ATOMIC_RELAXED);
    }
    before[place].word = word;
    before[place].value = __atomic_load_n(word, __ATOMIC_RELAXED);
    __atomic_store_n(word, chosen_value(word), __ATOMIC_RELAXED);
    usleep(100);
  }
  unmap_files();
}

// ---- One store ------------------------------------------------------------------------------------------------------

static void remove_directory(void) {
  DIR *entries = opendir(directory);
  if (entries == NULL) {
    return;
  }
  struct dirent *entry;
  while ((entry = readdir(entries)) != NULL) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
    unlink(path);
  }
  closedir(entries);
  rmdir(directory);
}

// Whether a worker ended by itself, as it must.
static int ended(pid_t worker, int number, int round) {
  int status = 0;
  for (int turn = 0; waitpid(worker, &status, WNOHANG) == 0; turn++) {
    if (turn == HANG_SECONDS * 100) {
      fprintf(stderr, "pokes: store %d: process %d hangs in operation %d\n", round, number,
              shared->workers[number].operation);
      kill(worker, SIGABRT);
      waitpid(worker, &status, 0);
      return 0;
    }
    usleep(10000);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return 1;
  }
  fprintf(stderr, "pokes: store %d: process %d ended by %s %d in operation %d\n", round, number,
          WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
          shared->workers[number].operation);
  return 0;
}

static int run_store(int round, uint64_t seed, int pokes) {
  memset(shared, 0, sizeof *shared);
  pid_t workers[WORKERS];
  for (int number = 0; number < WORKERS; number++) {
    fflush(NULL);
    workers[number] = fork();
    CHECK(workers[number] >= 0);
    if (workers[number] == 0) {
      run_worker(number, seed + (uint64_t)number + 1);
      _exit(0);
    }
  }
  while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < WORKERS) {
    usleep(1000);
  }
  state = seed;
  poke(pokes);
  __atomic_store_n(&shared->is_over, 1, __ATOMIC_RELAXED);
  int failed = 0;
  for (int number = 0; number < WORKERS; number++) {
    failed += !ended(workers[number], number, round);
  }
  remove_directory();
  return failed;
}

int main(int argc, char **argv) {
  CHECK(argc == 4);
  uint64_t seed = strtoull(argv[2], NULL, 10);
  int left = atoi(argv[3]), failed = 0, round = 0;
  char path[PATH_MAX];
  shared = (struct shared *)mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  struct rlimit none = {0, 0};
  if (getenv("FDM_CORES") == NULL) {
    setrlimit(RLIMIT_CORE, &none);
  }
  uint64_t steps = 0;
  for (; left > 0 && failed == 0; round++, left -= POKES_OF_STORE) {
    snprintf(path, sizeof path, "%s/store-%d", argv[1], round);
    directory = path;
    failed = run_store(round, seed + (uint64_t)round * 1000, left < POKES_OF_STORE ? left : POKES_OF_STORE);
    for (int number = 0; number < WORKERS; number++) {
      steps += shared->workers[number].steps;
    }
  }
  printf("pokes: seed %llu, %d stores, %llu steps, %d processes failed\n", (unsigned long long)seed, round,
         (unsigned long long)steps, failed);
  return failed == 0 ? 0 : 1;
}
