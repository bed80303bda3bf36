// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// infos FOLDER ROUNDS: processes set the text of one info at once, and one of them is killed again and again. Whoever renders
// meanwhile finds one text, never none and never two; and so it is at the end.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

enum { SETTERS = 2, TEXTS = 5, KILLS = 40 };

static int *is_over;

static fdm_family *info_of(fdm_store *store) {
  static const char *const names[] = {"node"};
  fdm_descriptor descriptor = descriptor_of(FDM_INFO, "build");
  descriptor.label_names = names;
  descriptor.label_count = 1;
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  return family;
}

// Sets one of a few texts of this setter, so that earlier ones come back.
static void set(fdm_family *family, int setter, int turn) {
  char text[32];
  snprintf(text, sizeof text, "%d-%d", setter, turn % TEXTS);
  fdm_string node = string_of("n"), key = string_of("version"), value = string_of(text);
  CHECK_OK(fdm_info_set(family, &node, 1, &key, &value, 1));
}

static pid_t started(const char *directory, int setter, int rounds) {
  fflush(NULL);
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    fdm_family *family = info_of(opened(directory));
    for (int turn = 0; turn < rounds && !__atomic_load_n(is_over, __ATOMIC_RELAXED); turn++) {
      set(family, setter, turn);
    }
    _exit(0);
  }
  return child;
}

static int count_of(const char *text) {
  int count = 0;
  for (const char *line = text; (line = strstr(line, "\nbuild_info{")) != NULL; line++) {
    count++;
  }
  return count;
}

static void check_one(fdm_status status, char *text, const char *when) {
  CHECK_OK(status);
  if (count_of(text) != 1) {
    fprintf(stderr, "infos: %s: expected one text, got\n%s\n", when, text);
    exit(1);
  }
  fdm_free(text);
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  int rounds = atoi(argv[2]);
  is_over = (int *)mmap(NULL, sizeof *is_over, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  fdm_store *store = opened(argv[1]);
  set(info_of(store), SETTERS, 0);
  pid_t setters[SETTERS];
  for (int setter = 0; setter < SETTERS; setter++) {
    setters[setter] = started(argv[1], setter, rounds);
  }
  char *text = NULL;
  size_t length = 0;
  int looks = 0, running = SETTERS;
  for (int kill_number = 0; running > 0; kill_number++) {
    pid_t victim = kill_number < KILLS ? started(argv[1], SETTERS + 1, rounds) : 0;
    for (int look = 0; look < 5; look++, looks++) {
      fdm_status status = fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length);
      check_one(status, text, "a process that records");
      status = fdm_render_directory(argv[1], FDM_FORMAT_TEXT, 0, &text, &length);
      check_one(status, text, "a reader");
    }
    if (victim > 0) {
      kill(victim, SIGKILL);
      waitpid(victim, NULL, 0);
    }
    for (int setter = 0; setter < SETTERS; setter++) {
      int ending = 0;
      if (setters[setter] > 0 && waitpid(setters[setter], &ending, WNOHANG) == setters[setter]) {
        CHECK(ending == 0);
        setters[setter] = 0;
        running--;
      }
    }
  }
  fdm_status status = fdm_render_directory(argv[1], FDM_FORMAT_TEXT, 0, &text, &length);
  check_one(status, text, "the end");

  // What is set last is what is shown, though it was there before; and a removed text does not come back.
  fdm_family *family = info_of(store);
  fdm_string node = string_of("n");
  set(family, 7, 0);
  set(family, 7, 1);
  set(family, 7, 0);
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  CHECK(strstr(text, "version=\"7-0\"") != NULL);
  CHECK(count_of(text) == 1);
  fdm_free(text);
  CHECK_OK(fdm_remove(family, &node, 1));
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  CHECK(count_of(text) == 0);
  fdm_free(text);
  printf("infos: %d rounds each, %d looks\n", rounds, looks);
  return 0;
}
