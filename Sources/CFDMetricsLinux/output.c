// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#include "CFDMetricsLinux.h"

#include <errno.h>
#include <stdio.h>

int CFDMetricsLinux_flush_output(void) {
  const int has_failed = ferror(stdout);
  errno = 0;
  if (fflush(stdout) != 0) {
    return errno;
  }
  return has_failed ? -1 : 0;
}
