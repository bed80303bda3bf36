// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Versions, errors, stores and directories.
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

void check_versions(void) {
  CHECK_TEXT(fdm_last_error(), "");
  // The same major number, and at least the minor one that this program was compiled with.
  CHECK(fdm_abi_version() - (FDM_ABI_MAJOR << 16 | FDM_ABI_MINOR) < 0x10000U);
  int major = -1, minor = -1, patch = -1;
  char rest = '\0';
  CHECK(sscanf(fdm_version(), "%d.%d.%d%c", &major, &minor, &patch, &rest) == 3);
  CHECK(major >= 0 && minor >= 0 && patch >= 0);

  // Each status has a text of its own; unknown ones have one too.
  for (fdm_status status = FDM_ERR_INVALID_ARGUMENT; status >= FDM_ERR_LAST; status--) {
    CHECK(fdm_strerror(status) != NULL && fdm_strerror(status)[0] != '\0');
    for (fdm_status other = FDM_ERR_INVALID_ARGUMENT; other > status; other--) {
      CHECK(strcmp(fdm_strerror(status), fdm_strerror(other)) != 0);
    }
    CHECK(strcmp(fdm_strerror(status), fdm_strerror(FDM_OK)) != 0);
  }
  CHECK(fdm_strerror(FDM_OK) != NULL);
  CHECK(fdm_strerror(12345) != NULL);
  CHECK(fdm_strerror(FDM_ERR_LAST - 1) != NULL);
}

static unsigned mode_of(const char *path) {
  struct stat status;
  CHECK(stat(path, &status) == 0);
  return (unsigned)status.st_mode & 07777;
}

// A store that must not be had: the status, and the out parameter is NULL.
static void check_refused(const fdm_options *options, fdm_status expected) {
  fdm_store *store = (fdm_store *)&store;
  CHECK_STATUS(fdm_store_open(options, &store), expected);
  CHECK(store == NULL);
  CHECK(fdm_last_error()[0] != '\0');
}

static void check_refused_directories(void) {
  check_refused(NULL, FDM_ERR_INVALID_ARGUMENT);
  fdm_options options = options_of(directory_of("options"));
  CHECK_STATUS(fdm_store_open(&options, NULL), FDM_ERR_INVALID_ARGUMENT);
  options.struct_size = 1;
  check_refused(&options, FDM_ERR_INVALID_ARGUMENT);
  options = options_of(directory_of("options"));
  options.lanes = 3;
  check_refused(&options, FDM_ERR_INVALID_ARGUMENT);
  options.lanes = 32;
  check_refused(&options, FDM_ERR_INVALID_ARGUMENT);
  options = options_of("");
  check_refused(&options, FDM_ERR_INVALID_ARGUMENT);

  // A file in place of a directory.
  char path[1024];
  snprintf(path, sizeof path, "%s", directory_of("file"));
  FILE *file = fopen(path, "w");
  CHECK(file != NULL);
  CHECK(fclose(file) == 0);
  options = options_of(path);
  check_refused(&options, FDM_ERR_DIRECTORY);
  CHECK_LAST_ERROR(path);

  // A directory that others may write to, where somebody has put something in the place of the user's.
  snprintf(path, sizeof path, "%s", directory_of("planted"));
  CHECK(mkdir(path, 0700) == 0);
  CHECK(chmod(path, 0777) == 0);
  char planted[1100];
  snprintf(planted, sizeof planted, "%s/fdmetrics-%u", path, (unsigned)geteuid());
  CHECK(symlink("/tmp", planted) == 0);
  options = options_of(path);
  check_refused(&options, FDM_ERR_DIRECTORY);
  CHECK_LAST_ERROR(planted);
}

// A directory that others may write to has a directory of this user for the store.
static void check_shared_directory(void) {
  char path[1024];
  snprintf(path, sizeof path, "%s", directory_of("shared"));
  CHECK(mkdir(path, 0700) == 0);
  CHECK(chmod(path, 0777) == 0);
  fdm_options options = options_of(path);
  fdm_store *store = NULL;
  CHECK_OK(fdm_store_open(&options, &store));
  char inner[1100];
  snprintf(inner, sizeof inner, "%s/fdmetrics-%u", path, (unsigned)geteuid());
  CHECK_TEXT(fdm_store_path(store), inner);
  CHECK(mode_of(inner) == 0700);
  CHECK_OK(fdm_store_close(store));
}

// A directory that is opened twice is closed twice.
static void check_two_openings(void) {
  fdm_store *first = open_named("twice"), *second = open_named("twice");
  CHECK(first == second);
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "twice");
  fdm_family *family = NULL;
  fdm_counter *counter = NULL;
  CHECK_OK(fdm_register(first, &descriptor, &family));
  CHECK_OK(fdm_counter_labels(family, NULL, 0, &counter));
  CHECK_OK(fdm_store_close(first));
  fdm_counter_inc(counter);
  CHECK_NUMBER(fdm_counter_value(counter), 1);
  char *text = NULL;
  size_t length = 0;
  CHECK_OK(fdm_render(second, FDM_FORMAT_TEXT, 0, &text, &length));
  CHECK(strstr(text, "twice_total 1.0") != NULL);
  fdm_free(text);
  CHECK_OK(fdm_store_close(second));
  CHECK_STATUS(fdm_store_close(second), FDM_ERR_INVALID_ARGUMENT);
}

// Reads the name of the process in slot 0 of a store from its file, as docs/file-format.md has it; "": it has none.
static const char *name_in(const char *segment) {
  static char text[113];
  unsigned char slot[64], record[128] = {0};
  uint32_t generation = 0, place = 0;
  uint64_t owner = 0;
  FILE *file = fopen(segment, "rb");
  CHECK(file != NULL);
  CHECK(fseek(file, 36864, SEEK_SET) == 0 && fread(slot, sizeof slot, 1, file) == 1);
  memcpy(&generation, slot, sizeof generation);
  memcpy(&place, slot + 4, sizeof place);
  CHECK(place >> 26 == 0);
  if (place != 0) CHECK(fseek(file, (long)place * 64, SEEK_SET) == 0 && fread(record, sizeof record, 1, file) == 1);
  fclose(file);
  memcpy(&owner, record + 8, sizeof owner);
  memcpy(text, record + 16, 112);
  if (owner != ((uint64_t)1 << 32 | generation)) text[0] = '\0';
  return text;
}

// Names of the process, in the store that it has open and in one that it opens later.
static void check_process_name(void) {
  char segment[1100];
  snprintf(segment, sizeof segment, "%s/fdmetrics-0.seg", directory_of("store"));
  CHECK_TEXT(name_in(segment), "a name");  // of the environment
  CHECK_OK(fdm_set_process_name("engine"));
  CHECK_TEXT(name_in(segment), "engine");
  fdm_store *later = open_named("later");
  snprintf(segment, sizeof segment, "%s/fdmetrics-0.seg", directory_of("later"));
  CHECK_TEXT(name_in(segment), "engine");
  // Cut behind a whole character: 111 bytes, and two of the last one.
  char given[114], kept[112];
  memset(given, 'x', sizeof given);
  memset(kept, 'x', sizeof kept);
  memcpy(given + 111, "\xC3\xA9", 3);
  kept[111] = '\0';
  CHECK_OK(fdm_set_process_name(given));
  CHECK_TEXT(name_in(segment), kept);
  // What is no UTF-8, and what would be a command to a terminal, is a name as well.
  CHECK_OK(fdm_set_process_name("\xFF\x1B[2J"));
  CHECK_TEXT(name_in(segment), "\xFF\x1B[2J");
  CHECK_OK(fdm_set_process_name(""));
  CHECK_TEXT(name_in(segment), "a name");
  CHECK_OK(fdm_set_process_name("again"));
  CHECK_OK(fdm_set_process_name(NULL));
  CHECK_TEXT(name_in(segment), "a name");
  CHECK_OK(fdm_store_close(later));
}

void check_stores(void) {
  fdm_store *store = open_named("store");
  char path[1024];
  snprintf(path, sizeof path, "%s", directory_of("store"));
  CHECK_TEXT(fdm_store_path(store), path);
  CHECK(mode_of(path) == 0700);
  char segment[1100];
  snprintf(segment, sizeof segment, "%s/fdmetrics-0.seg", path);
  CHECK(mode_of(segment) == 0600);
  // The same directory is the same store.
  CHECK(open_named("store") == store);
  CHECK(fdm_store_path(NULL) == NULL || fdm_store_path(NULL)[0] == '\0');

  fdm_options options = options_of(directory_of("lanes"));
  options.lanes = 4;
  options.series_limit = 2;
  fdm_store *lanes = NULL;
  CHECK_OK(fdm_store_open(&options, &lanes));
  CHECK(lanes != store);
  CHECK_OK(fdm_store_close(lanes));
  check_refused_directories();
  check_shared_directory();
  check_two_openings();

  fdm_statistics statistics;
  memset(&statistics, 0xFF, sizeof statistics);
  statistics.struct_size = sizeof statistics;
  CHECK_OK(fdm_store_statistics(store, &statistics));
  CHECK(statistics.struct_size == sizeof statistics);
  CHECK(statistics.segments == 1);
  CHECK(statistics.families == 0 && statistics.series == 0 && statistics.removed_series == 0);
  CHECK(statistics.gauge_instances == 0 && statistics.damaged_records == 0);
  CHECK(statistics.live_processes == 1);
  CHECK(statistics.bytes_reserved > 0);
  CHECK(statistics.dropped_no_space == 0 && statistics.dropped_series_limit == 0 && statistics.conflicts == 0);
  CHECK_STATUS(fdm_store_statistics(store, NULL), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_store_statistics(NULL, &statistics), FDM_ERR_INVALID_ARGUMENT);
  statistics.struct_size = 1;
  CHECK_STATUS(fdm_store_statistics(store, &statistics), FDM_ERR_INVALID_ARGUMENT);

  uint32_t worker = 99;
  CHECK_STATUS(fdm_store_join(NULL, &worker), FDM_ERR_INVALID_ARGUMENT);
  CHECK_OK(fdm_store_join(store, NULL));
  CHECK_OK(fdm_store_join(store, &worker));
  CHECK(worker == 0);
  check_process_name();
  CHECK(fdm_store_removals(NULL) == NULL);
  CHECK(fdm_store_removals(store) != NULL);
  CHECK((uintptr_t)fdm_store_removals(store) % sizeof(uint64_t) == 0);
  CHECK_STATUS(fdm_store_close(NULL), FDM_ERR_INVALID_ARGUMENT);
  // It was opened twice.
  CHECK_OK(fdm_store_close(store));
  CHECK_OK(fdm_store_close(store));
}

// What was recorded outlives the closing; the closed store itself is refused and not touched.
void check_closed_store(void) {
  fdm_store *store = open_named("closed");
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "kept");
  fdm_family *family = NULL;
  fdm_counter *counter = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  CHECK_OK(fdm_counter_labels(family, NULL, 0, &counter));
  fdm_counter_add_u64(counter, 41);
  CHECK_OK(fdm_store_close(store));

  CHECK_STATUS(fdm_store_close(store), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_register(store, &descriptor, &family), FDM_ERR_INVALID_ARGUMENT);
  char *text = NULL;
  size_t length = 0;
  CHECK_STATUS(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length), FDM_ERR_INVALID_ARGUMENT);

  store = open_named("closed");
  CHECK_OK(fdm_register(store, &descriptor, &family));
  CHECK_OK(fdm_counter_labels(family, NULL, 0, &counter));
  fdm_counter_inc(counter);
  CHECK_NUMBER(fdm_counter_value(counter), 42);
  CHECK_OK(fdm_store_close(store));
}

// The default directory is decided once. The test's environment has neither FDMETRICS_DIR nor PROMETHEUS_MULTIPROC_DIR.
void check_default_store(void) {
  char planned[1024];
  snprintf(planned, sizeof planned, "%s", fdm_plan_directory());
  CHECK(planned[0] == '/');
  CHECK_TEXT(fdm_plan_directory(), planned);
  CHECK(getenv("FDMETRICS_AUTO_DIR") != NULL);
  CHECK_TEXT(getenv("FDMETRICS_AUTO_DIR"), planned);
  CHECK(getenv("FDMETRICS_DIR") == NULL);
  CHECK(access(planned, F_OK) != 0);

  // A plan decides nothing: what is set after it counts.
  char chosen[1024];
  snprintf(chosen, sizeof chosen, "%s", directory_of("default"));
  CHECK(setenv("PROMETHEUS_MULTIPROC_DIR", chosen, 1) == 0);
  CHECK_TEXT(fdm_default_directory(), chosen);
  CHECK(getenv("FDMETRICS_DIR") != NULL);
  CHECK_TEXT(getenv("FDMETRICS_DIR"), chosen);
  CHECK(access(chosen, F_OK) != 0);
  // Decided once and for all.
  CHECK(setenv("FDMETRICS_DIR", directory_of("too_late"), 1) == 0);
  CHECK_TEXT(fdm_default_directory(), chosen);

  fdm_store *store = NULL;
  CHECK_OK(fdm_store_default(&store));
  CHECK(store != NULL);
  CHECK_TEXT(fdm_store_path(store), chosen);
  fdm_store *again = NULL;
  CHECK_OK(fdm_store_default(&again));
  CHECK(again == store);
  fdm_options options = options_of(NULL);
  CHECK_OK(fdm_store_open(&options, &again));
  CHECK(again == store);
  CHECK_STATUS(fdm_store_default(NULL), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_store_close(store), FDM_ERR_INVALID_ARGUMENT);
  CHECK_TEXT(fdm_store_path(store), chosen);
}
