// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// A C process that records into series of the Python workers and of the Swift engine, and into one more of its own.
// Like every process of the demo it obeys its standard input and writes its ledger on its standard output; ledger.py and
// peer.py say how.
#include <fdmetrics.h>
#include <poll.h>
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
static void declare(void) {
    static const double bounds[] = {16, 32, 64, 128, 256, 512};
    fdm_store *store;
    must(fdm_store_default(&store));
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

int main(void) {
    declare();
    say("ready\n");
    int going = 0;
    for (;;) {
        struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, going ? 2 : -1) > 0) {
            char command;
            if (read(STDIN_FILENO, &command, 1) <= 0) return 0;
            going = command == 'g';
            if (command == 's') say("idle\n");
        }
        if (going) work();
    }
}
