// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What a ZeroMQ link records.
#include <math.h>

#include "check.h"

// The exposition has this line.
static void check_line(const char *text, const char *line) {
  char whole[200];
  snprintf(whole, sizeof whole, "\n%s\n", line);
  if (strstr(text, whole) == NULL) {
    fprintf(stderr, "expected the line %s in\n%s\n", line, text);
    exit(1);
  }
}

static char *rendered(fdm_store *store) {
  char *text = NULL;
  size_t length = 0;
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  return text;
}

// Bytes of a trailer, at an offset, as the little-endian number that they are.
static uint64_t number_at(const unsigned char *trailer, int offset, int size) {
  uint64_t number = 0;
  for (int i = size - 1; i >= 0; i--) {
    number = number << 8 | trailer[offset + i];
  }
  return number;
}

static void put_number(unsigned char *trailer, int offset, uint64_t number) {
  for (int i = 0; i < 8; i++) {
    trailer[offset + i] = (unsigned char)(number >> 8 * i);
  }
}

static void check_trailers(void) {
  fdm_store *store = open_named("zmq-trailers");
  fdm_zmq_link *link = NULL;
  CHECK_OK(fdm_zmq_link_open(store, NULL, "t", &link));
  CHECK(FDM_ZMQ_TRAILER_SIZE == 24);
  unsigned char trailer[FDM_ZMQ_TRAILER_SIZE];
  double before = fdm_zmq_now();
  fdm_zmq_write_trailer(trailer);
  double after = fdm_zmq_now();
  CHECK(memcmp(trailer, "FDM1\0\0\0\0", 8) == 0);
  double stamp = (double)number_at(trailer, 8, 8) / 1e9;
  CHECK(before - 1e-6 <= stamp && stamp <= after + 1e-6);
  CHECK(fdm_zmq_clock_domain() != 0 && number_at(trailer, 16, 8) == fdm_zmq_clock_domain());
  CHECK(fdm_zmq_is_trailer(trailer, sizeof trailer) == 1);
  CHECK(fdm_zmq_is_trailer(trailer, sizeof trailer - 1) == 0);
  CHECK(fdm_zmq_is_trailer(NULL, sizeof trailer) == 0 && fdm_zmq_is_trailer(NULL, 0) == 0);
  fdm_zmq_received_trailer(link, 5, trailer);

  // Of none of these is there a latency, and each message counts.
  unsigned char other[FDM_ZMQ_TRAILER_SIZE];
  memcpy(other, trailer, sizeof other);
  put_number(other, 16, fdm_zmq_clock_domain() + 1);
  CHECK(fdm_zmq_is_trailer(other, sizeof other) == 1);
  fdm_zmq_received_trailer(link, 5, other);
  memcpy(other, trailer, sizeof other);
  put_number(other, 8, (uint64_t)((fdm_zmq_now() + 3600) * 1e9));
  fdm_zmq_received_trailer(link, 5, other);
  put_number(other, 8, 0);
  fdm_zmq_received_trailer(link, 5, other);
  fdm_zmq_received_trailer(link, 5, NULL);
  other[0] = 'f';
  CHECK(fdm_zmq_is_trailer(other, sizeof other) == 0);
  fdm_zmq_receive_failed(link);

  fdm_zmq_write_trailer(NULL);
  fdm_zmq_received_trailer(NULL, 5, trailer);
  fdm_zmq_receive_failed(NULL);
  char *text = rendered(store);
  check_line(text, "fastdeploy:zmq:msg_recv_total{address=\"t\"} 5.0");
  check_line(text, "fastdeploy:zmq:msg_bytes_recv_total{address=\"t\"} 25.0");
  check_line(text, "fastdeploy:zmq:latency_count{address=\"t\"} 1.0");
  check_line(text, "fastdeploy:zmq:latency_skipped_total{address=\"t\"} 4.0");
  check_line(text, "fastdeploy:zmq:msg_recv_failed_total{address=\"t\"} 1.0");
  check_line(text, "fastdeploy:zmq:in_flight{address=\"t\"} -5.0");
  fdm_free(text);
  CHECK_OK(fdm_store_close(store));
}

static void check_blocked(void) {
  fdm_store *store = open_named("zmq-blocked");
  fdm_zmq_link *link = NULL;
  CHECK_OK(fdm_zmq_link_open(store, NULL, "b", &link));
  fdm_zmq_send_blocked(link, 0.25);
  fdm_zmq_send_blocked(link, 1.5);
  fdm_zmq_send_blocked(link, 0);
  fdm_zmq_send_blocked(link, -1);
  fdm_zmq_send_blocked(link, (double)NAN);
  fdm_zmq_send_blocked(link, (double)INFINITY);
  fdm_zmq_send_blocked(NULL, 1);
  char *text = rendered(store);
  check_line(text, "fastdeploy:zmq:send_blocked_seconds_total{address=\"b\"} 1.75");
  fdm_free(text);
  CHECK_OK(fdm_store_close(store));
}

static void check_connections(void) {
  fdm_store *store = open_named("zmq-connections");
  fdm_zmq_link *link = NULL;
  fdm_zmq_link *other = NULL;
  CHECK_OK(fdm_zmq_link_open(store, NULL, "c", &link));
  CHECK_OK(fdm_zmq_link_open(store, NULL, "unwatched", &other));
  CHECK_STATUS(fdm_zmq_link_watch(NULL), FDM_ERR_INVALID_ARGUMENT);
  fdm_zmq_connection_event(link, FDM_ZMQ_ACCEPTED);
  CHECK_OK(fdm_zmq_link_watch(link));
  CHECK_OK(fdm_zmq_link_watch(link));
  char *text = rendered(store);
  // Watched before anything happened: there, and zero.
  check_line(text, "fastdeploy:zmq:accepted_total{address=\"c\"} 0.0");
  fdm_free(text);
  for (int i = 0; i < 3; i++) {
    fdm_zmq_connection_event(link, FDM_ZMQ_ACCEPTED);
  }
  fdm_zmq_connection_event(link, FDM_ZMQ_CONNECTED);
  fdm_zmq_connection_event(link, FDM_ZMQ_DISCONNECTED);
  fdm_zmq_connection_event(link, FDM_ZMQ_DISCONNECTED);
  fdm_zmq_connection_event(link, FDM_ZMQ_CONNECT_RETRIED);
  fdm_zmq_connection_event(link, FDM_ZMQ_HANDSHAKE_FAILED);
  fdm_zmq_connection_event(link, 0);
  fdm_zmq_connection_event(link, 6);
  fdm_zmq_connection_event(other, FDM_ZMQ_ACCEPTED);
  fdm_zmq_connection_event(NULL, FDM_ZMQ_ACCEPTED);
  text = rendered(store);
  check_line(text, "fastdeploy:zmq:accepted_total{address=\"c\"} 3.0");
  check_line(text, "fastdeploy:zmq:connected_total{address=\"c\"} 1.0");
  check_line(text, "fastdeploy:zmq:disconnected_total{address=\"c\"} 2.0");
  check_line(text, "fastdeploy:zmq:connect_retried_total{address=\"c\"} 1.0");
  check_line(text, "fastdeploy:zmq:handshake_failed_total{address=\"c\"} 1.0");
  check_line(text, "fastdeploy:zmq:connections{address=\"c\"} 2.0");
  CHECK(strstr(text, "accepted_total{address=\"unwatched\"}") == NULL);
  fdm_free(text);
  // The name is taken by a family of another type.
  fdm_descriptor descriptor = descriptor_of(FDM_COUNTER, "taken:zmq:connections");
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  CHECK_OK(fdm_zmq_link_open(store, "taken", "c", &link));
  CHECK_STATUS(fdm_zmq_link_watch(link), FDM_ERR_CONFLICT);
  fdm_zmq_connection_event(link, FDM_ZMQ_ACCEPTED);
  CHECK_OK(fdm_store_close(store));
}

static void check_totals(void) {
  fdm_store *store = open_named("zmq");
  fdm_zmq_link *link = NULL;
  fdm_zmq_link *again = NULL;
  CHECK_OK(fdm_zmq_link_open(store, "app", "ipc:///a", &link));
  CHECK_OK(fdm_zmq_link_open(store, "app", "ipc:///a", &again));
  CHECK(again == link);
  CHECK_OK(fdm_zmq_link_open(store, NULL, "ipc:///a", &again));
  CHECK(again != link);
  fdm_zmq_sent(again, 7);

  double now = fdm_zmq_now();
  CHECK(now > 0 && fdm_zmq_now() >= now);
  fdm_zmq_sent(link, 100);
  fdm_zmq_sent(link, 50);
  fdm_zmq_send_failed(link);
  fdm_zmq_received(link, 10);
  fdm_zmq_received_stamped(link, 20, now);
  // None of these stamps can be: the message counts, and has no latency.
  fdm_zmq_received_stamped(link, 1, now + 1e6);
  fdm_zmq_received_stamped(link, 1, 0);
  fdm_zmq_received_stamped(link, 1, -1);
  fdm_zmq_received_stamped(link, 1, (double)NAN);
  fdm_zmq_received_stamped(link, 1, (double)INFINITY);

  char *text = rendered(store);
  check_line(text, "app:zmq:msg_send_total{address=\"ipc:///a\"} 2.0");
  check_line(text, "app:zmq:msg_bytes_send_total{address=\"ipc:///a\"} 150.0");
  check_line(text, "app:zmq:msg_send_failed_total{address=\"ipc:///a\"} 1.0");
  check_line(text, "app:zmq:msg_recv_total{address=\"ipc:///a\"} 7.0");
  check_line(text, "app:zmq:msg_bytes_recv_total{address=\"ipc:///a\"} 35.0");
  check_line(text, "app:zmq:latency_count{address=\"ipc:///a\"} 1.0");
  check_line(text, "app:zmq:latency_skipped_total{address=\"ipc:///a\"} 5.0");
  check_line(text, "app:zmq:in_flight{address=\"ipc:///a\"} -5.0");
  check_line(text, "fastdeploy:zmq:msg_send_total{address=\"ipc:///a\"} 1.0");
  check_line(text, "fastdeploy:zmq:msg_bytes_send_total{address=\"ipc:///a\"} 7.0");
  fdm_free(text);

  CHECK_STATUS(fdm_zmq_link_open(NULL, "app", "x", &link), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_zmq_link_open(store, "app", NULL, &link), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_zmq_link_open(store, "app", "x", NULL), FDM_ERR_INVALID_ARGUMENT);
  CHECK_STATUS(fdm_zmq_link_open(store, "9", "x", &link), FDM_ERR_INVALID_NAME);
  fdm_zmq_sent(link, 1);
  // The name is taken by a family of another type.
  fdm_descriptor descriptor = descriptor_of(FDM_GAUGE, "taken:zmq:latency");
  fdm_family *family = NULL;
  CHECK_OK(fdm_register(store, &descriptor, &family));
  CHECK_STATUS(fdm_zmq_link_open(store, "taken", "x", &link), FDM_ERR_CONFLICT);
  fdm_zmq_sent(link, 1);
  CHECK_OK(fdm_store_close(store));
}

void check_zmq(void) {
  check_totals();
  check_trailers();
  check_blocked();
  check_connections();
  // This process has no CPython: the functions that need it are not to be called.
  CHECK_STATUS(fdm_py_prepare(), FDM_ERR_UNSUPPORTED);
}
