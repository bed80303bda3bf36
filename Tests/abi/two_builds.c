// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// two_builds ONE OTHER FOLDER SEED STORES: two builds of the library, loaded into one process, do the same with the same calls.
// Each makes as many stores of random families, names and labels; every status and every error's text is the same, each reads
// the other's store, and what the two render of one store is the same byte for byte, in each format and escaping.
#include <dirent.h>
#include <dlfcn.h>
#include <unistd.h>

#include "check.h"

#define FUNCTIONS(F)                                                                                             \
  F(last_error, const char *, (void))                                                                            \
  F(store_open, fdm_status, (const fdm_options *, fdm_store **))                                                 \
  F(store_close, fdm_status, (fdm_store *))                                                                      \
  F(register_replacing, fdm_status, (fdm_store *, const fdm_descriptor *, fdm_family **))                        \
  F(labels, fdm_status, (fdm_family *, const fdm_string *, size_t, void **))                                     \
  F(remove, fdm_status, (fdm_family *, const fdm_string *, size_t))                                              \
  F(allow_utf8_names, void, (uint32_t))                                                                          \
  F(counter_add, fdm_status, (fdm_counter *, double))                                                            \
  F(gauge_set, void, (fdm_gauge *, double))                                                                      \
  F(histogram_observe, void, (fdm_histogram *, double))                                                          \
  F(summary_observe, void, (fdm_summary *, double))                                                              \
  F(info_set, fdm_status,                                                                                        \
    (fdm_family *, const fdm_string *, size_t, const fdm_string *, const fdm_string *, size_t))                  \
  F(state_set, fdm_status, (fdm_family *, const fdm_string *, size_t, const char *))                             \
  F(negotiate, fdm_status, (const char *, const char *, fdm_scrape *))                                           \
  F(render_directory, fdm_status, (const char *, uint32_t, uint32_t, char **, size_t *))                         \
  F(free, void, (void *))

struct build {
#define FIELD(name, result, parameters) result(*name) parameters;
  FUNCTIONS(FIELD)
#undef FIELD
};

static struct build load(const char *path) {
  struct build build;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    exit(1);
  }
#define FIND(name, result, parameters)                      \
  *(void **)&build.name = dlsym(library, "fdm_" #name);     \
  CHECK(build.name != NULL);
  FUNCTIONS(FIND)
#undef FIND
  return build;
}

// ---- Random choices -------------------------------------------------------------------------------------------------

static uint64_t state;

// xorshift64*, which is reproducible everywhere.
static uint32_t below(uint32_t bound) {
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  return (uint32_t)((state * UINT64_C(2685821657736338717)) >> 33) % bound;
}

// One text in normal forms C, D, KC and KD, and others that comparison, case and folding treat in ways of their own.
static const char *const pieces[] = {
    "\u00e9",  "e\u0301",       "\u1e9b\u0323", "\u017f\u0323\u0307", "s\u0323\u0307", "\u1e69",   "\ufb01",  "fi",
    "\u212b",  "\u00c5",        "A\u030a",      "\uac00",             "\u1100\u1161",  "\u1101",   "\u2126",  "\u03a9",
    "\u0958",  "\u0915\u093c",  "\u3099",       "\u304b\u3099",       "\u304c",        "\u00df",   "SS",      "\u0130",
    "\u200d",  "\U0001f469\u200d\U0001f4bb",    "\U0001f1e9\U0001f1ea",               "\ufeff",   "\u202e",  "\u0345",
    "\u0390",  "\u1fd3",        "\u03b9\u0308\u0301",                 "\U0001d15f",    "\u2260",   "=\u0338", "\u0301",
    "a",       "_",             ":",            ".",                  "\"",            "\\",       "\n",      " ",
    "{",       "}",             ",",            "_total",             "_bucket",       "__",       "le",      "0",
};

// A text of some pieces, or of any bytes; size bytes of room. Its length.
static size_t text(char *to, size_t size, uint32_t most) {
  size_t length = 0;
  const uint32_t count = below(most + 1), kind = below(4);
  for (uint32_t i = 0; i < count; i++) {
    const char *piece = pieces[below(sizeof pieces / sizeof pieces[0])];
    char byte[2] = {(char)below(256), 0};
    const size_t step = kind == 0 ? 1 : strlen(piece);
    if (length + step + 1 > size) break;
    memcpy(to + length, kind == 0 ? byte : piece, step);
    length += step;
  }
  to[length] = '\0';
  return length;
}

// A name that is mostly one.
static void name(char *to, size_t size) {
  static const char *const stems[] = {"http_requests", "x",            "x_total", "a:b",
                                      "http.requests", "temp_celsius", "e\u0301", "\u00e9"};
  if (below(3) == 0) {
    text(to, size, 4);
  } else {
    snprintf(to, size, "%s%s%u", stems[below(8)], below(2) ? "_" : "", (unsigned)below(3));
  }
}

// ---- The same calls of both -----------------------------------------------------------------------------------------

struct pair {
  struct build *build[2];
  char directory[2][300];
};

static void same_error(const struct pair *pair, const char *what, fdm_status one, fdm_status other) {
  char texts[2][1100];
  if (one != other) {
    fprintf(stderr, "%s: one says %d, the other %d: %s\n", what, (int)one, (int)other, pair->build[one == 0]->last_error());
    exit(1);
  }
  if (one == 0) return;
  for (int i = 0; i < 2; i++) {
    snprintf(texts[i], sizeof texts[i], "%s", pair->build[i]->last_error());
    char *place = strstr(texts[i], pair->directory[i]);
    if (place != NULL) memset(place, '-', strlen(pair->directory[i]));
  }
  CHECK_TEXT(texts[1], texts[0]);
}

enum { MOST_LABELS = 3, TEXT = 120 };

struct labels {
  char texts[MOST_LABELS][TEXT];
  fdm_string values[MOST_LABELS];
};

static void random_labels(struct labels *labels, size_t count) {
  for (size_t i = 0; i < count; i++) {
    labels->values[i].length = text(labels->texts[i], TEXT, 6);
    labels->values[i].data = labels->texts[i];
  }
}

static void random_updates(const struct pair *pair, fdm_family *families[2], uint32_t type, size_t count) {
  static const double numbers[] = {0, 1, -1, 0.1, 1e6, 123456.789, 1e300, 5e-324, 9007199254740993.0, 0.005, 1e16, 1e-5};
  for (uint32_t series = below(4); series-- > 0;) {
    struct labels labels;
    void *handles[2] = {NULL, NULL};
    const double number = numbers[below(12)] * (below(4) == 0 ? below(1000) * 0.37 : 1);
    random_labels(&labels, count);
    fdm_status status[2];
    if (type == FDM_INFO || type == FDM_STATE_SET) {
      char key[TEXT], value[TEXT];
      name(key, sizeof key);
      const fdm_string keys[] = {{key, strlen(key)}}, values[] = {{value, text(value, sizeof value, 4)}};
      for (int i = 0; i < 2; i++) {
        struct build *build = pair->build[i];
        status[i] = type == FDM_INFO ? build->info_set(families[i], labels.values, count, keys, values, 1)
                                     : build->state_set(families[i], labels.values, count, series % 2 ? "on" : "\u00e9");
      }
      same_error(pair, "info or state", status[0], status[1]);
      continue;
    }
    for (int i = 0; i < 2; i++) status[i] = pair->build[i]->labels(families[i], labels.values, count, &handles[i]);
    same_error(pair, "labels", status[0], status[1]);
    if (status[0] != FDM_OK) continue;
    for (int i = 0; i < 2; i++) {
      struct build *build = pair->build[i];
      if (type == FDM_COUNTER) status[i] = build->counter_add((fdm_counter *)handles[i], number);
      if (type == FDM_GAUGE) build->gauge_set((fdm_gauge *)handles[i], number);
      if (type == FDM_HISTOGRAM) build->histogram_observe((fdm_histogram *)handles[i], number);
      if (type == FDM_SUMMARY) build->summary_observe((fdm_summary *)handles[i], number);
    }
    if (below(8) == 0) {
      for (int i = 0; i < 2; i++) status[i] = pair->build[i]->remove(families[i], labels.values, count);
    }
    same_error(pair, "update", status[0], status[1]);
  }
}

static void random_family(const struct pair *pair, fdm_store *stores[2]) {
  static const double bounds[][3] = {{0.1, 1, 10}, {-1, 0, 1}, {1, 1, 2}, {0.005, 1e6, 1e16}};
  char family_name[TEXT], help[TEXT], unit[TEXT], label_names[MOST_LABELS][TEXT];
  const char *names[MOST_LABELS], *const states[] = {"on", "\u00e9"};
  fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .type = 1 + below(6), .name = family_name, .help = help};
  name(family_name, sizeof family_name);
  text(help, sizeof help, 6);
  if (below(6) == 0) {
    name(unit, sizeof unit);
    descriptor.unit = unit;
  }
  descriptor.label_count = below(MOST_LABELS + 1);
  for (size_t i = 0; i < descriptor.label_count; i++) {
    name(label_names[i], TEXT);
    names[i] = label_names[i];
  }
  descriptor.label_names = names;
  // A gauge of the process that renders would be another's for each of the two.
  if (descriptor.type == FDM_GAUGE) descriptor.gauge_mode = 1 + below(10);
  if (descriptor.type == FDM_HISTOGRAM) {
    descriptor.bounds = bounds[below(4)];
    descriptor.bound_count = 3;
  }
  if (descriptor.type == FDM_STATE_SET) {
    descriptor.states = states;
    descriptor.state_count = 2;
  }
  fdm_family *families[2];
  fdm_status status[2];
  for (int i = 0; i < 2; i++) status[i] = pair->build[i]->register_replacing(stores[i], &descriptor, &families[i]);
  same_error(pair, "register", status[0], status[1]);
  if (status[0] == 0) random_updates(pair, families, descriptor.type, descriptor.label_count);
}

// ---- What they render -----------------------------------------------------------------------------------------------

static const uint32_t escapings[] = {FDM_RENDER_ESCAPE_UNDERSCORES, FDM_RENDER_ESCAPE_DOTS, FDM_RENDER_ESCAPE_VALUES,
                                     FDM_RENDER_ALLOW_UTF8};

static uint64_t same_rendering(const struct pair *pair, const char *directory, uint32_t format, uint32_t options) {
  char *texts[2];
  size_t lengths[2];
  for (int i = 0; i < 2; i++) {
    if (pair->build[i]->render_directory(directory, format, options, &texts[i], &lengths[i]) != FDM_OK) {
      fprintf(stderr, "%s\n", pair->build[i]->last_error());
      exit(1);
    }
  }
  if (lengths[0] != lengths[1] || memcmp(texts[0], texts[1], lengths[0]) != 0) {
    fprintf(stderr, "format %u, options %u of %s:\n%s\n--- the other:\n%s\n", format, options, directory, texts[0], texts[1]);
    exit(1);
  }
  for (int i = 0; i < 2; i++) pair->build[i]->free(texts[i]);
  return lengths[0];
}

static void same_negotiation(const struct pair *pair) {
  static const char *const parts[] = {"text/plain", "application/openmetrics-text", ";version=1.0.0", ";q=0.5", ";q=.25",
                                      ";q=1.0001", ";q=0.0005", ";q=x", ",", " ", ";escaping=dots", ";version=0.0.4", "*/*",
                                      ";q=0", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
                                      ";escaping=allow-utf-8", "gzip", ";q=", "\"", "\u00e9"};
  char accept[600] = "";
  for (uint32_t i = below(7); i-- > 0;) strcat(accept, parts[below(20)]);
  fdm_scrape scrapes[2];
  memset(scrapes, 0, sizeof scrapes);
  for (int i = 0; i < 2; i++) {
    scrapes[i].struct_size = sizeof scrapes[i];
    CHECK(pair->build[i]->negotiate(accept, accept, &scrapes[i]) == FDM_OK);
  }
  CHECK_NUMBER(scrapes[1].format, scrapes[0].format);
  CHECK_NUMBER(scrapes[1].options, scrapes[0].options);
  CHECK_NUMBER(scrapes[1].is_gzipped, scrapes[0].is_gzipped);
  CHECK_TEXT(scrapes[1].content_type, scrapes[0].content_type);
}

static void remove_store(const char *directory) {
  DIR *entries = opendir(directory);
  CHECK(entries != NULL);
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    if (entry->d_name[0] != '.') unlinkat(dirfd(entries), entry->d_name, 0);
  }
  closedir(entries);
  rmdir(directory);
}

int main(int count, char **arguments) {
  CHECK(count == 6);
  struct build builds[2] = {load(arguments[1]), load(arguments[2])};
  struct pair pair = {{&builds[0], &builds[1]}, {"", ""}};
  uint64_t bytes = 0;
  state = strtoull(arguments[4], NULL, 10) * 2 + 1;
  for (uint32_t round = strtoul(arguments[5], NULL, 10); round-- > 0;) {
    fdm_store *stores[2];
    for (int i = 0; i < 2; i++) {
      snprintf(pair.directory[i], sizeof pair.directory[i], "%s/%d", arguments[3], i);
      const fdm_options options = {
          .struct_size = sizeof options, .directory = pair.directory[i], .lanes = 1, .series_limit = 3};
      CHECK(builds[i].store_open(&options, &stores[i]) == FDM_OK);
      builds[i].allow_utf8_names(round % 2);
    }
    for (uint32_t families = 1 + below(4); families-- > 0;) random_family(&pair, stores);
    for (int i = 0; i < 2; i++) {
      for (uint32_t format = FDM_FORMAT_TEXT; format <= FDM_FORMAT_PROTOBUF; format++) {
        const uint32_t others = (below(2) ? FDM_RENDER_CREATED : 0) | (below(8) ? 0 : FDM_RENDER_SELF_METRICS);
        const uint32_t options = escapings[below(4)] | others;
        bytes += same_rendering(&pair, pair.directory[i], format, options);
      }
    }
    same_negotiation(&pair);
    for (int i = 0; i < 2; i++) {
      CHECK(builds[i].store_close(stores[i]) == FDM_OK);
      remove_store(pair.directory[i]);
    }
  }
  printf("two builds: %s stores each, %llu bytes the same\n", arguments[5], (unsigned long long)bytes);
  return 0;
}
