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

void check_zmq(void) {
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

  char *text = NULL;
  size_t length = 0;
  CHECK_OK(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length));
  check_line(text, "app:zmq:msg_send_total{address=\"ipc:///a\"} 2.0");
  check_line(text, "app:zmq:msg_bytes_send_total{address=\"ipc:///a\"} 150.0");
  check_line(text, "app:zmq:msg_send_failed_total{address=\"ipc:///a\"} 1.0");
  check_line(text, "app:zmq:msg_recv_total{address=\"ipc:///a\"} 7.0");
  check_line(text, "app:zmq:msg_bytes_recv_total{address=\"ipc:///a\"} 35.0");
  check_line(text, "app:zmq:latency_count{address=\"ipc:///a\"} 1.0");
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
