// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// no_memory FOLDER: the C library's allocating functions fail, each call of them in turn alone, and each and all after it. What
// the library is asked for then succeeds or is an error; nothing ends the process, what was recorded is exact, and once there
// is memory again everything works. The program has these functions under their own names, as allocations.c.
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

// How many calls are still to succeed; negative: all. Whether those after the one that failed fail, too.
static int64_t calls_left = -1;
static int fails_on;
static int has_failed;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static int fails(void) {
  if (calls_left < 0) return 0;
  if (calls_left > 0) {
    calls_left--;
    return 0;
  }
  has_failed = 1;
  if (!fails_on) calls_left = -1;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }

void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }

void *realloc(void *pointer, size_t size) { return fails() ? NULL : __libc_realloc(pointer, size); }

int posix_memalign(void **pointer, size_t alignment, size_t size) {
  if (fails()) return ENOMEM;
  *pointer = __libc_memalign(alignment, size);
  return *pointer == NULL ? ENOMEM : 0;
}

// Every kind of call once. How many updates of the counter were recorded.
static uint64_t use(const char *directory, int must_succeed) {
  const fdm_options options = {.struct_size = sizeof options, .directory = directory};
  const char *const names[] = {"path"};
  const double bounds[] = {0.1, 1};
  const char *const states[] = {"on", "off"};
  fdm_store *store = NULL;
  uint64_t recorded = 0;
  fdm_status status = fdm_store_open(&options, &store);
  if (must_succeed) CHECK_OK(status);
  if (status != FDM_OK) {
    CHECK(strlen(fdm_last_error()) > 0);
    return 0;
  }
  for (uint32_t type = FDM_COUNTER; type <= FDM_STATE_SET; type++) {
    char name[20];
    snprintf(name, sizeof name, "family_%u", (unsigned)type);
    const fdm_descriptor descriptor = {
        .struct_size = sizeof descriptor, .type = type, .name = name, .help = "Help.", .label_names = names, .label_count = 1,
        .gauge_mode = type == FDM_GAUGE ? FDM_GAUGE_SUM : 0, .bounds = type == FDM_HISTOGRAM ? bounds : NULL,
        .bound_count = type == FDM_HISTOGRAM ? 2 : 0, .states = type == FDM_STATE_SET ? states : NULL,
        .state_count = type == FDM_STATE_SET ? 2 : 0};
    const fdm_string values[] = {{"\u00e9\"", 3}};
    fdm_family *family;
    void *handle = NULL;
    status = fdm_register(store, &descriptor, &family);
    if (must_succeed) CHECK_OK(status);
    if (type == FDM_INFO) {
      status = fdm_info_set(family, values, 1, values, values, 0);
    } else if (type == FDM_STATE_SET) {
      status = fdm_state_set(family, values, 1, "on");
    } else {
      status = fdm_labels(family, values, 1, &handle);
      CHECK(handle != NULL);
    }
    if (must_succeed) CHECK_OK(status);
    if (type == FDM_COUNTER) {
      fdm_counter_inc((fdm_counter *)handle);
      if (status == FDM_OK) recorded++;
    }
    if (type == FDM_GAUGE) fdm_gauge_set((fdm_gauge *)handle, 1);
    if (type == FDM_HISTOGRAM) fdm_histogram_observe((fdm_histogram *)handle, 1);
    if (type == FDM_SUMMARY) fdm_summary_observe((fdm_summary *)handle, 1);
    // One that is not there: the space of a removed series is not used again.
    const fdm_string none[] = {{"", 0}};
    status = fdm_remove(family, none, 1);
    if (must_succeed) CHECK_OK(status);
  }
  fdm_zmq_link *link = NULL;
  status = fdm_zmq_link_open(store, "test", "ipc:///a", &link);
  if (must_succeed) CHECK_OK(status);
  fdm_zmq_sent(link, 1);
  static uint32_t turn;
  const uint32_t format = FDM_FORMAT_TEXT + turn++ % 3;
  char *text = NULL;
  size_t length;
  status = fdm_render(store, format, FDM_RENDER_PROCESS_METRICS | FDM_RENDER_SELF_METRICS, &text, &length);
  if (must_succeed) CHECK_OK(status);
  if (status == FDM_OK) fdm_free(text);
  status = fdm_render_directory(directory, format, 0, &text, &length);
  if (must_succeed) CHECK_OK(status);
  if (status == FDM_OK) fdm_free(text);
  fdm_statistics statistics = {.struct_size = sizeof statistics};
  fdm_store_statistics(store, &statistics);
  status = fdm_store_close(store);
  if (must_succeed) CHECK_OK(status);
  return recorded;
}

static void check_total(const char *directory, uint64_t expected) {
  char line[60], *text;
  size_t length;
  CHECK_OK(fdm_render_directory(directory, FDM_FORMAT_TEXT, 0, &text, &length));
  snprintf(line, sizeof line, "family_1_total{path=\"\u00e9\\\"\"} %llu.0\n", (unsigned long long)expected);
  if (strstr(text, line) == NULL) {
    fprintf(stderr, "expected %s in\n%s", line, text);
    exit(1);
  }
  fdm_free(text);
}

// In a process of its own, which keeps what is left of the library's reserve. How many updates were recorded.
static uint64_t use_without(const char *directory, int64_t calls, int *is_over) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const fdm_options options = {.struct_size = sizeof options, .directory = directory};
    fdm_store *kept;
    CHECK_OK(fdm_store_open(&options, &kept));
    calls_left = calls;
    uint64_t recorded = use(directory, 0);
    const int was_over = !has_failed;
    // While there is none, calls are refused, however many: the reserve is for the one that was running.
    for (int turn = 0; turn < 2000 && fails_on && has_failed; turn++) {
      char name[20];
      snprintf(name, sizeof name, "refused_%d", turn);
      const fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .type = FDM_COUNTER, .name = name};
      fdm_family *family;
      CHECK_STATUS(fdm_register(kept, &descriptor, &family), FDM_ERR_NO_SPACE);
    }
    // There is memory again.
    calls_left = -1;
    recorded += use(directory, 1);
    _exit((int)recorded << 1 | was_over);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  if (!WIFEXITED(status)) {
    fprintf(stderr, "after %lld calls that succeed: signal %d\n", (long long)calls, WTERMSIG(status));
    exit(1);
  }
  *is_over = WEXITSTATUS(status) & 1;
  // 1 of the second use at least; a check that failed has exited with 1.
  CHECK(WEXITSTATUS(status) >= 2);
  return (uint64_t)WEXITSTATUS(status) >> 1;
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  char directory[300];
  int64_t failures = 0;
  snprintf(directory, sizeof directory, "%s/store", arguments[1]);
  uint64_t recorded = use(directory, 1);
  for (fails_on = 0; fails_on < 2; fails_on++) {
    int is_over = 0;
    for (int64_t calls = 0; !is_over; calls++) {
      recorded += use_without(directory, calls, &is_over);
      failures += !is_over;
    }
  }
  check_total(directory, recorded);
  CHECK(failures > 100);
  printf("no_memory: %lld failures, %llu updates, each counted\n", (long long)failures, (unsigned long long)recorded);
  return 0;
}
