// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CFDMetricsLinux.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Swift code cannot go on without memory that it asks for. So what the allocator refuses is taken from a reserve, and the call
// that is running ends as if nothing were; the next one that may need memory is refused at its beginning, until the allocator
// has some again. The reserve is pages of zeros that cost nothing until they are touched.

enum { RESERVE_SIZE = 4 << 20, RESERVE_STEP = 64 };
static _Alignas(RESERVE_STEP) char reserve[RESERVE_SIZE];

// Blocks that are in use << 32 | bytes that are taken. With the last block all are free again.
static _Atomic(uint64_t) reserve_state;

static atomic_int is_short;

static int is_reserve(const void *block) {
  return (const char *)block >= reserve && (const char *)block < reserve + RESERVE_SIZE;
}

static void *take_reserve(size_t size) {
  atomic_store_explicit(&is_short, 1, memory_order_relaxed);
  uint64_t old = atomic_load_explicit(&reserve_state, memory_order_relaxed);
  while (size <= RESERVE_SIZE) {
    const uint64_t used = old & UINT32_MAX, needed = (size + RESERVE_STEP - 1) / RESERVE_STEP * RESERVE_STEP;
    if (used + needed > RESERVE_SIZE) break;
    // Acquire: who freed the block that was here before is done with it.
    if (atomic_compare_exchange_weak_explicit(&reserve_state, &old, old + (UINT64_C(1) << 32) + needed, memory_order_acquire,
                                              memory_order_relaxed)) {
      return reserve + used;
    }
  }
  static const char text[] = "fdmetrics: there is no memory, and the reserve for that is used up\n";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) {
  }
  abort();
}

void *CFDMetricsLinux_allocate(size_t size, size_t alignment) {
  void *block = NULL;
  if (alignment <= _Alignof(max_align_t)) {
    block = malloc(size == 0 ? 1 : size);
  } else if (posix_memalign(&block, alignment, size) != 0) {
    block = NULL;
  }
  if (block == NULL && alignment > RESERVE_STEP) abort();
  return block != NULL ? block : take_reserve(size == 0 ? 1 : size);
}

void CFDMetricsLinux_free(void *block) {
  if (!is_reserve(block)) {
    free(block);
    return;
  }
  uint64_t old = atomic_load_explicit(&reserve_state, memory_order_relaxed), new;
  do {
    new = old - (UINT64_C(1) << 32);
    if (new >> 32 == 0) new = 0;
  } while (!atomic_compare_exchange_weak_explicit(&reserve_state, &old, new, memory_order_release, memory_order_relaxed));
}

char *CFDMetricsLinux_strdup(const char *text) {
  const size_t size = strlen(text) + 1;
  return memcpy(CFDMetricsLinux_allocate(size, 1), text, size);
}

int32_t CFDMetricsLinux_has_memory(size_t size) {
  // No block of malloc's: as large a one would come from the kernel too, or else make it give its heap back.
  void *probe = CFDMetricsLinux_map_memory(size);
  if (probe == NULL) return 0;
  CFDMetricsLinux_unmap(probe, size);
  return 1;
}

int32_t CFDMetricsLinux_is_memory_short(void) {
  if (!atomic_load_explicit(&is_short, memory_order_relaxed)) return 0;
  // As much as a call that makes a few objects and texts may ask for.
  // volatile: a compiler may leave out malloc and free of a block that nobody uses, and with them the answer.
  void *volatile probe = malloc(RESERVE_SIZE / 16);
  if (probe == NULL) return 1;
  free(probe);
  atomic_store_explicit(&is_short, 0, memory_order_relaxed);
  return 0;
}
