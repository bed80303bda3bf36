// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// A service whose store `fdmctl serve` serves: python_serve.py runs it, and tells it on its standard input what to do.
//
//   serve DIRECTORY SERIES        makes so many counters with two labels, 5,000 in a family, and answers "ready"
//
//   compare PORT PAIRS CPU        renders the store in this process, scrapes it over HTTP, the gzip off, and has a process
//                                 on that CPU, which is the server's, send as many bytes over TCP and do nothing else; in
//                                 turn, every series updated before each. Render and scrape must give the same bytes.
//                                 Answers the least and the median nanoseconds of each as a JSON object
//   write MILLISECONDS            increments all series in turn; answers the nanoseconds an increment took on average
#include "fdmetrics.h"
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAMILY_SERIES = 5000, SLICE = 1000, RESPONSE_BYTES = 32 << 20 };

static fdm_store *store;
static fdm_counter **counters;
static long series;
static char *response;

static void check(fdm_status status, const char *what) {
  if (status == FDM_OK) return;
  fprintf(stderr, "serve: %s: %s: %s\n", what, fdm_strerror(status), fdm_last_error());
  exit(1);
}

static void fail(const char *what) {
  fprintf(stderr, "serve: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
  exit(1);
}

static void make_series(void) {
  static const char *const labels[] = {"method", "route"};
  fdm_family *family = NULL;
  counters = (fdm_counter **)calloc((size_t)series, sizeof *counters);
  for (long i = 0; i < series; i++) {
    if (i % FAMILY_SERIES == 0) {
      char name[64];
      snprintf(name, sizeof name, "service_requests_%ld", i / FAMILY_SERIES);
      fdm_descriptor descriptor = {.struct_size = sizeof descriptor, .type = FDM_COUNTER, .name = name,
                                   .help = "Requests handled", .label_names = labels, .label_count = 2};
      check(fdm_register(store, &descriptor, &family), name);
    }
    char route[64];
    snprintf(route, sizeof route, "/api/v1/route_%ld", i % FAMILY_SERIES);
    const char *values[] = {i & 1 ? "GET" : "POST", route};
    check(fdm_counter_labels(family, values, 2, &counters[i]), route);
  }
}

static void touch(void) {
  for (long i = 0; i < series; i++) fdm_counter_inc(counters[i]);
}

// ---------------------------------------------------------------------------------------------------------------------

static int connect_to(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int socket_ = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  if (socket_ < 0 || connect(socket_, (struct sockaddr *)&address, sizeof address)) fail("connect");
  setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return socket_;
}

// One scrape over a connection that stays. Returns where the body is in `response`, and its length.
static char *scrape(int socket_, size_t *length) {
  static const char request[] =
      "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain;version=0.0.4\r\n\r\n";
  if (write(socket_, request, sizeof request - 1) != (ssize_t)sizeof request - 1) fail("write");
  size_t have = 0, need = RESPONSE_BYTES;
  char *body = NULL;
  while (!body || have < need) {
    ssize_t got = read(socket_, response + have, RESPONSE_BYTES - have);
    if (got <= 0) fail("read");
    have += (size_t)got;
    if (body) continue;
    response[have] = 0;
    char *end = strstr(response, "\r\n\r\n");
    if (!end) continue;
    *end = 0;
    char *field = strcasestr(response, "\ncontent-length:");
    if (strncmp(response, "HTTP/1.1 200", 12) || !field) errno = 0, fail(response);
    body = end + 4;
    *length = strtoul(field + 16, NULL, 10);
    need = (size_t)(body - response) + *length;
    if (need > RESPONSE_BYTES) errno = 0, fail("the answer is too long");
  }
  return body;
}

// The least that any server can take: a process on a CPU that answers each byte with so many, over a connection that stays.
static pid_t start_sender(int cpu, size_t length, int *socket_) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) || listen(listener, 1) ||
      getsockname(listener, (struct sockaddr *)&address, &size))
    fail("listen");
  pid_t sender = fork();
  if (sender < 0) fail("fork");
  if (sender == 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    int connection = accept(listener, NULL, NULL);
    char *bytes = (char *)malloc(length), byte;
    if (sched_setaffinity(0, sizeof set, &set) || connection < 0 || !bytes) _exit(1);
    memset(bytes, 'x', length);
    while (read(connection, &byte, 1) == 1) {
      for (size_t sent = 0; sent < length;) {
        ssize_t count = write(connection, bytes + sent, length - sent);
        if (count <= 0) _exit(1);
        sent += (size_t)count;
      }
    }
    _exit(0);
  }
  close(listener);
  *socket_ = connect_to(ntohs(address.sin_port));
  return sender;
}

static void transfer(int socket_, size_t length) {
  if (write(socket_, "x", 1) != 1) fail("write");
  for (size_t have = 0; have < length;) {
    ssize_t got = read(socket_, response + have, RESPONSE_BYTES - have);
    if (got <= 0) fail("read");
    have += (size_t)got;
  }
}

static void print_times(const char *least, const char *median, double *times, int count) {
  qsort(times, (size_t)count, sizeof *times, bench_compare);
  printf("\"%s\": %.0f, \"%s\": %.0f", least, times[0], median, times[count / 2]);
}

static void compare(int port, int pairs, int cpu) {
  int socket_ = connect_to(port), sender_socket = -1;
  double *times[3];
  for (int i = 0; i < 3; i++) times[i] = (double *)malloc(sizeof(double) * (size_t)pairs);
  pid_t sender = 0;
  size_t sent = 0;  // The text grows by a digit now and then.
  for (int i = -5; i < pairs; i++) {
    char *text;
    size_t length, answered;
    touch();
    double start = bench_now();
    check(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length), "fdm_render");
    double rendered = bench_now() - start;
    if (!sender) sender = start_sender(cpu, sent = length, &sender_socket);
    touch();
    start = bench_now();
    transfer(sender_socket, sent);
    double transferred = bench_now() - start;
    // The render's values are older by two.
    touch();
    start = bench_now();
    char *body = scrape(socket_, &answered);
    double answer = bench_now() - start;
    if (i == 0) {
      // Rendered once more, since the text above is of the values before.
      fdm_free(text);
      check(fdm_render(store, FDM_FORMAT_TEXT, 0, &text, &length), "fdm_render");
      if (length != answered || memcmp(text, body, length)) errno = 0, fail("the answer is not what fdm_render gives");
    }
    fdm_free(text);
    if (i < 0) continue;  // Nothing is warm yet.
    times[0][i] = answer, times[1][i] = rendered, times[2][i] = transferred;
  }
  close(socket_);
  close(sender_socket);
  int status;
  if (waitpid(sender, &status, 0) != sender || status) errno = 0, fail("the bare sender failed");
  printf("{");
  print_times("ns", "median_ns", times[0], pairs);
  printf(", ");
  print_times("peer_ns", "peer_median_ns", times[1], pairs);
  printf(", ");
  print_times("transfer_ns", "transfer_median_ns", times[2], pairs);
  printf("}\n");
}

static void write_for(double milliseconds) {
  double start = bench_now(), elapsed;
  long updates = 0, next = 0;  // The series are a multiple of a slice.
  do {
    for (int i = 0; i < SLICE; i++) fdm_counter_inc(counters[next + i]);
    updates += SLICE;
    next = next + SLICE < series ? next + SLICE : 0;
    elapsed = bench_now() - start;
  } while (elapsed < milliseconds * 1e6);
  printf("%.4f\n", elapsed / (double)updates);
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: serve DIRECTORY SERIES\n"), 2;
  fdm_options options = {.struct_size = sizeof options, .directory = argv[1]};
  check(fdm_store_open(&options, &store), argv[1]);
  series = strtol(argv[2], NULL, 10) / SLICE * SLICE;
  response = (char *)malloc(RESPONSE_BYTES + 1);
  make_series();
  printf("ready\n");
  fflush(stdout);
  char line[128];
  while (fgets(line, sizeof line, stdin)) {
    int port, pairs, cpu;
    double milliseconds;
    if (sscanf(line, "compare %d %d %d", &port, &pairs, &cpu) == 3) {
      compare(port, pairs, cpu);
    } else if (sscanf(line, "write %lf", &milliseconds) == 1) {
      write_for(milliseconds);
    } else {
      errno = 0, fail(line);
    }
    fflush(stdout);
  }
  return 0;
}
