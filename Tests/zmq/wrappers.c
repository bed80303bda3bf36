// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// wrappers: what fdmetrics_zmq.h promises of each wrapper, beside libzmq's own calls. Valid as C99 and as C++17. The
// store is that of FDMETRICS_DIR.
#include <pthread.h>

#include "store.h"
#include "fdmetrics_zmq.h"

static void *context;

// Two instrumented ends of one link.
typedef struct link_ends {
  fdm_zmq_socket a, b;
  const char *address;
} link_ends;

static void open_ends(link_ends *ends, const char *address, int a, int b, int carrier) {
  const int linger = 0, mark = 2, timeout = 200;
  ends->address = address;
  CHECK(fdm_zmq_socket_init(&ends->a, zmq_socket(context, a), carrier) == 0);
  CHECK(fdm_zmq_socket_init(&ends->b, zmq_socket(context, b), FDM_ZMQ_CARRIER_NONE) == 0);
  fdm_zmq_socket *sockets[2] = {&ends->a, &ends->b};
  for (int i = 0; i < 2; i++) {
    zmq_setsockopt(sockets[i]->handle, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(sockets[i]->handle, ZMQ_SNDHWM, &mark, sizeof mark);
    zmq_setsockopt(sockets[i]->handle, ZMQ_RCVHWM, &mark, sizeof mark);
    zmq_setsockopt(sockets[i]->handle, ZMQ_SNDTIMEO, &timeout, sizeof timeout);
    zmq_setsockopt(sockets[i]->handle, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
  }
  CHECK_STATUS(fdm_zmq_socket_record(&ends->a, store, NULL, NULL), FDM_ERR_INVALID_ARGUMENT);
  CHECK(zmq_bind(ends->a.handle, address) == 0 && zmq_connect(ends->b.handle, address) == 0);
  char endpoint[64];
  CHECK(fdm_zmq_last_endpoint(ends->b.handle, endpoint, sizeof endpoint) == 0);
  CHECK_TEXT(endpoint, address);
  CHECK_OK(fdm_zmq_socket_record(&ends->a, store, NULL, NULL));
  CHECK_OK(fdm_zmq_socket_record(&ends->b, store, NULL, address));
}

static void close_ends(link_ends *ends) {
  CHECK(fdm_zmq_close(&ends->a) == 0 && fdm_zmq_close(&ends->b) == 0);
  CHECK(fdm_zmq_close(&ends->a) == -1 && errno == ENOTSOCK);
}

static int option_of(fdm_zmq_socket *socket, int option) {
  int value = -1;
  size_t size = sizeof value;
  CHECK(fdm_zmq_getsockopt(socket, option, &value, &size) == 0 && size == sizeof value);
  return value;
}

static void check_arguments(void) {
  fdm_zmq_socket socket;
  CHECK(fdm_zmq_socket_init(&socket, NULL, FDM_ZMQ_CARRIER_NONE) == -1 && errno == ENOTSOCK);
  void *handle = zmq_socket(context, ZMQ_PULL);
  CHECK(fdm_zmq_socket_init(&socket, handle, 3) == -1 && errno == EINVAL);
  // Without a link all works, and nothing is recorded.
  CHECK(fdm_zmq_socket_init(&socket, handle, FDM_ZMQ_CARRIER_TRAILER) == 0);
  CHECK(fdm_zmq_send(&socket, "x", 1, 0) == -1 && errno == ENOTSUP);
  CHECK(fdm_zmq_recv(&socket, NULL, 0, ZMQ_DONTWAIT) == -1 && errno == EAGAIN);
  CHECK(fdm_zmq_close(&socket) == 0);
}

// Frames, cut-off buffers, ZMQ_RCVMORE and ZMQ_EVENTS, with and without a trailer.
static void check_frames(int carrier, const char *address) {
  link_ends ends;
  char buffer[8];
  zmq_msg_t frame;
  open_ends(&ends, address, ZMQ_PUSH, ZMQ_PULL, carrier);
  CHECK(fdm_zmq_recv(&ends.b, buffer, sizeof buffer, ZMQ_DONTWAIT) == -1 && errno == EAGAIN);
  CHECK(option_of(&ends.b, ZMQ_EVENTS) == 0);

  CHECK(fdm_zmq_send(&ends.a, "0123456789", 10, ZMQ_SNDMORE) == 10);
  CHECK(total("msg_send_total", address) == 0);
  CHECK(fdm_zmq_send(&ends.a, "", 0, ZMQ_SNDMORE) == 0 && fdm_zmq_send(&ends.a, "end", 3, 0) == 3);
  CHECK(total("msg_send_total", address) == 1);
  CHECK(fdm_zmq_recv(&ends.b, buffer, 4, 0) == 10 && memcmp(buffer, "0123", 4) == 0);
  CHECK(option_of(&ends.b, ZMQ_RCVMORE) == 1 && option_of(&ends.b, ZMQ_EVENTS) == ZMQ_POLLIN);
  CHECK(fdm_zmq_recv(&ends.b, NULL, 0, 0) == 0 && option_of(&ends.b, ZMQ_RCVMORE) == 1);
  CHECK(total("msg_recv_total", address) == 0);
  CHECK(fdm_zmq_recv(&ends.b, buffer, sizeof buffer, 0) == 3 && memcmp(buffer, "end", 3) == 0);
  CHECK(option_of(&ends.b, ZMQ_RCVMORE) == 0 && option_of(&ends.b, ZMQ_EVENTS) == 0);
  CHECK(option_of(&ends.b, ZMQ_TYPE) == ZMQ_PULL);

  // Messages of all the ways in which bytes become a frame's last one's, and zmq_msg_more with them.
  static const size_t sizes[] = {0, 33, 34, 2048, 2049, 100000};
  size_t bytes = 13;
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    zmq_msg_init_size(&frame, sizes[i]);
    memset(zmq_msg_data(&frame), (int)i + 1, sizes[i]);
    CHECK(fdm_zmq_msg_send(&frame, &ends.a, 0) == (int)sizes[i]);
    CHECK(zmq_msg_size(&frame) == 0);
    zmq_msg_init(&frame);
    CHECK(fdm_zmq_msg_recv(&frame, &ends.b, 0) == (int)sizes[i] && !zmq_msg_more(&frame));
    for (size_t at = 0; at < sizes[i]; at++) {
      CHECK(((unsigned char *)zmq_msg_data(&frame))[at] == i + 1);
    }
    CHECK(zmq_msg_close(&frame) == 0);
    bytes += sizes[i];
  }
  CHECK_NUMBER(total("msg_recv_total", address), 7);
  CHECK_NUMBER(total("msg_bytes_send_total", address), (double)bytes);
  CHECK_NUMBER(total("msg_bytes_recv_total", address), (double)bytes);
  CHECK_NUMBER(total("latency_count", address), carrier == FDM_ZMQ_CARRIER_TRAILER ? 7 : 0);
  close_ends(&ends);
}

// A full queue: EAGAIN leaves the message to the caller, and the time that is waited is counted only when it is.
static void check_full_queue(int carrier, const char *address) {
  link_ends ends;
  zmq_msg_t frame;
  int sent = 0;
  open_ends(&ends, address, ZMQ_PUSH, ZMQ_PULL, carrier);
  while (fdm_zmq_send(&ends.a, "fill", 4, ZMQ_DONTWAIT) == 4) {
    sent++;
  }
  CHECK(errno == EAGAIN && sent >= 2);
  CHECK_NUMBER(total("send_blocked_seconds_total", address), 0);
  zmq_msg_init_size(&frame, 100);
  memset(zmq_msg_data(&frame), 'x', 100);
  CHECK(fdm_zmq_msg_send(&frame, &ends.a, ZMQ_DONTWAIT) == -1 && errno == EAGAIN && zmq_msg_size(&frame) == 100);
  // Waits for its time limit.
  CHECK(fdm_zmq_msg_send(&frame, &ends.a, 0) == -1 && errno == EAGAIN && zmq_msg_size(&frame) == 100);
  CHECK(*(char *)zmq_msg_data(&frame) == 'x');
  CHECK(total("send_blocked_seconds_total", address) > 0);
  CHECK_NUMBER(total("msg_send_total", address), sent);
  CHECK_NUMBER(total("msg_send_failed_total", address), 3);
  for (int i = 0; i < sent; i++) {
    CHECK(fdm_zmq_recv(&ends.b, NULL, 0, 0) == 4);
  }
  CHECK(fdm_zmq_msg_send(&frame, &ends.a, 0) == 100 && fdm_zmq_recv(&ends.b, NULL, 0, 0) == 100);
  CHECK_NUMBER(total("in_flight", address), 0);
  CHECK_NUMBER(total("msg_recv_total", address), sent + 1);
  close_ends(&ends);
}

// A REP that has not received all frames may not send, and what it was asked in is whole.
static void check_lockstep(void) {
  link_ends ends;
  char buffer[8];
  open_ends(&ends, "inproc://lockstep", ZMQ_REQ, ZMQ_REP, FDM_ZMQ_CARRIER_TRAILER);
  CHECK(fdm_zmq_send(&ends.a, "a", 1, ZMQ_SNDMORE) == 1 && fdm_zmq_send(&ends.a, "b", 1, 0) == 1);
  CHECK(fdm_zmq_recv(&ends.b, buffer, sizeof buffer, 0) == 1);
  CHECK(fdm_zmq_send(&ends.b, "early", 5, 0) == -1 && errno == EFSM);
  CHECK(fdm_zmq_recv(&ends.b, buffer, sizeof buffer, 0) == 1 && buffer[0] == 'b');
  CHECK(fdm_zmq_send(&ends.b, "reply", 5, 0) == 5);
  CHECK(fdm_zmq_recv(&ends.a, buffer, sizeof buffer, 0) == 5 && memcmp(buffer, "reply", 5) == 0);
  CHECK_NUMBER(total("msg_send_failed_total", "inproc://lockstep"), 1);
  close_ends(&ends);
}

static fdm_zmq_json scanned(const char *text) { return fdm_zmq_json_scan(text, strlen(text)); }

static void check_envelopes(void) {
  char prefix[FDM_ZMQ_ENVELOPE_PREFIX_SIZE];
  char text[200];
  const double moments[] = {0.5, 1.0, 12345.000000001, 987654321.123456789, 1e14};
  for (size_t i = 0; i < sizeof moments / sizeof moments[0]; i++) {
    const size_t length = fdm_zmq_envelope_prefix(prefix, moments[i]);
    CHECK(length <= sizeof prefix);
    snprintf(text, sizeof text, "%.*s[1, \"}\"]}", (int)length, prefix);
    const fdm_zmq_json json = scanned(text);
    CHECK(json.kind == FDM_ZMQ_JSON_ENVELOPE && json.size == 8 && memcmp(json.data, "[1, \"}\"]", 8) == 0);
    // Never later than the clock, and not a microsecond earlier.
    CHECK(json.send_seconds <= moments[i] * (1 + 1e-15) && json.send_seconds > moments[i] - 1e-6 - moments[i] * 1e-15);
  }
  static const struct {
    const char *number;
    double value;
  } numbers[] = {{"0", 0},
                 {"-0.5", -0.5},
                 {"1e3", 1000},
                 {"1.5E+2", 150},
                 {"25e-1", 2.5},
                 {"0.000000000001", 1e-12},
                 {"1e-400", 0},
                 {"123456789012345678901234", 1.2345678901234568e23}};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    snprintf(text, sizeof text, "{\"__meta\":{\"send_ts\":%s},\"data\":0}", numbers[i].number);
    const fdm_zmq_json json = scanned(text);
    const double error = json.send_seconds - numbers[i].value;
    CHECK(json.kind == FDM_ZMQ_JSON_ENVELOPE);
    CHECK((error < 0 ? -error : error) <= 1e-15 * (numbers[i].value < 0 ? -numbers[i].value : numbers[i].value));
  }
  static const char *const invalid[] = {
      "", " ", "{", "{]", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "{1:1}", "01", "1.", "-",
      "+1", "1e", "nul", "\"", "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "1 2", "[1}", "{} x", "'a'",
  };
  for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
    const fdm_zmq_json json = scanned(invalid[i]);
    CHECK(json.kind == FDM_ZMQ_JSON_INVALID && json.data == invalid[i] && json.size == strlen(invalid[i]));
  }
  CHECK(fdm_zmq_json_scan("1\0", 2).kind == FDM_ZMQ_JSON_INVALID);
  CHECK(fdm_zmq_json_scan(NULL, 0).kind == FDM_ZMQ_JSON_INVALID);
  CHECK(scanned(" [{}, [], [[{\"a\": [null, true, false]}]], -1.5e-7, \"\\u00e9\\\"\"] ").kind == FDM_ZMQ_JSON_PLAIN);
  CHECK(scanned("{\"__meta\":{\"send_ts\":1},\"__meta\":{\"send_ts\":1},\"data\":1}").kind == FDM_ZMQ_JSON_LOOKALIKE);
  // As deep as can be, and one deeper; the innermost brackets are empty and need no place.
  static char deep[2 * (FDM_ZMQ_JSON_DEPTH + 2)];
  for (size_t depth = FDM_ZMQ_JSON_DEPTH + 1; depth <= FDM_ZMQ_JSON_DEPTH + 2; depth++) {
    memset(deep, '[', depth);
    memset(deep + depth, ']', depth);
    CHECK(fdm_zmq_json_scan(deep, 2 * depth).kind ==
          (depth == FDM_ZMQ_JSON_DEPTH + 1 ? FDM_ZMQ_JSON_PLAIN : FDM_ZMQ_JSON_INVALID));
  }
}

static void *run_monitor(void *monitor) {
  fdm_zmq_monitor_run((fdm_zmq_monitor *)monitor);
  return NULL;
}

// Waits for an event itself: no time is measured, and the test's own limit ends it if the event never comes.
static void wait_for(const char *name, const char *address, double value) {
  while (total(name, address) != value) {
    zmq_poll(NULL, 0, 2);
  }
}

// Peers that come and go, and one that speaks another protocol.
static void check_monitor(void) {
  const char *address = "monitored";
  const int linger = 0;
  fdm_zmq_socket server;
  fdm_zmq_monitor monitor;
  pthread_t thread;
  char endpoint[64];
  CHECK(fdm_zmq_socket_init(&server, zmq_socket(context, ZMQ_PULL), FDM_ZMQ_CARRIER_NONE) == 0);
  CHECK(fdm_zmq_monitor_open(&monitor, context, &server) == -1 && errno == EINVAL);
  CHECK_OK(fdm_zmq_socket_record(&server, store, NULL, address));
  CHECK(fdm_zmq_monitor_open(&monitor, context, &server) == 0);
  CHECK(pthread_create(&thread, NULL, run_monitor, &monitor) == 0);
  CHECK(zmq_bind(server.handle, "tcp://127.0.0.1:*") == 0);
  CHECK(fdm_zmq_last_endpoint(server.handle, endpoint, sizeof endpoint) == 0);
  for (int i = 1; i <= 10; i++) {
    fdm_zmq_socket client;
    fdm_zmq_monitor watcher;
    pthread_t watching;
    CHECK(fdm_zmq_socket_init(&client, zmq_socket(context, ZMQ_PUSH), FDM_ZMQ_CARRIER_NONE) == 0);
    zmq_setsockopt(client.handle, ZMQ_LINGER, &linger, sizeof linger);
    CHECK_OK(fdm_zmq_socket_record(&client, store, NULL, "client"));
    CHECK(fdm_zmq_monitor_open(&watcher, context, &client) == 0);
    CHECK(pthread_create(&watching, NULL, run_monitor, &watcher) == 0);
    CHECK(zmq_connect(client.handle, endpoint) == 0);
    wait_for("accepted_total", address, i);
    wait_for("connected_total", "client", i);
    CHECK_NUMBER(total("connections", "client"), 1);
    CHECK(fdm_zmq_close(&client) == 0);
    // The thread ends with its socket.
    CHECK(pthread_join(watching, NULL) == 0);
    CHECK_NUMBER(total("connections", "client"), 0);
    wait_for("disconnected_total", address, i);
  }
  CHECK_NUMBER(total("connections", address), 0);
  CHECK_NUMBER(total("handshake_failed_total", address), 0);
  // A peer that speaks another protocol.
  void *stranger = zmq_socket(context, ZMQ_STREAM);
  zmq_setsockopt(stranger, ZMQ_LINGER, &linger, sizeof linger);
  CHECK(zmq_connect(stranger, endpoint) == 0);
  char id[256];
  int size = zmq_recv(stranger, id, sizeof id, 0);
  CHECK(size > 0 && zmq_recv(stranger, NULL, 0, 0) == 0);
  char request[128];
  memset(request, 'G', sizeof request);
  CHECK(zmq_send(stranger, id, (size_t)size, ZMQ_SNDMORE) == size);
  CHECK(zmq_send(stranger, request, sizeof request, 0) == (int)sizeof request);
  zmq_close(stranger);
  wait_for("disconnected_total", address, 11);
  CHECK_NUMBER(total("connections", address), 0);
  CHECK(fdm_zmq_close(&server) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
}

int main(void) {
  context = zmq_ctx_new();
  CHECK_OK(fdm_store_default(&store));
  check_arguments();
  check_frames(FDM_ZMQ_CARRIER_NONE, "inproc://frames");
  check_frames(FDM_ZMQ_CARRIER_TRAILER, "inproc://trailed-frames");
  check_full_queue(FDM_ZMQ_CARRIER_NONE, "inproc://queue");
  check_full_queue(FDM_ZMQ_CARRIER_TRAILER, "inproc://trailed-queue");
  check_lockstep();
  check_envelopes();
  check_monitor();
  CHECK(zmq_ctx_term(context) == 0);
  printf("wrappers: all checks passed\n");
  return 0;
}
