// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// What fdmetrics_zmq.h adds to a message of 256 bytes through libzmq, and whether recording takes memory.
//
//   zmq DIRECTORY          two processes over ipc, in turns, as python_zmq.py does it
//   zmq DIRECTORY heap     the bytes that malloc has given out, before and after ten million recordings, and before and
//                          after a million messages over inproc
#include "fdmetrics_zmq.h"
#include "harness.h"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  SIZE = 256,
  TURNS = 400,     // groups of each way in a batch
  BATCHES = 6,
  GROUP = 16,      // messages that are timed together: a clock read costs as much as what is looked for
  WARM_UP = 64,
  RECORDINGS = 10 * 1000 * 1000,
  MESSAGES = 1000 * 1000
};
static const double gap = 60e3;  // nanoseconds between two groups of sends: see python_zmq.py

// The second is what a trailer cannot cost less than: a message with a second frame, of which nothing is recorded.
enum { PLAIN, TWO_FRAMES, COUNTING, TRAILER, WAYS };
static const char *const way_names[WAYS] = {"plain", "two_frames", "counting", "trailer"};
static const char *work_directory;
static char payload[SIZE], received[SIZE + 1];

static void fail(const char *what) {
  fprintf(stderr, "zmq: %s: %s\n", what, zmq_strerror(zmq_errno()));
  exit(1);
}

static void check(int succeeded, const char *what) {
  if (!succeeded) fail(what);
}

static fdm_store *open_store(void) {
  char directory[1024];
  fdm_options options = {.struct_size = sizeof options, .directory = directory};
  fdm_store *store;
  snprintf(directory, sizeof directory, "%s/store", work_directory);
  if (fdm_store_open(&options, &store) != FDM_OK) {
    fprintf(stderr, "zmq: %s\n", fdm_last_error());
    exit(1);
  }
  return store;
}

// The sockets of one process, one for each way.
typedef struct end {
  void *context;
  fdm_zmq_socket sockets[WAYS];
} end;

static void address_of(int way, const char *transport, char *address, size_t size) {
  snprintf(address, size, "%s://%s/%s", transport, work_directory, way_names[way]);
}

static void open_socket(end *e, int way, int type, const char *transport, fdm_store *store) {
  fdm_zmq_socket *socket = &e->sockets[way];
  char address[1024];
  int none = 0;
  address_of(way, transport, address, sizeof address);
  int carrier = way == TRAILER ? FDM_ZMQ_CARRIER_TRAILER : FDM_ZMQ_CARRIER_NONE;
  check(fdm_zmq_socket_init(socket, zmq_socket(e->context, type), carrier) == 0, "zmq_socket");
  check(zmq_setsockopt(socket->handle, ZMQ_LINGER, &none, sizeof none) == 0, "ZMQ_LINGER");
  check(zmq_setsockopt(socket->handle, ZMQ_SNDHWM, &none, sizeof none) == 0, "ZMQ_SNDHWM");
  check(zmq_setsockopt(socket->handle, ZMQ_RCVHWM, &none, sizeof none) == 0, "ZMQ_RCVHWM");
  check((type == ZMQ_PUSH ? zmq_connect : zmq_bind)(socket->handle, address) == 0, address);
  if (way >= COUNTING && fdm_zmq_socket_record(socket, store, NULL, NULL) != FDM_OK) {
    fprintf(stderr, "zmq: %s\n", fdm_last_error());
    exit(1);
  }
}

static void close_end(end *e) {
  for (int way = 0; way < WAYS; way++) fdm_zmq_close(&e->sockets[way]);
  zmq_ctx_term(e->context);
}

static inline void send_one(fdm_zmq_socket *socket, int way) {
  int sent;
  if (way >= COUNTING) {
    sent = fdm_zmq_send(socket, payload, SIZE, 0);
  } else {
    sent = zmq_send(socket->handle, payload, SIZE, way == TWO_FRAMES ? ZMQ_SNDMORE : 0);
    if (way == TWO_FRAMES && zmq_send(socket->handle, payload, FDM_ZMQ_TRAILER_SIZE, 0) < 0) fail("send");
  }
  if (sent != SIZE) fail("send");
}

static inline void receive_one(fdm_zmq_socket *socket, int way) {
  char second[FDM_ZMQ_TRAILER_SIZE];
  int size;
  if (way >= COUNTING) {
    size = fdm_zmq_recv(socket, received, sizeof received, 0);
  } else {
    size = zmq_recv(socket->handle, received, sizeof received, 0);
    if (way == TWO_FRAMES && zmq_recv(socket->handle, second, sizeof second, 0) < 0) fail("recv");
  }
  if (size != SIZE) fail("recv");
}

// Of one end: the times of each way's groups, per message, and their differences to the plain ones of the same turn.
static double times[WAYS][TURNS * BATCHES], added[WAYS][TURNS * BATCHES];

static double timed_group(fdm_zmq_socket *socket, int way, int sends) {
  double start = bench_now();
  for (int i = 0; i < GROUP; i++) {
    if (sends) {
      send_one(socket, way);
    } else {
      receive_one(socket, way);
    }
  }
  return bench_now() - start;
}

static void take_turns(end *e, int batch, int sends, unsigned *seed) {
  int order[WAYS] = {PLAIN, TWO_FRAMES, COUNTING, TRAILER};
  for (int turn = batch * TURNS; turn < (batch + 1) * TURNS; turn++) {
    for (int i = WAYS - 1; i > 0; i--) {
      int j = (int)((unsigned)rand_r(seed) % (unsigned)(i + 1)), kept = order[i];
      order[i] = order[j], order[j] = kept;
    }
    for (int i = 0; i < WAYS; i++) {
      int way = order[i];
      times[way][turn] = timed_group(&e->sockets[way], way, sends) / GROUP;
      for (double end = bench_now() + (sends ? gap : 0); bench_now() < end;) bench_relax();
    }
    for (int way = 0; way < WAYS; way++) added[way][turn] = times[way][turn] - times[PLAIN][turn];
  }
}

static void report(const char *side) {
  for (int way = 0; way < WAYS; way++) {
    printf("{\"program\": \"zmq-c\", \"op\": \"%s\", \"%s_ns\": %.1f, \"%s_added_ns\": %.1f}\n", way_names[way], side,
           bench_median(times[way], TURNS * BATCHES), side, bench_median(added[way], TURNS * BATCHES));
  }
  fflush(stdout);
}

static void say(int pipe) { check(write(pipe, ".", 1) == 1, "write to the other process"); }

static void wait_for(int pipe) {
  char byte;
  check(read(pipe, &byte, 1) == 1, "the other process has ended");
}

static void run_end(int sends, int from_other, int to_other) {
  end e = {.context = zmq_ctx_new()};
  fdm_store *store = open_store();
  unsigned seed = 20;
  int cpus[2], available = bench_cpus(cpus);
  if (available > 1) zmq_ctx_set(e.context, ZMQ_THREAD_AFFINITY_CPU_ADD, cpus[1]);
  bench_pin(cpus[0]);
  for (int way = 0; way < WAYS; way++) open_socket(&e, way, sends ? ZMQ_PUSH : ZMQ_PULL, "ipc", store);
  if (!sends) say(to_other);
  if (sends) wait_for(from_other);
  for (int way = 0; way < WAYS; way++) {
    for (int i = 0; i < WARM_UP; i++) {
      if (sends) {
        send_one(&e.sockets[way], way);
      } else {
        receive_one(&e.sockets[way], way);
        if (memcmp(received, payload, SIZE)) fail("the message is not the one that was sent");
      }
    }
  }
  for (int batch = 0; batch < BATCHES; batch++) {
    if (!sends) {
      wait_for(from_other);
      usleep(20000);  // The last messages arrive.
    }
    take_turns(&e, batch, sends, &seed);
    say(to_other);
    if (sends) wait_for(from_other);
  }
  report(sends ? "send" : "receive");
  close_end(&e);
  exit(0);
}

static double sample(const char *text, const char *name, const char *address) {
  char line[1200];
  snprintf(line, sizeof line, "\n%s{address=\"%s\"} ", name, address);
  const char *found = strstr(text, line);
  return found ? strtod(found + strlen(line), NULL) : -1;
}

static void expect(const char *text, const char *name, const char *address, double expected) {
  double found = sample(text, name, address);
  if (found == expected) return;
  fprintf(stderr, "zmq: %s of %s is %.17g, but %.17g is what was sent\n", name, address, found, expected);
  exit(1);
}

static void verify(const char *transport, double messages) {
  char *text, address[1024];
  size_t length;
  if (fdm_render(open_store(), FDM_FORMAT_TEXT, 0, &text, &length) != FDM_OK) fail(fdm_last_error());
  for (int way = COUNTING; way < WAYS; way++) {
    address_of(way, transport, address, sizeof address);
    expect(text, "fastdeploy:zmq:msg_send_total", address, messages);
    expect(text, "fastdeploy:zmq:msg_recv_total", address, messages);
    expect(text, "fastdeploy:zmq:msg_bytes_send_total", address, messages * SIZE);
    expect(text, "fastdeploy:zmq:msg_bytes_recv_total", address, messages * SIZE);
    expect(text, "fastdeploy:zmq:latency_count", address, way == TRAILER ? messages : 0);
  }
  fdm_free(text);
}

static void two_processes(void) {
  int to_sender[2], to_receiver[2];
  check(pipe(to_sender) == 0 && pipe(to_receiver) == 0, "pipe");
  for (int sends = 0; sends < 2; sends++) {
    pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
      int *mine = sends ? to_sender : to_receiver, *others = sends ? to_receiver : to_sender;
      close(mine[1]), close(others[0]);
      run_end(sends, mine[0], others[1]);
    }
  }
  close(to_sender[0]), close(to_sender[1]), close(to_receiver[0]), close(to_receiver[1]);
  for (int i = 0; i < 2; i++) {
    int status;
    check(wait(&status) > 0 && status == 0, "a process failed");
  }
  verify("ipc", WARM_UP + (double)TURNS * BATCHES * GROUP);
}

// ---------------------------------------------------------------------------------------------------------------------
// Memory

static size_t heap(void) {
  struct mallinfo2 now = mallinfo2();
  return now.uordblks + now.hblkhd;
}

// Everything that is recorded of messages, once each.
static void record_all(fdm_zmq_link *link, long count) {
  unsigned char trailer[FDM_ZMQ_TRAILER_SIZE];
  for (long i = 0; i < count; i++) {
    fdm_zmq_write_trailer(trailer);
    fdm_zmq_sent(link, SIZE);
    fdm_zmq_received_trailer(link, SIZE, trailer);
  }
}

static void pass_all(end *senders, end *receivers, int way, long count) {
  for (long i = 0; i < count; i++) {
    send_one(&senders->sockets[way], way);
    receive_one(&receivers->sockets[way], way);
  }
}

static void print_growth(const char *op, long messages, size_t before) {
  printf("{\"program\": \"zmq-c\", \"op\": \"%s\", \"messages\": %ld, \"growth_bytes\": %ld}\n", op, messages,
         (long)(heap() - before));
}

static void take_memory(void) {
  fdm_store *store = open_store();
  fdm_zmq_link *link;
  check(fdm_zmq_link_open(store, NULL, "direct", &link) == FDM_OK, "fdm_zmq_link_open");
  record_all(link, 100000);
  size_t before = heap();
  record_all(link, RECORDINGS);
  print_growth("heap_recordings", RECORDINGS, before);

  end receivers = {.context = zmq_ctx_new()}, senders = receivers;
  for (int way = COUNTING; way < WAYS; way++) {
    open_socket(&receivers, way, ZMQ_PULL, "inproc", store);
    open_socket(&senders, way, ZMQ_PUSH, "inproc", store);
    pass_all(&senders, &receivers, way, MESSAGES / 10);
    before = heap();
    pass_all(&senders, &receivers, way, MESSAGES);
    print_growth(way == COUNTING ? "heap_counting" : "heap_trailer", MESSAGES, before);
  }
  verify("inproc", MESSAGES + MESSAGES / 10);
  for (int way = COUNTING; way < WAYS; way++) {
    fdm_zmq_close(&senders.sockets[way]);
    fdm_zmq_close(&receivers.sockets[way]);
  }
  zmq_ctx_term(senders.context);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: zmq DIRECTORY [heap]\n"), 2;
  work_directory = argv[1];
  memset(payload, 'x', SIZE);
  if (argc > 2) {
    take_memory();
  } else {
    two_processes();
  }
  return 0;
}
