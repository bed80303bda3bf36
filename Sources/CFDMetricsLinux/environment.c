// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int CFDMetricsLinux_set_environment(const char *name, const char *value) {
  size_t name_length = strlen(name), value_length = strlen(value);
  char **present = environ;
  size_t count = 0;
  while (present != NULL && present[count] != NULL) count++;
  char **fresh = malloc((count + 2) * sizeof *fresh);
  char *entry = malloc(name_length + value_length + 2);
  if (fresh == NULL || entry == NULL) {
    free(fresh);
    free(entry);
    return ENOMEM;
  }
  memcpy(entry, name, name_length);
  entry[name_length] = '=';
  memcpy(entry + name_length + 1, value, value_length + 1);
  int found = 0;
  for (size_t i = 0; i < count; i++) {
    int is_same = strncmp(present[i], name, name_length) == 0 && present[i][name_length] == '=';
    fresh[i] = is_same ? entry : present[i];
    found |= is_same;
  }
  fresh[count] = found ? NULL : entry;
  fresh[count + 1] = NULL;
  // Release: who reads the new array finds it whole. The old one stays for who is reading it.
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
