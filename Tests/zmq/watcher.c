// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// watcher bind|connect TYPE CARRIER ENDPOINT COUNT SEED watch
//
// What peer.py and peer-swift do in their mode `watch`: a PUSH socket whose connections are counted, and that does what it
// is told on standard input. "send" sends a message, "give up" unbinds or disconnects, "close" closes the socket, each
// answered by a line; then, or at the end of the input, it ends.
#include <pthread.h>
#include <stdio.h>

#include "fdmetrics_zmq.h"

static void fail(const char *what) {
  fprintf(stderr, "watcher: %s: %s\n", what, zmq_strerror(zmq_errno()));
  exit(1);
}

static void *run_monitor(void *monitor) {
  fdm_zmq_monitor_run((fdm_zmq_monitor *)monitor);
  return NULL;
}

int main(int argc, char **argv) {
  static const int none = 0, reconnect = 5, timeout = 30000;
  fdm_store *store;
  fdm_zmq_socket socket;
  fdm_zmq_monitor monitor;
  pthread_t thread;
  char line[32];
  if (argc < 5) {
    fprintf(stderr, "usage: watcher bind|connect TYPE CARRIER ENDPOINT COUNT SEED watch\n");
    return 2;
  }
  const int binds = strcmp(argv[1], "bind") == 0;
  const char *endpoint = argv[4];
  void *context = zmq_ctx_new();
  if (fdm_zmq_socket_init(&socket, zmq_socket(context, ZMQ_PUSH), FDM_ZMQ_CARRIER_NONE) != 0) {
    fail("cannot make a socket");
  }
  zmq_setsockopt(socket.handle, ZMQ_LINGER, &none, sizeof none);
  zmq_setsockopt(socket.handle, ZMQ_SNDTIMEO, &timeout, sizeof timeout);
  zmq_setsockopt(socket.handle, ZMQ_RECONNECT_IVL, &reconnect, sizeof reconnect);
  if (fdm_store_default(&store) != FDM_OK || fdm_zmq_socket_record(&socket, store, NULL, endpoint) != FDM_OK) {
    fprintf(stderr, "watcher: %s\n", fdm_last_error());
    return 1;
  }
  if (fdm_zmq_monitor_open(&monitor, context, &socket) != 0 ||
      pthread_create(&thread, NULL, run_monitor, &monitor) != 0) {
    fail("cannot watch");
  }
  if ((binds ? zmq_bind : zmq_connect)(socket.handle, endpoint) != 0) {
    fail(endpoint);
  }
  printf("ready\n");
  fflush(stdout);
  while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "close\n") != 0) {
    if (strcmp(line, "send\n") == 0) {
      if (fdm_zmq_send(&socket, "x", 1, 0) != 1) {
        fail("cannot send");
      }
    } else if ((binds ? fdm_zmq_unbind : fdm_zmq_disconnect)(&socket, endpoint) != 0) {
      fail("cannot give up");
    }
    printf("done\n");
    fflush(stdout);
  }
  fdm_zmq_close(&socket);
  pthread_join(thread, NULL);
  zmq_ctx_term(context);
  return 0;
}
