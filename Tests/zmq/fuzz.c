// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// fuzz SEED ROUNDS: random bytes for the parsing of fdmetrics_zmq.h, to be compiled with sanitizers. Frames are exactly as
// long as their memory, so that reading one byte too many is noticed. No message may be lost or changed, and all must be
// counted. The store is that of FDMETRICS_DIR.
#include "store.h"
#include "fdmetrics_zmq.h"

static uint64_t state;

static uint32_t random_below(uint32_t limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 33) % limit;
}

static const char *const texts[] = {
    "{\"__meta\": {\"send_ts\": 12.5}, \"data\": {\"a\": [1, \"x\\u00e9\", null, -1.5e-7]}}",
    " {\"data\":\"first\",\"other\":{\"__meta\":1},\"__meta\":{\"x\":[{}],\"send_ts\":1e0}}\r\n",
    "{\"__meta\":{\"send_ts\":123456789012345678901234567890.5e-25},\"data\":[[[[]]]]}",
    "{\"__meta\":{\"send_ts\":1},\"__meta\":{\"send_ts\":1},\"data\":1}",
    "{\"__meta\": null, \"data\": NaN}",
    "[{\"__meta\": {\"send_ts\": 1}, \"data\": true}, -Infinity]",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
    "-0.0E+0",
};

typedef struct frame {
  unsigned char *bytes;
  size_t size;
} frame;

static frame copied(const void *bytes, size_t size) {
  frame made = {(unsigned char *)malloc(size == 0 ? 1 : size), size};
  CHECK(made.bytes != NULL);
  if (size > 0) {
    memcpy(made.bytes, bytes, size);
  }
  return made;
}

// A frame with a few of its bytes changed, removed or doubled.
static frame mutated(const void *bytes, size_t size) {
  unsigned char changed[600];
  memcpy(changed, bytes, size);
  for (uint32_t changes = random_below(4); changes > 0; changes--) {
    const size_t at = random_below((uint32_t)size + 1);
    const size_t length = size - at;
    const size_t some = length == 0 ? 0 : 1 + random_below(length < 8 ? (uint32_t)length : 8);
    switch (random_below(4)) {
      case 0:
        if (length > 0) changed[at] = (unsigned char)random_below(256);
        break;
      case 1:
        memmove(changed + at, changed + at + some, length - some);
        size -= some;
        break;
      case 2:
        memmove(changed + at + some, changed + at, length);
        size += some;
        break;
      default:
        size = at;
        break;
    }
  }
  return copied(changed, size);
}

// ---------------------------------------------------------------------------------------------------------------------
// Texts

static int is_space(char byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

static int is_same(fdm_zmq_json a, fdm_zmq_json b) {
  return a.kind == b.kind && a.data == b.data && a.size == b.size && a.send_seconds == b.send_seconds;
}

static void check_scan(frame text) {
  const fdm_zmq_json json = fdm_zmq_json_scan(text.bytes, text.size);
  const char *start = (const char *)text.bytes;
  CHECK(is_same(json, fdm_zmq_json_scan(text.bytes, text.size)));
  CHECK(json.kind >= FDM_ZMQ_JSON_INVALID && json.kind <= FDM_ZMQ_JSON_ENVELOPE);
  CHECK(json.data >= start && json.data + json.size <= start + text.size);
  CHECK(json.send_seconds >= -DBL_MAX && json.send_seconds <= DBL_MAX);
  if (json.kind == FDM_ZMQ_JSON_ENVELOPE) {
    // What it carries is JSON itself.
    const frame payload = copied(json.data, json.size);
    CHECK(fdm_zmq_json_scan(payload.bytes, payload.size).kind != FDM_ZMQ_JSON_INVALID);
    free(payload.bytes);
  } else {
    CHECK(json.data == start && json.size == text.size && json.send_seconds == 0);
  }
}

static void check_texts(long rounds) {
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    const size_t size = strlen(texts[i]);
    size_t end = size;
    while (is_space(texts[i][end - 1])) {
      end--;
    }
    for (size_t length = 0; length <= size; length++) {
      const frame text = copied(texts[i], length);
      check_scan(text);
      // A number is one however early it ends, nearly; anything else is cut off.
      if (texts[i][0] != '-') {
        CHECK((fdm_zmq_json_scan(text.bytes, length).kind != FDM_ZMQ_JSON_INVALID) == (length >= end));
      }
      free(text.bytes);
    }
  }
  for (long i = 0; i < rounds; i++) {
    const char *text = texts[random_below(sizeof texts / sizeof texts[0])];
    const frame changed = mutated(text, strlen(text));
    check_scan(changed);
    free(changed.bytes);
  }
  for (long i = 0; i < rounds; i++) {
    char prefix[FDM_ZMQ_ENVELOPE_PREFIX_SIZE];
    union {
      uint64_t bits;
      double seconds;
    } any;
    any.bits = ((uint64_t)random_below(1u << 31) << 33) ^ ((uint64_t)random_below(1u << 31) << 11);
    CHECK(fdm_zmq_envelope_prefix(prefix, any.seconds) <= sizeof prefix);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Messages

enum { MOST_FRAMES = 5 };
typedef struct link_ends {
  void *sender;
  fdm_zmq_socket receiver;
  double messages, bytes, stamped, undecodable;
} link_ends;

// Receives one frame, in one of the ways; more says whether another one follows.
static frame receive_frame(link_ends *ends, int way, int *more) {
  size_t size = sizeof *more;
  unsigned char buffer[700];
  frame received;
  if (way == 0) {
    const int length = fdm_zmq_recv(&ends->receiver, buffer, sizeof buffer, 0);
    CHECK(length >= 0 && length <= (int)sizeof buffer);
    received = copied(buffer, (size_t)length);
  } else {
    zmq_msg_t message;
    zmq_msg_init(&message);
    if (way == 1) {
      CHECK(fdm_zmq_msg_recv(&message, &ends->receiver, 0) == (int)zmq_msg_size(&message));
    } else {
      fdm_zmq_json json;
      CHECK(fdm_zmq_msg_recv_json(&message, &ends->receiver, &json, 0) == (int)json.size);
      const char *start = (const char *)zmq_msg_data(&message);
      CHECK(json.data >= start && json.data + json.size <= start + zmq_msg_size(&message));
    }
    received = copied(zmq_msg_data(&message), zmq_msg_size(&message));
    *more = zmq_msg_more(&message);
    zmq_msg_close(&message);
  }
  int says = -1;
  CHECK(fdm_zmq_getsockopt(&ends->receiver, ZMQ_RCVMORE, &says, &size) == 0);
  CHECK(way == 0 || says == *more);
  *more = says;
  return received;
}

static void pass_message(link_ends *ends, int is_router) {
  frame frames[MOST_FRAMES];
  unsigned char stamp[FDM_ZMQ_TRAILER_SIZE], noise[40];
  const int count = 1 + (int)random_below(MOST_FRAMES - 1);
  const int way = (int)random_below(3);
  fdm_zmq_write_trailer(stamp);
  for (int i = 0; i < count; i++) {
    const char *text = texts[random_below(sizeof texts / sizeof texts[0])];
    for (size_t at = 0; at < sizeof noise; at++) {
      noise[at] = (unsigned char)random_below(256);
    }
    switch (i + 1 < count ? random_below(4) : random_below(3)) {
      case 0: frames[i] = mutated(stamp, sizeof stamp); break;
      case 1: frames[i] = mutated(text, strlen(text)); break;
      case 2: frames[i] = copied(stamp, sizeof stamp); break;
      default: frames[i] = copied(noise, random_below(sizeof noise + 1)); break;
    }
    const int flags = i + 1 < count ? ZMQ_SNDMORE : 0;
    CHECK(zmq_send(ends->sender, frames[i].bytes, frames[i].size, flags) == (int)frames[i].size);
  }
  const frame *last = &frames[count - 1];
  const int is_stamped = count > 1 && last->size == sizeof stamp && memcmp(last->bytes, "FDM1", 4) == 0;
  const int payloads = count - is_stamped;
  int more = 1;
  if (is_router) {
    const frame id = receive_frame(ends, 0, &more);
    CHECK(id.size == 5 && more == 1);
    ends->bytes += (double)id.size;
    free(id.bytes);
  }
  for (int i = 0; i < payloads; i++) {
    const frame received = receive_frame(ends, way, &more);
    CHECK(received.size == frames[i].size && memcmp(received.bytes, frames[i].bytes, received.size) == 0);
    CHECK(more == (i + 1 < payloads));
    ends->bytes += (double)received.size;
    free(received.bytes);
  }
  ends->messages++;
  last = &frames[payloads - 1];
  if (way == 2) {
    const int kind = fdm_zmq_json_scan(last->bytes, last->size).kind;
    ends->undecodable += kind == FDM_ZMQ_JSON_INVALID;
    ends->stamped += is_stamped || kind >= FDM_ZMQ_JSON_LOOKALIKE;
  } else {
    ends->stamped += is_stamped;
  }
  for (int i = 0; i < count; i++) {
    free(frames[i].bytes);
  }
}

static void check_messages(void *context, int is_router, long rounds, const char *address) {
  const int timeout = 20000;
  link_ends ends;
  memset(&ends, 0, sizeof ends);
  void *handle = zmq_socket(context, is_router ? ZMQ_ROUTER : ZMQ_PULL);
  zmq_setsockopt(handle, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
  CHECK(fdm_zmq_socket_init(&ends.receiver, handle, FDM_ZMQ_CARRIER_NONE) == 0 && zmq_bind(handle, address) == 0);
  CHECK_OK(fdm_zmq_socket_record(&ends.receiver, store, NULL, NULL));
  ends.sender = zmq_socket(context, is_router ? ZMQ_DEALER : ZMQ_PUSH);
  CHECK(zmq_connect(ends.sender, address) == 0);
  for (long i = 0; i < rounds; i++) {
    pass_message(&ends, is_router);
  }
  CHECK_NUMBER(total("msg_recv_total", address), ends.messages);
  CHECK_NUMBER(total("msg_bytes_recv_total", address), ends.bytes);
  CHECK_NUMBER(total("msg_recv_failed_total", address), ends.undecodable);
  CHECK_NUMBER(total("latency_count", address) + total("latency_skipped_total", address), ends.stamped);
  CHECK(fdm_zmq_recv(&ends.receiver, NULL, 0, ZMQ_DONTWAIT) == -1 && errno == EAGAIN);
  zmq_close(ends.sender);
  CHECK(fdm_zmq_close(&ends.receiver) == 0);
}

int main(int argc, char **argv) {
  CHECK(argc == 3);
  state = strtoull(argv[1], NULL, 10) * 2654435761u + 1;
  const long rounds = strtol(argv[2], NULL, 10);
  void *context = zmq_ctx_new();
  CHECK_OK(fdm_store_default(&store));
  check_texts(rounds * 10);
  check_messages(context, 0, rounds, "inproc://fuzz");
  check_messages(context, 1, rounds, "inproc://fuzz-router");
  CHECK(zmq_ctx_term(context) == 0);
  printf("fuzz: all checks passed\n");
  return 0;
}
