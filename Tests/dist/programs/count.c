// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// Counts three requests and prints the store's text.
#include <fdmetrics.h>
#include <stdio.h>

int main(void) {
  const char *names[] = {"method"}, *values[] = {"GET"};
  fdm_descriptor described = {.struct_size = sizeof described,
                              .type = FDM_COUNTER,
                              .name = "requests",
                              .help = "Requests answered",
                              .label_names = names,
                              .label_count = 1};
  fdm_store *store = NULL;
  fdm_family *family = NULL;
  fdm_counter *requests = NULL;
  char *text = NULL;
  size_t length = 0;
  if (fdm_store_default(&store) || fdm_register(store, &described, &family) ||
      fdm_counter_labels(family, values, 1, &requests) || fdm_counter_add(requests, 3) ||
      fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length)) {
    fprintf(stderr, "%s\n", fdm_last_error());
    return 1;
  }
  fwrite(text, 1, length, stdout);
  fdm_free(text);
  return 0;
}
