// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// shell: does what a test says, one command a line on standard input, words parted by spaces. Answers one line each:
// "ok" and what was asked for, or "error CODE text". After "ok LENGTH", render gives LENGTH bytes of exposition.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker.h"

enum { FAMILIES = 64, HANDLES = 256, WORDS = 8 };

static fdm_store *store;
static struct {
  char name[80];
  fdm_family *family;
} families[FAMILIES];
static void *handles[HANDLES];

static pthread_t spinner;
static uint64_t spun;
static int spinning;

static void answer(fdm_status status) {
  if (status == FDM_OK) {
    printf("ok\n");
  } else {
    printf("error %d %s\n", (int)status, fdm_last_error());
  }
}

static fdm_family *find_family(const char *name) {
  for (int i = 0; i < FAMILIES; i++) {
    if (strcmp(families[i].name, name) == 0) {
      return families[i].family;
    }
  }
  FAIL("no family %s was registered in this shell", name);
}

static void keep_family(const char *name, fdm_family *family) {
  for (int i = 0; i < FAMILIES; i++) {
    if (families[i].name[0] == '\0' || strcmp(families[i].name, name) == 0) {
      snprintf(families[i].name, sizeof families[i].name, "%s", name);
      families[i].family = family;
      return;
    }
  }
  FAIL("no room for the family %s", name);
}

static void **handle(const char *word) {
  int number = atoi(word);
  REQUIRE(number >= 0 && number < HANDLES);
  return &handles[number];
}

// register NAME TYPE MODE LABEL ("-": none).
static void do_register(char **words) {
  const char *label = words[4];
  fdm_descriptor descriptor;
  memset(&descriptor, 0, sizeof descriptor);
  descriptor.struct_size = sizeof descriptor;
  descriptor.name = words[1];
  descriptor.type = (uint32_t)atoi(words[2]);
  descriptor.gauge_mode = (uint32_t)atoi(words[3]);
  descriptor.label_names = &label;
  descriptor.label_count = strcmp(label, "-") == 0 ? 0 : 1;
  fdm_family *family = NULL;
  fdm_status status = fdm_register(store, &descriptor, &family);
  keep_family(words[1], family);
  answer(status);
}

// labels HANDLE FAMILY VALUE ("-": none), remove FAMILY VALUE, clear FAMILY.
static fdm_string label_value(const char *word) {
  fdm_string value;
  value.data = word;
  value.length = strlen(word);
  return value;
}

static size_t label_count(const char *word) { return strcmp(word, "-") == 0 ? 0 : 1; }

static void *spin(void *counter) {
  while (__atomic_load_n(&spinning, __ATOMIC_RELAXED)) {
    fdm_counter_inc((fdm_counter *)counter);
    __atomic_store_n(&spun, spun + 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

// Looks the series up again before each increment, as callers without a cache do.
struct looked_up {
  fdm_family *family;
  char value[80];
};

static void *spin_labels(void *argument) {
  struct looked_up *series = (struct looked_up *)argument;
  const char *value = series->value;
  while (__atomic_load_n(&spinning, __ATOMIC_RELAXED)) {
    fdm_counter *counter = NULL;
    REQUIRE_OK(fdm_counter_labels(series->family, &value, 1, &counter));
    fdm_counter_inc(counter);
    __atomic_store_n(&spun, spun + 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

static void do_spin(void *(*run)(void *), void *argument) {
  __atomic_store_n(&spun, 0, __ATOMIC_RELAXED);
  __atomic_store_n(&spinning, 1, __ATOMIC_RELAXED);
  REQUIRE(pthread_create(&spinner, NULL, run, argument) == 0);
  // The answer comes when the thread is at work.
  while (__atomic_load_n(&spun, __ATOMIC_RELAXED) == 0) {
    sleep_microseconds(100);
  }
  answer(FDM_OK);
}

static void do_stop(void) {
  __atomic_store_n(&spinning, 0, __ATOMIC_RELAXED);
  REQUIRE(pthread_join(spinner, NULL) == 0);
  printf("ok %llu\n", (unsigned long long)spun);
}

// render OPTIONS, render_directory DIRECTORY OPTIONS.
static void do_render(const char *directory, const char *options) {
  char *text = NULL;
  size_t length = 0;
  uint32_t bits = (uint32_t)atoi(options);
  fdm_status status = directory == NULL ? fdm_render(store, FDM_FORMAT_TEXT, bits, &text, &length)
                                        : fdm_render_directory(directory, FDM_FORMAT_TEXT, bits, &text, &length);
  if (status != FDM_OK) {
    answer(status);
    return;
  }
  printf("ok %zu\n", length);
  fwrite(text, 1, length, stdout);
  fdm_free(text);
}

static void do_statistics(void) {
  fdm_statistics s;
  memset(&s, 0, sizeof s);
  s.struct_size = sizeof s;
  fdm_status status = fdm_store_statistics(store, &s);
  if (status != FDM_OK) {
    answer(status);
    return;
  }
  printf("ok {\"series\": %llu, \"removed_series\": %llu, \"gauge_instances\": %llu, \"live_processes\": %llu, "
         "\"bytes_reserved\": %llu, \"damaged_records\": %llu}\n",
         (unsigned long long)s.series, (unsigned long long)s.removed_series, (unsigned long long)s.gauge_instances,
         (unsigned long long)s.live_processes, (unsigned long long)s.bytes_reserved,
         (unsigned long long)s.damaged_records);
}

static bool is(char **words, const char *command, int have, int want) {
  if (strcmp(words[0], command) != 0) {
    return false;
  }
  if (have != want) {
    FAIL("%s takes %d words, got %d", command, want, have);
  }
  return true;
}

static bool run_recording(char **words, int count) {
  if (is(words, "inc", count, 2)) {
    fdm_counter_inc((fdm_counter *)*handle(words[1]));
    answer(FDM_OK);
  } else if (is(words, "counter_value", count, 2)) {
    printf("ok %.17g\n", fdm_counter_value((fdm_counter *)*handle(words[1])));
  } else if (is(words, "set", count, 3)) {
    fdm_gauge_set((fdm_gauge *)*handle(words[1]), strtod(words[2], NULL));
    answer(FDM_OK);
  } else if (is(words, "set_at", count, 4)) {
    fdm_gauge_set_at((fdm_gauge *)*handle(words[1]), strtod(words[2], NULL), strtod(words[3], NULL));
    answer(FDM_OK);
  } else if (is(words, "add", count, 3)) {
    answer(fdm_gauge_add((fdm_gauge *)*handle(words[1]), strtod(words[2], NULL)));
  } else if (is(words, "gauge_inc", count, 2)) {
    fdm_gauge_inc((fdm_gauge *)*handle(words[1]));
    answer(FDM_OK);
  } else if (is(words, "gauge_dec", count, 2)) {
    fdm_gauge_dec((fdm_gauge *)*handle(words[1]));
    answer(FDM_OK);
  } else if (is(words, "gauge_value", count, 2)) {
    printf("ok %.17g\n", fdm_gauge_value((fdm_gauge *)*handle(words[1])));
  } else {
    return false;
  }
  return true;
}

static bool run_store(char **words, int count) {
  static struct looked_up looked_up;
  if (is(words, "open", count, 2)) {
    store = open_store(words[1]);
    answer(FDM_OK);
  } else if (is(words, "close", count, 1)) {
    answer(fdm_store_close(store));
  } else if (is(words, "register", count, 5)) {
    do_register(words);
  } else if (is(words, "labels", count, 4)) {
    fdm_string value = label_value(words[3]);
    answer(fdm_labels(find_family(words[2]), &value, label_count(words[3]), handle(words[1])));
  } else if (is(words, "remove", count, 3)) {
    fdm_string value = label_value(words[2]);
    answer(fdm_remove(find_family(words[1]), &value, label_count(words[2])));
  } else if (is(words, "clear", count, 2)) {
    answer(fdm_clear(find_family(words[1])));
  } else if (is(words, "removals", count, 1)) {
    printf("ok %llu\n", (unsigned long long)__atomic_load_n(fdm_store_removals(store), __ATOMIC_RELAXED));
  } else if (is(words, "spin", count, 2)) {
    do_spin(spin, *handle(words[1]));
  } else if (is(words, "spin_labels", count, 3)) {
    looked_up.family = find_family(words[1]);
    snprintf(looked_up.value, sizeof looked_up.value, "%s", words[2]);
    do_spin(spin_labels, &looked_up);
  } else if (is(words, "stop", count, 1)) {
    do_stop();
  } else if (is(words, "render", count, 2)) {
    do_render(NULL, words[1]);
  } else if (is(words, "render_directory", count, 3)) {
    do_render(words[1], words[2]);
  } else if (is(words, "statistics", count, 1)) {
    do_statistics();
  } else {
    return false;
  }
  return true;
}

int role_shell(int argc, char **argv) {
  (void)argv;
  REQUIRE(argc == 0);
  char line[4096];
  while (fgets(line, sizeof line, stdin) != NULL) {
    char *words[WORDS];
    int count = 0;
    for (char *word = strtok(line, " \n"); word != NULL && count < WORDS; word = strtok(NULL, " \n")) {
      words[count++] = word;
    }
    REQUIRE(count > 0);
    if (is(words, "exit", count, 1)) {
      return 0;
    }
    if (!run_store(words, count) && !run_recording(words, count)) {
      FAIL("no command %s", words[0]);
    }
    fflush(stdout);
  }
  return 0;
}
