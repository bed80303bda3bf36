// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static uint64_t start_time(void) {
  char text[1024];
  int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t count = read(fd, text, sizeof text - 1);
  close(fd);
  if (count <= 0) return 0;
  text[count] = '\0';
  // The command, in parentheses, may hold anything. Field 3 follows it; field 22 is the 20th word from there.
  const char *field = strrchr(text, ')');
  for (int i = 0; field != NULL && i < 20; i++) field = strchr(field + 1, ' ');
  uint64_t value = 0;
  for (const char *digit = field == NULL ? "" : field + 1; *digit >= '0' && *digit <= '9'; digit++)
    value = value * 10 + (uint64_t)(*digit - '0');
  return value;
}

void CFDMetricsLinux_describe_self(struct CFDMetricsLinux_self *self) {
  memset(self, 0, sizeof *self);
  self->pid = (uint64_t)getpid();
  struct CFDMetricsLinux_file file;
  if (CFDMetricsLinux_stat("/proc/self/ns/pid", &file) == 0) self->pid_namespace = file.inode;
  self->start_time = start_time();
  // Of the thread; /proc/self/comm has that of the first one, as has prctl in a fork child.
  prctl(PR_GET_NAME, self->command);
  int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  char text[16] = {0};
  ssize_t count = read(fd, text, sizeof text - 1);
  close(fd);
  if (count <= 0) return;
  memset(self->command, 0, sizeof self->command);
  for (ssize_t i = 0; i < count && text[i] != '\n'; i++) self->command[i] = text[i];
}

int CFDMetricsLinux_process_exists(uint64_t pid) {
  if (pid == 0 || pid > 0x7FFFFFFF) return 0;
  return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

uint32_t CFDMetricsLinux_getpid(void) { return (uint32_t)getpid(); }

uint32_t CFDMetricsLinux_geteuid(void) { return (uint32_t)geteuid(); }

const char *CFDMetricsLinux_getenv(const char *name) { return getenv(name); }

char *CFDMetricsLinux_getcwd(void) { return getcwd(NULL, 0); }

char *CFDMetricsLinux_realpath(const char *path) { return realpath(path, NULL); }

void *CFDMetricsLinux_realloc(void *block, size_t size) { return realloc(block, size); }

void CFDMetricsLinux_atexit(void (*function)(void)) { atexit(function); }

size_t CFDMetricsLinux_strnlen(const char *text, size_t most) { return strnlen(text, most); }

void *CFDMetricsLinux_dlsym(const char *name) { return dlsym(RTLD_DEFAULT, name); }

int64_t CFDMetricsLinux_ticks_per_second(void) { return sysconf(_SC_CLK_TCK); }

int64_t CFDMetricsLinux_configured_cpus(void) { return sysconf(_SC_NPROCESSORS_CONF); }
