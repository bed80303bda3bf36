// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// The exposition, whole.
#include <math.h>
#include <unistd.h>

#include "check.h"

static fdm_family *registered(fdm_store *store, const fdm_descriptor *descriptor) {
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, descriptor, &family));
  return family;
}

// One family of each type, in another order than the exposition's.
static void record_everything(fdm_store *store) {
  static const char *const states[] = {"idle", "running"};
  static const char *const info_names[] = {"component"};
  static const char *const names[] = {"method", "path"};
  static const double bounds[] = {0.5, 1, 2.5};

  fdm_descriptor descriptor = descriptor_of(FDM_STATE_SET, "engine_state");
  descriptor.help = "What it does.";
  descriptor.states = states;
  descriptor.state_count = 2;
  CHECK_OK(fdm_state_set(registered(store, &descriptor), NULL, 0, "running"));

  descriptor = descriptor_of(FDM_INFO, "build");
  descriptor.label_names = info_names;
  descriptor.label_count = 1;
  fdm_string component = string_of("api");
  fdm_string key = string_of("version");
  fdm_string value = string_of("0.9");
  fdm_family *family = registered(store, &descriptor);
  CHECK_OK(fdm_info_set(family, &component, 1, &key, &value, 1));
  value = string_of("1.0");
  CHECK_OK(fdm_info_set(family, &component, 1, &key, &value, 1));

  descriptor = descriptor_of(FDM_SUMMARY, "payload");
  descriptor.unit = "bytes";
  descriptor.help = "Sizes.";
  fdm_summary *summary = NULL;
  CHECK_OK(fdm_summary_labels(registered(store, &descriptor), NULL, 0, &summary));
  fdm_summary_observe(summary, 1e16);
  fdm_summary_observe(summary, 0);

  descriptor = descriptor_of(FDM_HISTOGRAM, "latency_seconds");
  descriptor.bounds = bounds;
  descriptor.bound_count = 3;
  descriptor.help = "How \"long\"\nit\\takes.";
  fdm_histogram *histogram = NULL;
  CHECK_OK(fdm_histogram_labels(registered(store, &descriptor), NULL, 0, &histogram));
  fdm_histogram_observe(histogram, 0.5);
  fdm_histogram_observe(histogram, 0.6);
  fdm_histogram_observe(histogram, 7);

  descriptor = descriptor_of(FDM_COUNTER, "app:http:requests");
  descriptor.label_names = names;
  descriptor.label_count = 2;
  descriptor.help = "Requests.";
  family = registered(store, &descriptor);
  static const char *const series[][2] = {{"GET", "/"}, {"POST", "/a\\b\"c\"\nd\xC3\xA4"}};
  for (int i = 0; i < 2; i++) {
    fdm_counter *counter = NULL;
    CHECK_OK(fdm_counter_labels(family, series[i], 2, &counter));
    CHECK_OK(fdm_counter_add(counter, i == 0 ? 3 : 0.1));
  }

  descriptor = descriptor_of(FDM_GAUGE, "workers");
  descriptor.gauge_mode = FDM_GAUGE_ALL;
  fdm_gauge *gauge = NULL;
  CHECK_OK(fdm_gauge_labels(registered(store, &descriptor), NULL, 0, &gauge));
  fdm_gauge_set(gauge, (double)-INFINITY);
}

// %s are the labels of the gauge of mode all: none, as this process alone has set it, or its process id.
static const char expected_format[] =
    "# HELP app:http:requests_total Requests.\n"
    "# TYPE app:http:requests_total counter\n"
    "app:http:requests_total{method=\"GET\",path=\"/\"} 3.0\n"
    "app:http:requests_total{method=\"POST\",path=\"/a\\\\b\\\"c\\\"\\nd\xC3\xA4\"} 0.1\n"
    "# HELP build_info \n"
    "# TYPE build_info gauge\n"
    "build_info{component=\"api\",version=\"1.0\"} 1.0\n"
    "# HELP engine_state What it does.\n"
    "# TYPE engine_state gauge\n"
    "engine_state{engine_state=\"idle\"} 0.0\n"
    "engine_state{engine_state=\"running\"} 1.0\n"
    "# HELP latency_seconds How \"long\"\\nit\\\\takes.\n"
    "# TYPE latency_seconds histogram\n"
    "latency_seconds_bucket{le=\"0.5\"} 1.0\n"
    "latency_seconds_bucket{le=\"1.0\"} 2.0\n"
    "latency_seconds_bucket{le=\"2.5\"} 2.0\n"
    "latency_seconds_bucket{le=\"+Inf\"} 3.0\n"
    "latency_seconds_count 3.0\n"
    "latency_seconds_sum 8.1\n"
    "# HELP payload_bytes Sizes.\n"
    "# TYPE payload_bytes summary\n"
    "payload_bytes_count 2.0\n"
    "payload_bytes_sum 1e+16\n"
    "# HELP workers \n"
    "# TYPE workers gauge\n"
    "workers%s -Inf\n";

void check_exposition(void) {
  fdm_store *store = open_named("exposition");
  record_everything(store);
  char expected[2000], label[40];
  char *text = NULL;
  size_t length = 0;
  snprintf(expected, sizeof expected, expected_format, "");
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  CHECK_TEXT(text, expected);
  CHECK(length == strlen(expected));
  fdm_free(text);
  CHECK_OK(fdm_render_directory(directory_of("exposition"), FDM_FORMAT_TEXT, 0, &text, &length));
  CHECK_TEXT(text, expected);
  CHECK(length == strlen(expected));
  fdm_free(text);

  snprintf(label, sizeof label, "{pid=\"%d\"}", (int)getpid());
  snprintf(expected, sizeof expected, expected_format, label);
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, FDM_RENDER_PID_LABEL, &text, &length));
  CHECK_TEXT(text, expected);
  fdm_free(text);

  CHECK_OK(fdm_render(store, FDM_FORMAT_OPENMETRICS, FDM_RENDER_CREATED, &text, &length));
  CHECK(length > 6 && strcmp(text + length - 6, "# EOF\n") == 0);
  CHECK(strstr(text, "_created{") != NULL && strstr(text, "# TYPE payload_bytes summary\n") != NULL);
  fdm_free(text);
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, FDM_RENDER_PROCESS_METRICS | FDM_RENDER_SELF_METRICS, &text, &length));
  CHECK(strstr(text, "\nprocess_threads 1.0\n") != NULL && strstr(text, "\nfdmetrics_live_processes 1.0\n") != NULL);
  fdm_free(text);
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, FDM_RENDER_PROCESS_METRICS_BY_WORKER, &text, &length));
  CHECK(strstr(text, "\nprocess_threads{worker=\"0\"} 1.0\n") != NULL);
  fdm_free(text);

  // It is all still there when no process holds the store.
  CHECK_OK(fdm_store_close(store));
  CHECK_OK(fdm_render_directory(directory_of("exposition"), FDM_FORMAT_TEXT, FDM_RENDER_PID_LABEL, &text, &length));
  CHECK_TEXT(text, expected);
  fdm_free(text);
  fdm_free(NULL);

  CHECK_TEXT(fdm_content_type(FDM_FORMAT_TEXT), "text/plain; version=0.0.4; charset=utf-8");
  CHECK_TEXT(fdm_content_type(FDM_FORMAT_OPENMETRICS), "application/openmetrics-text; version=1.0.0; charset=utf-8");
  CHECK_TEXT(fdm_content_type(FDM_FORMAT_PROTOBUF),
             "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited");
  CHECK(fdm_content_type(999) != NULL);
}

// A rendering that must fail: the status, and no text.
static void check_refused(const char *directory, uint32_t format, uint32_t options, fdm_status expected) {
  char *text = (char *)&text;
  size_t length = 1;
  CHECK_STATUS(fdm_render_directory(directory, format, options, &text, &length), expected);
  CHECK(text == NULL);
  CHECK(fdm_last_error()[0] != '\0');
}

void check_empty_exposition(void) {
  fdm_store *store = open_named("empty");
  char *text = NULL;
  size_t length = 1;
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  CHECK(length == 0);
  CHECK_TEXT(text, "");
  fdm_free(text);
  CHECK_STATUS(fdm_render(NULL, FDM_FORMAT_TEXT, 0, &text, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK(text == NULL);
  CHECK_STATUS(fdm_render(store, 99, 0, &text, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_render(store, FDM_FORMAT_TEXT, 1U << 31, &text, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_render(store, FDM_FORMAT_TEXT, 0, NULL, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, NULL), FDM_ERR_INVALID_ARGUMENT);

  char path[1024];
  snprintf(path, sizeof path, "%s", directory_of("empty"));
  check_refused(NULL, FDM_FORMAT_TEXT, 0, FDM_ERR_INVALID_ARGUMENT);
  check_refused(path, 99, 0, FDM_ERR_INVALID_ARGUMENT);
  check_refused(path, FDM_FORMAT_TEXT, 1U << 31, FDM_ERR_INVALID_ARGUMENT);
  // A reader makes nothing: neither a store nor a directory.
  snprintf(path, sizeof path, "%s", directory_of("nowhere"));
  check_refused(path, FDM_FORMAT_TEXT, 0, FDM_ERR_NOT_FOUND);
  CHECK_LAST_ERROR(path);
  CHECK(access(path, F_OK) != 0);
  // Nor is a file that is no store taken for one: a reader refuses it; who records makes a new store, and keeps it as it was.
  char segment[1100];
  snprintf(path, sizeof path, "%s", directory_of("foreign"));
  fdm_store *foreign = open_named("foreign");
  CHECK_OK(fdm_store_close(foreign));
  snprintf(segment, sizeof segment, "%s/fdmetrics-0.seg", path);
  FILE *file = fopen(segment, "r+");
  CHECK(file != NULL);
  CHECK(fwrite("SQLite format 3", 1, 15, file) == 15);
  CHECK(fclose(file) == 0);
  check_refused(path, FDM_FORMAT_TEXT, 0, FDM_ERR_FOREIGN);
  CHECK_LAST_ERROR(segment);
  foreign = opened(path);
  CHECK_OK(fdm_store_close(foreign));
  char head[16] = "";
  snprintf(segment, sizeof segment, "%s/fdmetrics-set-aside/fdmetrics-0.seg", path);
  file = fopen(segment, "r");
  CHECK(file != NULL);
  CHECK(fread(head, 1, 15, file) == 15);
  CHECK(fclose(file) == 0);
  CHECK_TEXT(head, "SQLite format 3");
  CHECK_OK(fdm_store_close(store));
}
