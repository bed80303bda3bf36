// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// link ask|answer NAME ENDPOINT COUNT: one end of a REQ/REP link, in C.
#include "fdmetrics_zmq.h"

static void fail(const char *what) {
  fprintf(stderr, "link: %s: %s\n", what, zmq_strerror(zmq_errno()));
  exit(1);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: link ask|answer NAME ENDPOINT COUNT\n");
    return 2;
  }
  const int asks = strcmp(argv[1], "ask") == 0;
  const long count = strtol(argv[4], NULL, 10);

  // libzmq as ever, and around its socket the one that records. With the trailer the receiver knows the latency.
  void *context = zmq_ctx_new();
  fdm_zmq_socket socket;
  if (fdm_zmq_socket_init(&socket, zmq_socket(context, asks ? ZMQ_REQ : ZMQ_REP), FDM_ZMQ_CARRIER_TRAILER) != 0) {
    fail("cannot make a socket");
  }
  if ((asks ? zmq_connect : zmq_bind)(socket.handle, argv[3]) != 0) {
    fail(argv[3]);
  }

  // The store of all processes of the service: FDMETRICS_DIR. Without a name the link is called as its endpoint.
  fdm_store *store;
  if (fdm_store_default(&store) != FDM_OK || fdm_zmq_socket_record(&socket, store, NULL, argv[2]) != FDM_OK) {
    fprintf(stderr, "link: messages are not counted: %s\n", fdm_last_error());
  }

  for (long i = 0; i < count; i++) {
    char text[64];
    const int length = snprintf(text, sizeof text, "message %ld from C", i);
    if (asks && fdm_zmq_send(&socket, text, (size_t)length, 0) < 0) {
      fail("cannot ask");
    }
    if (fdm_zmq_recv(&socket, text, sizeof text, 0) < 0) {
      fail("cannot receive");
    }
    if (!asks && fdm_zmq_send(&socket, "answer from C", 13, 0) < 0) {
      fail("cannot answer");
    }
  }
  fdm_zmq_close(&socket);
  zmq_ctx_term(context);
  return 0;
}
