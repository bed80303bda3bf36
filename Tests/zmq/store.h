// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the wrappers look at: the samples of the default store. Valid as C99 and as C++17.
#ifndef STORE_H
#define STORE_H

#include "../abi/check.h"

static fdm_store *store;

// The value of a link's series; 0 if it is not there.
static inline double total(const char *name, const char *address) {
  char sample[200];
  char *text = NULL;
  size_t length = 0;
  snprintf(sample, sizeof sample, "\nfastdeploy:zmq:%s{address=\"%s\"} ", name, address);
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  const char *found = strstr(text, sample);
  const double value = found == NULL ? 0 : strtod(found + strlen(sample), NULL);
  fdm_free(text);
  return value;
}

#endif
