// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// made: what libzmq says to itself and what it makes is not counted, and its own ends get no trailers. Valid as C99 and as
// C++17. The store is that of FDMETRICS_DIR.
#include "store.h"
#include "fdmetrics_zmq.h"

static void *context;

static void open_socket(fdm_zmq_socket *socket, int type, int carrier) {
  const int linger = 0, timeout = 20000;
  CHECK(fdm_zmq_socket_init(socket, zmq_socket(context, type), carrier) == 0);
  zmq_setsockopt(socket->handle, ZMQ_LINGER, &linger, sizeof linger);
  zmq_setsockopt(socket->handle, ZMQ_SNDTIMEO, &timeout, sizeof timeout);
  zmq_setsockopt(socket->handle, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
}

static void send_text(fdm_zmq_socket *socket, const char *text, int flags) {
  CHECK(fdm_zmq_send(socket, text, strlen(text), flags) == (int)strlen(text));
}

// Receives a frame, which must be this one; text NULL: any. Returns its length.
static int receive_text(fdm_zmq_socket *socket, const char *text, char *bytes, size_t size, int more) {
  int receiving = -1;
  size_t length = sizeof receiving;
  const int got = fdm_zmq_recv(socket, bytes, size, 0);
  CHECK(got >= 0 && (size_t)got <= size);
  if (text != NULL) {
    CHECK(got == (int)strlen(text) && memcmp(bytes, text, strlen(text)) == 0);
  }
  CHECK(fdm_zmq_getsockopt(socket, ZMQ_RCVMORE, &receiving, &length) == 0 && receiving == more);
  return got;
}

// A handler that lets a peer with a password in, recorded or not; the peer gets in.
static void check_authentication(int carrier, int type, int records) {
  const int on = 1;
  // As long as a trailer, and beginning like one.
  const char *password = "FDM1ppppppppppppppppppp!";
  fdm_zmq_socket handler, server, client;
  char endpoint[64], link[64], id[64], sequence[64], bytes[64];
  int id_size = 0, sequence_size, i;
  // A port may come again, and with it what was counted for its endpoint.
  snprintf(link, sizeof link, "carrier %d, type %d, records %d", carrier, type, records);
  open_socket(&handler, type, carrier);
  open_socket(&server, ZMQ_REP, carrier);
  open_socket(&client, ZMQ_REQ, carrier);
  CHECK(zmq_bind(handler.handle, "inproc://zeromq.zap.01") == 0);
  if (records) {
    CHECK_OK(fdm_zmq_socket_record(&handler, store, NULL, NULL));
    CHECK(handler.link == NULL);
    CHECK_OK(fdm_zmq_socket_record(&handler, store, NULL, "handler"));
    CHECK(handler.link == NULL);
  }
  zmq_setsockopt(server.handle, ZMQ_PLAIN_SERVER, &on, sizeof on);
  zmq_setsockopt(server.handle, ZMQ_ZAP_DOMAIN, "domain", 6);
  zmq_setsockopt(client.handle, ZMQ_PLAIN_USERNAME, "user", 4);
  zmq_setsockopt(client.handle, ZMQ_PLAIN_PASSWORD, password, strlen(password));
  CHECK(zmq_bind(server.handle, "tcp://127.0.0.1:*") == 0);
  CHECK(fdm_zmq_last_endpoint(server.handle, endpoint, sizeof endpoint) == 0);
  CHECK(zmq_connect(client.handle, endpoint) == 0);
  CHECK_OK(fdm_zmq_socket_record(&server, store, NULL, link));
  CHECK_OK(fdm_zmq_socket_record(&client, store, NULL, link));
  send_text(&client, "question", 0);
  if (type == ZMQ_ROUTER) {
    id_size = receive_text(&handler, NULL, id, sizeof id, 1);
    receive_text(&handler, "", bytes, sizeof bytes, 1);
  }
  receive_text(&handler, "1.0", bytes, sizeof bytes, 1);
  sequence_size = receive_text(&handler, NULL, sequence, sizeof sequence, 1);
  receive_text(&handler, "domain", bytes, sizeof bytes, 1);
  for (i = 0; i < 2; i++) {
    receive_text(&handler, NULL, bytes, sizeof bytes, 1);
  }
  receive_text(&handler, "PLAIN", bytes, sizeof bytes, 1);
  receive_text(&handler, "user", bytes, sizeof bytes, 1);
  receive_text(&handler, password, bytes, sizeof bytes, 0);
  if (type == ZMQ_ROUTER) {
    CHECK(fdm_zmq_send(&handler, id, (size_t)id_size, ZMQ_SNDMORE) == id_size);
    send_text(&handler, "", ZMQ_SNDMORE);
  }
  send_text(&handler, "1.0", ZMQ_SNDMORE);
  CHECK(fdm_zmq_send(&handler, sequence, (size_t)sequence_size, ZMQ_SNDMORE) == sequence_size);
  send_text(&handler, "200", ZMQ_SNDMORE);
  send_text(&handler, "OK", ZMQ_SNDMORE);
  send_text(&handler, "user", ZMQ_SNDMORE);
  send_text(&handler, "", 0);
  receive_text(&server, "question", bytes, sizeof bytes, 0);
  send_text(&server, "answer", 0);
  receive_text(&client, "answer", bytes, sizeof bytes, 0);
  CHECK_NUMBER(total("msg_send_total", link), 2);
  CHECK_NUMBER(total("msg_recv_total", link), 2);
  CHECK_NUMBER(total("latency_count", link), carrier == FDM_ZMQ_CARRIER_TRAILER ? 2 : 0);
  CHECK_NUMBER(total("msg_recv_total", "inproc://zeromq.zap.01"), 0);
  CHECK_NUMBER(total("msg_recv_total", "handler"), 0);
  CHECK(fdm_zmq_close(&client) == 0 && fdm_zmq_close(&server) == 0 && fdm_zmq_close(&handler) == 0);
}

// A socket that has left libzmq's endpoint is one like any other.
static void check_former_handler(void) {
  fdm_zmq_socket socket, client;
  char bytes[64];
  open_socket(&socket, ZMQ_REP, FDM_ZMQ_CARRIER_TRAILER);
  open_socket(&client, ZMQ_REQ, FDM_ZMQ_CARRIER_TRAILER);
  CHECK(zmq_bind(socket.handle, "inproc://zeromq.zap.01") == 0);
  CHECK_OK(fdm_zmq_socket_record(&socket, store, NULL, NULL));
  CHECK(fdm_zmq_unbind(&socket, "inproc://zeromq.zap.01") == 0);
  CHECK(zmq_bind(socket.handle, "inproc://service") == 0);
  CHECK(zmq_connect(client.handle, "inproc://service") == 0);
  CHECK_OK(fdm_zmq_socket_record(&socket, store, NULL, NULL));
  send_text(&client, "question", 0);
  receive_text(&socket, "question", bytes, sizeof bytes, 0);
  CHECK_NUMBER(total("msg_recv_total", "inproc://service"), 1);
  CHECK(fdm_zmq_close(&client) == 0 && fdm_zmq_close(&socket) == 0);
}

// A probe does not count, nor does a routing id alone; the program's own empty messages do.
static void check_probes(int carrier, const char *address) {
  // More than the table of peers begins with.
  enum { PEERS = 200 };
  const int on = 1;
  fdm_zmq_socket router, dealer;
  char bytes[64], id[16];
  int i;
  open_socket(&router, ZMQ_ROUTER, carrier);
  CHECK(zmq_bind(router.handle, address) == 0);
  CHECK_OK(fdm_zmq_socket_record(&router, store, NULL, NULL));
  for (i = 0; i < PEERS; i++) {
    snprintf(id, sizeof id, "peer %d", i);
    open_socket(&dealer, ZMQ_DEALER, carrier);
    zmq_setsockopt(dealer.handle, ZMQ_ROUTING_ID, id, strlen(id));
    zmq_setsockopt(dealer.handle, ZMQ_PROBE_ROUTER, &on, sizeof on);
    CHECK(zmq_connect(dealer.handle, address) == 0);
    CHECK_OK(fdm_zmq_socket_record(&dealer, store, NULL, NULL));
    receive_text(&router, id, bytes, sizeof bytes, 1);
    receive_text(&router, "", bytes, sizeof bytes, 0);
    send_text(&dealer, "", 0);
    receive_text(&router, id, bytes, sizeof bytes, 1);
    receive_text(&router, "", bytes, sizeof bytes, 0);
    send_text(&router, id, 0);
    send_text(&router, id, ZMQ_SNDMORE);
    send_text(&router, "y", 0);
    receive_text(&dealer, "y", bytes, sizeof bytes, 0);
    CHECK(fdm_zmq_close(&dealer) == 0);
  }
  CHECK_NUMBER(total("msg_send_total", address), 2 * PEERS);
  CHECK_NUMBER(total("msg_recv_total", address), 2 * PEERS);
  CHECK_NUMBER(total("in_flight", address), 0);
  CHECK(fdm_zmq_close(&router) == 0);
}

static void check_stream(void) {
  fdm_zmq_socket server, client;
  char endpoint[64], id[64], bytes[64];
  int id_size;
  open_socket(&server, ZMQ_STREAM, FDM_ZMQ_CARRIER_TRAILER);
  open_socket(&client, ZMQ_STREAM, FDM_ZMQ_CARRIER_TRAILER);
  CHECK(zmq_bind(server.handle, "tcp://127.0.0.1:*") == 0);
  CHECK(fdm_zmq_last_endpoint(server.handle, endpoint, sizeof endpoint) == 0);
  CHECK_OK(fdm_zmq_socket_record(&server, store, NULL, "stream"));
  CHECK(zmq_connect(client.handle, endpoint) == 0);
  CHECK_OK(fdm_zmq_socket_record(&client, store, NULL, "stream"));
  id_size = receive_text(&client, NULL, id, sizeof id, 1);
  receive_text(&client, "", bytes, sizeof bytes, 0);
  receive_text(&server, NULL, bytes, sizeof bytes, 1);
  receive_text(&server, "", bytes, sizeof bytes, 0);
  CHECK(fdm_zmq_send(&client, id, (size_t)id_size, ZMQ_SNDMORE) == id_size);
  send_text(&client, "GET", 0);
  receive_text(&server, NULL, bytes, sizeof bytes, 1);
  receive_text(&server, "GET", bytes, sizeof bytes, 0);
  CHECK(fdm_zmq_send(&client, id, (size_t)id_size, ZMQ_SNDMORE) == id_size);
  send_text(&client, "", 0);
  CHECK(fdm_zmq_close(&client) == 0);
  receive_text(&server, NULL, bytes, sizeof bytes, 1);
  receive_text(&server, "", bytes, sizeof bytes, 0);
  CHECK_NUMBER(total("msg_send_total", "stream"), 1);
  CHECK_NUMBER(total("msg_recv_total", "stream"), 1);
  CHECK(fdm_zmq_close(&server) == 0);
}

static void check_subscriptions(void) {
  fdm_zmq_socket publisher, subscriber;
  char bytes[64];
  open_socket(&publisher, ZMQ_XPUB, FDM_ZMQ_CARRIER_NONE);
  open_socket(&subscriber, ZMQ_XSUB, FDM_ZMQ_CARRIER_NONE);
  CHECK(zmq_bind(publisher.handle, "inproc://topics") == 0);
  CHECK(zmq_connect(subscriber.handle, "inproc://topics") == 0);
  CHECK_OK(fdm_zmq_socket_record(&publisher, store, NULL, NULL));
  CHECK_OK(fdm_zmq_socket_record(&subscriber, store, NULL, NULL));
  send_text(&subscriber, "\1news", 0);
  receive_text(&publisher, "\1news", bytes, sizeof bytes, 0);
  CHECK_NUMBER(total("msg_send_total", "inproc://topics"), 0);
  // Anything else that an XSUB sends is a message.
  send_text(&subscriber, "\2more", 0);
  receive_text(&publisher, "\2more", bytes, sizeof bytes, 0);
  CHECK_NUMBER(total("msg_send_total", "inproc://topics"), 1);
  CHECK_NUMBER(total("msg_recv_total", "inproc://topics"), 1);
  CHECK(fdm_zmq_close(&subscriber) == 0 && fdm_zmq_close(&publisher) == 0);
}

int main(void) {
  const int carriers[3] = {FDM_ZMQ_CARRIER_NONE, FDM_ZMQ_CARRIER_ENVELOPE, FDM_ZMQ_CARRIER_TRAILER};
  const char *addresses[3] = {"inproc://none", "inproc://envelope", "inproc://trailer"};
  int i, records;
  CHECK_OK(fdm_store_default(&store));
  for (i = 0; i < 3; i++) {
    for (records = 0; records < 2; records++) {
      // A context of its own each time: the endpoint is free again once libzmq's reaper has been there.
      context = zmq_ctx_new();
      check_authentication(carriers[i], ZMQ_REP, records);
      CHECK(zmq_ctx_term(context) == 0);
      context = zmq_ctx_new();
      check_authentication(carriers[i], ZMQ_ROUTER, records);
      CHECK(zmq_ctx_term(context) == 0);
    }
  }
  context = zmq_ctx_new();
  for (i = 0; i < 3; i++) {
    check_probes(carriers[i], addresses[i]);
  }
  check_former_handler();
  check_stream();
  check_subscriptions();
  CHECK(zmq_ctx_term(context) == 0);
  printf("made: all checks passed\n");
  return 0;
}
