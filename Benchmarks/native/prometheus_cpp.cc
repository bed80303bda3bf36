// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// The operations of fdm.c done with prometheus-cpp, for comparison.
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>

#include "harness.h"
#include "workload.h"

static prometheus::Counter *counter, *fractions;
static prometheus::Gauge *gauge;
static prometheus::Histogram *fixed, *varying;
static prometheus::Family<prometheus::Counter> *labelled;
static std::string routes[WORKLOAD_SERIES];

static inline void look_up_and_inc(long i) {
  labelled->Add({{"method", i & 1 ? "GET" : "POST"}, {"route", routes[i]}}).Increment();
}

BENCH_LOOP(counter_inc, counter->Increment())
BENCH_LOOP(counter_add, fractions->Increment(2.5))
BENCH_LOOP(gauge_set, gauge->Set(1.5))
BENCH_LOOP(observe_fixed, fixed->Observe(workload_value))
BENCH_LOOP(observe_varying, varying->Observe(workload_values[i & (WORKLOAD_VALUES - 1)]))
BENCH_LOOP(labels_inc, look_up_and_inc(7))
BENCH_LOOP(labels_inc_varying, look_up_and_inc(i & (WORKLOAD_SERIES - 1)))

int main() {
  prometheus::Registry registry;
  const prometheus::Histogram::BucketBoundaries bounds{WORKLOAD_BOUNDS};
  workload_make_values();
  counter = &prometheus::BuildCounter().Name("counter").Help("Benchmark").Register(registry).Add({});
  fractions = &prometheus::BuildCounter().Name("fractions").Help("Benchmark").Register(registry).Add({});
  gauge = &prometheus::BuildGauge().Name("gauge").Help("Benchmark").Register(registry).Add({});
  fixed = &prometheus::BuildHistogram().Name("fixed").Help("Benchmark").Register(registry).Add({}, bounds);
  varying = &prometheus::BuildHistogram().Name("varying").Help("Benchmark").Register(registry).Add({}, bounds);
  labelled = &prometheus::BuildCounter().Name("labelled").Help("Benchmark").Register(registry);
  for (int i = 0; i < WORKLOAD_SERIES; i++) {
    routes[i] = "/api/v1/route_" + std::to_string(i);
    labelled->Add({{"method", i & 1 ? "GET" : "POST"}, {"route", routes[i]}});
  }
  bench_op ops[] = {
      {"counter_inc", counter_inc, nullptr, 1, 0},
      {"counter_add_2.5", counter_add, nullptr, 1, 0},
      {"gauge_set", gauge_set, nullptr, 1, 0},
      {"histogram_observe", observe_fixed, nullptr, 1, 0},
      {"histogram_observe_varying", observe_varying, nullptr, 1, 0},
      {"labels_inc", labels_inc, nullptr, 1, 0},
      {"labels_inc_varying", labels_inc_varying, nullptr, 1, 0},
  };
  BENCH_RUN("prometheus-cpp", ops);
  return 0;
}
