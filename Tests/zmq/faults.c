// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// faults: the wrappers of fdmetrics_zmq.h when something happens between two of their calls into libzmq: a signal, no
// memory, a peer that goes away. Those calls are tapped, so that it happens each time. Valid as C99 and as C++17. The
// store is that of FDMETRICS_DIR.
#include <zmq.h>

#include "store.h"

// What the next calls do: the one that reaches 0 fails with this errno, or does this first.
static int calls_to_go;
static int fault;
static void (*happens)(void);

static int is_due(void) {
  if (calls_to_go > 0 && --calls_to_go == 0) {
    if (happens != NULL) {
      happens();
    }
    errno = fault;
    return fault != 0;
  }
  return 0;
}

static int tapped_send(void *handle, const void *bytes, size_t size, int flags) {
  return is_due() ? -1 : zmq_send(handle, bytes, size, flags);
}

static int tapped_msg_send(zmq_msg_t *message, void *handle, int flags) {
  return is_due() ? -1 : zmq_msg_send(message, handle, flags);
}

static int tapped_msg_recv(zmq_msg_t *message, void *handle, int flags) {
  return is_due() ? -1 : zmq_msg_recv(message, handle, flags);
}

#define zmq_send tapped_send
#define zmq_msg_send tapped_msg_send
#define zmq_msg_recv tapped_msg_recv
#include "fdmetrics_zmq.h"
#undef zmq_send
#undef zmq_msg_send
#undef zmq_msg_recv

static void *context;
static fdm_zmq_socket ours;
static void *peer, *next_peer;
static const char *address;

static void *plain_socket(int type) {
  const int none = 0, timeout = 20000;
  void *handle = zmq_socket(context, type);
  zmq_setsockopt(handle, ZMQ_LINGER, &none, sizeof none);
  zmq_setsockopt(handle, ZMQ_SNDTIMEO, &timeout, sizeof timeout);
  zmq_setsockopt(handle, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
  return handle;
}

// Our socket, which is bound, and a plain one.
static void open_link(int type, int peer_type, const char *endpoint) {
  address = endpoint;
  CHECK(fdm_zmq_socket_init(&ours, plain_socket(type), FDM_ZMQ_CARRIER_TRAILER) == 0);
  CHECK(zmq_bind(ours.handle, address) == 0);
  CHECK_OK(fdm_zmq_socket_record(&ours, store, NULL, NULL));
  peer = plain_socket(peer_type);
  CHECK(zmq_connect(peer, address) == 0);
}

static void close_link(void) {
  CHECK(fdm_zmq_close(&ours) == 0);
  zmq_close(peer);
}

// The frames of a message that a plain socket received.
typedef struct frames {
  int count;
  int sizes[4];
  char first[16];
} frames;

static frames receive_all(void *handle) {
  frames received;
  int more = 1;
  memset(&received, 0, sizeof received);
  while (more) {
    char bytes[200];
    size_t size = sizeof more;
    CHECK(received.count < 4);
    const int length = zmq_recv(handle, bytes, sizeof bytes, 0);
    CHECK(length >= 0 && length <= (int)sizeof bytes);
    if (received.count == 0) {
      memcpy(received.first, bytes, length < 16 ? (size_t)length : 16);
    }
    received.sizes[received.count++] = length;
    zmq_getsockopt(handle, ZMQ_RCVMORE, &more, &size);
  }
  return received;
}

static void check_counts(double sent, double failed, double bytes) {
  CHECK_NUMBER(total("msg_send_total", address), sent);
  CHECK_NUMBER(total("msg_send_failed_total", address), failed);
  CHECK_NUMBER(total("msg_bytes_send_total", address), bytes);
}

// A signal while the frame after is read to see whether it is the trailer, which no caller may see.
static void check_interrupted_look_ahead(void) {
  unsigned char stamp[FDM_ZMQ_TRAILER_SIZE];
  char bytes[4];
  open_link(ZMQ_PULL, ZMQ_PUSH, "inproc://look-ahead");
  fdm_zmq_write_trailer(stamp);
  CHECK(zmq_send(peer, "one", 3, ZMQ_SNDMORE) == 3 && zmq_send(peer, stamp, sizeof stamp, 0) == (int)sizeof stamp);
  CHECK(zmq_send(peer, "two", 3, 0) == 3);
  fault = EINTR;
  calls_to_go = 2;
  CHECK(fdm_zmq_recv(&ours, bytes, sizeof bytes, 0) == 3 && memcmp(bytes, "one", 3) == 0 && calls_to_go == 0);
  CHECK(!ours.receiving);
  CHECK(fdm_zmq_recv(&ours, bytes, sizeof bytes, 0) == 3 && memcmp(bytes, "two", 3) == 0);
  CHECK_NUMBER(total("msg_recv_total", address), 2);
  CHECK_NUMBER(total("latency_count", address), 1);
  close_link();
}

// A signal in the middle of a message is none of the caller's business; while waiting for room it is, as ever.
static void check_interrupted_sends(void) {
  open_link(ZMQ_PUSH, ZMQ_PULL, "inproc://interrupted");
  fault = EINTR;
  for (int at = 2; at <= 4; at++) {
    CHECK(fdm_zmq_send(&ours, "a", 1, ZMQ_SNDMORE) == 1);
    calls_to_go = at - 1;
    CHECK(fdm_zmq_send(&ours, "bc", 2, ZMQ_SNDMORE) == 2 && fdm_zmq_send(&ours, "def", 3, 0) == 3);
    CHECK(calls_to_go == 0);
    const frames received = receive_all(peer);
    CHECK(received.count == 4 && received.sizes[0] == 1 && received.sizes[1] == 2 && received.sizes[2] == 3);
    CHECK(received.sizes[3] == FDM_ZMQ_TRAILER_SIZE);
  }
  check_counts(3, 0, 18);
  calls_to_go = 1;
  CHECK(fdm_zmq_send(&ours, "a", 1, 0) == -1 && errno == EINTR && !ours.sending);
  check_counts(3, 1, 18);
  close_link();
}

// Without memory nothing happened to the message: its frames are still there, and the call may be made again.
static void check_no_memory(void) {
  // More than any address space holds, which the compiler need not know.
  volatile const size_t beyond = (size_t)1 << 60;
  const size_t huge = beyond;
  fault = 0;
  open_link(ZMQ_PUSH, ZMQ_PULL, "inproc://no-memory");
  CHECK(fdm_zmq_send(&ours, "", huge, 0) == -1 && errno == ENOMEM);
  CHECK(fdm_zmq_send(&ours, "a", 1, ZMQ_SNDMORE) == 1);
  CHECK(fdm_zmq_send(&ours, "", huge, 0) == -1 && errno == ENOMEM);
  ours.carrier = FDM_ZMQ_CARRIER_ENVELOPE;
  CHECK(fdm_zmq_send_json(&ours, "", huge, 0) == -1 && errno == ENOMEM);
  ours.carrier = FDM_ZMQ_CARRIER_TRAILER;
  CHECK(fdm_zmq_send(&ours, "bc", 2, 0) == 2);
  const frames received = receive_all(peer);
  CHECK(received.count == 3 && received.sizes[0] == 1 && received.sizes[1] == 2);
  check_counts(1, 3, 3);
  close_link();
}

static void peer_comes(void) { CHECK(zmq_connect(peer, address) == 0); }

// The peer goes away before the trailer, and another one comes after it.
static void peer_leaves(void) {
  int events = ZMQ_POLLOUT;
  zmq_close(peer);
  // Until the socket has noticed.
  while (events & ZMQ_POLLOUT) {
    size_t size = sizeof events;
    zmq_poll(NULL, 0, 1);
    CHECK(zmq_getsockopt(ours.handle, ZMQ_EVENTS, &events, &size) == 0);
  }
  peer = next_peer;
  if (peer != NULL) {
    happens = peer_comes;
    calls_to_go = 2;
  }
}

// The next peer gets the whole message, and not what is left of it; who does not wait for one has the message back.
static void check_peer_that_leaves(int waits, size_t size, const char *endpoint) {
  char greeting[4];
  zmq_msg_t message;
  open_link(ZMQ_PAIR, ZMQ_PAIR, endpoint);
  CHECK(zmq_send(peer, "hello", 5, 0) == 5 && fdm_zmq_recv(&ours, greeting, sizeof greeting, 0) == 5);
  next_peer = waits ? plain_socket(ZMQ_PAIR) : NULL;
  fault = 0;
  happens = peer_leaves;
  calls_to_go = 2;
  if (size == 0) {
    CHECK(fdm_zmq_send(&ours, "whole", 5, waits ? 0 : ZMQ_DONTWAIT) == (waits ? 5 : -1));
  } else {
    zmq_msg_init_size(&message, size);
    memset(zmq_msg_data(&message), 'w', size);
    const int result = fdm_zmq_msg_send(&message, &ours, waits ? 0 : ZMQ_DONTWAIT);
    const int code = errno;
    CHECK(result == (waits ? (int)size : -1));
    CHECK(zmq_msg_size(&message) == (waits ? 0 : size) && (waits || *(char *)zmq_msg_data(&message) == 'w'));
    zmq_msg_close(&message);
    errno = code;
  }
  CHECK(waits || errno == EAGAIN);
  CHECK(calls_to_go == 0);
  happens = NULL;
  const double bytes = size == 0 ? 5 : (double)size;
  if (waits) {
    const frames received = receive_all(peer);
    CHECK(received.count == 2 && received.sizes[0] == (int)bytes && received.sizes[1] == FDM_ZMQ_TRAILER_SIZE);
    CHECK(received.first[0] == 'w');
    check_counts(1, 0, bytes);
    close_link();
  } else {
    check_counts(0, 1, 0);
    CHECK(fdm_zmq_close(&ours) == 0);
  }
}

int main(int argc, char **argv) {
  char endpoint[200];
  CHECK(argc == 2);
  context = zmq_ctx_new();
  CHECK_OK(fdm_store_default(&store));
  check_interrupted_look_ahead();
  check_interrupted_sends();
  check_no_memory();
  static const size_t sizes[] = {0, 5, 100};
  for (int i = 0; i < 6; i++) {
    snprintf(endpoint, sizeof endpoint, "ipc://%s/leaves-%d.ipc", argv[1], i);
    check_peer_that_leaves(i % 2, sizes[i / 2], endpoint);
  }
  CHECK(zmq_ctx_term(context) == 0);
  printf("faults: all checks passed\n");
  return 0;
}
