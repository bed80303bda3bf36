// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0

// glibc's settings of malloc, which Swift's own module of it leaves out.
#include <malloc.h>
