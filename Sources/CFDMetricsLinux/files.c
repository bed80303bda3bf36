// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// By system call: what functions stat(2) has in glibc depends on its version (before 2.33 __xstat, then stat), and a library
// for both could be linked statically with neither. The kernel's struct is the libraries' on these machines.
#if defined(__x86_64__)
_Static_assert(sizeof(struct stat) == 144, "struct stat is not the kernel's");
#elif defined(__aarch64__)
_Static_assert(sizeof(struct stat) == 128, "struct stat is not the kernel's");
#else
#error "the layout of struct stat on this machine has to be compared with the kernel's"
#endif

static int32_t describe(long result, const struct stat *info, struct CFDMetricsLinux_file *file) {
  if (result != 0) return -1;
  file->device = (uint64_t)info->st_dev;
  file->inode = (uint64_t)info->st_ino;
  file->links = (uint64_t)info->st_nlink;
  file->size = (int64_t)info->st_size;
  file->blocks = (int64_t)info->st_blocks;
  file->modified = (int64_t)info->st_mtime;
  file->user = (uint32_t)info->st_uid;
  file->permissions = (uint32_t)info->st_mode & 07777;
  file->device_major = (uint32_t)major(info->st_dev);
  file->device_minor = (uint32_t)minor(info->st_dev);
  file->is_directory = S_ISDIR(info->st_mode);
  file->is_regular = S_ISREG(info->st_mode);
  file->is_link = S_ISLNK(info->st_mode);
  return 0;
}

int32_t CFDMetricsLinux_stat(const char *path, struct CFDMetricsLinux_file *file) {
  struct stat info;
  return describe(syscall(SYS_newfstatat, AT_FDCWD, path, &info, 0), &info, file);
}

int32_t CFDMetricsLinux_lstat(const char *path, struct CFDMetricsLinux_file *file) {
  struct stat info;
  return describe(syscall(SYS_newfstatat, AT_FDCWD, path, &info, AT_SYMLINK_NOFOLLOW), &info, file);
}

int32_t CFDMetricsLinux_fstat(int32_t fd, struct CFDMetricsLinux_file *file) {
  struct stat info;
  return describe(syscall(SYS_fstat, fd, &info), &info, file);
}

int32_t CFDMetricsLinux_open(const char *path, int32_t writable) {
  return open(path, (writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
}

int32_t CFDMetricsLinux_create(const char *path) {
  return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int32_t CFDMetricsLinux_open_proc(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }

int32_t CFDMetricsLinux_open_directory(const char *path, int32_t nofollow) {
  return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (nofollow ? O_NOFOLLOW : 0));
}

int32_t CFDMetricsLinux_open_directory_at(int32_t fd, const char *name) {
  return openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int32_t CFDMetricsLinux_link_descriptor(int32_t fd, const char *path) {
  // AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH; see open(2).
  char name[40];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

int32_t CFDMetricsLinux_exists(const char *path) { return access(path, F_OK); }

int32_t CFDMetricsLinux_is_usable_directory(const char *path) { return access(path, W_OK | X_OK); }

int32_t CFDMetricsLinux_close(int32_t fd) { return close(fd); }

ptrdiff_t CFDMetricsLinux_read(int32_t fd, void *bytes, size_t count) { return read(fd, bytes, count); }

ptrdiff_t CFDMetricsLinux_write(int32_t fd, const void *bytes, size_t count) { return write(fd, bytes, count); }

ptrdiff_t CFDMetricsLinux_pread(int32_t fd, void *bytes, size_t count, int64_t offset) {
  return pread(fd, bytes, count, offset);
}

int32_t CFDMetricsLinux_link(const char *from, const char *to) { return link(from, to); }

int32_t CFDMetricsLinux_unlink(const char *path) { return unlink(path); }

int32_t CFDMetricsLinux_rename(const char *from, const char *to) { return rename(from, to); }

int32_t CFDMetricsLinux_mkdir(const char *path, uint32_t mode) { return mkdir(path, mode); }

int32_t CFDMetricsLinux_mkdirat(int32_t fd, const char *name, uint32_t mode) { return mkdirat(fd, name, mode); }

int32_t CFDMetricsLinux_rmdir(const char *path) { return rmdir(path); }

int32_t CFDMetricsLinux_fchmod(int32_t fd, uint32_t mode) { return fchmod(fd, mode); }

void *CFDMetricsLinux_open_entries(const char *path) { return opendir(path); }

const char *CFDMetricsLinux_next_entry(void *entries) {
  const struct dirent *entry = readdir(entries);
  return entry == NULL ? NULL : entry->d_name;
}

void CFDMetricsLinux_close_entries(void *entries) { closedir(entries); }

char *CFDMetricsLinux_value_in_line(const char *path, const char *words, const char *key) {
  FILE *file = fopen(path, "re");
  if (file == NULL) return NULL;
  char *line = NULL, *found = NULL;
  size_t size = 0;
  while (found == NULL && getline(&line, &size, file) >= 0) {
    char *value = strstr(line, key);
    if (value == NULL || strstr(line, words) == NULL) continue;
    value += strlen(key);
    value[strcspn(value, "\n")] = '\0';
    found = strdup(value);
    if (found == NULL) break;
  }
  free(line);
  fclose(file);
  return found;
}
