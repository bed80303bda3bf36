// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// monitors: what fdmetrics_zmq_monitor.h makes of events in orders that libzmq's I/O threads seldom bring about, and of
// sockets that give up their endpoints. Valid as C99 and as C++17. The store is that of FDMETRICS_DIR.
#include <pthread.h>

#include "store.h"
#include "fdmetrics_zmq.h"

static void *context;

// A monitor without libzmq, for a link of its own.
static fdm_zmq_monitor begin(const char *address) {
  fdm_zmq_monitor monitor;
  memset(&monitor, 0, sizeof monitor);
  CHECK_OK(fdm_zmq_link_open(store, NULL, address, &monitor.link));
  CHECK_OK(fdm_zmq_link_watch(monitor.link));
  monitor.has_handshakes = 1;
  return monitor;
}

static void end(fdm_zmq_monitor *monitor) {
  while (monitor->count > 0) {
    fdm_zmq_end_(monitor, &monitor->connections[monitor->count - 1]);
  }
  free(monitor->connections);
}

static void check_counts(const char *address, double connected, double accepted, double disconnected, double live) {
  CHECK_NUMBER(total("connected_total", address), connected);
  CHECK_NUMBER(total("accepted_total", address), accepted);
  CHECK_NUMBER(total("disconnected_total", address), disconnected);
  CHECK_NUMBER(total("connections", address), live);
}

static void check_orders(void) {
  fdm_zmq_monitor early = begin("early");
  fdm_zmq_monitor_count_(&early, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0, "tcp://a");
  fdm_zmq_monitor_count_(&early, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0, "tcp://a");
  fdm_zmq_monitor_count_(&early, ZMQ_EVENT_CONNECTED, 7, "tcp://a");
  fdm_zmq_monitor_count_(&early, ZMQ_EVENT_CONNECTED, 8, "tcp://a");
  check_counts("early", 2, 0, 0, 2);
  // The next one's handshake is still to come.
  fdm_zmq_monitor_count_(&early, ZMQ_EVENT_CONNECTED, 9, "tcp://a");
  check_counts("early", 2, 0, 0, 2);
  fdm_zmq_monitor_count_(&early, ZMQ_EVENT_DISCONNECTED, 9, "tcp://a");
  fdm_zmq_monitor_count_(&early, ZMQ_EVENT_DISCONNECTED, 8, "tcp://a");
  fdm_zmq_monitor_count_(&early, ZMQ_EVENT_DISCONNECTED, 8, "tcp://a");
  check_counts("early", 2, 0, 1, 1);
  end(&early);
  check_counts("early", 2, 0, 2, 0);

  fdm_zmq_monitor both = begin("both");
  fdm_zmq_monitor_count_(&both, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0, "tcp://a");
  for (int descriptor = 10; descriptor < 40; descriptor++) {
    fdm_zmq_monitor_count_(&both, ZMQ_EVENT_ACCEPTED, descriptor, "tcp://a");
    fdm_zmq_monitor_count_(&both, ZMQ_EVENT_HANDSHAKE_SUCCEEDED, 0, "tcp://a");
  }
  // The handshakes were of those that were accepted.
  fdm_zmq_monitor_count_(&both, ZMQ_EVENT_CONNECTED, 7, "tcp://a");
  check_counts("both", 0, 30, 0, 30);
  // In use again: the one before ended unheard.
  fdm_zmq_monitor_count_(&both, ZMQ_EVENT_ACCEPTED, 10, "tcp://a");
  check_counts("both", 0, 31, 1, 30);
  fdm_zmq_monitor_count_(&both, ZMQ_EVENT_ACCEPTED, 41, "tcp://b");
  fdm_zmq_end_endpoint_(&both, "tcp://a");
  check_counts("both", 0, 32, 31, 1);
  end(&both);
  check_counts("both", 0, 32, 32, 0);
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

// One socket that connects, one that accepts, both watched; the first one's type is libzmq's.
static void check_sockets(int type, int gives_up, const char *name) {
  const int none = 0;
  char accepting[64], connecting[64], endpoint[64];
  fdm_zmq_socket sockets[2];
  fdm_zmq_monitor monitors[2], second;
  pthread_t threads[2];
  snprintf(accepting, sizeof accepting, "%s-accepting", name);
  snprintf(connecting, sizeof connecting, "%s-connecting", name);
  for (int i = 0; i < 2; i++) {
    CHECK(fdm_zmq_socket_init(&sockets[i], zmq_socket(context, type), FDM_ZMQ_CARRIER_NONE) == 0);
    zmq_setsockopt(sockets[i].handle, ZMQ_LINGER, &none, sizeof none);
    CHECK_OK(fdm_zmq_socket_record(&sockets[i], store, NULL, i == 0 ? accepting : connecting));
    CHECK(fdm_zmq_monitor_open(&monitors[i], context, &sockets[i]) == 0);
    CHECK(fdm_zmq_monitor_open(&second, context, &sockets[i]) == -1 && errno == EALREADY);
  }
  CHECK(zmq_bind(sockets[0].handle, "tcp://127.0.0.1:*") == 0);
  CHECK(fdm_zmq_last_endpoint(sockets[0].handle, endpoint, sizeof endpoint) == 0);
  CHECK(fdm_zmq_disconnect(&sockets[1], "tcp://127.0.0.1:1") == -1 && errno == ENOENT);
  CHECK(fdm_zmq_unbind(&sockets[1], endpoint) == -1 && errno == ENOENT);
  CHECK(zmq_connect(sockets[1].handle, endpoint) == 0);
  for (int i = 0; i < 2; i++) {
    // What has happened meanwhile is counted, too.
    CHECK(pthread_create(&threads[i], NULL, run_monitor, &monitors[i]) == 0);
  }
  wait_for("accepted_total", accepting, 1);
  wait_for("connected_total", connecting, 1);
  CHECK_NUMBER(total("disconnected_total", connecting), 0);
  if (gives_up == 0) {
    CHECK(fdm_zmq_unbind(&sockets[0], endpoint) == 0);
    wait_for("disconnected_total", accepting, 1);
  } else if (gives_up == 1) {
    CHECK(fdm_zmq_disconnect(&sockets[1], endpoint) == 0);
    wait_for("disconnected_total", connecting, 1);
  }
  for (int i = 0; i < 2; i++) {
    CHECK(fdm_zmq_close(&sockets[i]) == 0);
    CHECK(pthread_join(threads[i], NULL) == 0);
  }
  CHECK_NUMBER(total("disconnected_total", connecting), total("connected_total", connecting));
  CHECK_NUMBER(total("disconnected_total", accepting), total("accepted_total", accepting));
  CHECK_NUMBER(total("connections", connecting), 0);
  CHECK_NUMBER(total("connections", accepting), 0);
}

// A monitor whose thread could not be made: it may run when the socket is closed.
static void check_late_monitor(void) {
  fdm_zmq_socket socket;
  fdm_zmq_monitor monitor;
  CHECK(fdm_zmq_socket_init(&socket, zmq_socket(context, ZMQ_PULL), FDM_ZMQ_CARRIER_NONE) == 0);
  CHECK_OK(fdm_zmq_socket_record(&socket, store, NULL, "late"));
  CHECK(fdm_zmq_monitor_open(&monitor, context, &socket) == 0);
  CHECK(fdm_zmq_close(&socket) == 0);
  CHECK(fdm_zmq_monitor_run(&monitor) == 0);
  check_counts("late", 0, 0, 0, 0);
}

int main(void) {
  context = zmq_ctx_new();
  CHECK_OK(fdm_store_default(&store));
  check_orders();
  check_sockets(ZMQ_PAIR, 0, "unbound");
  check_sockets(ZMQ_PAIR, 1, "disconnected");
  check_sockets(ZMQ_DEALER, 2, "closed");
  // Raw TCP, which has no handshakes.
  check_sockets(ZMQ_STREAM, 2, "raw");
  check_late_monitor();
  CHECK(zmq_ctx_term(context) == 0);
  printf("monitors: all checks passed\n");
  return 0;
}
