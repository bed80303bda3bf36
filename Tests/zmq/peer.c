// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// peer bind|connect TYPE CARRIER ENDPOINT COUNT SEED [MODE]
//
// One end of a conversation of COUNT messages; peer.py and peer-swift are the same in their languages. With -DPLAIN it
// is a program without instrumentation, and CARRIER is what the other end uses.
//   TYPE     push pub xpub send; pull sub xsub receive; req dealer dealer-rep, and pair that connects, send and wait
//            for a reply; rep router router-req, and pair that binds, reply. dealer-rep and router-req add the empty
//            delimiter.
//   CARRIER  none, envelope (JSON payloads), trailer
//   MODE     check  what arrives must be the payloads of SEED, the replies those of SEED + 1; ends with its totals
//            dump   prints the frames of each message that arrives, in hexadecimal
//            json   prints the payload of each JSON message, in hexadecimal, after "value" or "undecodable"
// A PUB says hello until a line comes on standard input; a SUB prints "ready" at the first hello.
#include <poll.h>
#include <unistd.h>

#include "payload.h"
#include "wire.h"

typedef struct conversation {
  wire socket;
  const char *type;
  int is_json;
  uint32_t seed;
  uint32_t count;
  unsigned long long sent, sent_bytes, received, received_bytes, failed;
} conversation;

static const char topic[] = "topic";
static const char hello[] = "\"hello\"";

static int is_type(const conversation *talk, const char *type) { return strcmp(talk->type, type) == 0; }

static int socket_type(const char *type) {
  static const char *const names[] = {"pair",   "pub",  "sub",  "req",  "rep", "dealer",
                                      "router", "pull", "push", "xpub", "xsub"};
  for (int i = 0; i <= ZMQ_XSUB; i++) {
    size_t length = strlen(names[i]);
    if (strncmp(type, names[i], length) == 0 && (type[length] == '\0' || type[length] == '-')) {
      return i;
    }
  }
  fprintf(stderr, "peer: no such type: %s\n", type);
  exit(2);
}

// Sends frames that stand before the payload, then the payload's.
static void send_payload(conversation *talk, const message *head, const payload *body) {
  unsigned long long bytes = 0;
  for (int i = 0; i < (head == NULL ? 0 : head->count); i++) {
    bytes += head->sizes[i];
    if (wire_send(&talk->socket, head->data[i], head->sizes[i], ZMQ_SNDMORE) < 0) {
      fail("cannot send a frame of the head");
    }
  }
  for (int i = 0; i < body->count; i++) {
    int more = i + 1 < body->count ? ZMQ_SNDMORE : 0;
    bytes += body->sizes[i];
    if ((talk->is_json ? wire_send_json(&talk->socket, body->frames[i], body->sizes[i])
                       : wire_send(&talk->socket, body->frames[i], body->sizes[i], more)) < 0) {
      fail("cannot send");
    }
  }
  talk->sent++;
  talk->sent_bytes += bytes;
}

// A message that has frames before its payload: a topic, or an empty delimiter.
static message head_of(const char *text) {
  message head;
  memset(&head, 0, sizeof head);
  if (text != NULL) {
    head.count = 1;
    head.data[0] = text;
    head.sizes[0] = strlen(text);
  }
  return head;
}

static void receive_any(conversation *talk, message *received) {
  wire_receive(&talk->socket, received, talk->is_json);
  talk->received++;
  talk->received_bytes += received->bytes;
}

// The message has the frames of this payload, after those of its head.
static void check_payload(const message *received, int head, const payload *expected, uint32_t number) {
  int same = received->count == head + expected->count;
  for (int i = 0; same && i < expected->count; i++) {
    same = received->sizes[head + i] == expected->sizes[i] &&
           memcmp(received->data[head + i], expected->frames[i], expected->sizes[i]) == 0;
  }
  if (!same) {
    fprintf(stderr, "peer: message %u is not what was sent: %d frames of %d\n", number, received->count,
            head + expected->count);
    exit(1);
  }
}

// A send that libzmq must refuse: it counts as failed, and nothing else happens.
static void send_refused(conversation *talk, int code) {
  if (wire_send(&talk->socket, "refused", 7, is_type(talk, "router") ? ZMQ_SNDMORE : 0) >= 0 || zmq_errno() != code) {
    fail("a send was not refused as expected");
  }
  talk->failed++;
}

static void say_hello(conversation *talk) {
  const message head = head_of(topic);
  payload greeting;
  struct pollfd input = {STDIN_FILENO, POLLIN, 0};
  greeting.count = 1;
  greeting.sizes[0] = strlen(hello);
  memcpy(greeting.frames[0], hello, sizeof hello);
  do {
    send_payload(talk, &head, &greeting);
  } while (poll(&input, 1, 5) == 0);
}

static void send_all(conversation *talk) {
  const int has_topic = !is_type(talk, "push");
  const message head = head_of(has_topic ? topic : NULL);
  static payload body;
  if (is_type(talk, "pub")) {
    say_hello(talk);
  } else if (is_type(talk, "xpub")) {
    // The subscription, which has neither envelope nor trailer.
    zmq_msg_t subscription;
    zmq_msg_init(&subscription);
#ifdef PLAIN
    int size = zmq_msg_recv(&subscription, talk->socket.handle, 0);
#else
    int size = fdm_zmq_msg_recv(&subscription, &talk->socket.socket, 0);
#endif
    if (size != 6 || memcmp(zmq_msg_data(&subscription), "\1topic", 6) != 0 || zmq_msg_more(&subscription)) {
      fail("expected a subscription");
    }
    zmq_msg_close(&subscription);
  }
  for (uint32_t i = 0; i < talk->count; i++) {
    payload_make(&body, talk->seed, i, talk->is_json);
    send_payload(talk, &head, &body);
  }
}

static void receive_all(conversation *talk) {
  const int head = is_type(talk, "pull") ? 0 : 1;
  int is_ready = 0;
  message received;
  static payload body;
  if (is_type(talk, "xsub")) {
    if (wire_send(&talk->socket, "\1topic", 6, 0) < 0) {
      fail("cannot subscribe");
    }
  } else {
    send_refused(talk, ENOTSUP);
  }
  for (uint32_t i = 0; i < talk->count;) {
    receive_any(talk, &received);
    if (head == 1 && (received.sizes[0] != strlen(topic) || memcmp(received.data[0], topic, strlen(topic)) != 0)) {
      fail("expected a topic");
    }
    if (is_type(talk, "sub") && received.count == 2 && received.sizes[1] == strlen(hello) &&
        memcmp(received.data[1], hello, strlen(hello)) == 0) {
      if (!is_ready++) {
        printf("ready\n");
        fflush(stdout);
      }
    } else {
      payload_make(&body, talk->seed, i, talk->is_json);
      check_payload(&received, head, &body, i);
      i++;
    }
    message_close(&received);
  }
}

static void request_all(conversation *talk) {
  const message head = head_of(is_type(talk, "dealer-rep") ? "" : NULL);
  message reply;
  static payload body;
  for (uint32_t i = 0; i < talk->count; i++) {
    payload_make(&body, talk->seed, i, talk->is_json);
    send_payload(talk, &head, &body);
    if (i == 0 && is_type(talk, "req")) {
      send_refused(talk, EFSM);
    }
    receive_any(talk, &reply);
    payload_make(&body, talk->seed + 1, i, talk->is_json);
    check_payload(&reply, head.count, &body, i);
    message_close(&reply);
  }
}

static void serve_all(conversation *talk) {
  message request;
  static payload body;
  if (is_type(talk, "rep")) {
    send_refused(talk, EFSM);
  } else if (is_type(talk, "router")) {
    send_refused(talk, EHOSTUNREACH);
  }
  for (uint32_t i = 0; i < talk->count; i++) {
    const int head = is_type(talk, "router") ? 1 : is_type(talk, "router-req") ? 2 : 0;
    receive_any(talk, &request);
    payload_make(&body, talk->seed, i, talk->is_json);
    check_payload(&request, head, &body, i);
    payload_make(&body, talk->seed + 1, i, talk->is_json);
    // The reply goes where the request came from.
    for (int frame = head; frame < request.count; frame++) {
      zmq_msg_close(&request.frames[frame]);
    }
    request.count = head;
    send_payload(talk, &request, &body);
    message_close(&request);
  }
}

static void print_hex(const char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) {
    printf("%02x", (unsigned char)bytes[i]);
  }
}

static void print_all(conversation *talk) {
  message received;
  for (uint32_t i = 0; i < talk->count; i++) {
    wire_receive(&talk->socket, &received, talk->is_json);
    if (talk->is_json) {
      printf(received.undecodable ? "undecodable " : "value ");
      print_hex(received.data[received.count - 1], received.sizes[received.count - 1]);
    }
    for (int frame = 0; !talk->is_json && frame < received.count; frame++) {
      printf("%s", frame == 0 ? "" : " ");
      printf("%s", received.sizes[frame] == 0 ? "-" : "");
      print_hex(received.data[frame], received.sizes[frame]);
    }
    printf("\n");
    fflush(stdout);
    message_close(&received);
  }
}

static void converse(conversation *talk, int binds) {
  switch (socket_type(talk->type)) {
    case ZMQ_PUSH: case ZMQ_PUB: case ZMQ_XPUB: send_all(talk); break;
    case ZMQ_PULL: case ZMQ_SUB: case ZMQ_XSUB: receive_all(talk); break;
    case ZMQ_REQ: case ZMQ_DEALER: request_all(talk); break;
    case ZMQ_PAIR: (binds ? serve_all : request_all)(talk); break;
    default: serve_all(talk); break;
  }
  printf("{\"sent\": %llu, \"sent_bytes\": %llu, \"received\": %llu, \"received_bytes\": %llu, \"failed\": %llu}\n",
         talk->sent, talk->sent_bytes, talk->received, talk->received_bytes, talk->failed);
}

int main(int argc, char **argv) {
  static const int timeout = 30000, reconnect = 5, on = 1;
  conversation talk;
  memset(&talk, 0, sizeof talk);
  if (argc < 7) {
    fprintf(stderr, "usage: peer bind|connect TYPE CARRIER ENDPOINT COUNT SEED [check|dump|json]\n");
    return 2;
  }
  const int binds = strcmp(argv[1], "bind") == 0;
  const int carrier = strcmp(argv[3], "trailer") == 0    ? TRAILER
                      : strcmp(argv[3], "envelope") == 0 ? ENVELOPE
                                                         : NO_CARRIER;
  const char *mode = argc > 7 ? argv[7] : "check";
  talk.type = argv[2];
  talk.count = (uint32_t)strtoul(argv[5], NULL, 10);
  talk.seed = (uint32_t)strtoul(argv[6], NULL, 10);
  talk.is_json = strcmp(mode, "check") == 0 ? carrier == ENVELOPE : strcmp(mode, "json") == 0;

  void *context = zmq_ctx_new();
  wire_open(&talk.socket, context, socket_type(talk.type), carrier);
  void *handle = talk.socket.handle;
  zmq_setsockopt(handle, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
  zmq_setsockopt(handle, ZMQ_SNDTIMEO, &timeout, sizeof timeout);
  zmq_setsockopt(handle, ZMQ_RECONNECT_IVL, &reconnect, sizeof reconnect);
  zmq_setsockopt(handle, ZMQ_ROUTER_MANDATORY, &on, sizeof on);
  if (is_type(&talk, "sub")) {
    zmq_setsockopt(handle, ZMQ_SUBSCRIBE, topic, strlen(topic));
  }
  if ((binds ? zmq_bind(handle, argv[4]) : zmq_connect(handle, argv[4])) != 0) {
    fail(argv[4]);
  }
  wire_record(&talk.socket);
  if (strcmp(mode, "check") == 0) {
    converse(&talk, binds);
  } else {
    print_all(&talk);
  }
  wire_close(&talk.socket);
  zmq_ctx_term(context);
  return 0;
}
