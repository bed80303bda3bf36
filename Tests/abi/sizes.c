// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// sizes FOLDER: no count, length, size, number or NULL that a caller passes ends the process. Each case runs in a process of
// its own, so that a signal is seen, and must give the status that the header promises for it.
#include <limits.h>
#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static fdm_store *store;
static fdm_family *counters, *gauges, *histograms, *summaries, *infos, *states;
static fdm_zmq_link *link_of_test;
static const char *const label_values[] = {"x"};
static const char *folder;

// What a size_t may be.
static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, (size_t)1 << 63, ((size_t)1 << 63) + 1, ((size_t)1 << 63) - 1,
                               (size_t)1 << 62, (size_t)1 << 32, (size_t)UINT32_MAX, (size_t)INT32_MAX + 1, 100000};

// Cases of which each is a function of a size.

static fdm_status counter_labels(size_t size) {
  fdm_counter *counter = NULL;
  return fdm_counter_labels(counters, label_values, size, &counter);
}

static fdm_status gauge_labels(size_t size) {
  fdm_gauge *gauge = NULL;
  return fdm_gauge_labels(gauges, label_values, size, &gauge);
}

static fdm_status histogram_labels(size_t size) {
  fdm_histogram *histogram = NULL;
  return fdm_histogram_labels(histograms, label_values, size, &histogram);
}

static fdm_status summary_labels(size_t size) {
  fdm_summary *summary = NULL;
  return fdm_summary_labels(summaries, label_values, size, &summary);
}

static fdm_status labels_count(size_t size) {
  fdm_string value = string_of("x");
  void *handle = NULL;
  return fdm_labels(counters, &value, size, &handle);
}

// At least as long as no series may be: what is shorter would be read.
static fdm_string of_length(size_t size) {
  fdm_string value = string_of("x");
  value.length = size < 524289 ? SIZE_MAX - size : size;
  return value;
}

static fdm_status labels_length(size_t size) {
  fdm_string value = of_length(size);
  void *handle = NULL;
  return fdm_labels(counters, &value, 1, &handle);
}

static fdm_status labels_length_of_null(size_t size) {
  fdm_string value;
  value.data = NULL;
  value.length = size;
  void *handle = NULL;
  return fdm_labels(counters, &value, 1, &handle);
}

static fdm_status remove_count(size_t size) {
  fdm_string value = string_of("x");
  return fdm_remove(counters, &value, size);
}

static fdm_status remove_length(size_t size) {
  fdm_string value = of_length(size);
  return fdm_remove(counters, &value, 1);
}

static fdm_status of_worker_count(size_t size) {
  fdm_string value = string_of("x");
  fdm_gauge *gauge = NULL;
  return fdm_gauge_of_worker(gauges, &value, size, 1, &gauge);
}

static fdm_status of_worker_length(size_t size) {
  fdm_string value = of_length(size);
  fdm_gauge *gauge = NULL;
  return fdm_gauge_of_worker(gauges, &value, 1, 1, &gauge);
}

static fdm_status info_label_count(size_t size) {
  fdm_string value = string_of("x");
  return fdm_info_set(infos, &value, size, &value, &value, 1);
}

static fdm_status info_key_count(size_t size) {
  fdm_string value = string_of("x");
  return fdm_info_set(infos, &value, 1, &value, &value, size);
}

static fdm_status info_key_length(size_t size) {
  fdm_string label = string_of("x"), key = of_length(size);
  return fdm_info_set(infos, &label, 1, &key, &label, 1);
}

static fdm_status info_value_length(size_t size) {
  fdm_string label = string_of("x"), value = of_length(size);
  return fdm_info_set(infos, &label, 1, &label, &value, 1);
}

static fdm_status state_label_count(size_t size) {
  fdm_string value = string_of("x");
  return fdm_state_set(states, &value, size, "on");
}

static fdm_status state_label_length(size_t size) {
  fdm_string value = of_length(size);
  return fdm_state_set(states, &value, 1, "on");
}

static fdm_status register_label_count(size_t size) {
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "sized");
  descriptor.label_names = label_values;
  descriptor.label_count = size;
  fdm_family *family = NULL;
  return fdm_register(store, &descriptor, &family);
}

static fdm_status register_bound_count(size_t size) {
  static const double bounds[] = {1};
  fdm_descriptor descriptor = descriptor_of(FDM_HISTOGRAM, "sized");
  descriptor.bounds = bounds;
  descriptor.bound_count = size;
  fdm_family *family = NULL;
  return fdm_register(store, &descriptor, &family);
}

static fdm_status register_state_count(size_t size) {
  fdm_descriptor descriptor = descriptor_of(FDM_STATE_SET, "sized");
  descriptor.states = label_values;
  descriptor.state_count = size;
  fdm_family *family = NULL;
  return fdm_register(store, &descriptor, &family);
}

static fdm_status register_struct_size(size_t size) {
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "sized");
  descriptor.struct_size = size;
  fdm_family *family = NULL;
  return fdm_register(store, &descriptor, &family);
}

static fdm_scrape scrape_of(void) {
  fdm_scrape scrape;
  memset(&scrape, 0, sizeof scrape);
  scrape.struct_size = sizeof scrape;
  scrape.format = FDM_FORMAT_TEXT;
  return scrape;
}

static fdm_status negotiate_struct_size(size_t size) {
  fdm_scrape scrape = scrape_of();
  scrape.struct_size = size;
  return fdm_negotiate("*/*", NULL, &scrape);
}

static fdm_status render_struct_size(size_t size) {
  fdm_scrape scrape = scrape_of();
  char *text = NULL;
  size_t length = 0;
  scrape.struct_size = size;
  return fdm_render_scrape(store, &scrape, &text, &length);
}

static fdm_status render_directory_struct_size(size_t size) {
  fdm_scrape scrape = scrape_of();
  char *text = NULL;
  size_t length = 0;
  scrape.struct_size = size;
  return fdm_render_directory_scrape(fdm_store_path(store), &scrape, &text, &length);
}

static fdm_status render_name_count(size_t size) {
  fdm_scrape scrape = scrape_of();
  char *text = NULL;
  size_t length = 0;
  scrape.names = label_values;
  scrape.name_count = size > UINT32_MAX ? UINT32_MAX - (uint32_t)(size & 7) : (uint32_t)size;
  return fdm_render_scrape(store, &scrape, &text, &length);
}

static fdm_status trailer_size(size_t size) {
  return fdm_zmq_is_trailer("FDM1", size) == 0 ? FDM_ERR_INVALID_ARGUMENT : FDM_OK;
}

static fdm_status zmq_bytes(size_t size) {
  unsigned char trailer[FDM_ZMQ_TRAILER_SIZE];
  memset(trailer, 0xFF, sizeof trailer);
  fdm_zmq_sent(link_of_test, size);
  fdm_zmq_received(link_of_test, size);
  fdm_zmq_received_stamped(link_of_test, size, (double)size);
  fdm_zmq_received_trailer(link_of_test, size, trailer);
  fdm_zmq_received_trailer(link_of_test, size, NULL);
  memcpy(trailer, "FDM1\0\0\0\0", 8);
  fdm_zmq_received_trailer(link_of_test, size, trailer);
  fdm_zmq_connection_event(link_of_test, (uint32_t)size);
  return FDM_ERR_INVALID_ARGUMENT;
}

static fdm_status whole_amounts(size_t size) {
  fdm_counter *counter = NULL;
  CHECK_OK(fdm_counter_labels(counters, label_values, 1, &counter));
  fdm_counter_add_u64(counter, size);
  fdm_counter_add_u64(counter, size);
  CHECK(fdm_counter_value(counter) >= 0);
  return FDM_ERR_INVALID_ARGUMENT;
}

static fdm_status small_numbers(size_t size) {
  char *text = NULL;
  size_t length = 0;
  uint32_t number = (uint32_t)size;
  fdm_strerror((fdm_status)number);
  fdm_content_type(number);
  fdm_render(store, number, 0, &text, &length);
  fdm_free(text);
  fdm_render(store, FDM_FORMAT_TEXT, number, &text, &length);
  fdm_free(text);
  fdm_descriptor descriptor = descriptor_of(number, "sized");
  fdm_family *family = NULL;
  fdm_register(store, &descriptor, &family);
  descriptor = descriptor_of(FDM_GAUGE, "sized");
  descriptor.gauge_mode = number;
  fdm_register(store, &descriptor, &family);
  fdm_worker_ended(store, number);
  fdm_string value = string_of("x");
  fdm_gauge *gauge = NULL;
  fdm_gauge_of_worker(gauges, &value, 1, number, &gauge);
  fdm_gauge_set(gauge, 1);
  char notice[8];
  fdm_keep_notices(number);
  fdm_take_notice(notice, sizeof notice < size ? sizeof notice : size);
  fdm_take_notice(NULL, size);
  return FDM_ERR_INVALID_ARGUMENT;
}

typedef fdm_status (*sized_case)(size_t);

static const struct {
  const char *name;
  sized_case body;
  fdm_status expected;
} cases[] = {
    {"fdm_counter_labels count", counter_labels, FDM_ERR_LABELS},
    {"fdm_gauge_labels count", gauge_labels, FDM_ERR_LABELS},
    {"fdm_histogram_labels count", histogram_labels, FDM_ERR_LABELS},
    {"fdm_summary_labels count", summary_labels, FDM_ERR_LABELS},
    {"fdm_labels count", labels_count, FDM_ERR_LABELS},
    {"fdm_labels length", labels_length, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_labels length of NULL", labels_length_of_null, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_remove count", remove_count, FDM_ERR_LABELS},
    {"fdm_remove length", remove_length, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_gauge_of_worker count", of_worker_count, FDM_ERR_LABELS},
    {"fdm_gauge_of_worker length", of_worker_length, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_info_set label_count", info_label_count, FDM_ERR_LABELS},
    {"fdm_info_set key_count", info_key_count, FDM_ERR_LABELS},
    {"fdm_info_set length of a key", info_key_length, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_info_set length of a value", info_value_length, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_state_set label_count", state_label_count, FDM_ERR_LABELS},
    {"fdm_state_set length", state_label_length, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_register label_count", register_label_count, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_register bound_count", register_bound_count, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_register state_count", register_state_count, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_register struct_size", register_struct_size, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_negotiate struct_size", negotiate_struct_size, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_render_scrape struct_size", render_struct_size, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_render_directory_scrape struct_size", render_directory_struct_size, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_render_scrape name_count", render_name_count, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_zmq_is_trailer size", trailer_size, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_zmq_* bytes", zmq_bytes, FDM_ERR_INVALID_ARGUMENT},
    {"fdm_counter_add_u64", whole_amounts, FDM_ERR_INVALID_ARGUMENT},
    {"numbers of 32 bits", small_numbers, FDM_ERR_INVALID_ARGUMENT},
};

// Every double parameter with a number that is none, or beyond every whole number.
static void check_doubles(double value) {
  fdm_counter *counter = NULL;
  fdm_gauge *gauge = NULL;
  fdm_histogram *histogram = NULL;
  fdm_summary *summary = NULL;
  CHECK_OK(fdm_counter_labels(counters, label_values, 1, &counter));
  CHECK_OK(fdm_gauge_labels(gauges, label_values, 1, &gauge));
  CHECK_OK(fdm_histogram_labels(histograms, label_values, 1, &histogram));
  CHECK_OK(fdm_summary_labels(summaries, label_values, 1, &summary));
  CHECK_STATUS(fdm_counter_add(counter, value), value >= 0 ? FDM_OK : FDM_ERR_INVALID_ARGUMENT);
  fdm_gauge_set(gauge, value);
  CHECK_OK(fdm_gauge_add(gauge, value));
  fdm_gauge_set_at(gauge, value, value);
  fdm_histogram_observe(histogram, value);
  fdm_summary_observe(summary, value);
  fdm_zmq_send_blocked(link_of_test, value);
  fdm_zmq_received_stamped(link_of_test, 1, value);
  fdm_descriptor descriptor = descriptor_of(FDM_GAUGE, "recent");
  descriptor.gauge_mode = FDM_GAUGE_MOSTRECENT;
  fdm_family *recents = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &recents));
  CHECK_OK(fdm_gauge_labels(recents, NULL, 0, &gauge));
  fdm_gauge_set_at(gauge, 1, value);
  descriptor = descriptor_of(FDM_HISTOGRAM, "bounded");
  descriptor.bounds = &value;
  descriptor.bound_count = 1;
  fdm_family *family = NULL;
  fdm_register(store, &descriptor, &family);
  for (uint32_t format = FDM_FORMAT_TEXT; format <= FDM_FORMAT_PROTOBUF; format++) {
    char *text = NULL;
    size_t length = 0;
    CHECK_OK(fdm_render(store, format, FDM_RENDER_SELF_METRICS | FDM_RENDER_CREATED, &text, &length));
    fdm_free(text);
  }
}

// A text of that many bytes; never freed.
static char *long_text(size_t length) {
  char *text = (char *)malloc(length + 1);
  CHECK(text != NULL);
  memset(text, 'a', length);
  text[length] = '\0';
  return text;
}

// What the header says of the greatest texts: the one is taken, one byte more is refused.
static void check_long_texts(void) {
  enum { GREATEST = 524288 };
  fdm_string value = string_of(long_text(GREATEST));
  void *handle = NULL;
  CHECK_OK(fdm_labels(counters, &value, 1, &handle));
  value = string_of(long_text(GREATEST + 1));
  CHECK_STATUS(fdm_labels(counters, &value, 1, &handle), FDM_ERR_INVALID_ARGUMENT);
  CHECK_LAST_ERROR("524288");
  fdm_counter *counter = NULL;
  CHECK_STATUS(fdm_counter_labels(counters, &value.data, 1, &counter), FDM_ERR_INVALID_ARGUMENT);
  fdm_counter_inc(counter);
  CHECK_STATUS(fdm_remove(counters, &value, 1), FDM_ERR_INVALID_ARGUMENT);

  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "helped");
  fdm_family *family = NULL;
  descriptor.help = long_text(GREATEST - 6);
  CHECK_OK(fdm_register(store, &descriptor, &family));
  descriptor.name = "helped_too_much";
  descriptor.help = long_text(GREATEST);
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_ARGUMENT);
  descriptor.help = NULL;
  descriptor.name = long_text(1 << 20);
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_ARGUMENT);
  descriptor.name = "with_a_long_label";
  descriptor.label_names = &value.data;
  descriptor.label_count = 1;
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_ARGUMENT);
  fdm_zmq_link *link = NULL;
  CHECK_STATUS(fdm_zmq_link_open(store, "app", value.data, &link), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_zmq_link_open(store, value.data, "a", &link), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_state_set(states, &value, 1, "on"), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_info_set(infos, &value, 1, NULL, NULL, 0), FDM_ERR_INVALID_ARGUMENT);
}

// A process of its own for one case; whether it ended as it should.
static int run(const char *name, size_t size, void (*body)(size_t index, size_t size), size_t index) {
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(60);
    body(index, size);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    return 1;
  }
  fprintf(stderr, "%s with %zu: ended by %s %d\n", name, size, WIFSIGNALED(status) ? "signal" : "status",
          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  return 0;
}

static void run_sized(size_t index, size_t size) { CHECK_STATUS(cases[index].body(size), cases[index].expected); }

static void run_doubles(size_t index, size_t size) {
  static const double numbers[] = {NAN, INFINITY, -INFINITY, 1e308, -1e308, 9223372036854775808.0,
                                   18446744073709551616.0, 1.8e10, 5e-324, -0.0, -1};
  (void)size;
  if (index < sizeof numbers / sizeof numbers[0]) {
    check_doubles(numbers[index]);
  }
}

static void run_long_texts(size_t index, size_t size) {
  (void)index;
  (void)size;
  check_long_texts();
}

static fdm_family *registered(uint32_t type, const char *name) {
  static const char *const state_names[] = {"off", "on"};
  static const char *const names[] = {"label"};
  fdm_descriptor descriptor = descriptor_of(type, name);
  descriptor.label_names = names;
  descriptor.label_count = 1;
  if (type == FDM_STATE_SET) {
    descriptor.states = state_names;
    descriptor.state_count = 2;
  }
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  return family;
}

int main(int argc, char **argv) {
  CHECK(argc == 2);
  folder = argv[1];
  store = opened(folder);
  counters = registered(FDM_COUNTER, "counter");
  gauges = registered(FDM_GAUGE, "gauge");
  histograms = registered(FDM_HISTOGRAM, "histogram");
  summaries = registered(FDM_SUMMARY, "summary");
  infos = registered(FDM_INFO, "info");
  states = registered(FDM_STATE_SET, "states");
  CHECK_OK(fdm_zmq_link_open(store, "app", "ipc:///a", &link_of_test));
  CHECK_OK(fdm_zmq_link_watch(link_of_test));

  int failed = 0, done = 0;
  for (size_t index = 0; index < sizeof cases / sizeof cases[0]; index++) {
    for (size_t size = 0; size < sizeof sizes / sizeof sizes[0]; size++, done++) {
      failed += !run(cases[index].name, sizes[size], run_sized, index);
    }
  }
  for (size_t index = 0; index < 11; index++, done++) {
    failed += !run("a double", index, run_doubles, index);
  }
  failed += !run("long texts", 0, run_long_texts, 0);
  printf("sizes: %d cases, %d failed\n", done + 1, failed);
  return failed == 0 ? 0 : 1;
}
