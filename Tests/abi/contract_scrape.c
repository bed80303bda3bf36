// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What a scraper asks for: formats, escaping, names; and names of any UTF-8.
#include "check.h"

static fdm_scrape scrape_of(uint32_t format) {
  fdm_scrape scrape;
  memset(&scrape, 0, sizeof scrape);
  scrape.struct_size = sizeof scrape;
  scrape.format = format;
  return scrape;
}

static void count(fdm_store *store, const char *name, const char *label) {
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, name);
  descriptor.label_names = &label;
  descriptor.label_count = 1;
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  static const char *const values[] = {"x"};
  fdm_counter *counter = NULL;
  CHECK_OK(fdm_counter_labels(family, values, 1, &counter));
  fdm_counter_inc(counter);
}

static void check_shown(fdm_store *store, const fdm_scrape *scrape, const char *expected) {
  char *text = NULL;
  size_t length = 0;
  CHECK_OK(fdm_render_scrape(store, scrape, &text, &length));
  CHECK_TEXT(text, expected);
  CHECK(length == strlen(expected));
  fdm_free(text);
  CHECK_OK(fdm_render_directory_scrape(fdm_store_path(store), scrape, &text, &length));
  CHECK_TEXT(text, expected);
  fdm_free(text);
}

static void check_negotiation(void) {
  fdm_scrape scrape = scrape_of(0);
  scrape.options = FDM_RENDER_CREATED | FDM_RENDER_ALLOW_UTF8;
  CHECK_OK(fdm_negotiate(NULL, NULL, &scrape));
  CHECK(scrape.format == FDM_FORMAT_TEXT && scrape.is_gzipped == 0);
  CHECK(scrape.options == FDM_RENDER_CREATED);
  CHECK_TEXT(scrape.content_type, "text/plain; version=0.0.4; charset=utf-8");
  // Prometheus 3.
  CHECK_OK(fdm_negotiate(
      "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
      "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
      "gzip", &scrape));
  CHECK(scrape.format == FDM_FORMAT_OPENMETRICS && scrape.is_gzipped == 1);
  CHECK(scrape.options == (FDM_RENDER_CREATED | FDM_RENDER_ALLOW_UTF8));
  CHECK_TEXT(scrape.content_type,
             "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8");
  CHECK_OK(fdm_negotiate("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
                         "gzip;q=0", &scrape));
  CHECK(scrape.format == FDM_FORMAT_PROTOBUF && scrape.is_gzipped == 0);
  CHECK_OK(fdm_negotiate("\xff\xfe;;,;=\"", "\xff", &scrape));
  CHECK(scrape.format == FDM_FORMAT_TEXT);
  CHECK_STATUS(fdm_negotiate("*/*", NULL, NULL), FDM_ERR_INVALID_ARGUMENT);
  scrape.struct_size = 8;
  CHECK_STATUS(fdm_negotiate("*/*", NULL, &scrape), FDM_ERR_INVALID_ARGUMENT);
}

static void check_utf8_names(fdm_store *store) {
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "http.requests");
  fdm_family *family = NULL;
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_NAME);
  CHECK_LAST_ERROR("FDMETRICS_UTF8_NAMES=1");
  fdm_allow_utf8_names(1);
  count(store, "http.requests", "code.class");
  descriptor.name = "no\xff" "utf8";
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_NAME);
  fdm_allow_utf8_names(0);
  descriptor.name = "http.other";
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_NAME);
}

void check_scrapes(void) {
  check_negotiation();
  fdm_store *store = open_named("scrapes");
  check_utf8_names(store);
  count(store, "plain", "a");

  static const char *const names[] = {"nothing", "http.requests_total"};
  fdm_scrape scrape = scrape_of(FDM_FORMAT_TEXT);
  scrape.names = names;
  scrape.name_count = 2;
  check_shown(store, &scrape,
             "# HELP http_requests_total \n# TYPE http_requests_total counter\n"
             "http_requests_total{code_class=\"x\"} 1.0\n");
  scrape.options = FDM_RENDER_ESCAPE_DOTS;
  check_shown(store, &scrape,
             "# HELP http_dot_requests__total \n# TYPE http_dot_requests__total counter\n"
             "http_dot_requests__total{code_dot_class=\"x\"} 1.0\n");
  scrape.options = FDM_RENDER_ESCAPE_VALUES;
  check_shown(store, &scrape,
             "# HELP U__http_2e_requests__total \n# TYPE U__http_2e_requests__total counter\n"
             "U__http_2e_requests__total{U__code_2e_class=\"x\"} 1.0\n");
  scrape.format = FDM_FORMAT_OPENMETRICS;
  scrape.options = FDM_RENDER_ALLOW_UTF8;
  check_shown(store, &scrape,
             "# HELP \"http.requests\" \n# TYPE \"http.requests\" counter\n"
             "{\"http.requests_total\",\"code.class\"=\"x\"} 1.0\n# EOF\n");
  scrape.name_count = 1;
  check_shown(store, &scrape, "# EOF\n");

  // A message: its length, then field 1, the name.
  char *bytes = NULL;
  size_t length = 0;
  scrape = scrape_of(FDM_FORMAT_PROTOBUF);
  scrape.names = names + 1;
  scrape.name_count = 1;
  CHECK_OK(fdm_render_scrape(store, &scrape, &bytes, &length));
  CHECK(length > 25 && (size_t)bytes[0] == length - 1 && bytes[1] == 0x0a && bytes[2] == 19);
  CHECK(memcmp(bytes + 3, "http_requests_total", 19) == 0);
  fdm_free(bytes);

  scrape.format = 4;
  CHECK_STATUS(fdm_render_scrape(store, &scrape, &bytes, &length), FDM_ERR_INVALID_ARGUMENT);
  scrape.format = FDM_FORMAT_TEXT;
  scrape.options = 1024;
  CHECK_STATUS(fdm_render_scrape(store, &scrape, &bytes, &length), FDM_ERR_INVALID_ARGUMENT);
  scrape.options = 0;
  scrape.names = NULL;
  CHECK_STATUS(fdm_render_scrape(store, &scrape, &bytes, &length), FDM_ERR_INVALID_ARGUMENT);
  scrape.names = names;
  scrape.struct_size = 0;
  CHECK_STATUS(fdm_render_scrape(store, &scrape, &bytes, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_render_directory_scrape("/nowhere", &scrape, &bytes, &length), FDM_ERR_INVALID_ARGUMENT);
  scrape.struct_size = sizeof scrape;
  CHECK_STATUS(fdm_render_scrape(NULL, &scrape, &bytes, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_render_scrape(store, NULL, &bytes, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_render_scrape(store, &scrape, NULL, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_render_directory_scrape(NULL, &scrape, &bytes, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_render_directory_scrape("/nowhere", &scrape, &bytes, &length), FDM_ERR_NOT_FOUND);
  CHECK(bytes == NULL);
  CHECK_OK(fdm_store_close(store));
}
