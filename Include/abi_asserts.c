// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What callers compiled against an older header rely on: the sizes and offsets of the structs that they pass in.
#include "fdmetrics.h"

_Static_assert(sizeof(fdm_status) == 4, "a status is 32 bits");
_Static_assert(FDM_ERR_LAST == -31013, "status codes are only added, never renumbered");
_Static_assert(sizeof(fdm_string) == 16, "a string is a pointer and a length");
_Static_assert(offsetof(fdm_options, series_limit) == 20 && sizeof(fdm_options) == 24, "fdm_options of ABI 1.0");
_Static_assert(offsetof(fdm_descriptor, type) == 8 && offsetof(fdm_descriptor, states) == 72 &&
                   sizeof(fdm_descriptor) == 88,
               "fdm_descriptor of ABI 1.0");
_Static_assert(sizeof(fdm_statistics) == 12 * 8, "fdm_statistics of ABI 1.0");
_Static_assert(offsetof(fdm_scrape, content_type) == 16 && offsetof(fdm_scrape, names) == 32 && sizeof(fdm_scrape) == 40,
               "fdm_scrape of ABI 1.1");
