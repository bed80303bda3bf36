// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Processes that attach the automatic store and exit again: the last one to exit removes it while others attach.
//
//   attaching COUNT PROCESSES   each process starts COUNT programs one after the other; exit status 1 if any has failed
//   attaching                   one of these programs
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fdmetrics.h"

static int failed(const char *what) {
  fprintf(stderr, "%s: %s\n", what, fdm_last_error());
  return 1;
}

static int record(void) {
  fdm_store *store;
  fdm_family *family;
  fdm_counter *counter;
  fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .type = FDM_COUNTER, .name = "jobs"};
  if (fdm_store_default(&store)) return failed("attach");
  if (fdm_register(store, &descriptor, &family)) return failed("register");
  if (fdm_counter_labels(family, NULL, 0, &counter)) return failed("series");
  fdm_counter_inc(counter);
  return fdm_counter_value(counter) >= 1 ? 0 : failed("value");
}

static int start(int count) {
  int worst = 0;
  for (int i = 0; i < count; i++) {
    pid_t child = fork();
    if (child == 0) {
      execl("/proc/self/exe", "attaching", (char *)NULL);
      _exit(99);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || status) worst = 1;
  }
  return worst;
}

int main(int count, char **arguments) {
  if (count == 1) return record();
  int worst = 0;
  for (int i = 0; i < atoi(arguments[2]); i++)
    if (fork() == 0) _exit(start(atoi(arguments[1])));
  for (int status; wait(&status) > 0;)
    if (status) worst = 1;
  return worst;
}
