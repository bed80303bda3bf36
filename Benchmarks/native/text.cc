// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// Text exposition of the same series by fdm_render and, when built with WITH_PROMETHEUS_CPP, by prometheus-cpp, in turn
// within one process. Both include reading the values. Every series is updated between two renderings, so that neither
// can give a finished text again, and all texts must have the same sample lines and the same sum of values. fdm_render
// gives OpenMetrics as well, which prometheus-cpp does not have.
//
//   text DIRECTORY      one store for each shape is made below it
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "fdmetrics.h"
#include "harness.h"
#include "workload.h"
#ifdef WITH_PROMETHEUS_CPP
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#endif

namespace {

const int repeats = 25;

// Families and series in each of them.
struct Shape {
  const char *name;
  int counters, counter_series, gauges, gauge_series, histograms, histogram_series;
  long Lines() const { return counters * counter_series + gauges * gauge_series + histograms * histogram_series * 17L; }
};

const Shape shapes[] = {
    {"text_5000_counters", 50, 100, 0, 0, 0, 0},
    {"text_5000_counters_gauges", 50, 60, 20, 100, 0, 0},
    {"text_500_mixed", 20, 10, 10, 10, 20, 10},
};

std::string Numbered(const char *prefix, int number) { return prefix + std::to_string(number); }

[[noreturn]] void Fail(const std::string &what) {
  std::fprintf(stderr, "text: %s\n", what.c_str());
  std::exit(1);
}

void Check(fdm_status status, const std::string &what) {
  if (status != FDM_OK) Fail(what + ": " + fdm_strerror(status) + ": " + fdm_last_error());
}

class FDMText {
 public:
  FDMText(const Shape &shape, const std::string &directory) {
    fdm_options options{};
    options.struct_size = sizeof options;
    options.directory = directory.c_str();
    Check(fdm_store_open(&options, &store_), directory);
    for (int n = 0; n < shape.counters; n++) {
      fdm_family *family = Register(FDM_COUNTER, Numbered("app_requests_", n), "Requests handled", "route");
      for (int j = 0; j < shape.counter_series; j++) {
        counters_.push_back(static_cast<fdm_counter *>(Series(family, Numbered("/api/v1/route_", j))));
        fdm_counter_add_u64(counters_.back(), static_cast<uint64_t>(n + j));
      }
    }
    for (int n = 0; n < shape.gauges; n++) {
      fdm_family *family = Register(FDM_GAUGE, Numbered("app_queue_depth_", n), "Queue depth", "queue");
      for (int j = 0; j < shape.gauge_series; j++) {
        gauges_.push_back(static_cast<fdm_gauge *>(Series(family, Numbered("queue_", j))));
        fdm_gauge_set(gauges_.back(), n * 1.5 + j);
      }
    }
    for (int n = 0; n < shape.histograms; n++) {
      fdm_family *family = Register(FDM_HISTOGRAM, Numbered("app_latency_seconds_", n), "Latency", "route");
      for (int j = 0; j < shape.histogram_series; j++) {
        histograms_.push_back(static_cast<fdm_histogram *>(Series(family, Numbered("/api/v1/route_", j))));
        fdm_histogram_observe(histograms_.back(), .01 * (n + j));
      }
    }
  }

  void Touch() {
    for (auto *counter : counters_) fdm_counter_inc(counter);
    for (auto *gauge : gauges_) fdm_gauge_add(gauge, 1);
    for (auto *histogram : histograms_) fdm_histogram_observe(histogram, .25);
  }

  // Nanoseconds of one rendering; the text is kept in `text` when that is not null.
  double Time(std::string *text, uint32_t format = FDM_FORMAT_TEXT) {
    char *rendered;
    size_t length;
    double start = bench_now();
    fdm_status status = fdm_render(store_, format, 0, &rendered, &length);
    double elapsed = bench_now() - start;
    Check(status, "fdm_render");
    if (text) text->assign(rendered, length);
    fdm_free(rendered);
    return elapsed;
  }

 private:
  fdm_family *Register(uint32_t type, const std::string &name, const char *help, const char *label) {
    static const double bounds[] = {WORKLOAD_TEXT_BOUNDS};
    fdm_descriptor descriptor{};
    descriptor.struct_size = sizeof descriptor;
    descriptor.type = type;
    descriptor.name = name.c_str();
    descriptor.help = help;
    descriptor.label_names = &label;
    descriptor.label_count = 1;
    if (type == FDM_GAUGE) descriptor.gauge_mode = FDM_GAUGE_LIVESUM;
    if (type == FDM_HISTOGRAM) descriptor.bounds = bounds, descriptor.bound_count = sizeof bounds / sizeof *bounds;
    fdm_family *family;
    Check(fdm_register(store_, &descriptor, &family), name);
    return family;
  }

  void *Series(fdm_family *family, const std::string &value) {
    fdm_string string{value.data(), value.size()};
    void *handle;
    Check(fdm_labels(family, &string, 1, &handle), value);
    return handle;
  }

  fdm_store *store_ = nullptr;
  std::vector<fdm_counter *> counters_;
  std::vector<fdm_gauge *> gauges_;
  std::vector<fdm_histogram *> histograms_;
};

#ifdef WITH_PROMETHEUS_CPP
class PrometheusText {
 public:
  explicit PrometheusText(const Shape &shape) {
    const prometheus::Histogram::BucketBoundaries bounds{WORKLOAD_TEXT_BOUNDS};
    for (int n = 0; n < shape.counters; n++) {
      auto &family =
          prometheus::BuildCounter().Name(Numbered("app_requests_", n)).Help("Requests handled").Register(registry_);
      for (int j = 0; j < shape.counter_series; j++) {
        counters_.push_back(&family.Add({{"route", Numbered("/api/v1/route_", j)}}));
        counters_.back()->Increment(n + j);
      }
    }
    for (int n = 0; n < shape.gauges; n++) {
      auto &family =
          prometheus::BuildGauge().Name(Numbered("app_queue_depth_", n)).Help("Queue depth").Register(registry_);
      for (int j = 0; j < shape.gauge_series; j++) {
        gauges_.push_back(&family.Add({{"queue", Numbered("queue_", j)}}));
        gauges_.back()->Set(n * 1.5 + j);
      }
    }
    for (int n = 0; n < shape.histograms; n++) {
      auto &family =
          prometheus::BuildHistogram().Name(Numbered("app_latency_seconds_", n)).Help("Latency").Register(registry_);
      for (int j = 0; j < shape.histogram_series; j++) {
        histograms_.push_back(&family.Add({{"route", Numbered("/api/v1/route_", j)}}, bounds));
        histograms_.back()->Observe(.01 * (n + j));
      }
    }
  }

  void Touch() {
    for (auto *counter : counters_) counter->Increment();
    for (auto *gauge : gauges_) gauge->Increment();
    for (auto *histogram : histograms_) histogram->Observe(.25);
  }

  double Time(std::string *text) {
    double start = bench_now();
    std::string rendered = serializer_.Serialize(registry_.Collect());
    double elapsed = bench_now() - start;
    if (text) *text = std::move(rendered);
    return elapsed;
  }

 private:
  prometheus::Registry registry_;
  prometheus::TextSerializer serializer_;
  std::vector<prometheus::Counter *> counters_;
  std::vector<prometheus::Gauge *> gauges_;
  std::vector<prometheus::Histogram *> histograms_;
};
#endif

double Verify(const Shape &shape, const char *library, const std::string &text) {
  long lines;
  double sum;
  workload_sum(text.c_str(), "", &lines, &sum);
  if (lines != shape.Lines()) {
    Fail(std::string(shape.name) + ": " + library + " gave " + std::to_string(lines) + " sample lines, not " +
         std::to_string(shape.Lines()));
  }
  return sum;
}

void Compare(const Shape &shape, double sum, double peer_sum) {
  if (std::fabs(sum - peer_sum) > 1e-9 * peer_sum) {
    Fail(std::string(shape.name) + ": the values of fdm_render add up to " + std::to_string(sum) +
         ", those of prometheus-cpp to " + std::to_string(peer_sum));
  }
}

void Run(const Shape &shape, const std::string &directory) {
  FDMText fdm(shape, directory);
  double first = fdm.Time(nullptr), least = first, peer_least = 0;
  double openmetrics_least = fdm.Time(nullptr, FDM_FORMAT_OPENMETRICS);
  std::string text, openmetrics_text, peer_text, later_peer_text;
#ifdef WITH_PROMETHEUS_CPP
  PrometheusText peer(shape);
  peer_least = peer.Time(nullptr);
#endif
  for (int r = 0; r < repeats; r++) {
    fdm.Touch();
    least = std::fmin(least, fdm.Time(&text));
#ifdef WITH_PROMETHEUS_CPP
    peer.Touch();
    peer_least = std::fmin(peer_least, peer.Time(&peer_text));
#endif
    fdm.Touch();
    openmetrics_least = std::fmin(openmetrics_least, fdm.Time(&openmetrics_text, FDM_FORMAT_OPENMETRICS));
#ifdef WITH_PROMETHEUS_CPP
    // Once more, so that both formats come after the peer, which leaves little of them in the caches.
    peer.Touch();
    peer_least = std::fmin(peer_least, peer.Time(&later_peer_text));
#endif
  }
  std::printf("{\"program\": \"text\", \"op\": \"%s\", \"ns\": %.0f, \"first_ns\": %.0f", shape.name, least, first);
  std::printf(", \"openmetrics_ns\": %.0f, \"openmetrics_bytes\": %zu", openmetrics_least, openmetrics_text.size());
  std::printf(", \"lines\": %ld, \"bytes\": %zu", shape.Lines(), text.size());
  double sum = Verify(shape, "fdm_render", text);
  double openmetrics_sum = Verify(shape, "fdm_render (OpenMetrics)", openmetrics_text);
  if (!peer_text.empty()) {
    Compare(shape, sum, Verify(shape, "prometheus-cpp", peer_text));
    Compare(shape, openmetrics_sum, Verify(shape, "prometheus-cpp", later_peer_text));
    std::printf(", \"peer_ns\": %.0f, \"peer_bytes\": %zu", peer_least, peer_text.size());
  }
  std::printf("}\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: text DIRECTORY\n"), 2;
  for (const Shape &shape : shapes) Run(shape, std::string(argv[1]) + "/" + shape.name);
  return 0;
}
