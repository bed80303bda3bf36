// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Checks of the C contract tests: a failed one says where, what was expected and what was there, and ends the program
// with status 1. Valid as C99 and as C++17, like all of these tests.
#ifndef CHECK_H
#define CHECK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fdmetrics.h"

#define CHECK(condition)                                                                \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);         \
      exit(1);                                                                          \
    }                                                                                   \
  } while (0)

#define CHECK_STATUS(call, expected) check_status(__FILE__, __LINE__, #call, (call), (expected))
#define CHECK_OK(call) CHECK_STATUS(call, FDM_OK)
#define CHECK_NUMBER(actual, expected) check_number(__FILE__, __LINE__, #actual, (actual), (expected))
#define CHECK_TEXT(actual, expected) check_text(__FILE__, __LINE__, #actual, (actual), (expected))
// The last error of this thread has this word in it, whatever its case.
#define CHECK_LAST_ERROR(word) check_last_error(__FILE__, __LINE__, (word))

static inline void check_status(const char *file, int line, const char *call, fdm_status actual, fdm_status expected) {
  if (actual != expected) {
    fprintf(stderr, "%s:%d: %s: expected %d (%s), got %d (%s); last error: %s\n", file, line, call, (int)expected,
            fdm_strerror(expected), (int)actual, fdm_strerror(actual), fdm_last_error());
    exit(1);
  }
}

static inline void check_number(const char *file, int line, const char *what, double actual, double expected) {
  if (actual != expected) {
    fprintf(stderr, "%s:%d: %s: expected %.17g, got %.17g\n", file, line, what, expected, actual);
    exit(1);
  }
}

static inline void check_text(const char *file, int line, const char *what, const char *actual, const char *expected) {
  if (strcmp(actual, expected) != 0) {
    fprintf(stderr, "%s:%d: %s: expected\n%s\n--- got\n%s\n---\n", file, line, what, expected, actual);
    exit(1);
  }
}

static inline int contains_folded(const char *text, const char *word) {
  size_t length = strlen(word);
  for (; *text != '\0'; text++) {
    size_t i = 0;
    while (i < length && text[i] != '\0' && (text[i] | 0x20) == (word[i] | 0x20)) {
      i++;
    }
    if (i == length) {
      return 1;
    }
  }
  return 0;
}

static inline void check_last_error(const char *file, int line, const char *word) {
  if (!contains_folded(fdm_last_error(), word)) {
    fprintf(stderr, "%s:%d: expected \"%s\" in the last error, which is: %s\n", file, line, word, fdm_last_error());
    exit(1);
  }
}

// A string with its length.
static inline fdm_string string_of(const char *text) {
  fdm_string string;
  string.data = text;
  string.length = strlen(text);
  return string;
}

// Options with nothing set but their size and the directory.
static inline fdm_options options_of(const char *directory) {
  fdm_options options;
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.directory = directory;
  return options;
}

// The store that these options open.
static inline fdm_store *opened_with(const fdm_options *options) {
  fdm_store *store = NULL;
  CHECK_OK(fdm_store_open(options, &store));
  CHECK(store != NULL);
  return store;
}

// The store in a directory.
static inline fdm_store *opened(const char *directory) {
  fdm_options options = options_of(directory);
  return opened_with(&options);
}

// A descriptor with nothing set but its size, type and name.
static inline fdm_descriptor descriptor_of(uint32_t type, const char *name) {
  fdm_descriptor descriptor;
  memset(&descriptor, 0, sizeof descriptor);
  descriptor.struct_size = sizeof descriptor;
  descriptor.type = type;
  descriptor.name = name;
  descriptor.gauge_mode = type == FDM_GAUGE ? FDM_GAUGE_SUM : 0;
  return descriptor;
}

// The store in a directory below the folder that the tests were given; each test has one of its own.
fdm_store *open_named(const char *name);
// The path of that directory; valid until the next call.
const char *directory_of(const char *name);

// The parts of the program; each ends it with status 1 on the first check that fails.
void check_versions(void);
void check_stores(void);
void check_closed_store(void);
void check_default_store(void);
void check_registration(void);
void check_conflicts(void);
void check_replacing(void);
void check_labels(void);
void check_series_limit(void);
void check_instruments(void);
void check_inert_handles(void);
void check_exposition(void);
void check_scrapes(void);
void check_inspection(void);
void check_empty_exposition(void);
void check_zmq(void);
void check_notices(void);

#endif
