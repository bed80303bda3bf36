// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define ASSERT_SAME(name) _Static_assert(CFDMETRICS_LINUX_##name == name, #name " has another number on this machine")
ASSERT_SAME(EPERM);
ASSERT_SAME(ENOENT);
ASSERT_SAME(EIO);
ASSERT_SAME(EAGAIN);
ASSERT_SAME(ENOMEM);
ASSERT_SAME(EACCES);
ASSERT_SAME(EBUSY);
ASSERT_SAME(EEXIST);
ASSERT_SAME(ENOTDIR);
ASSERT_SAME(EISDIR);
ASSERT_SAME(EINVAL);
ASSERT_SAME(EFBIG);
ASSERT_SAME(ENOSPC);
ASSERT_SAME(EROFS);
ASSERT_SAME(ENAMETOOLONG);
ASSERT_SAME(ENOLCK);
ASSERT_SAME(ENOSYS);
ASSERT_SAME(ENOTEMPTY);
ASSERT_SAME(ELOOP);
ASSERT_SAME(EREMOTE);
ASSERT_SAME(EOPNOTSUPP);
ASSERT_SAME(ESTALE);
ASSERT_SAME(EDQUOT);
ASSERT_SAME(PATH_MAX);

int32_t CFDMetricsLinux_errno(void) { return errno; }

const char *CFDMetricsLinux_strerror(int32_t error) { return strerror(error); }
