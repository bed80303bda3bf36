// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// flood push ENDPOINT COUNT               connects, and sends the numbers 0 ... COUNT - 1 and then "end"; stays until its
//                                         standard input ends
// flood pull ENDPOINT LEDGER COUNT DEATH  binds, and receives until "end", or until it has DEATH numbers (0: none) and
//                                         kills itself
// The ledger is a file of COUNT bytes: number i adds 1 to byte i. It does not depend on what is recorded.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fdmetrics_zmq.h"

static void fail(const char *what) {
  fprintf(stderr, "flood: %s: %s; %s\n", what, zmq_strerror(zmq_errno()), fdm_last_error());
  exit(1);
}

static void record(fdm_zmq_socket *socket) {
  fdm_store *store;
  if (fdm_store_default(&store) != FDM_OK || fdm_zmq_socket_record(socket, store, NULL, NULL) != FDM_OK) {
    fail("cannot record");
  }
}

static void push(fdm_zmq_socket *socket, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (fdm_zmq_send(socket, &i, sizeof i, 0) < 0) {
      fail("cannot send");
    }
  }
  if (fdm_zmq_send(socket, "end", 3, 0) < 0) {
    fail("cannot send the end");
  }
  // libzmq drops what is still in the kernel if a sender exits while the receiver's queue is full.
  while (getchar() != EOF) {
  }
}

static void pull(fdm_zmq_socket *socket, const char *path, uint32_t count, uint32_t death) {
  const int file = open(path, O_RDWR);
  unsigned char *ledger = (unsigned char *)mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file < 0 || ledger == MAP_FAILED) {
    fail("cannot map the ledger");
  }
  for (uint32_t received = 0;;) {
    uint32_t number;
    int size = fdm_zmq_recv(socket, &number, sizeof number, 0);
    if (size == 3) {
      return;
    }
    if (size != (int)sizeof number || number >= count) {
      fail("cannot receive");
    }
    ledger[number]++;
    if (++received == death) {
      kill(getpid(), SIGKILL);
    }
  }
}

int main(int argc, char **argv) {
  fdm_zmq_socket socket;
  void *context = zmq_ctx_new();
  const int pushes = argc == 4 && strcmp(argv[1], "push") == 0;
  const int reconnect = 5;
  if (!pushes && argc != 6) {
    fprintf(stderr, "usage: flood push ENDPOINT COUNT | flood pull ENDPOINT LEDGER COUNT DEATH\n");
    return 2;
  }
  fdm_zmq_socket_init(&socket, zmq_socket(context, pushes ? ZMQ_PUSH : ZMQ_PULL), FDM_ZMQ_CARRIER_TRAILER);
  zmq_setsockopt(socket.handle, ZMQ_RECONNECT_IVL, &reconnect, sizeof reconnect);
  if ((pushes ? zmq_connect : zmq_bind)(socket.handle, argv[2]) != 0) {
    fail(argv[2]);
  }
  record(&socket);
  if (pushes) {
    push(&socket, (uint32_t)strtoul(argv[3], NULL, 10));
  } else {
    pull(&socket, argv[3], (uint32_t)strtoul(argv[4], NULL, 10), (uint32_t)strtoul(argv[5], NULL, 10));
  }
  fdm_zmq_close(&socket);
  zmq_ctx_term(context);
  return 0;
}
