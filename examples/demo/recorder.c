// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// recorder ENDPOINT: a C process. It takes from the Python workers what each request has used, over a REP socket that
// records by itself, and records more on its own account, into series of theirs and of the Swift engine.
// Like every process of the demo it obeys its standard input and writes its ledger on its standard output; ledger.py and
// peer.py say how.
#include <fdmetrics.h>
#include <fdmetrics_zmq.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Writes a line in one system call: a pipe takes short ones whole.
static void say(const char *line) {
    if (write(STDOUT_FILENO, line, strlen(line)) < 0) exit(1);
}

static void will(const char *update, double value) {
    char line[200];
    snprintf(line, sizeof line, "try %s %.17g\n", update, value);
    say(line);
}

static void done(void) { say("done\n"); }

static void must(fdm_status status) {
    if (status == FDM_OK) return;
    fprintf(stderr, "recorder: %s: %s\n", fdm_strerror(status), fdm_last_error());
    exit(1);
}

static void must_zmq(const char *what, int result) {
    if (result >= 0) return;
    fprintf(stderr, "recorder: cannot %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

// ---------------------------------------------------------------------------------------------------------------------
// What it records itself

static fdm_family *family(fdm_store *store, fdm_descriptor descriptor) {
    fdm_family *result;
    descriptor.struct_size = sizeof descriptor;
    must(fdm_register(store, &descriptor, &result));
    return result;
}

static fdm_counter *operations;
static fdm_counter *seconds;
static fdm_histogram *payload;
static fdm_gauge *longest;

// Declares the metrics, alike with the other languages. Whoever comes first makes them.
static void declare(fdm_store *store) {
    static const double bounds[] = {16, 32, 64, 128, 256, 512};
    must(fdm_counter_labels(
        family(store, (fdm_descriptor){.type = FDM_COUNTER,
                                       .name = "demo_operations_total",
                                       .help = "Operations of all processes, in all languages."}),
        NULL, 0, &operations));
    must(fdm_counter_labels(
        family(store, (fdm_descriptor){.type = FDM_COUNTER,
                                       .name = "demo_compute_seconds_total",
                                       .help = "Time spent on computing, pretended, by the engine and the recorder."}),
        NULL, 0, &seconds));
    must(fdm_histogram_labels(
        family(store, (fdm_descriptor){.type = FDM_HISTOGRAM,
                                       .name = "demo_payload_bytes",
                                       .help = "Bytes of payloads.",
                                       .bounds = bounds,
                                       .bound_count = sizeof bounds / sizeof *bounds}),
        NULL, 0, &payload));
    must(fdm_gauge_labels(
        family(store, (fdm_descriptor){.type = FDM_GAUGE,
                                       .gauge_mode = FDM_GAUGE_MAX,
                                       .name = "demo_longest_payload_bytes",
                                       .help = "The longest payload of any process so far."}),
        NULL, 0, &longest));
}

static void work(void) {
    static uint32_t random = 1;
    random = random * 1664525u + 1013904223u;
    double bytes = (random >> 16) % 550;

    will("inc demo_operations_total", 1);
    fdm_counter_inc(operations);
    done();

    // A quarter is exact in binary, so the sum is exact in any order.
    will("inc demo_compute_seconds_total", 0.25);
    must(fdm_counter_add(seconds, 0.25));
    done();

    will("observe demo_payload_bytes", bytes);
    fdm_histogram_observe(payload, bytes);
    done();

    if (bytes > fdm_gauge_value(longest)) {
        will("set demo_longest_payload_bytes", bytes);
        fdm_gauge_set(longest, bytes);
        done();
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// The link to the workers

static void *watch(void *monitor) {
    fdm_zmq_monitor_run(monitor);
    return NULL;
}

// Takes one message, which is there, and acknowledges it.
static void acknowledge(fdm_zmq_socket *workers) {
    zmq_msg_t message;
    fdm_zmq_json usage;
    zmq_msg_init(&message);
    say("try inc fastdeploy:zmq:msg_recv_total{address=\"usage\"} 1; "
        "inc fastdeploy:zmq:latency_count{address=\"usage\"} 1\n");
    must_zmq("receive", fdm_zmq_msg_recv_json(&message, workers, &usage, 0));
    done();

    // The payload is inside of the message, out of its envelope if it came in one.
    char reply[200];
    int length = snprintf(reply, sizeof reply, "{\"recorded\": %.*s}", (int)usage.size, usage.data);
    zmq_msg_close(&message);
    say("try inc fastdeploy:zmq:msg_send_total{address=\"usage\"} 1\n");
    must_zmq("send", fdm_zmq_send_json(workers, reply, (size_t)length, 0));
    done();
}

static int is_message_there(fdm_zmq_socket *workers, long milliseconds, int *is_command_there) {
    zmq_pollitem_t items[] = {{workers->handle, 0, ZMQ_POLLIN, 0}, {NULL, STDIN_FILENO, ZMQ_POLLIN, 0}};
    must_zmq("poll", zmq_poll(items, 2, milliseconds));
    *is_command_there = items[1].revents != 0;
    return items[0].revents != 0;
}

// Obeys the standard input until that ends.
static void run(fdm_zmq_socket *workers) {
    int going = 0;
    for (;;) {
        int is_command_there;
        if (is_message_there(workers, going ? 2 : -1, &is_command_there)) acknowledge(workers);
        if (is_command_there) {
            char command;
            if (read(STDIN_FILENO, &command, 1) <= 0) return;
            going = command == 'g';
            if (command == 's') {
                while (is_message_there(workers, 0, &is_command_there)) acknowledge(workers);
                say("idle\n");
            }
        }
        if (going) work();
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: recorder ENDPOINT\n");
        return 2;
    }
    fdm_store *store;
    must(fdm_store_default(&store));
    declare(store);

    // libzmq as ever, and around its socket the one that records. The messages say when they were sent in one more frame;
    // of what comes every way is understood. The link has one name at both ends.
    void *context = zmq_ctx_new();
    fdm_zmq_socket workers;
    fdm_zmq_monitor monitor;
    pthread_t watcher;
    must_zmq("make a socket",
             fdm_zmq_socket_init(&workers, zmq_socket(context, ZMQ_REP), FDM_ZMQ_CARRIER_TRAILER));
    must(fdm_zmq_socket_record(&workers, store, NULL, "usage"));
    // Opt-in: counts what becomes of the connections.
    must_zmq("watch connections", fdm_zmq_monitor_open(&monitor, context, &workers));
    if (pthread_create(&watcher, NULL, watch, &monitor) != 0) {
        fprintf(stderr, "recorder: no thread can be made\n");
        return 1;
    }
    must_zmq(argv[1], zmq_bind(workers.handle, argv[1]));
    say("ready\n");
    run(&workers);

    fdm_zmq_close(&workers);
    pthread_join(watcher, NULL);
    zmq_ctx_term(context);
    return 0;
}
