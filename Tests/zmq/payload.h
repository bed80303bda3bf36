// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// The messages of a conversation: a function of seed and number, the same in peer.c, peer.py and peer-swift.
#ifndef PAYLOAD_H
#define PAYLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { MAX_FRAMES = 3, MAX_FRAME = 5000 };

typedef struct payload {
  int count;
  size_t sizes[MAX_FRAMES];
  char frames[MAX_FRAMES][MAX_FRAME + 2];
} payload;

static inline uint32_t payload_next(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

// Message `number` of a conversation: one to three frames of bytes; with is_json one frame, a JSON string of letters.
static inline void payload_make(payload *made, uint32_t seed, uint32_t number, int is_json) {
  // Empty, a trailer's size and beside it, libzmq's inline size and beside it, and larger ones.
  static const size_t sizes[] = {0, 1, 23, 24, 25, 33, 34, 255, 1000, MAX_FRAME};
  uint32_t state = seed * 2654435761u + number * 40503u + 1;
  state = state == 0 ? 1 : state;
  made->count = 1 + (int)(payload_next(&state) % MAX_FRAMES);
  if (is_json) {
    made->count = 1;
  }
  for (int frame = 0; frame < made->count; frame++) {
    unsigned char block[16];
    char *bytes = made->frames[frame];
    size_t size = sizes[payload_next(&state) % (sizeof sizes / sizeof sizes[0])];
    for (int word = 0; word < 4; word++) {
      uint32_t value = payload_next(&state);
      for (int byte = 0; byte < 4; byte++) {
        block[4 * word + byte] = (unsigned char)(value >> 8 * byte);
      }
    }
    made->sizes[frame] = size + (is_json ? 2 : 0);
    if (is_json) {
      *bytes++ = '"';
    }
    for (size_t i = 0; i < size; i++) {
      bytes[i] = (char)(is_json ? 'a' + block[i % 16] % 26 : block[i % 16]);
    }
    if (is_json) {
      bytes[size] = '"';
    }
  }
}

#endif
