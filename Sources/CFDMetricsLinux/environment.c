// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A new entry, which stays for ever: somebody may hold what getenv gave.
static char *new_entry(const char *name, const char *value) {
  size_t name_length = strlen(name), value_length = strlen(value);
  char *entry = malloc(name_length + value_length + 2);
  if (entry == NULL) return NULL;
  memcpy(entry, name, name_length);
  entry[name_length] = '=';
  memcpy(entry + name_length + 1, value, value_length + 1);
  return entry;
}

int CFDMetricsLinux_set_environment(const char *name, const char *value) {
  size_t name_length = strlen(name), count = 0;
  char **present = environ;
  char *entry = new_entry(name, value);
  if (entry == NULL) return ENOMEM;
  for (; present != NULL && present[count] != NULL; count++) {
    if (strncmp(present[count], name, name_length) != 0 || present[count][name_length] != '=') continue;
    // Release, here and below: who reads the pointer finds the text, or the array, whole.
    __atomic_store_n(&present[count], entry, __ATOMIC_RELEASE);
    return 0;
  }
  char **fresh = malloc((count + 2) * sizeof *fresh);
  if (fresh == NULL) {
    free(entry);
    return ENOMEM;
  }
  if (count > 0) memcpy(fresh, present, count * sizeof *fresh);
  fresh[count] = entry;
  fresh[count + 1] = NULL;
  __atomic_store_n(&environ, fresh, __ATOMIC_RELEASE);
  return 0;
}

// A directory that is named relative to the working directory is made absolute before the program can change that, so that
// the processes which it starts elsewhere find the same one.
__attribute__((constructor)) static void make_directories_absolute(void) {
  static const char *const names[] = {"FDMETRICS_DIR", "PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    const char *value = getenv(names[i]);
    if (value == NULL || value[0] == '\0' || value[0] == '/') continue;
    char *current = getcwd(NULL, 0);
    if (current == NULL) return;
    size_t size = strlen(current) + strlen(value) + 2;
    char *absolute = malloc(size);
    if (absolute != NULL) {
      snprintf(absolute, size, "%s/%s", current, value);
      CFDMetricsLinux_set_environment(names[i], absolute);
    }
    free(absolute);
    free(current);
  }
}
