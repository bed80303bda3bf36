// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What each instrument records, and handles that record nothing.
#include <math.h>

#include "check.h"

static fdm_family *registered(fdm_store *store, uint32_t type, uint32_t gauge_mode, const char *name) {
  fdm_descriptor descriptor = descriptor_of(type, name);
  descriptor.gauge_mode = gauge_mode;
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  return family;
}

static void check_counter(fdm_store *store) {
  fdm_counter *counter = NULL;
  CHECK_OK(fdm_counter_labels(registered(store, FDM_COUNTER, 0, "counter"), NULL, 0, &counter));
  CHECK_NUMBER(fdm_counter_value(counter), 0);
  fdm_counter_inc(counter);
  CHECK_OK(fdm_counter_add(counter, 0.25));
  CHECK_OK(fdm_counter_add(counter, 2));
  CHECK_OK(fdm_counter_add(counter, 0));
  fdm_counter_add_u64(counter, 1000000000000);
  CHECK_NUMBER(fdm_counter_value(counter), 1000000000003.25);
  CHECK_STATUS(fdm_counter_add(counter, -1), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_counter_add(counter, (double)NAN), FDM_ERR_INVALID_ARGUMENT);
  CHECK_NUMBER(fdm_counter_value(counter), 1000000000003.25);
}

static void check_gauge(fdm_store *store) {
  static const char *const names[] = {"",         "all", "liveall", "min",        "livemin",        "max",
                                      "livemax",  "sum", "livesum", "mostrecent", "livemostrecent", "local"};
  for (uint32_t mode = FDM_GAUGE_ALL; mode <= FDM_GAUGE_LOCAL; mode++) {
    char name[40];
    snprintf(name, sizeof name, "gauge_%s", names[mode]);
    fdm_gauge *gauge = NULL;
    CHECK_OK(fdm_gauge_labels(registered(store, FDM_GAUGE, mode, name), NULL, 0, &gauge));
    CHECK_NUMBER(fdm_gauge_value(gauge), 0);
    fdm_gauge_set(gauge, -2.5);
    CHECK_NUMBER(fdm_gauge_value(gauge), -2.5);
    fdm_gauge_set_at(gauge, 4, 4e9);
    CHECK_NUMBER(fdm_gauge_value(gauge), 4);
    int recent = mode == FDM_GAUGE_MOSTRECENT || mode == FDM_GAUGE_LIVEMOSTRECENT;
    CHECK_STATUS(fdm_gauge_add(gauge, 1.5), recent ? FDM_ERR_INVALID_ARGUMENT : FDM_OK);
    CHECK_STATUS(fdm_gauge_add(gauge, -3), recent ? FDM_ERR_INVALID_ARGUMENT : FDM_OK);
    CHECK_NUMBER(fdm_gauge_value(gauge), recent ? 4 : 2.5);
    fdm_gauge_inc(gauge);
    CHECK_NUMBER(fdm_gauge_value(gauge), recent ? 4 : 3.5);
    fdm_gauge_dec(gauge);
    fdm_gauge_dec(gauge);
    CHECK_NUMBER(fdm_gauge_value(gauge), recent ? 4 : 1.5);
  }
}

// The value of a logical worker belongs to its number, in every handle that is made for it.
static void check_workers(fdm_store *store) {
  fdm_family *family = registered(store, FDM_GAUGE, FDM_GAUGE_LIVESUM, "workers_level");
  fdm_gauge *own = NULL, *third = NULL, *again = NULL;
  CHECK_OK(fdm_gauge_labels(family, NULL, 0, &own));
  CHECK_OK(fdm_gauge_of_worker(family, NULL, 0, 3, &third));
  fdm_gauge_set(own, 1);
  fdm_gauge_set(third, 5);
  CHECK_OK(fdm_gauge_of_worker(family, NULL, 0, 3, &again));
  CHECK_NUMBER(fdm_gauge_value(again), 5);
  CHECK_NUMBER(fdm_gauge_value(own), 1);
  CHECK_OK(fdm_worker_ended(store, 3));
  CHECK_NUMBER(fdm_gauge_value(again), 0);

  CHECK_STATUS(fdm_gauge_of_worker(family, NULL, 0, 16777216, &again), FDM_ERR_INVALID_ARGUMENT);
  CHECK(again != NULL && again != third);
  fdm_gauge_set(again, 9);
  CHECK_STATUS(fdm_gauge_of_worker(family, NULL, 0, 3, NULL), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_gauge_of_worker(NULL, NULL, 0, 3, &again), FDM_ERR_INVALID_ARGUMENT);
  fdm_family *counters = registered(store, FDM_COUNTER, 0, "workers_counted");
  CHECK_STATUS(fdm_gauge_of_worker(counters, NULL, 0, 3, &again), FDM_ERR_LABELS);
  CHECK_STATUS(fdm_worker_ended(store, 16777216), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_worker_ended(NULL, 3), FDM_ERR_INVALID_ARGUMENT);
}

static void check_observations(fdm_store *store) {
  fdm_histogram *histogram = NULL;
  CHECK_OK(fdm_histogram_labels(registered(store, FDM_HISTOGRAM, 0, "histogram"), NULL, 0, &histogram));
  uint64_t count = 9;
  double sum = 9;
  fdm_histogram_value(histogram, &count, &sum);
  CHECK(count == 0);
  CHECK_NUMBER(sum, 0);
  fdm_histogram_observe(histogram, 0.5);
  fdm_histogram_observe(histogram, 1000);
  fdm_histogram_observe(histogram, -1);
  fdm_histogram_value(histogram, &count, NULL);
  fdm_histogram_value(histogram, NULL, &sum);
  fdm_histogram_value(histogram, NULL, NULL);
  CHECK(count == 3);
  CHECK_NUMBER(sum, 999.5);
  fdm_histogram_observe(histogram, (double)NAN);
  fdm_histogram_value(histogram, &count, &sum);
  CHECK(count == 4);
  CHECK(isnan(sum));

  fdm_summary *summary = NULL;
  CHECK_OK(fdm_summary_labels(registered(store, FDM_SUMMARY, 0, "summary"), NULL, 0, &summary));
  fdm_summary_value(summary, &count, &sum);
  CHECK(count == 0);
  CHECK_NUMBER(sum, 0);
  fdm_summary_observe(summary, 2.5);
  fdm_summary_observe(summary, 4);
  fdm_summary_value(summary, &count, NULL);
  fdm_summary_value(summary, NULL, &sum);
  fdm_summary_value(summary, NULL, NULL);
  CHECK(count == 2);
  CHECK_NUMBER(sum, 6.5);
}

static void check_info(fdm_store *store) {
  fdm_family *family = registered(store, FDM_INFO, 0, "build");
  fdm_string keys[2], values[2];
  keys[0] = string_of("commit");
  keys[1] = string_of("version");
  values[0] = string_of("abc");
  values[1] = string_of("1.2");
  CHECK_OK(fdm_info_set(family, NULL, 0, keys, values, 2));
  CHECK_OK(fdm_info_set(family, NULL, 0, keys, values, 2));
  CHECK_STATUS(fdm_info_set(NULL, NULL, 0, keys, values, 2), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_info_set(family, NULL, 0, NULL, values, 2), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_info_set(family, NULL, 0, keys, NULL, 2), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_info_set(family, values, 1, keys, values, 2), FDM_ERR_LABELS);
  keys[1] = string_of("not a name");
  CHECK_STATUS(fdm_info_set(family, NULL, 0, keys, values, 2), FDM_ERR_INVALID_NAME);
  keys[1] = string_of("commit");
  CHECK_STATUS(fdm_info_set(family, NULL, 0, keys, values, 2), FDM_ERR_INVALID_NAME);
  keys[1] = string_of("version");
  CHECK_STATUS(fdm_info_set(registered(store, FDM_COUNTER, 0, "no_info"), NULL, 0, keys, values, 2), FDM_ERR_LABELS);
  // A key that is a label name of the family.
  static const char *const names[] = {"version"};
  fdm_descriptor descriptor = descriptor_of(FDM_INFO, "labelled");
  descriptor.label_names = names;
  descriptor.label_count = 1;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  CHECK_STATUS(fdm_info_set(family, values, 1, keys, values, 2), FDM_ERR_INVALID_NAME);
}

static void check_states(fdm_store *store) {
  static const char *const states[] = {"idle", "running"};
  fdm_descriptor descriptor = descriptor_of(FDM_STATE_SET, "engine");
  descriptor.states = states;
  descriptor.state_count = 2;
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  CHECK_OK(fdm_state_set(family, NULL, 0, "running"));
  CHECK_OK(fdm_state_set(family, NULL, 0, "running"));
  CHECK_STATUS(fdm_state_set(family, NULL, 0, "broken"), FDM_ERR_INVALID_ARGUMENT);
  CHECK_LAST_ERROR("broken");
  CHECK_STATUS(fdm_state_set(family, NULL, 0, NULL), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_state_set(NULL, NULL, 0, "idle"), FDM_ERR_INVALID_ARGUMENT);
  fdm_string value = string_of("x");
  CHECK_STATUS(fdm_state_set(family, &value, 1, "idle"), FDM_ERR_LABELS);
  CHECK_STATUS(fdm_state_set(registered(store, FDM_COUNTER, 0, "no_states"), NULL, 0, "idle"), FDM_ERR_LABELS);
  static const char *const twice[] = {"a", "a"};
  descriptor.name = "twice";
  descriptor.states = twice;
  CHECK(fdm_register(store, &descriptor, &family) != FDM_OK);
}

void check_instruments(void) {
  fdm_store *store = open_named("instruments");
  check_counter(store);
  check_gauge(store);
  check_workers(store);
  check_observations(store);
  check_info(store);
  check_states(store);
  CHECK_OK(fdm_store_close(store));
}

static void record_through(fdm_counter *counter, fdm_gauge *gauge, fdm_histogram *histogram, fdm_summary *summary,
                           fdm_zmq_link *link) {
  fdm_counter_inc(counter);
  fdm_counter_add_u64(counter, 2);
  CHECK(fdm_counter_add(counter, 1) == FDM_OK || fdm_counter_add(counter, 1) == FDM_ERR_INVALID_ARGUMENT);
  CHECK_NUMBER(fdm_counter_value(counter), 0);
  fdm_gauge_set(gauge, 1);
  fdm_gauge_set_at(gauge, 1, 1);
  CHECK(fdm_gauge_add(gauge, 1) == FDM_OK || fdm_gauge_add(gauge, 1) == FDM_ERR_INVALID_ARGUMENT);
  fdm_gauge_inc(gauge);
  fdm_gauge_dec(gauge);
  CHECK_NUMBER(fdm_gauge_value(gauge), 0);
  uint64_t count = 9;
  double sum = 9;
  fdm_histogram_observe(histogram, 1);
  fdm_histogram_value(histogram, &count, &sum);
  CHECK(count == 0);
  CHECK_NUMBER(sum, 0);
  count = 9;
  sum = 9;
  fdm_summary_observe(summary, 1);
  fdm_summary_value(summary, &count, &sum);
  CHECK(count == 0);
  CHECK_NUMBER(sum, 0);
  fdm_zmq_sent(link, 1);
  fdm_zmq_send_failed(link);
  fdm_zmq_received(link, 1);
  fdm_zmq_received_stamped(link, 1, fdm_zmq_now());
}

void check_inert_handles(void) {
  record_through(NULL, NULL, NULL, NULL, NULL);

  // What a failed look-up gives records nothing. An instrument is never NULL then; a link may be.
  fdm_counter *counter = NULL;
  fdm_gauge *gauge = NULL;
  fdm_histogram *histogram = NULL;
  fdm_summary *summary = NULL;
  fdm_zmq_link *link = NULL;
  CHECK_STATUS(fdm_counter_labels(NULL, NULL, 0, &counter), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_gauge_labels(NULL, NULL, 0, &gauge), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_histogram_labels(NULL, NULL, 0, &histogram), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_summary_labels(NULL, NULL, 0, &summary), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_zmq_link_open(NULL, NULL, "ipc:///x", &link), FDM_ERR_INVALID_ARGUMENT);
  CHECK(counter != NULL && gauge != NULL && histogram != NULL && summary != NULL);
  record_through(counter, gauge, histogram, summary, link);

  // The same of a family that could not be registered: of any type, with any number of label values.
  fdm_store *store = open_named("inert");
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "not a name");
  fdm_family *family = NULL;
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_NAME);
  CHECK(family != NULL);
  static const char *const values[] = {"a", "b"};
  fdm_string strings[2];
  strings[0] = string_of("a");
  strings[1] = string_of("b");
  CHECK(fdm_counter_labels(family, values, 2, &counter) != FDM_OK);
  CHECK(fdm_gauge_labels(family, values, 2, &gauge) != FDM_OK);
  CHECK(fdm_histogram_labels(family, values, 2, &histogram) != FDM_OK);
  CHECK(fdm_summary_labels(family, values, 2, &summary) != FDM_OK);
  CHECK(fdm_zmq_link_open(store, "not a name", "x", &link) != FDM_OK);
  record_through(counter, gauge, histogram, summary, link);
  CHECK(fdm_info_set(family, NULL, 0, strings, strings, 2) != FDM_OK);
  CHECK(fdm_state_set(family, NULL, 0, "a") != FDM_OK);
  fdm_statistics statistics;
  memset(&statistics, 0, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  CHECK_OK(fdm_store_statistics(store, &statistics));
  CHECK(statistics.series == 0 && statistics.gauge_instances == 0);
  CHECK_OK(fdm_store_close(store));
}
