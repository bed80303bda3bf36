// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Lines for a log, and what was refused a moment ago.
#include <unistd.h>

#include "check.h"

static uint64_t dropped(fdm_store *store) {
  fdm_statistics statistics;
  memset(&statistics, 0, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  CHECK_OK(fdm_store_statistics(store, &statistics));
  return statistics.dropped_series_limit;
}

// The limit's error, by a look-up of a label value.
static fdm_status look_up(fdm_family *family, const char *value) {
  fdm_counter *counter = NULL;
  fdm_status status = fdm_counter_labels(family, &value, 1, &counter);
  fdm_counter_inc(counter);
  return status;
}

void check_notices(void) {
  static const char *const names[] = {"user"};
  char line[1024];
  fdm_keep_notices(1);
  while (fdm_take_notice(line, sizeof line) > 0) {
  }
  fdm_options options = options_of(directory_of("notices"));
  options.series_limit = 2;
  fdm_store *store = opened_with(&options);
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "limited");
  descriptor.label_names = names;
  descriptor.label_count = 1;
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  CHECK_OK(look_up(family, "a"));
  CHECK_OK(look_up(family, "b"));

  // Each refusal is counted, and has an error that names the cause, asked for once or a thousand times.
  CHECK(dropped(store) == 0);
  for (int turn = 0; turn < 1000; turn++) {
    CHECK_STATUS(look_up(family, "c"), FDM_ERR_SERIES_LIMIT);
    CHECK_LAST_ERROR("FDMETRICS_SERIES_LIMIT");
  }
  CHECK(dropped(store) == 1000);
  CHECK_STATUS(look_up(family, "d"), FDM_ERR_SERIES_LIMIT);
  CHECK(dropped(store) == 1001);
  // Other series are found, and a removal makes room at once.
  CHECK_OK(look_up(family, "a"));
  fdm_string value = string_of("b");
  CHECK_OK(fdm_remove(family, &value, 1));
  CHECK_OK(look_up(family, "c"));
  CHECK_STATUS(look_up(family, "b"), FDM_ERR_SERIES_LIMIT);

  // One line a minute at most: an earlier part of the program may have said it.
  fdm_keep_notices(0);
  fdm_take_notice(line, sizeof line);
  CHECK(fdm_take_notice(line, sizeof line) == 0);
  CHECK(fdm_take_notice(NULL, 10) == 0);
  CHECK_OK(fdm_store_close(store));
}
