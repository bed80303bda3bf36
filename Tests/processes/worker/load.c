// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// One update of each kind. The numbers of the kinds, the names and the amounts stand in load.py again, which computes
// from a progress file what the exposition must say.
#include <string.h>

#include "worker.h"

enum {
  PLAIN,            // fdm_counter_inc
  FRACTION,         // fdm_counter_add of 0.5
  WHOLE,            // fdm_counter_add_u64 of 3
  LABELLED,         // a look-up of one of 16 series, and inc
  FRESH,            // a look-up of a series that is often new, and inc
  HISTOGRAM_LOW,    // an observation of 0.5, in the first bucket
  HISTOGRAM_HIGH,   // an observation of 7.5, in the last bucket
  SUMMARY,          // an observation of 1.5
  GAUGE_SUM,        // fdm_gauge_add of 2 to a gauge that keeps the values of the dead
  GAUGE_LIVESUM,    // fdm_gauge_inc of a gauge of the living
  GAUGE_LABELLED,   // a look-up of one of 16 gauges, and inc
  ZMQ_SENT,         // one message of 100 bytes
  FAMILY            // a registration of a family that is often new, and inc
};

struct load open_load(fdm_store *store) {
  struct load load;
  load.store = store;
  load.labelled = open_family(store, FDM_COUNTER, 0, "load_labelled", "item");
  load.fresh = open_family(store, FDM_COUNTER, 0, "load_fresh", "id");
  load.gauge_labelled = open_family(store, FDM_GAUGE, FDM_GAUGE_SUM, "load_gauge_labelled", "item");
  fdm_family *family = open_family(store, FDM_COUNTER, 0, "load_plain", NULL);
  REQUIRE_OK(fdm_counter_labels(family, NULL, 0, &load.plain));
  family = open_family(store, FDM_COUNTER, 0, "load_fraction", NULL);
  REQUIRE_OK(fdm_counter_labels(family, NULL, 0, &load.fraction));
  family = open_family(store, FDM_COUNTER, 0, "load_whole", NULL);
  REQUIRE_OK(fdm_counter_labels(family, NULL, 0, &load.whole));
  family = open_family(store, FDM_SUMMARY, 0, "load_summary", NULL);
  REQUIRE_OK(fdm_summary_labels(family, NULL, 0, &load.summary));
  family = open_family(store, FDM_GAUGE, FDM_GAUGE_SUM, "load_gauge_sum", NULL);
  REQUIRE_OK(fdm_gauge_labels(family, NULL, 0, &load.gauge_sum));
  family = open_family(store, FDM_GAUGE, FDM_GAUGE_LIVESUM, "load_gauge_livesum", NULL);
  REQUIRE_OK(fdm_gauge_labels(family, NULL, 0, &load.gauge_livesum));

  static const double bounds[] = {1.0, 5.0};
  fdm_descriptor descriptor;
  memset(&descriptor, 0, sizeof descriptor);
  descriptor.struct_size = sizeof descriptor;
  descriptor.type = FDM_HISTOGRAM;
  descriptor.name = "load_histogram";
  descriptor.bounds = bounds;
  descriptor.bound_count = 2;
  REQUIRE_OK(fdm_register(store, &descriptor, &family));
  REQUIRE_OK(fdm_histogram_labels(family, NULL, 0, &load.histogram));
  REQUIRE_OK(fdm_zmq_link_open(store, "load", "ipc:///load", &load.link));
  return load;
}

static void increment_series(fdm_family *family, const char *value) {
  fdm_counter *counter = NULL;
  REQUIRE_OK(fdm_counter_labels(family, &value, 1, &counter));
  fdm_counter_inc(counter);
}

static void perform(struct load *load, int kind, uint64_t turn, const char *fresh) {
  char name[80];
  switch (kind) {
    case PLAIN:
      fdm_counter_inc(load->plain);
      break;
    case FRACTION:
      REQUIRE_OK(fdm_counter_add(load->fraction, 0.5));
      break;
    case WHOLE:
      fdm_counter_add_u64(load->whole, 3);
      break;
    case LABELLED:
      snprintf(name, sizeof name, "%d", (int)(turn % 16));
      increment_series(load->labelled, name);
      break;
    case FRESH:
      increment_series(load->fresh, fresh);
      break;
    case HISTOGRAM_LOW:
      fdm_histogram_observe(load->histogram, 0.5);
      break;
    case HISTOGRAM_HIGH:
      fdm_histogram_observe(load->histogram, 7.5);
      break;
    case SUMMARY:
      fdm_summary_observe(load->summary, 1.5);
      break;
    case GAUGE_SUM:
      REQUIRE_OK(fdm_gauge_add(load->gauge_sum, 2));
      break;
    case GAUGE_LIVESUM:
      fdm_gauge_inc(load->gauge_livesum);
      break;
    case GAUGE_LABELLED: {
      snprintf(name, sizeof name, "%d", (int)(turn % 16));
      const char *value = name;
      fdm_gauge *gauge = NULL;
      REQUIRE_OK(fdm_gauge_labels(load->gauge_labelled, &value, 1, &gauge));
      fdm_gauge_inc(gauge);
      break;
    }
    case ZMQ_SENT:
      fdm_zmq_sent(load->link, 100);
      break;
    case FAMILY: {
      snprintf(name, sizeof name, "load_family_%s", fresh);
      fdm_counter *counter = NULL;
      REQUIRE_OK(fdm_counter_labels(open_family(load->store, FDM_COUNTER, 0, name, NULL), NULL, 0, &counter));
      fdm_counter_inc(counter);
      break;
    }
    default:
      FAIL("no update of kind %d", kind);
  }
}

void update_load(struct load *load, struct progress_row *row, int kind, const char *fresh) {
  // Sequentially consistent, so that neither the compiler nor the CPU moves an update out of its brackets.
  uint64_t turn = row->done[kind];
  __atomic_store_n(&row->begun[kind], turn + 1, __ATOMIC_SEQ_CST);
  perform(load, kind, turn, fresh);
  __atomic_store_n(&row->done[kind], turn + 1, __ATOMIC_SEQ_CST);
}
