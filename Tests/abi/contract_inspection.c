// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What is in a store, and whether it is intact, as the tool says it.
#include "check.h"

static char *dumped(const char *directory, uint32_t options) {
  char *text = NULL;
  size_t length = 0;
  CHECK_OK(fdm_dump_directory(directory, options, &text, &length));
  CHECK(text != NULL && strlen(text) == length);
  return text;
}

static char *checked(const char *directory, uint32_t options, int is_damaged) {
  char *text = NULL;
  size_t length = 0;
  uint64_t errors = 4711;
  CHECK_OK(fdm_check_directory(directory, options, &errors, &text, &length));
  CHECK((errors > 0) == is_damaged && errors != 4711);
  CHECK(text != NULL && strlen(text) == length);
  return text;
}

static void check_has(char *text, const char *part, int expected) {
  if ((strstr(text, part) != NULL) != expected) {
    fprintf(stderr, "expected %s\"%s\" in\n%s\n", expected ? "" : "no ", part, text);
    exit(1);
  }
}

// Changes a byte in the record of a series, whose checksum then is another one.
static void damage(const char *directory) {
  char path[1100];
  snprintf(path, sizeof path, "%s/fdmetrics-0.seg", directory);
  FILE *file = fopen(path, "r+b");
  CHECK(file != NULL);
  static const char wanted[] = "{path=";
  size_t found = 0;
  for (int byte = fgetc(file); byte != EOF && found < sizeof wanted - 1; byte = fgetc(file)) {
    found = byte == wanted[found] ? found + 1 : byte == wanted[0];
  }
  CHECK(found == sizeof wanted - 1);
  CHECK(fseek(file, -2, SEEK_CUR) == 0 && fputc('X', file) == 'X');
  CHECK(fclose(file) == 0);
}

void check_inspection(void) {
  fdm_store *store = open_named("inspection");
  const char *directory = fdm_store_path(store);
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "requests");
  static const char *const names[] = {"path"};
  descriptor.label_names = names;
  descriptor.label_count = 1;
  descriptor.help = "A \x1b[2J \"help\".";
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  static const char *const values[] = {"/\xc3\xa9"}, *const removed[] = {"/gone"};
  fdm_counter *counter = NULL;
  CHECK_OK(fdm_counter_labels(family, removed, 1, &counter));
  CHECK_OK(fdm_counter_labels(family, values, 1, &counter));
  fdm_counter_add(counter, 2.5);
  fdm_string gone = string_of("/gone");
  CHECK_OK(fdm_remove(family, &gone, 1));

  char *text = dumped(directory, 0);
  CHECK(strncmp(text, "store ", 6) == 0);
  check_has(text, "\nfamily requests: counter, labels path\n  help \"A \\u{1B}[2J \\\"help\\\".\"\n", 1);
  check_has(text, "\n  series {path=\"/\xc3\xa9\"}: 2.5 (segment 0 at ", 1);
  check_has(text, ": alive, pid ", 1);
  check_has(text, "/gone", 0);
  fdm_free(text);
  text = dumped(directory, FDM_DUMP_REMOVED);
  check_has(text, "\n  series {path=\"/gone\"} removed: 0.0 (segment 0 at ", 1);
  fdm_free(text);
  text = dumped(directory, FDM_DUMP_JSON);
  CHECK(text[0] == '{');
  check_has(text, "\"help\": \"A \\u001b[2J \\\"help\\\".\"", 1);
  check_has(text, "\"value\": 2.5", 1);
  check_has(text, "/gone", 0);
  fdm_free(text);
  text = dumped(directory, FDM_DUMP_JSON | FDM_DUMP_REMOVED);
  check_has(text, "\"state\": \"removed\"", 1);
  fdm_free(text);

  text = checked(directory, 0, 0);
  CHECK_TEXT(text, "ok: 1 segments, 1 families, 1 series, 1 processes live\n");
  fdm_free(text);
  damage(directory);
  text = checked(directory, FDM_CHECK_NOTES, 1);
  check_has(text, "error: fdmetrics-0.seg, series at ", 1);
  check_has(text, "ok:", 0);
  fdm_free(text);
  text = dumped(directory, 0);
  check_has(text, "\n  damaged records at index slots ", 1);
  fdm_free(text);

  size_t length = 4711;
  CHECK_OK(fdm_check_directory(directory, 0, NULL, &text, &length));
  fdm_free(text);
  CHECK_STATUS(fdm_dump_directory(directory_of("no-inspection"), 0, &text, &length), FDM_ERR_NOT_FOUND);
  CHECK(text == NULL && length == 0);
  CHECK_STATUS(fdm_check_directory(directory_of("no-inspection"), 0, NULL, &text, &length), FDM_ERR_NOT_FOUND);
  CHECK_STATUS(fdm_dump_directory(NULL, 0, &text, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_dump_directory(directory, 4, &text, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_dump_directory(directory, 0, NULL, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_dump_directory(directory, 0, &text, NULL), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_check_directory(NULL, 0, NULL, &text, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_check_directory(directory, 2, NULL, &text, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_check_directory(directory, 0, NULL, NULL, &length), FDM_ERR_INVALID_ARGUMENT);
  CHECK_OK(fdm_store_close(store));
}
