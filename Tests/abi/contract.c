// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// contract FOLDER: calls every function of the header, for what it does and for each error that it promises. The stores
// are made in the folder, which must be empty.
#include "check.h"

static const char *folder;

const char *directory_of(const char *name) {
  static char path[1024];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return path;
}

fdm_store *open_named(const char *name) { return opened(directory_of(name)); }

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "contract: expected one argument, an empty folder for the stores\n");
    return 2;
  }
  folder = argv[1];
  check_versions();
  check_stores();
  check_registration();
  check_conflicts();
  check_replacing();
  check_labels();
  check_series_limit();
  check_instruments();
  check_inert_handles();
  check_empty_exposition();
  check_exposition();
  check_scrapes();
  check_inspection();
  check_zmq();
  check_notices();
  check_default_store();
  check_closed_store();
  printf("contract: all checks passed, library %s\n", fdm_version());
  return 0;
}
