// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// fdmetrics_zmq_envelope.h: messages of JSON, whose envelope may say when they were sent. The conventions are in
// fdmetrics_zmq.h.
#ifndef FDMETRICS_ZMQ_ENVELOPE_H
#define FDMETRICS_ZMQ_ENVELOPE_H

#include <float.h>
#include <stdio.h>

#include "fdmetrics_zmq_socket.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------------------------------
// The JSON envelope: {"__meta": {"send_ts": seconds}, "data": payload}. Its parts are found whatever their order and
// the white space between them, and other members are ignored. Scanning allocates nothing and does not depend on the
// locale.

// What the bytes of a frame are.
enum {
  FDM_ZMQ_JSON_INVALID = 0,    // no JSON, or nested deeper than FDM_ZMQ_JSON_DEPTH
  FDM_ZMQ_JSON_PLAIN = 1,      // JSON without a member __meta
  FDM_ZMQ_JSON_LOOKALIKE = 2,  // JSON with a __meta, but no envelope: no usable send_ts, no data, or one of them twice
  FDM_ZMQ_JSON_ENVELOPE = 3
};
enum { FDM_ZMQ_JSON_DEPTH = 4096, FDM_ZMQ_ENVELOPE_PREFIX_SIZE = 64 };

// The payload of a frame.
typedef struct fdm_zmq_json {
  int kind;             // FDM_ZMQ_JSON_*
  const char *data;     // an envelope's payload, anything else whole
  size_t size;
  double send_seconds;  // of an envelope; 0 in anything else
} fdm_zmq_json;

// Writes what stands before an envelope's payload, at most FDM_ZMQ_ENVELOPE_PREFIX_SIZE bytes without a terminating
// zero, and returns how many. After the payload comes one "}". seconds is fdm_zmq_now(). Thread-safe.
static inline size_t fdm_zmq_envelope_prefix(char *prefix, double seconds) {
  char text[FDM_ZMQ_ENVELOPE_PREFIX_SIZE + 1];
  const double held = seconds > 0 && seconds < 1e15 ? seconds : 0;
  const uint64_t whole = (uint64_t)held;
  // Rounded down, so that a stamp is never later than its clock.
  const uint64_t nanoseconds = (uint64_t)((held - (double)whole) * 1e9);
  const int length = snprintf(text, sizeof text, "{\"__meta\": {\"send_ts\": %llu.%09llu}, \"data\": ",
                              (unsigned long long)whole, (unsigned long long)nanoseconds);
  memcpy(prefix, text, (size_t)length);
  return (size_t)length;
}

typedef struct fdm_zmq_scanner_ {
  const char *next;
  const char *end;
} fdm_zmq_scanner_;

static inline void fdm_zmq_scan_space_(fdm_zmq_scanner_ *scanner) {
  while (scanner->next < scanner->end && memchr(" \t\r\n", *scanner->next, 4) != NULL) {
    scanner->next++;
  }
}

// Takes white space and then this character, if it is there.
static inline int fdm_zmq_scan_char_(fdm_zmq_scanner_ *scanner, char wanted) {
  fdm_zmq_scan_space_(scanner);
  if (scanner->next < scanner->end && *scanner->next == wanted) {
    scanner->next++;
    return 1;
  }
  return 0;
}

static inline int fdm_zmq_scan_word_(fdm_zmq_scanner_ *scanner, const char *word) {
  const size_t length = strlen(word);
  if ((size_t)(scanner->end - scanner->next) < length || memcmp(scanner->next, word, length) != 0) {
    return 0;
  }
  scanner->next += length;
  return 1;
}

// Takes a string; *content is what stands between its quotes. The encoding is not checked.
static inline int fdm_zmq_scan_string_(fdm_zmq_scanner_ *scanner, fdm_string *content) {
  const char *start;
  if (!fdm_zmq_scan_char_(scanner, '"')) {
    return 0;
  }
  start = scanner->next;
  while (scanner->next < scanner->end) {
    const unsigned char byte = (unsigned char)*scanner->next++;
    if (byte == '"') {
      content->data = start;
      content->length = (size_t)(scanner->next - 1 - start);
      return 1;
    }
    if (byte < 0x20) {
      return 0;
    }
    if (byte == '\\') {
      const char escape = scanner->next < scanner->end ? *scanner->next++ : 'x';
      int digits = escape == 'u' ? 4 : 0;
      if (memchr("\"\\/bfnrtu", escape, 9) == NULL) {
        return 0;
      }
      for (; digits > 0; digits--) {
        if (scanner->next == scanner->end || memchr("0123456789abcdefABCDEF", *scanner->next, 22) == NULL) {
          return 0;
        }
        scanner->next++;
      }
    }
  }
  return 0;
}

// Takes digits and adds them to a number; *dropped is how many of them it had no room for.
static inline int fdm_zmq_scan_digits_(fdm_zmq_scanner_ *scanner, uint64_t *value, int64_t *dropped) {
  const char *start = scanner->next;
  *dropped = 0;
  for (; scanner->next < scanner->end && *scanner->next >= '0' && *scanner->next <= '9'; scanner->next++) {
    // 18 digits say more than a double holds, and always fit.
    if (*value < 100000000000000000u) {
      *value = *value * 10 + (uint64_t)(*scanner->next - '0');
    } else {
      ++*dropped;
    }
  }
  return scanner->next > start;
}

// Takes a number. The value is exact to a few units in the last place of a double, infinite for what one cannot hold.
static inline int fdm_zmq_scan_number_(fdm_zmq_scanner_ *scanner, double *number) {
  const int negative = fdm_zmq_scan_word_(scanner, "-");
  uint64_t digits = 0;
  uint64_t exponent = 0;
  double power = 1;
  int negative_exponent = 0;
  int64_t dropped = 0;
  int64_t scale;
  if (!fdm_zmq_scan_word_(scanner, "0") && !fdm_zmq_scan_digits_(scanner, &digits, &dropped)) {
    return 0;
  }
  scale = dropped;
  if (fdm_zmq_scan_word_(scanner, ".")) {
    const char *start = scanner->next;
    if (!fdm_zmq_scan_digits_(scanner, &digits, &dropped)) {
      return 0;
    }
    scale -= (int64_t)(scanner->next - start) - dropped;
  }
  if (fdm_zmq_scan_word_(scanner, "e") || fdm_zmq_scan_word_(scanner, "E")) {
    negative_exponent = fdm_zmq_scan_word_(scanner, "-");
    if (!negative_exponent) {
      fdm_zmq_scan_word_(scanner, "+");
    }
    if (!fdm_zmq_scan_digits_(scanner, &exponent, &dropped)) {
      return 0;
    }
    exponent = exponent < 100000 ? exponent : 100000;
    scale += negative_exponent ? -(int64_t)exponent : (int64_t)exponent;
  }
  *number = (double)digits;
  negative_exponent = scale < 0;
  for (scale = negative_exponent ? -scale : scale; scale > 0 && power < DBL_MAX; scale--) {
    power *= 10;
  }
  if (digits > 0) {
    *number = negative_exponent ? *number / power : *number * power;
  }
  if (negative) {
    *number = -*number;
  }
  return 1;
}

static inline int fdm_zmq_scan_scalar_(fdm_zmq_scanner_ *scanner) {
  fdm_string string;
  double number;
  if (scanner->next < scanner->end && *scanner->next == '"') {
    return fdm_zmq_scan_string_(scanner, &string);
  }
  // The last three are no JSON, and are what Python's json writes and reads.
  return fdm_zmq_scan_word_(scanner, "true") || fdm_zmq_scan_word_(scanner, "false") ||
         fdm_zmq_scan_word_(scanner, "null") || fdm_zmq_scan_word_(scanner, "NaN") ||
         fdm_zmq_scan_word_(scanner, "Infinity") || fdm_zmq_scan_word_(scanner, "-Infinity") ||
         fdm_zmq_scan_number_(scanner, &number);
}

// Takes one whole value of any kind; *content is where it stands.
static inline int fdm_zmq_scan_value_(fdm_zmq_scanner_ *scanner, fdm_string *content) {
  // One bit for each open bracket: whether it is an object's.
  unsigned char objects[FDM_ZMQ_JSON_DEPTH / 8];
  int depth = 0;
  fdm_string name;
  fdm_zmq_scan_space_(scanner);
  content->data = scanner->next;
  for (;;) {
    int opens = 0;
    const int is_object = fdm_zmq_scan_char_(scanner, '{');
    if (is_object || fdm_zmq_scan_char_(scanner, '[')) {
      opens = !fdm_zmq_scan_char_(scanner, is_object ? '}' : ']');
    } else if (!fdm_zmq_scan_scalar_(scanner)) {
      return 0;
    }
    if (opens) {
      if (depth == FDM_ZMQ_JSON_DEPTH ||
          (is_object && !(fdm_zmq_scan_string_(scanner, &name) && fdm_zmq_scan_char_(scanner, ':')))) {
        return 0;
      }
      objects[depth / 8] = (unsigned char)((depth % 8 == 0 ? 0 : objects[depth / 8]) & ~(1 << depth % 8));
      objects[depth / 8] = (unsigned char)(objects[depth / 8] | is_object << depth % 8);
      depth++;
      continue;
    }
    // A value has ended: close what it ends, too, up to a comma that begins another one.
    while (depth > 0) {
      const int in_object = objects[(depth - 1) / 8] >> (depth - 1) % 8 & 1;
      if (fdm_zmq_scan_char_(scanner, ',')) {
        if (in_object && !(fdm_zmq_scan_string_(scanner, &name) && fdm_zmq_scan_char_(scanner, ':'))) {
          return 0;
        }
        break;
      }
      if (!fdm_zmq_scan_char_(scanner, in_object ? '}' : ']')) {
        return 0;
      }
      depth--;
    }
    if (depth == 0) {
      content->length = (size_t)(scanner->next - content->data);
      return 1;
    }
  }
}

static inline int fdm_zmq_is_text_(fdm_string string, const char *text) {
  return string.length == strlen(text) && memcmp(string.data, text, string.length) == 0;
}

// Whether a value, which is JSON, is an object with one send_ts that is a finite number.
static inline int fdm_zmq_scan_meta_(fdm_string meta, double *seconds) {
  fdm_zmq_scanner_ scanner;
  fdm_string name, value;
  int stamps = 0;
  scanner.next = meta.data;
  scanner.end = meta.data + meta.length;
  if (!fdm_zmq_scan_char_(&scanner, '{')) {
    return 0;
  }
  while (fdm_zmq_scan_string_(&scanner, &name) && fdm_zmq_scan_char_(&scanner, ':') &&
         fdm_zmq_scan_value_(&scanner, &value)) {
    if (fdm_zmq_is_text_(name, "send_ts")) {
      fdm_zmq_scanner_ number;
      number.next = value.data;
      number.end = value.data + value.length;
      stamps++;
      if (!fdm_zmq_scan_number_(&number, seconds) || number.next != number.end || !(*seconds <= DBL_MAX) ||
          !(*seconds >= -DBL_MAX)) {
        return 0;
      }
    }
    fdm_zmq_scan_char_(&scanner, ',');
  }
  return stamps == 1;
}

// A frame that is in no envelope.
static inline fdm_zmq_json fdm_zmq_json_whole_(int kind, const void *frame, size_t size) {
  fdm_zmq_json json;
  json.kind = kind;
  json.data = (const char *)frame;
  json.size = size;
  json.send_seconds = 0;
  return json;
}

// Says what the bytes of a frame are, and where their payload is. Thread-safe.
static inline fdm_zmq_json fdm_zmq_json_scan(const void *frame, size_t size) {
  fdm_zmq_scanner_ scanner;
  fdm_zmq_json json = fdm_zmq_json_whole_(FDM_ZMQ_JSON_INVALID, frame, size);
  fdm_string name, value, payload = {NULL, 0};
  double seconds = 0;
  int metas = 0, stamped = 0, payloads = 0, valid;
  if (size == 0) {
    return json;
  }
  scanner.next = json.data;
  scanner.end = json.data + size;
  if (!fdm_zmq_scan_char_(&scanner, '{')) {
    valid = fdm_zmq_scan_value_(&scanner, &value);
  } else if (fdm_zmq_scan_char_(&scanner, '}')) {
    valid = 1;
  } else {
    do {
      valid = fdm_zmq_scan_string_(&scanner, &name) && fdm_zmq_scan_char_(&scanner, ':') &&
              fdm_zmq_scan_value_(&scanner, &value);
      if (valid && fdm_zmq_is_text_(name, "__meta")) {
        metas++;
        stamped = fdm_zmq_scan_meta_(value, &seconds);
      } else if (valid && fdm_zmq_is_text_(name, "data")) {
        payloads++;
        payload = value;
      }
    } while (valid && fdm_zmq_scan_char_(&scanner, ','));
    valid = valid && fdm_zmq_scan_char_(&scanner, '}');
  }
  fdm_zmq_scan_space_(&scanner);
  if (!valid || scanner.next != scanner.end) {
    return json;
  }
  json.kind = metas > 0 ? FDM_ZMQ_JSON_LOOKALIKE : FDM_ZMQ_JSON_PLAIN;
  if (metas == 1 && stamped && payloads == 1) {
    json.kind = FDM_ZMQ_JSON_ENVELOPE;
    json.data = payload.data;
    json.size = payload.length;
    json.send_seconds = seconds;
  }
  return json;
}

// Sends a payload, which must be JSON (this is not checked), as one frame by the socket's carrier: in an envelope that
// says when, or as it is, before a trailer or alone. Returns size. Errors: as zmq_msg_send, and ENOMEM.
static inline int fdm_zmq_send_json(fdm_zmq_socket *socket, const void *json, size_t size, int flags) {
  char prefix[FDM_ZMQ_ENVELOPE_PREFIX_SIZE];
  size_t length;
  zmq_msg_t message;
  char *bytes;
  if (socket->carrier != FDM_ZMQ_CARRIER_ENVELOPE || (flags & ZMQ_SNDMORE)) {
    return fdm_zmq_send(socket, json, size, flags);
  }
  length = fdm_zmq_envelope_prefix(prefix, fdm_zmq_now());
  if (zmq_msg_init_size(&message, length + size + 1) != 0) {
    fdm_zmq_send_failed(socket->link);
    errno = ENOMEM;
    return -1;
  }
  bytes = (char *)zmq_msg_data(&message);
  memcpy(bytes, prefix, length);
  if (size > 0) {
    memcpy(bytes + length, json, size);
  }
  bytes[length + size] = '}';
  if (fdm_zmq_msg_send(&message, socket, flags) < 0) {
    const int code = errno;
    zmq_msg_close(&message);
    errno = code;
    return -1;
  }
  return fdm_zmq_result_(size);
}

// As fdm_zmq_msg_recv, and says what the payload is; *json points into the message. The last frame of a message is
// taken out of its envelope, whatever the socket's carrier. What only looks like one, or is of another time than this
// clock's past, is a look-alike: it is handed out whole and counted in latency_skipped_total. What is no JSON is handed
// out whole and counted in msg_recv_failed_total. Of a frame that another one follows the kind is FDM_ZMQ_JSON_PLAIN,
// whatever it is. Returns the payload's size.
static inline int fdm_zmq_msg_recv_json(zmq_msg_t *message, fdm_zmq_socket *socket, fdm_zmq_json *json, int flags) {
  size_t size;
  if (fdm_zmq_take_(message, socket, flags, &size) < 0) {
    return -1;
  }
  if (socket->receiving) {
    *json = fdm_zmq_json_whole_(FDM_ZMQ_JSON_PLAIN, zmq_msg_data(message), size);
    return fdm_zmq_result_(size);
  }
  if (socket->trailer != NULL) {
    fdm_zmq_end_message_(message, size);
  }
  *json = fdm_zmq_json_scan(zmq_msg_data(message), size);
  fdm_zmq_count_(socket, json->kind >= FDM_ZMQ_JSON_LOOKALIKE ? &json->send_seconds : NULL);
  if (json->kind == FDM_ZMQ_JSON_INVALID && !socket->made) {
    fdm_zmq_receive_failed(socket->link);
  } else if (json->kind == FDM_ZMQ_JSON_ENVELOPE && !(json->send_seconds > 0 && json->send_seconds <= fdm_zmq_now())) {
    *json = fdm_zmq_json_whole_(FDM_ZMQ_JSON_LOOKALIKE, zmq_msg_data(message), size);
  }
  return fdm_zmq_result_(json->size);
}

#ifdef __cplusplus
}
#endif
#endif
