// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole messages over one socket: through fdmetrics_zmq.h, or with -DPLAIN through libzmq alone, as a peer does that
// has never heard of fdmetrics.
#ifndef WIRE_H
#define WIRE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#ifndef PLAIN
#include "fdmetrics_zmq.h"
#endif

enum { NO_CARRIER, ENVELOPE, TRAILER, MOST_FRAMES = 8 };

static inline void fail(const char *what) {
  fprintf(stderr, "peer: %s: %s\n", what, zmq_strerror(zmq_errno()));
  exit(1);
}

// The frames of a message that was received. Of JSON, data and size are the payload of the last frame.
typedef struct message {
  int count;
  zmq_msg_t frames[MOST_FRAMES];
  const char *data[MOST_FRAMES];
  size_t sizes[MOST_FRAMES];
  size_t bytes;
  int undecodable;
} message;

static inline void message_close(message *received) {
  for (int i = 0; i < received->count; i++) {
    zmq_msg_close(&received->frames[i]);
  }
  received->count = 0;
}

typedef struct wire {
  void *handle;
  int carrier;
#ifndef PLAIN
  fdm_zmq_socket socket;
#endif
} wire;

static inline void wire_open(wire *opened, void *context, int type, int carrier) {
  opened->handle = zmq_socket(context, type);
  opened->carrier = carrier;
#ifndef PLAIN
  if (fdm_zmq_socket_init(&opened->socket, opened->handle, carrier) != 0) {
    fail("cannot make a socket");
  }
#endif
}

// Begins to record, once the socket is bound or connected.
static inline void wire_record(wire *opened) {
#ifndef PLAIN
  fdm_store *store;
  if (fdm_store_default(&store) != FDM_OK ||
      fdm_zmq_socket_record(&opened->socket, store, NULL, NULL) != FDM_OK) {
    fprintf(stderr, "peer: cannot record: %s\n", fdm_last_error());
    exit(1);
  }
#else
  (void)opened;
#endif
}

static inline void wire_close(wire *opened) {
#ifndef PLAIN
  fdm_zmq_close(&opened->socket);
#else
  zmq_close(opened->handle);
#endif
}

static inline int wire_send(wire *opened, const void *bytes, size_t size, int flags) {
#ifndef PLAIN
  return fdm_zmq_send(&opened->socket, bytes, size, flags);
#else
  return zmq_send(opened->handle, bytes, size, flags);
#endif
}

static inline int wire_send_json(wire *opened, const void *json, size_t size) {
#ifndef PLAIN
  return fdm_zmq_send_json(&opened->socket, json, size, 0);
#else
  return zmq_send(opened->handle, json, size, 0);
#endif
}

#ifndef PLAIN
// Receives a whole message.
static inline void wire_receive(wire *opened, message *received, int is_json) {
  int more = 1;
  received->count = 0;
  received->bytes = 0;
  received->undecodable = 0;
  while (more) {
    int i = received->count++;
    fdm_zmq_json json;
    int size;
    zmq_msg_init(&received->frames[i]);
    size = is_json ? fdm_zmq_msg_recv_json(&received->frames[i], &opened->socket, &json, 0)
                   : fdm_zmq_msg_recv(&received->frames[i], &opened->socket, 0);
    if (size < 0 || received->count == MOST_FRAMES) {
      fail("cannot receive");
    }
    received->data[i] = is_json ? json.data : (const char *)zmq_msg_data(&received->frames[i]);
    received->sizes[i] = is_json ? json.size : zmq_msg_size(&received->frames[i]);
    received->undecodable = is_json && json.kind == FDM_ZMQ_JSON_INVALID;
    received->bytes += zmq_msg_size(&received->frames[i]);
    more = zmq_msg_more(&received->frames[i]);
  }
}
#else
// Takes the payload, which is a string, out of an envelope as any program could that parses JSON.
static inline void open_envelope(message *received) {
  static const char name[] = "\"data\":";
  const int last = received->count - 1;
  const char *data = received->data[last];
  const char *end = data + received->sizes[last] - 1;
  const char *found = (const char *)memmem(data, received->sizes[last], name, sizeof name - 1);
  if (strncmp(data, "{\"__meta\":", 10) != 0 || found == NULL || *end != '}') {
    fprintf(stderr, "peer: expected an envelope, got %.*s\n", (int)received->sizes[last], data);
    exit(1);
  }
  found = (const char *)memchr(found + sizeof name - 1, '"', (size_t)(end - found));
  received->data[last] = found;
  received->sizes[last] = (size_t)(end - found);
}

// Receives a whole message of an instrumented peer, and checks and takes off what its carrier adds. The bytes are those
// that the peer counts.
static inline void wire_receive(wire *opened, message *received, int is_json) {
  int more = 1;
  received->count = 0;
  received->bytes = 0;
  received->undecodable = 0;
  while (more) {
    int i = received->count++;
    zmq_msg_init(&received->frames[i]);
    if (zmq_msg_recv(&received->frames[i], opened->handle, 0) < 0 || received->count == MOST_FRAMES) {
      fail("cannot receive");
    }
    received->data[i] = (const char *)zmq_msg_data(&received->frames[i]);
    received->sizes[i] = zmq_msg_size(&received->frames[i]);
    received->bytes += received->sizes[i];
    more = zmq_msg_more(&received->frames[i]);
  }
  if (opened->carrier == TRAILER) {
    int last = --received->count;
    if (last == 0 || received->sizes[last] != 24 || memcmp(received->data[last], "FDM1", 4) != 0) {
      fprintf(stderr, "peer: a message of %d frames does not end with a trailer\n", last + 1);
      exit(1);
    }
    received->bytes -= received->sizes[last];
    zmq_msg_close(&received->frames[last]);
  }
  if (is_json) {
    open_envelope(received);
  }
}
#endif

#endif
