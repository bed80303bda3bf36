// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// opens FOLDER ROUNDS: threads that open, find, record into and close the same few stores, again and again. A store stays
// for the others when one of them closes it; whoever opens it once more after the last close finds all that was counted.
#include <pthread.h>

#include "check.h"

enum { THREADS = 8, STORES = 3 };

static const char *folder;
static int rounds;

static fdm_store *open_numbered(int number) {
  char path[1024];
  snprintf(path, sizeof path, "%s/store%d", folder, number);
  return opened(path);
}

static fdm_counter *counter_of(fdm_store *store) {
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "rounds");
  fdm_family *family = NULL;
  fdm_counter *counter = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  CHECK_OK(fdm_counter_labels(family, NULL, 0, &counter));
  return counter;
}

static void *record(void *first) {
  for (int turn = 0; turn < rounds; turn++) {
    int number = ((int)(intptr_t)first + turn) % STORES;
    fdm_store *store = open_numbered(number);
    fdm_counter_inc(counter_of(store));
    // While it is open, opening it again finds it.
    fdm_store *same = open_numbered(number);
    CHECK(same == store);
    CHECK_OK(fdm_store_close(same));
    CHECK(fdm_counter_value(counter_of(store)) >= 1);
    CHECK_OK(fdm_store_close(store));
  }
  return NULL;
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  folder = argv[1];
  rounds = atoi(argv[2]);
  pthread_t threads[THREADS];
  for (int index = 0; index < THREADS; index++) {
    CHECK(pthread_create(&threads[index], NULL, record, (void *)(intptr_t)index) == 0);
  }
  for (int index = 0; index < THREADS; index++) {
    CHECK(pthread_join(threads[index], NULL) == 0);
  }
  double total = 0;
  for (int number = 0; number < STORES; number++) {
    fdm_store *store = open_numbered(number);
    total += fdm_counter_value(counter_of(store));
    CHECK_OK(fdm_store_close(store));
    // All were closed: this one is not known any more.
    CHECK_STATUS(fdm_store_close(store), FDM_ERR_INVALID_ARGUMENT);
  }
  CHECK_NUMBER(total, (double)THREADS * rounds);
  printf("opens: %d threads, %.0f rounds\n", (int)THREADS, total);
  return 0;
}
