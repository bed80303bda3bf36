// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// fdmetrics_zmq.h: libzmq's sending and receiving calls for C and C++ programs, which record what goes through them.
//
//     fdm_zmq_socket push;
//     fdm_zmq_socket_init(&push, zmq_socket(context, ZMQ_PUSH), FDM_ZMQ_CARRIER_TRAILER);
//     zmq_connect(push.handle, "ipc:///run/jobs.ipc");
//     fdm_zmq_socket_record(&push, store, NULL, NULL);
//     fdm_zmq_send(&push, "job", 3, 0);
//     fdm_zmq_close(&push);
//
// Everything is inline: link the program with libfdmetrics and with libzmq (4.2 or newer); libfdmetrics itself needs no
// libzmq. docs/zmq.md says what is counted, and what a peer without instrumentation receives.
//
// Conventions of every function, unless it says otherwise:
//   Results    as libzmq's own: bytes or 0, and -1 with errno (zmq_errno()) set. Recording never fails a message:
//              through a socket without a link everything works and nothing is counted.
//   Threads    as libzmq's sockets: one thread at a time.
//   Fork       as libzmq's sockets: not carried over. Make a new context and new sockets in the child.
//   Pointers   are borrowed for the call only.
// Names that end with an underscore are not for callers.
#ifndef FDMETRICS_ZMQ_H
#define FDMETRICS_ZMQ_H

#include <errno.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "fdmetrics.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------------------------------------------------------------
// Sockets

// How a socket's messages say when they were sent. It matters for sending only: every receive takes all of them.
enum {
  FDM_ZMQ_CARRIER_NONE = 0,      // they do not; for peers that are not known
  FDM_ZMQ_CARRIER_ENVELOPE = 1,  // the messages of fdm_zmq_send_json are wrapped; others do not say it
  // One more frame at the end of each message. Sent without one are: the messages of ZMQ_STREAM and of a socket with
  // ZMQ_CONFLATE, which know no frames; an XSUB's subscriptions; a ROUTER's that are a routing id and nothing else.
  FDM_ZMQ_CARRIER_TRAILER = 2
};

// A socket of libzmq, its link, and where it is in the message that it sends and in the one that it receives. It must
// stay at its address: do not copy it. handle, link and carrier may be read and set between messages.
typedef struct fdm_zmq_socket {
  void *handle;        // libzmq's socket: bind, connect, set options and poll through it
  fdm_zmq_link *link;  // where it records; NULL: nowhere
  int carrier;         // FDM_ZMQ_CARRIER_*
  int type;            // ZMQ_PUSH, ...
  int conflates;       // what ZMQ_CONFLATE said at fdm_zmq_socket_init
  int sending;         // a message has begun, and its last frame was not sent yet
  int trailed;         // the message that is being sent ends with a trailer
  int receiving;       // a message has begun, and its last frame was not handed out yet: what ZMQ_RCVMORE says
  int ahead;           // what next_frame holds: 0 nothing, 1 the next frame, 2 the trailer
  uint64_t sent_bytes;
  uint64_t received_bytes;
  uint64_t received_frames;
  unsigned char stamp[FDM_ZMQ_TRAILER_SIZE];
  zmq_msg_t next_frame;
} fdm_zmq_socket;

// Begins to use a socket of libzmq, which stays the caller's own until fdm_zmq_close. It records nothing yet. Set the
// option ZMQ_CONFLATE before.
// Errors: EINVAL (no such carrier), and those of zmq_getsockopt: ENOTSOCK (handle is NULL or no socket), ETERM.
static inline int fdm_zmq_socket_init(fdm_zmq_socket *socket, void *handle, int carrier) {
  size_t size = sizeof(int);
  memset(socket, 0, sizeof *socket);
  zmq_msg_init(&socket->next_frame);
  socket->handle = handle;
  socket->carrier = carrier;
  if (carrier < FDM_ZMQ_CARRIER_NONE || carrier > FDM_ZMQ_CARRIER_TRAILER) {
    errno = EINVAL;
    return -1;
  }
  if (zmq_getsockopt(handle, ZMQ_CONFLATE, &socket->conflates, &size) != 0) {
    // An older libzmq takes the option and does not tell it.
    socket->conflates = 0;
  }
  size = sizeof(int);
  return zmq_getsockopt(handle, ZMQ_TYPE, &socket->type, &size);
}

// Writes the endpoint that a socket of libzmq was last bound or connected to, wildcards resolved, "" before the first.
// Errors: EINVAL (it does not fit), ENOTSOCK, ETERM.
static inline int fdm_zmq_last_endpoint(void *handle, char *endpoint, size_t size) {
  return zmq_getsockopt(handle, ZMQ_LAST_ENDPOINT, endpoint, &size);
}

// Opens the link of a socket. address names it; NULL: the endpoint that the socket was last bound or connected to, so
// call it after the first bind or connect. prefix as for fdm_zmq_link_open. A TCP server that is bound to a wildcard
// has another endpoint than its clients: give both ends one name. Returns a status; on an error nothing is recorded and
// the socket works all the same. Errors: INVALID_ARGUMENT (not bound or connected yet), and as fdm_zmq_link_open.
static inline fdm_status fdm_zmq_socket_record(fdm_zmq_socket *socket, fdm_store *store, const char *prefix,
                                               const char *address) {
  char endpoint[1024];
  socket->link = NULL;
  if (address == NULL) {
    if (fdm_zmq_last_endpoint(socket->handle, endpoint, sizeof endpoint) != 0 || endpoint[0] == '\0') {
      return FDM_ERR_INVALID_ARGUMENT;
    }
    address = endpoint;
  }
  return fdm_zmq_link_open(store, prefix, address, &socket->link);
}

// Closes the socket, as zmq_close, and frees the frame that was read ahead. Errors: ENOTSOCK.
static inline int fdm_zmq_close(fdm_zmq_socket *socket) {
  void *handle = socket->handle;
  zmq_msg_close(&socket->next_frame);
  zmq_msg_init(&socket->next_frame);
  socket->handle = NULL;
  socket->ahead = 0;
  return zmq_close(handle);
}

// As zmq_getsockopt. Use it for ZMQ_RCVMORE and ZMQ_EVENTS, of which the frame that was read ahead is a part: a message
// of several frames is read one frame ahead, because a trailer is known only when it is there. zmq_poll does not know
// of it, so receive all frames of a message before you poll.
static inline int fdm_zmq_getsockopt(fdm_zmq_socket *socket, int option, void *value, size_t *size) {
  if (zmq_getsockopt(socket->handle, option, value, size) != 0) {
    return -1;
  }
  if (option == ZMQ_RCVMORE && *size >= sizeof(int)) {
    memcpy(value, &socket->receiving, sizeof(int));
  } else if (option == ZMQ_EVENTS && socket->ahead == 1 && *size >= sizeof(int)) {
    int events;
    memcpy(&events, value, sizeof events);
    events |= ZMQ_POLLIN;
    memcpy(value, &events, sizeof events);
  }
  return 0;
}

// Whether messages of several frames go through sockets of this type: not ZMQ_STREAM, and none of the later types.
static inline int fdm_zmq_takes_trailers_(int type) { return type >= ZMQ_PAIR && type <= ZMQ_XSUB; }

// ---------------------------------------------------------------------------------------------------------------------
// Sending. A message is counted when libzmq accepted its last frame. A call that fails counts one failed send, whatever
// the reason, EAGAIN included, and gives up the frames of its message that were sent before.

// One frame through libzmq: message, or where that is NULL the bytes.
static inline int fdm_zmq_pass_(void *handle, zmq_msg_t *message, const void *bytes, size_t size, int flags) {
  return message != NULL ? zmq_msg_send(message, handle, flags) : zmq_send(handle, bytes, size, flags);
}

// The first frame of a message, the only one that ever waits for room. The clock is read only if it has to.
static inline int fdm_zmq_pass_first_(fdm_zmq_socket *socket, zmq_msg_t *message, const void *bytes, size_t size,
                                      int flags) {
  int result = fdm_zmq_pass_(socket->handle, message, bytes, size, flags | ZMQ_DONTWAIT);
  if (result < 0 && errno == EAGAIN && !(flags & ZMQ_DONTWAIT)) {
    double begin = fdm_zmq_now();
    int code;
    result = fdm_zmq_pass_(socket->handle, message, bytes, size, flags);
    code = errno;
    fdm_zmq_send_blocked(socket->link, fdm_zmq_now() - begin);
    errno = code;
  }
  return result;
}

// Whether the message that begins with this frame gets a trailer.
static inline int fdm_zmq_wants_trailer_(const fdm_zmq_socket *socket, const void *bytes, size_t size, int flags) {
  if (socket->carrier != FDM_ZMQ_CARRIER_TRAILER || !fdm_zmq_takes_trailers_(socket->type) || socket->conflates) {
    return 0;
  }
  // Subscriptions begin with 1 or 0, and are for the socket at the other end, which takes one frame only.
  if (socket->type == ZMQ_XSUB && size > 0 && *(const unsigned char *)bytes <= 1) {
    return 0;
  }
  return socket->type != ZMQ_ROUTER || (flags & ZMQ_SNDMORE);
}

static inline int fdm_zmq_send_frame_(fdm_zmq_socket *socket, zmq_msg_t *message, const void *bytes, size_t size,
                                      int flags) {
  const int begins = !socket->sending;
  int trailer;
  int result;
  zmq_msg_t kept;
  if (begins) {
    if (socket->ahead == 1 && (socket->type == ZMQ_REQ || socket->type == ZMQ_REP)) {
      // libzmq has no more frames to hand out, but the caller has not received all of the message.
      fdm_zmq_send_failed(socket->link);
      errno = EFSM;
      return -1;
    }
    socket->sent_bytes = 0;
    socket->trailed = fdm_zmq_wants_trailer_(socket, bytes, size, flags);
    if (socket->trailed) {
      fdm_zmq_write_trailer(socket->stamp);
    }
  }
  trailer = socket->trailed && !(flags & ZMQ_SNDMORE);
  if (trailer) {
    flags |= ZMQ_SNDMORE;
    if (message != NULL) {
      // A send that fails leaves the message to the caller, also if it is the trailer that is refused.
      zmq_msg_init(&kept);
      zmq_msg_copy(&kept, message);
    }
  }
  result = begins ? fdm_zmq_pass_first_(socket, message, bytes, size, flags)
                  : fdm_zmq_pass_(socket->handle, message, bytes, size, flags);
  if (trailer) {
    const int accepted = result >= 0;
    if (accepted) {
      flags &= ~ZMQ_SNDMORE;
      // Not tried again, an interrupted trailer would leave a message without an end.
      while (zmq_send(socket->handle, socket->stamp, FDM_ZMQ_TRAILER_SIZE, flags) < 0) {
        if (errno != EINTR) {
          result = -1;
          break;
        }
      }
    }
    if (message != NULL) {
      const int code = errno;
      if (accepted && result < 0) {
        zmq_msg_move(message, &kept);
      }
      zmq_msg_close(&kept);
      errno = code;
    }
  }
  if (result < 0) {
    const int code = errno;
    socket->sending = 0;
    fdm_zmq_send_failed(socket->link);
    errno = code;
    return -1;
  }
  socket->sent_bytes += size;
  socket->sending = (flags & ZMQ_SNDMORE) != 0;
  if (!socket->sending) {
    fdm_zmq_sent(socket->link, socket->sent_bytes);
  }
  return result;
}

// As zmq_msg_send. After a failure the message is the caller's, as it was.
static inline int fdm_zmq_msg_send(zmq_msg_t *message, fdm_zmq_socket *socket, int flags) {
  return fdm_zmq_send_frame_(socket, message, zmq_msg_data(message), zmq_msg_size(message), flags);
}

// As zmq_send.
static inline int fdm_zmq_send(fdm_zmq_socket *socket, const void *bytes, size_t size, int flags) {
  return fdm_zmq_send_frame_(socket, NULL, bytes, size, flags);
}

// ---------------------------------------------------------------------------------------------------------------------
// Receiving. A message is counted when its last frame is handed out, with the bytes of its frames and without a
// trailer's. A call that fails counts nothing.

// Receives a frame, and looks at the one after it. Leaves it to the caller to count a message that is complete.
static inline int fdm_zmq_take_(zmq_msg_t *message, fdm_zmq_socket *socket, int flags) {
  uint64_t payload_frames;
  if (!socket->receiving) {
    socket->received_bytes = 0;
    socket->received_frames = 0;
  }
  if (socket->ahead == 1) {
    zmq_msg_move(message, &socket->next_frame);
    socket->ahead = 0;
  } else if (zmq_msg_recv(message, socket->handle, flags) < 0) {
    return -1;
  }
  socket->received_bytes += zmq_msg_size(message);
  socket->received_frames++;
  socket->receiving = zmq_msg_more(message);
  if (!socket->receiving || !fdm_zmq_takes_trailers_(socket->type)) {
    return 0;
  }
  // All frames of a message are there once the first one is. Should this fail, the next call fails alike.
  if (zmq_msg_recv(&socket->next_frame, socket->handle, ZMQ_DONTWAIT) < 0) {
    return 0;
  }
  socket->ahead = 1;
  // A ROUTER's first frame is the routing id: a trailer after it alone is what the peer sent, like a trailer alone.
  payload_frames = socket->received_frames - (socket->type == ZMQ_ROUTER ? 1 : 0);
  if (payload_frames > 0 && !zmq_msg_more(&socket->next_frame) &&
      fdm_zmq_is_trailer(zmq_msg_data(&socket->next_frame), zmq_msg_size(&socket->next_frame))) {
    socket->ahead = 2;
    socket->receiving = 0;
  }
  return 0;
}

// Counts the message that is complete. seconds is the stamp of its envelope; NULL: it has none.
static inline void fdm_zmq_count_(fdm_zmq_socket *socket, const double *seconds) {
  if (socket->ahead == 2) {
    socket->ahead = 0;
    fdm_zmq_received_trailer(socket->link, socket->received_bytes, zmq_msg_data(&socket->next_frame));
  } else if (seconds != NULL) {
    fdm_zmq_received_stamped(socket->link, socket->received_bytes, *seconds);
  } else {
    fdm_zmq_received(socket->link, socket->received_bytes);
  }
}

static inline void fdm_zmq_free_moved_(void *bytes, void *moved) {
  (void)bytes;
  zmq_msg_close((zmq_msg_t *)moved);
  free(moved);
}

// Makes zmq_msg_more say that this is the last frame. libzmq has no call for that, so the bytes become those of a new
// message: small ones are copied, large ones stay where they are. Without memory for it the message stays as it is.
static inline void fdm_zmq_end_message_(zmq_msg_t *message) {
  const size_t size = zmq_msg_size(message);
  zmq_msg_t last;
  if (size <= 2048) {
    if (zmq_msg_init_size(&last, size) != 0) {
      return;
    }
    memcpy(zmq_msg_data(&last), zmq_msg_data(message), size);
  } else {
    zmq_msg_t *moved = (zmq_msg_t *)malloc(sizeof *moved);
    if (moved == NULL) {
      return;
    }
    zmq_msg_init(moved);
    zmq_msg_move(moved, message);
    if (zmq_msg_init_data(&last, zmq_msg_data(moved), size, fdm_zmq_free_moved_, moved) != 0) {
      zmq_msg_move(message, moved);
      free(moved);
      return;
    }
  }
  zmq_msg_move(message, &last);
}

// As zmq_msg_recv: one frame, and zmq_msg_more says whether another one follows, a trailer not being one. A frame that
// a trailer followed has no properties (zmq_msg_gets).
static inline int fdm_zmq_msg_recv(zmq_msg_t *message, fdm_zmq_socket *socket, int flags) {
  if (fdm_zmq_take_(message, socket, flags) < 0) {
    return -1;
  }
  if (!socket->receiving) {
    if (socket->ahead == 2) {
      fdm_zmq_end_message_(message);
    }
    fdm_zmq_count_(socket, NULL);
  }
  return (int)zmq_msg_size(message);
}

// As zmq_recv: a frame that is longer than size is cut off, the result is its whole length. fdm_zmq_getsockopt with
// ZMQ_RCVMORE says whether another frame follows.
static inline int fdm_zmq_recv(fdm_zmq_socket *socket, void *bytes, size_t size, int flags) {
  zmq_msg_t message;
  int result = -1;
  int code;
  zmq_msg_init(&message);
  if (fdm_zmq_take_(&message, socket, flags) == 0) {
    const size_t length = zmq_msg_size(&message);
    if (length > 0 && size > 0) {
      memcpy(bytes, zmq_msg_data(&message), length < size ? length : size);
    }
    if (!socket->receiving) {
      fdm_zmq_count_(socket, NULL);
    }
    result = (int)length;
  }
  code = errno;
  zmq_msg_close(&message);
  errno = code;
  return result;
}

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

static inline int fdm_zmq_scan_digits_(fdm_zmq_scanner_ *scanner, uint64_t *value, int *dropped) {
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
  int dropped = 0;
  int scale;
  if (!fdm_zmq_scan_word_(scanner, "0") && !fdm_zmq_scan_digits_(scanner, &digits, &dropped)) {
    return 0;
  }
  scale = dropped;
  if (fdm_zmq_scan_word_(scanner, ".")) {
    const char *start = scanner->next;
    if (!fdm_zmq_scan_digits_(scanner, &digits, &dropped)) {
      return 0;
    }
    scale -= (int)(scanner->next - start) - dropped;
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
    scale += negative_exponent ? -(int)exponent : (int)exponent;
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

// Says what the bytes of a frame are, and where their payload is. Thread-safe.
static inline fdm_zmq_json fdm_zmq_json_scan(const void *frame, size_t size) {
  fdm_zmq_scanner_ scanner;
  fdm_zmq_json json;
  fdm_string name, value, payload = {NULL, 0};
  double seconds = 0;
  int metas = 0, stamped = 0, payloads = 0, valid;
  json.kind = FDM_ZMQ_JSON_INVALID;
  json.data = (const char *)frame;
  json.size = size;
  json.send_seconds = 0;
  scanner.next = json.data;
  scanner.end = json.data + size;
  if (size == 0) {
    return json;
  }
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
    socket->sending = 0;
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
  return (int)size;
}

// As fdm_zmq_msg_recv, and says what the payload is; *json points into the message. The last frame of a message is
// taken out of its envelope, whatever the socket's carrier. What only looks like one, or is of another time than this
// clock's past, is a look-alike: it is handed out whole and counted in latency_skipped_total. What is no JSON is handed
// out whole and counted in msg_recv_failed_total. Of a frame that another one follows the kind is FDM_ZMQ_JSON_PLAIN,
// whatever it is. Returns the payload's size.
static inline int fdm_zmq_msg_recv_json(zmq_msg_t *message, fdm_zmq_socket *socket, fdm_zmq_json *json, int flags) {
  if (fdm_zmq_take_(message, socket, flags) < 0) {
    return -1;
  }
  if (socket->receiving) {
    json->kind = FDM_ZMQ_JSON_PLAIN;
    json->data = (const char *)zmq_msg_data(message);
    json->size = zmq_msg_size(message);
    json->send_seconds = 0;
    return (int)json->size;
  }
  if (socket->ahead == 2) {
    fdm_zmq_end_message_(message);
  }
  *json = fdm_zmq_json_scan(zmq_msg_data(message), zmq_msg_size(message));
  fdm_zmq_count_(socket, json->kind >= FDM_ZMQ_JSON_LOOKALIKE ? &json->send_seconds : NULL);
  if (json->kind == FDM_ZMQ_JSON_INVALID) {
    fdm_zmq_receive_failed(socket->link);
  } else if (json->kind == FDM_ZMQ_JSON_ENVELOPE && !(json->send_seconds > 0 && json->send_seconds <= fdm_zmq_now())) {
    json->kind = FDM_ZMQ_JSON_LOOKALIKE;
    json->data = (const char *)zmq_msg_data(message);
    json->size = zmq_msg_size(message);
    json->send_seconds = 0;
  }
  return (int)json->size;
}

// ---------------------------------------------------------------------------------------------------------------------
// Connections. libzmq tells what happens to a socket's connections through its monitor, if it is asked to:
//
//     fdm_zmq_monitor monitor;
//     fdm_zmq_monitor_open(&monitor, context, &socket);      in the socket's thread
//     fdm_zmq_monitor_run(&monitor);                         in a thread of its own; returns when the socket is closed
//
// connected_total counts a connection that this socket made, once its handshake succeeded; accepted_total one that a
// peer made to it; disconnected_total the end of either. inproc:// has no connections.

// One connection of a monitored socket.
typedef struct fdm_zmq_connection_ {
  int descriptor;
  int is_live;  // counted; else its handshake is still to come
  char endpoint[256];
} fdm_zmq_connection_;

// The monitor of a socket.
typedef struct fdm_zmq_monitor {
  void *events;        // libzmq's PAIR socket that the events come from
  fdm_zmq_link *link;  // where they are counted
  fdm_zmq_connection_ *connections;
  size_t count, capacity;
} fdm_zmq_monitor;

// Begins to monitor a socket that has a link. context is the socket's. The link must be there already: name it, or bind
// or connect first; connections that were made before are not counted. Errors: EINVAL (no link, or its series cannot be
// made: fdm_last_error says why), EMFILE, ETERM, ENOTSOCK.
static inline int fdm_zmq_monitor_open(fdm_zmq_monitor *monitor, void *context, fdm_zmq_socket *socket) {
  const int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED |
                     ZMQ_EVENT_MONITOR_STOPPED
#ifdef ZMQ_EVENT_HANDSHAKE_SUCCEEDED
                     | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH
#endif
      ;
  char endpoint[64];
  memset(monitor, 0, sizeof *monitor);
  if (fdm_zmq_link_watch(socket->link) != FDM_OK) {
    errno = EINVAL;
    return -1;
  }
  monitor->link = socket->link;
  // The address of libzmq's socket is no other one's while this one is open.
  snprintf(endpoint, sizeof endpoint, "inproc://fdmetrics-monitor-%p", socket->handle);
  if (zmq_socket_monitor(socket->handle, endpoint, events) != 0) {
    return -1;
  }
  monitor->events = zmq_socket(context, ZMQ_PAIR);
  if (monitor->events == NULL || zmq_connect(monitor->events, endpoint) != 0) {
    const int code = errno;
    if (monitor->events != NULL) {
      zmq_close(monitor->events);
    }
    zmq_socket_monitor(socket->handle, NULL, 0);
    errno = code;
    return -1;
  }
  return 0;
}

// A connection begins. Without memory for it, it is not counted.
static inline void fdm_zmq_connection_begins_(fdm_zmq_monitor *monitor, int descriptor, const char *endpoint,
                                              int is_live) {
  fdm_zmq_connection_ *connection;
  if (monitor->count == monitor->capacity) {
    const size_t capacity = monitor->capacity * 2 + 8;
    void *larger = realloc(monitor->connections, capacity * sizeof *monitor->connections);
    if (larger == NULL) {
      return;
    }
    monitor->connections = (fdm_zmq_connection_ *)larger;
    monitor->capacity = capacity;
  }
  connection = &monitor->connections[monitor->count++];
  connection->descriptor = descriptor;
  connection->is_live = is_live;
  snprintf(connection->endpoint, sizeof connection->endpoint, "%s", endpoint);
}

// Counts one event. value is a file descriptor where the event has one.
static inline void fdm_zmq_monitor_count_(fdm_zmq_monitor *monitor, int event, int value, const char *endpoint) {
  size_t i;
  switch (event) {
    case ZMQ_EVENT_ACCEPTED:
      fdm_zmq_connection_begins_(monitor, value, endpoint, 1);
      fdm_zmq_connection_event(monitor->link, FDM_ZMQ_ACCEPTED);
      break;
#ifdef ZMQ_EVENT_HANDSHAKE_SUCCEEDED
    case ZMQ_EVENT_CONNECTED:
      fdm_zmq_connection_begins_(monitor, value, endpoint, 0);
      break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
      for (i = 0; i < monitor->count; i++) {
        fdm_zmq_connection_ *connection = &monitor->connections[i];
        if (!connection->is_live && strncmp(connection->endpoint, endpoint, sizeof connection->endpoint - 1) == 0) {
          connection->is_live = 1;
          fdm_zmq_connection_event(monitor->link, FDM_ZMQ_CONNECTED);
          break;
        }
      }
      break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      fdm_zmq_connection_event(monitor->link, FDM_ZMQ_HANDSHAKE_FAILED);
      break;
#else
    case ZMQ_EVENT_CONNECTED:
      fdm_zmq_connection_begins_(monitor, value, endpoint, 1);
      fdm_zmq_connection_event(monitor->link, FDM_ZMQ_CONNECTED);
      break;
#endif
    case ZMQ_EVENT_CONNECT_RETRIED:
      fdm_zmq_connection_event(monitor->link, FDM_ZMQ_CONNECT_RETRIED);
      break;
    case ZMQ_EVENT_DISCONNECTED:
      for (i = 0; i < monitor->count; i++) {
        if (monitor->connections[i].descriptor == value) {
          if (monitor->connections[i].is_live) {
            fdm_zmq_connection_event(monitor->link, FDM_ZMQ_DISCONNECTED);
          }
          monitor->connections[i] = monitor->connections[--monitor->count];
          break;
        }
      }
      break;
    default:
      break;
  }
}

// Counts the socket's events until the socket is closed or the context terminated; then what was still connected counts
// as disconnected, and the monitor is gone. Run it in one thread, which may be another one than the socket's. Returns
// 0.
static inline int fdm_zmq_monitor_run(fdm_zmq_monitor *monitor) {
  int event = 0;
  while (event != ZMQ_EVENT_MONITOR_STOPPED) {
    // Two frames: the event's number (16 bits) and value (32 bits), then the endpoint.
    unsigned char head[6];
    char endpoint[256];
    uint16_t number;
    int32_t value;
    int length = zmq_recv(monitor->events, head, sizeof head, 0);
    if (length < 0 && errno == EINTR) {
      continue;
    }
    if (length != (int)sizeof head) {
      break;
    }
    do {
      length = zmq_recv(monitor->events, endpoint, sizeof endpoint - 1, 0);
    } while (length < 0 && errno == EINTR);
    if (length < 0) {
      break;
    }
    endpoint[length < (int)sizeof endpoint ? length : (int)sizeof endpoint - 1] = '\0';
    memcpy(&number, head, sizeof number);
    memcpy(&value, head + 2, sizeof value);
    event = number;
    fdm_zmq_monitor_count_(monitor, event, value, endpoint);
  }
  while (monitor->count > 0) {
    if (monitor->connections[--monitor->count].is_live) {
      fdm_zmq_connection_event(monitor->link, FDM_ZMQ_DISCONNECTED);
    }
  }
  free(monitor->connections);
  zmq_close(monitor->events);
  memset(monitor, 0, sizeof *monitor);
  return 0;
}

#ifdef __cplusplus
}
#endif
#endif
