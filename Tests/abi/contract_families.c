// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Registration: names, descriptors, conflicts, label values, removal, the limit on series.
#include <math.h>

#include "check.h"

static fdm_family *registered(fdm_store *store, const fdm_descriptor *descriptor) {
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, descriptor, &family));
  CHECK(family != NULL);
  return family;
}

// A registration that must fail: the status, and a family that may be used and records nothing.
static void check_refused(fdm_store *store, const fdm_descriptor *descriptor, fdm_status expected) {
  fdm_family *family = NULL;
  CHECK_STATUS(fdm_register(store, descriptor, &family), expected);
  CHECK(fdm_last_error()[0] != '\0');
  fdm_counter *counter = NULL;
  CHECK(fdm_counter_labels(family, NULL, 0, &counter) != FDM_OK);
  fdm_counter_inc(counter);
  CHECK_NUMBER(fdm_counter_value(counter), 0);
}

static void check_names(fdm_store *store) {
  static const char *const good[] = {"a", "_a", ":a", "a:b:c_total", "A9"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
    fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, good[i]);
    registered(store, &descriptor);
  }
  static const char *const bad[] = {"", "9a", "a-b", "a b", "a.b", "\xC3\xA4", "a\n"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, bad[i]);
    check_refused(store, &descriptor, FDM_ERR_INVALID_NAME);
  }
  static const char *const bad_labels[] = {"", "9a", "a-b", "a:b", "__a", "\xC3\xA4"};
  for (size_t i = 0; i < sizeof bad_labels / sizeof bad_labels[0]; i++) {
    fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "bad_label");
    descriptor.label_names = &bad_labels[i];
    descriptor.label_count = 1;
    check_refused(store, &descriptor, FDM_ERR_INVALID_NAME);
  }
  static const char *const twice[] = {"a", "a"};
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "label_twice");
  descriptor.label_names = twice;
  descriptor.label_count = 2;
  check_refused(store, &descriptor, FDM_ERR_INVALID_NAME);
  static const char *const le[] = {"le"};
  descriptor = descriptor_of(FDM_HISTOGRAM, "label_le");
  descriptor.label_names = le;
  descriptor.label_count = 1;
  check_refused(store, &descriptor, FDM_ERR_INVALID_NAME);
  descriptor = descriptor_of(FDM_COUNTER, "bad_unit");
  descriptor.unit = "m/s";
  check_refused(store, &descriptor, FDM_ERR_INVALID_NAME);
}

static void check_arguments(fdm_store *store) {
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "arguments");
  fdm_family *family = NULL;
  CHECK_STATUS(fdm_register(NULL, &descriptor, &family), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_register(store, NULL, &family), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_register(store, &descriptor, NULL), FDM_ERR_INVALID_ARGUMENT);
  descriptor.struct_size = 1;
  check_refused(store, &descriptor, FDM_ERR_INVALID_ARGUMENT);
  descriptor = descriptor_of(FDM_COUNTER, NULL);
  check_refused(store, &descriptor, FDM_ERR_INVALID_ARGUMENT);
  descriptor = descriptor_of(99, "type");
  check_refused(store, &descriptor, FDM_ERR_INVALID_ARGUMENT);
  descriptor = descriptor_of(FDM_GAUGE, "mode");
  descriptor.gauge_mode = 0;
  check_refused(store, &descriptor, FDM_ERR_INVALID_ARGUMENT);
  descriptor.gauge_mode = FDM_GAUGE_LOCAL + 1;
  check_refused(store, &descriptor, FDM_ERR_INVALID_ARGUMENT);
  descriptor = descriptor_of(FDM_COUNTER, "no_names");
  descriptor.label_count = 1;
  check_refused(store, &descriptor, FDM_ERR_INVALID_ARGUMENT);
  // A state set without states.
  descriptor = descriptor_of(FDM_STATE_SET, "stateless");
  check_refused(store, &descriptor, FDM_ERR_INVALID_ARGUMENT);
}

// Bounds that do not ascend are refused: as an argument out of range, or as a bound that Prometheus does not take.
static void check_bounds(fdm_store *store) {
  static const double bad[][2] = {{2, 1}, {1, 1}, {(double)NAN, 1}, {(double)INFINITY, (double)INFINITY}};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    fdm_descriptor descriptor = descriptor_of(FDM_HISTOGRAM, "bad_bounds");
    descriptor.bounds = bad[i];
    descriptor.bound_count = 2;
    fdm_family *family = NULL;
    fdm_status status = fdm_register(store, &descriptor, &family);
    CHECK(status == FDM_ERR_INVALID_ARGUMENT || status == FDM_ERR_INVALID_NAME);
    fdm_histogram *histogram = NULL;
    CHECK(fdm_histogram_labels(family, NULL, 0, &histogram) != FDM_OK);
    fdm_histogram_observe(histogram, 1);
  }
}

void check_registration(void) {
  fdm_store *store = open_named("registration");
  check_names(store);
  check_arguments(store);
  check_bounds(store);

  // The same descriptor is the same family; the help may differ, and "_total" may be left out.
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "same_total");
  descriptor.help = "one";
  fdm_family *family = registered(store, &descriptor);
  descriptor.help = "another";
  CHECK(registered(store, &descriptor) == family);
  descriptor.name = "same";
  CHECK(registered(store, &descriptor) == family);

  // The last error stays what it was until a call fails again.
  descriptor.name = "9";
  check_refused(store, &descriptor, FDM_ERR_INVALID_NAME);
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_NAME);
  CHECK_LAST_ERROR("9");

  fdm_statistics statistics;
  memset(&statistics, 0, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  CHECK_OK(fdm_store_statistics(store, &statistics));
  CHECK(statistics.families == 6);
  CHECK(statistics.conflicts == 0);
  CHECK_OK(fdm_store_close(store));
}

static uint64_t conflicts_of(fdm_store *store) {
  fdm_statistics statistics;
  memset(&statistics, 0, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  CHECK_OK(fdm_store_statistics(store, &statistics));
  return statistics.conflicts;
}

// Refused, counted, and the text names the family and what differs.
static void check_conflict(fdm_store *store, const fdm_descriptor *descriptor, const char *difference) {
  uint64_t before = conflicts_of(store);
  check_refused(store, descriptor, FDM_ERR_CONFLICT);
  fdm_family *family = NULL;
  CHECK_STATUS(fdm_register(store, descriptor, &family), FDM_ERR_CONFLICT);
  CHECK_LAST_ERROR(descriptor->name);
  CHECK_LAST_ERROR(difference);
  CHECK(conflicts_of(store) == before + 2);
}

// The text of a store, to be freed.
static char *text_of(fdm_store *store) {
  char *text = NULL;
  size_t length = 0;
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  return text;
}

void check_replacing(void) {
  fdm_store *store = open_named("replacing");
  static const char *const labels[] = {"model"};
  static const char *const other_labels[] = {"model", "length"};
  static const char *const values[] = {"a", "4096"};
  fdm_descriptor old = descriptor_of(FDM_COUNTER, "requests"), wanted = old;
  old.label_names = labels;
  old.label_count = 1;
  wanted.label_names = other_labels;
  wanted.label_count = 2;
  fdm_counter *before = NULL, *after = NULL, *again = NULL;
  CHECK_OK(fdm_counter_labels(registered(store, &old), values, 1, &before));
  fdm_counter_add_u64(before, 2);
  check_conflict(store, &wanted, "length");

  fdm_family *family = NULL, *same = NULL;
  CHECK_OK(fdm_register_replacing(store, &wanted, &family));
  CHECK_OK(fdm_register_replacing(store, &wanted, &same));
  CHECK(same == family && registered(store, &wanted) == family);
  CHECK_OK(fdm_counter_labels(family, values, 2, &after));
  fdm_counter_inc(after);
  fdm_counter_inc(before);
  char *text = text_of(store);
  CHECK(strstr(text, "requests_total{length=\"4096\",model=\"a\"} 1.0\n") != NULL);
  CHECK(strstr(text, "requests_total{model=") == NULL);
  fdm_free(text);
  check_conflict(store, &old, "length");

  // Back again, with what it had and what was recorded meanwhile.
  CHECK_OK(fdm_register_replacing(store, &old, &same));
  CHECK_OK(fdm_counter_labels(same, values, 1, &again));
  CHECK(again == before && fdm_counter_value(again) == 3);
  text = text_of(store);
  CHECK(strstr(text, "requests_total{model=\"a\"} 3.0\n") != NULL);
  CHECK(strstr(text, "length") == NULL);
  fdm_free(text);

  CHECK_STATUS(fdm_register_replacing(NULL, &wanted, &family), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_register_replacing(store, NULL, &family), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_register_replacing(store, &wanted, NULL), FDM_ERR_INVALID_ARGUMENT);
  wanted.name = "no name";
  CHECK_STATUS(fdm_register_replacing(store, &wanted, &family), FDM_ERR_INVALID_NAME);
  CHECK_OK(fdm_store_close(store));
}

void check_conflicts(void) {
  fdm_store *store = open_named("conflicts");
  static const char *const labels[] = {"method", "path"};
  static const char *const other_labels[] = {"method", "route"};
  static const double bounds[] = {1, 2};
  static const double other_bounds[] = {1, 5};
  static const char *const states[] = {"off", "on"};
  static const char *const other_states[] = {"off", "broken"};

  fdm_descriptor descriptor = descriptor_of(FDM_GAUGE, "load");
  registered(store, &descriptor);
  descriptor.gauge_mode = FDM_GAUGE_MAX;
  check_conflict(store, &descriptor, "max");
  descriptor = descriptor_of(FDM_SUMMARY, "load");
  check_conflict(store, &descriptor, "summary");

  descriptor = descriptor_of(FDM_COUNTER, "requests");
  descriptor.label_names = labels;
  descriptor.label_count = 2;
  registered(store, &descriptor);
  descriptor.label_names = other_labels;
  check_conflict(store, &descriptor, "route");
  descriptor.label_names = labels;
  descriptor.label_count = 1;
  check_conflict(store, &descriptor, "label");

  descriptor = descriptor_of(FDM_HISTOGRAM, "latency");
  descriptor.bounds = bounds;
  descriptor.bound_count = 2;
  registered(store, &descriptor);
  descriptor.bounds = other_bounds;
  check_conflict(store, &descriptor, "bounds");
  // +Inf may be last or left out: that is no difference.
  static const double infinite[] = {1, 2, (double)INFINITY};
  descriptor.bounds = infinite;
  descriptor.bound_count = 3;
  registered(store, &descriptor);

  descriptor = descriptor_of(FDM_STATE_SET, "mode");
  descriptor.states = states;
  descriptor.state_count = 2;
  registered(store, &descriptor);
  descriptor.states = other_states;
  check_conflict(store, &descriptor, "state");

  descriptor = descriptor_of(FDM_GAUGE, "size_bytes");
  registered(store, &descriptor);
  descriptor.unit = "bytes";
  check_conflict(store, &descriptor, "unit");
  CHECK_OK(fdm_store_close(store));
}

void check_labels(void) {
  fdm_store *store = open_named("labels");
  static const char *const names[] = {"method", "path"};
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "requests");
  descriptor.label_names = names;
  descriptor.label_count = 2;
  fdm_family *family = registered(store, &descriptor);

  // The same values are the same handle, through either function.
  static const char *const values[] = {"GET", "/"};
  fdm_string strings[2];
  strings[0] = string_of("GET");
  strings[1] = string_of("/");
  fdm_counter *counter = NULL;
  void *handle = NULL;
  CHECK_OK(fdm_counter_labels(family, values, 2, &counter));
  CHECK_OK(fdm_labels(family, strings, 2, &handle));
  CHECK(handle == (void *)counter);
  fdm_counter_inc(counter);

  // An empty value, a value with a zero byte in it, one that is no UTF-8, one that is long.
  strings[1].data = NULL;
  strings[1].length = 0;
  CHECK_OK(fdm_labels(family, strings, 2, &handle));
  CHECK(handle != (void *)counter);
  strings[1].data = "a\0b";
  strings[1].length = 3;
  void *zero = NULL;
  CHECK_OK(fdm_labels(family, strings, 2, &zero));
  CHECK(zero != handle);
  strings[1].data = "a\xFF";
  strings[1].length = 2;
  void *repaired = NULL;
  CHECK_OK(fdm_labels(family, strings, 2, &repaired));
  strings[1] = string_of("a\xEF\xBF\xBD");
  CHECK_OK(fdm_labels(family, strings, 2, &handle));
  CHECK(handle == repaired);

  // Wrong numbers of values, the wrong type, no values, no family, nowhere to put the handle.
  CHECK_STATUS(fdm_counter_labels(family, values, 1, &counter), FDM_ERR_LABELS);
  fdm_counter_inc(counter);
  CHECK_STATUS(fdm_counter_labels(family, NULL, 0, &counter), FDM_ERR_LABELS);
  CHECK_LAST_ERROR("requests");
  CHECK_STATUS(fdm_labels(family, strings, 1, &handle), FDM_ERR_LABELS);
  CHECK_STATUS(fdm_remove(family, strings, 1), FDM_ERR_LABELS);
  // More than there can be, of which none is read.
  CHECK_STATUS(fdm_counter_labels(family, values, 65, &counter), FDM_ERR_LABELS);
  CHECK_STATUS(fdm_counter_labels(family, values, SIZE_MAX, &counter), FDM_ERR_LABELS);
  CHECK_STATUS(fdm_counter_labels(family, NULL, 2, &counter), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_labels(family, strings, SIZE_MAX, &handle), FDM_ERR_LABELS);
  fdm_gauge *gauge = NULL;
  CHECK_STATUS(fdm_gauge_labels(family, values, 2, &gauge), FDM_ERR_LABELS);
  fdm_gauge_set(gauge, 1);
  fdm_histogram *histogram = NULL;
  CHECK_STATUS(fdm_histogram_labels(family, values, 2, &histogram), FDM_ERR_LABELS);
  fdm_histogram_observe(histogram, 1);
  fdm_summary *summary = NULL;
  CHECK_STATUS(fdm_summary_labels(family, values, 2, &summary), FDM_ERR_LABELS);
  fdm_summary_observe(summary, 1);
  CHECK_STATUS(fdm_counter_labels(family, NULL, 2, &counter), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_labels(family, NULL, 2, &handle), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_remove(family, NULL, 2), FDM_ERR_INVALID_ARGUMENT);
  strings[1].data = NULL;
  strings[1].length = 3;
  CHECK_STATUS(fdm_labels(family, strings, 2, &handle), FDM_ERR_INVALID_ARGUMENT);
  static const char *const null_value[] = {"GET", NULL};
  CHECK_STATUS(fdm_counter_labels(family, null_value, 2, &counter), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_counter_labels(NULL, values, 2, &counter), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_counter_labels(family, values, 2, NULL), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_labels(NULL, strings, 2, &handle), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_remove(NULL, strings, 2), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_clear(NULL), FDM_ERR_INVALID_ARGUMENT);

  // A removed series starts again from zero; the old handle may still be used. Removing what is not there is fine.
  uint64_t removals = *fdm_store_removals(store);
  strings[1] = string_of("/");
  CHECK_OK(fdm_counter_labels(family, values, 2, &counter));
  CHECK_NUMBER(fdm_counter_value(counter), 1);
  CHECK_OK(fdm_remove(family, strings, 2));
  CHECK(*fdm_store_removals(store) != removals);
  CHECK_OK(fdm_remove(family, strings, 2));
  fdm_counter *second = NULL;
  CHECK_OK(fdm_counter_labels(family, values, 2, &second));
  CHECK_NUMBER(fdm_counter_value(second), 0);
  fdm_counter_inc(counter);
  CHECK_NUMBER(fdm_counter_value(second), 0);
  removals = *fdm_store_removals(store);
  CHECK_OK(fdm_clear(family));
  CHECK(*fdm_store_removals(store) != removals);
  fdm_statistics statistics;
  memset(&statistics, 0, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  CHECK_OK(fdm_store_statistics(store, &statistics));
  CHECK(statistics.series == 0);
  CHECK(statistics.removed_series == 5);
  CHECK_OK(fdm_store_close(store));
}

void check_series_limit(void) {
  fdm_options options = options_of(directory_of("limit"));
  options.series_limit = 3;
  fdm_store *store = opened_with(&options);
  static const char *const names[] = {"id"};
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "many");
  descriptor.label_names = names;
  descriptor.label_count = 1;
  fdm_family *family = registered(store, &descriptor);
  static const char *const ids[] = {"0", "1", "2", "3", "4"};
  fdm_counter *counter = NULL;
  for (int i = 0; i < 5; i++) {
    CHECK_STATUS(fdm_counter_labels(family, &ids[i], 1, &counter), i < 3 ? FDM_OK : FDM_ERR_SERIES_LIMIT);
    fdm_counter_inc(counter);
    CHECK_NUMBER(fdm_counter_value(counter), i < 3 ? 1 : 0);
  }
  CHECK_LAST_ERROR("many");
  // The ones that are there are still found, and another family has a limit of its own.
  CHECK_OK(fdm_counter_labels(family, &ids[0], 1, &counter));
  CHECK_NUMBER(fdm_counter_value(counter), 1);
  descriptor.name = "others";
  CHECK_OK(fdm_counter_labels(registered(store, &descriptor), &ids[0], 1, &counter));
  fdm_statistics statistics;
  memset(&statistics, 0, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  CHECK_OK(fdm_store_statistics(store, &statistics));
  CHECK(statistics.dropped_series_limit == 2);
  CHECK(statistics.series == 4);
  CHECK_OK(fdm_store_close(store));
}
