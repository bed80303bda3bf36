// SPDX-FileCopyrightText: the fdmetrics authors
// SPDX-License-Identifier: Apache-2.0
//
// fdmetrics.h: the C contract of libfdmetrics.so.
//
// Every process that opens the same store directory records into the same series; any of them, or a process that only
// reads, renders the exact total. A handle is an address in this process: keep it, an update through it is one atomic
// read-modify-write with no lock, no allocation and no system call.
//
// Caveats, first:
//   - Linux 4.14 or newer, on x86-64 or arm64. The store's directory must be on a file system of this host.
//   - A handle is valid in the process that obtained it and in its fork children, until fdm_store_close.
//   - A series that was removed (fdm_remove, fdm_clear) is no longer rendered; handles to it stay valid and record into
//     nothing that is seen. Look the series up again to start a new one, from zero.
//
// Conventions of every function, unless it says otherwise:
//   Threads    may be called from any thread at any time (MT-safe).
//   Fork       may be called in a fork child, also when other threads were inside the library at the fork. Nothing here
//              waits for another process or thread. Not async-signal-safe, except where it says so.
//   Pointers   arguments are borrowed for the call only; strings are copied. Handles belong to the library.
//   Errors     a status is returned; the out parameter is then set to an inert handle (instruments) or NULL (others).
//              fdm_last_error() has a sentence that names the thing, what was expected and what to do.
//   NULL       recording through a NULL or inert handle does nothing. No function traps or throws, whatever its arguments
//              are and whatever the store's files hold.
//   Bounds     a count, a length or a struct_size beyond its bound is INVALID_ARGUMENT (a count of label values or pairs:
//              LABELS), and nothing is read through it. A label value, key or text has at most 524,288 bytes, all labels of
//              a series together, as they are stored, at most 1 MiB; the texts of a family (name, help, unit, label names
//              and states) at most 524,288 bytes in all; a path PATH_MAX. A struct_size is at least that of this header's
//              struct and at most 4,096.
//   Refusals   what was refused for want of space, or by the limit of series, is refused again for a second without being
//              tried, unless a series is removed meanwhile; each call and each lost update is counted.
#ifndef FDMETRICS_H
#define FDMETRICS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// The version of this header's contract. The library accepts callers of the same major number.
#define FDM_ABI_MAJOR 1
#define FDM_ABI_MINOR 4

// ---------------------------------------------------------------------------------------------------------------------
// Status

typedef int32_t fdm_status;

enum {
  FDM_OK = 0,
  // An argument is NULL, out of range, or not a number. The call had no effect.
  FDM_ERR_INVALID_ARGUMENT = -31001,
  // A metric name, label name, label value, unit, bound or state that Prometheus does not take.
  FDM_ERR_INVALID_NAME = -31002,
  // The family is registered with another type, label names, bounds, states, unit or aggregation.
  FDM_ERR_CONFLICT = -31003,
  // The number of label values is not that of the family's label names, or the instrument is of another type.
  FDM_ERR_LABELS = -31004,
  // The family has as many series as the store's limit allows. Counted in fdm_statistics.
  FDM_ERR_SERIES_LIMIT = -31005,
  // The file system is full (ENOSPC, EDQUOT), or memory is. Counted in fdm_statistics.
  FDM_ERR_NO_SPACE = -31006,
  // A system call failed; the text has its name, the path and errno.
  FDM_ERR_SYSTEM = -31007,
  // There is no place for a store in the directory: it is none, it cannot be made or written to, it is on a network file
  // system, or something that somebody else put there is in the way.
  FDM_ERR_DIRECTORY = -31008,
  // The file is not a store, or is of another layout version, layout signature, store or boot, and is held by a process
  // that is alive, or on a file system where that cannot be known. It was not touched.
  FDM_ERR_FOREIGN = -31009,
  // The file is damaged or truncated. It was not touched; see fdm_store_open.
  FDM_ERR_DAMAGED = -31010,
  // There is no store in the directory (reading only).
  FDM_ERR_NOT_FOUND = -31011,
  // As many processes hold the store as it has room for. Further ones record counters and histograms all the same.
  FDM_ERR_PROCESS_LIMIT = -31012,
  // This kernel, machine or file system lacks something that the store needs; the text says what.
  FDM_ERR_UNSUPPORTED = -31013,
  // The last code: codes of later versions follow it.
  FDM_ERR_LAST = FDM_ERR_UNSUPPORTED
};

// A short constant English text for a status, never NULL. Async-signal-safe.
const char *fdm_strerror(fdm_status status);

// What the last failing call of this thread had to say, never NULL, "" if none failed yet. Owned by the library, valid
// until this thread's next call into it.
const char *fdm_last_error(void);

// What the library has to say to a log of things that no call reports: updates that were refused, a store that was deleted.
// One line for each cause and minute, with a count of what was left out. By default each is written to standard error. After
// fdm_keep_notices(1) they are kept, the first ones of those that nobody takes. Since ABI 1.2.
void fdm_keep_notices(uint32_t kept);
// Takes a line that was kept: copies as much of it as fits, and a terminating zero, to text. Its length, 0: there is none.
// Since ABI 1.2.
size_t fdm_take_notice(char *text, size_t size);

// The library's version as "major.minor.patch", never NULL.
const char *fdm_version(void);

// (FDM_ABI_MAJOR << 16 | FDM_ABI_MINOR) of the library. A caller refuses a library of another major number, or of a
// lower minor number than it was compiled with.
uint32_t fdm_abi_version(void);

// ---------------------------------------------------------------------------------------------------------------------
// Store

// One store directory, attached by this process.
typedef struct fdm_store fdm_store;

// What fdm_store_open takes. Set every field that is not used to zero, and struct_size to sizeof(fdm_options).
typedef struct fdm_options {
  size_t struct_size;
  // The store's directory; NULL: the directory of fdm_default_directory.
  const char *directory;
  // Lanes of a new store: a power of two from 1 to 16; 0: the next power of two that holds the configured CPUs.
  // An existing store keeps the number that it was made with.
  uint32_t lanes;
  // The most series that one family of a new store may have; 0: FDMETRICS_SERIES_LIMIT, else 10,000.
  uint32_t series_limit;
} fdm_options;

// Attaches the store in a directory, and makes directory (mode 0700) and store (mode 0600) where they are missing. In a
// directory that is not this user's, or that others may write to, the store is in DIR/fdmetrics-<uid> (mode 0700).
// A store that cannot be attached any more (of an earlier boot, of another layout version, damaged, cut) and that no process
// holds is moved into fdmetrics-set-aside beside it, in place of the one that is there, and a new one is made. Where a process
// of another layout version holds it, the store of this one is in fdmetrics-layout-<version>.
// Opening one directory twice in a process gives the same store, and is to be closed twice.
// A store whose files are deleted while it is attached is left for the one that is then in the directory: see docs/abi.md.
// Errors: INVALID_ARGUMENT, NO_SPACE, SYSTEM, DIRECTORY, FOREIGN, DAMAGED, UNSUPPORTED.
fdm_status fdm_store_open(const fdm_options *options, fdm_store **store);

// The store of this process's default directory, attached at the first call. After FDM_OK it is the same for the life
// of the process; after an error the next call tries again. Where there is no place for a store in the directory that the
// environment names, the automatic one of fdm_plan_directory serves, and a line for the log says so (fdm_take_notice).
// Errors: as fdm_store_open.
fdm_status fdm_store_default(fdm_store **store);

// Takes back one fdm_store_open. The last one detaches the store and frees what this process holds of it: its lease, its
// mappings, and with them every handle. For tests and tools: the caller must know that no thread uses any of them. Errors:
// INVALID_ARGUMENT (NULL, closed, or the default store, which stays for the life of the process).
fdm_status fdm_store_close(fdm_store *store);

// The store's directory; owned by the store, never NULL for a valid one.
const char *fdm_store_path(fdm_store *store);

// This process's default directory, decided at the first call and the same ever after: FDMETRICS_DIR if that is set;
// else PROMETHEUS_MULTIPROC_DIR, else prometheus_multiproc_dir if that is set; else the one that an ancestor chose; else a new
// name with a random UUID under /dev/shm (or TMPDIR, or /tmp). The name is put into FDMETRICS_DIR, so that every child process
// shares it; docs/abi.md says how other threads may call getenv meanwhile. A relative name is made absolute when the library is
// loaded, or at the first call. Nothing is made on disk. Owned by the library, never NULL.
const char *fdm_default_directory(void);

// Chooses a name for the case that nobody sets a directory, and puts it into FDMETRICS_AUTO_DIR for child processes, but
// decides nothing: FDMETRICS_DIR and PROMETHEUS_MULTIPROC_DIR still count when they are set later. Call it early in a
// program that starts other processes before it records. The process that chooses it stands in FDMETRICS_AUTO_PID: at its
// exit it removes the directory, unless other processes still use it. When that process has ended, the last of the others
// does, or else whoever makes the next automatic directory beside it. Returns the name. Owned by the library, never NULL.
const char *fdm_plan_directory(void);

// Makes this process one of those that the store knows to be alive, and says its number: what stands in the label worker.
// fdm_store_open does so; a fork child of a process that did becomes one at its first update of a gauge, or by this call,
// which nothing but metrics of live processes need. A later process takes the number over when this one has ended. worker
// may be NULL. What failed is not tried again for a second. Errors: INVALID_ARGUMENT, NO_SPACE, SYSTEM, PROCESS_LIMIT,
// NOT_FOUND.
fdm_status fdm_store_join(fdm_store *store, uint32_t *worker);

// Names this process where the processes of a store are shown: fdmctl top, dump and doctor, and the page. Without a name it is
// FDMETRICS_PROCESS_NAME of the environment, as it is when the process takes its place in a store, and without that the
// name that the kernel has (prctl PR_SET_NAME). It holds for all stores that the process has open or opens later, and is
// shown as long as the process is, alive or dead. The first 112 bytes of it are kept, to the end of a character of UTF-8;
// NULL or "" takes it back. A fork child does not have its parent's name: it is another process. Where a store has no room
// for the name, the call succeeds, and a line for the log says so (fdm_take_notice). Since ABI 1.3. Errors: UNSUPPORTED.
fdm_status fdm_set_process_name(const char *name);

// Numbers of a store that cost nothing to keep. The dropped ones are counted by all processes together.
typedef struct fdm_statistics {
  size_t struct_size;             // in: sizeof(fdm_statistics)
  uint64_t segments;              // files of the store
  uint64_t families;              // metric families, each once
  uint64_t series;                // series that are rendered
  uint64_t removed_series;        // series that were removed; their space is not used again
  uint64_t gauge_instances;       // (series, process slot) pairs of all gauges
  uint64_t damaged_records;       // records that were skipped because they do not verify
  uint64_t live_processes;        // processes that hold a lease
  uint64_t bytes_reserved;        // bytes that the store has reserved on the file system
  uint64_t dropped_no_space;      // registrations refused because the file system was full
  uint64_t dropped_series_limit;  // registrations refused by the limit of a family
  uint64_t conflicts;             // registrations refused because they contradict an existing family
} fdm_statistics;

// Errors: INVALID_ARGUMENT.
fdm_status fdm_store_statistics(fdm_store *store, fdm_statistics *statistics);

// A word that changes whenever a process removes a series of this store: who caches handles by label values looks again
// when it differs. It also changes when the store was deleted and another one has taken its place; then the word stands
// elsewhere, so call this again whenever it differs. Read it as a plain aligned 64-bit load. The memory stays as long as the
// store; NULL for a NULL store.
const uint64_t *fdm_store_removals(fdm_store *store);

// ---------------------------------------------------------------------------------------------------------------------
// Families

// A metric family: name, type, help, and one series for each set of label values.
typedef struct fdm_family fdm_family;

// Metric types.
enum {
  FDM_COUNTER = 1,    // only goes up; "_total" is added to the exposed name where the name lacks it
  FDM_GAUGE = 2,      // goes up and down; belongs to a process, see the aggregations
  FDM_HISTOGRAM = 3,  // observations counted in buckets with inclusive upper bounds
  FDM_SUMMARY = 4,    // count and sum of observations
  FDM_INFO = 5,       // text as labels, value 1; "_info" is added to the exposed name
  FDM_STATE_SET = 6   // one of several states is on; shared by all processes
};

// How the processes' values of a gauge become the exposed one: the names and meanings of prometheus_client's
// multiprocess_mode, and FDM_GAUGE_LOCAL. "live" ones regard only processes that are alive at the scrape.
enum {
  FDM_GAUGE_ALL = 1,               // one sample for each process slot, with a label worker="<slot>", alive or dead
  FDM_GAUGE_LIVEALL = 2,           // the same, of live processes
  FDM_GAUGE_MIN = 3,               // the least value
  FDM_GAUGE_LIVEMIN = 4,
  FDM_GAUGE_MAX = 5,               // the greatest value
  FDM_GAUGE_LIVEMAX = 6,
  FDM_GAUGE_SUM = 7,               // the sum of the values
  FDM_GAUGE_LIVESUM = 8,
  FDM_GAUGE_MOSTRECENT = 9,        // the value with the latest time of setting; inc and dec are refused
  FDM_GAUGE_LIVEMOSTRECENT = 10,
  FDM_GAUGE_LOCAL = 11             // the value of the process that renders, nothing elsewhere
};

// What fdm_register takes. Set every field that is not used to zero, and struct_size to sizeof(fdm_descriptor).
typedef struct fdm_descriptor {
  size_t struct_size;
  uint32_t type;                    // FDM_COUNTER ... FDM_STATE_SET
  uint32_t gauge_mode;              // FDM_GAUGE_*, for gauges only
  const char *name;                 // [a-zA-Z_:][a-zA-Z0-9_:]*; a counter's "_total", an info's "_info" may be given or left out;
                                    // see fdm_allow_utf8_names for other names
  const char *help;                 // any UTF-8; NULL: ""
  const char *unit;                 // appended to the name where it does not end with it; NULL: none
  const char *const *label_names;   // [a-zA-Z_][a-zA-Z0-9_]*, not starting with "__"; "le" is refused for histograms
  size_t label_count;               // at most 64
  const double *bounds;             // a histogram's bucket bounds, strictly ascending; the first may be -Inf; +Inf may be last or left out
  size_t bound_count;               // at most 1,000; 0: the 14 default bounds of prometheus_client
  const char *const *states;        // a state set's states, each once
  size_t state_count;               // 1 to 1,000, for state sets only
} fdm_descriptor;

// Registers a family, or finds it: the same descriptor always gives the same handle. Help texts may differ; the first
// one is kept. On an error *family is an inert one, whose series record nothing.
// Errors: INVALID_ARGUMENT, INVALID_NAME, CONFLICT (the text says what differs), NO_SPACE, SYSTEM, DAMAGED.
fdm_status fdm_register(fdm_store *store, const fdm_descriptor *descriptor, fdm_family **family);

// The same, for a program that has given up what it had declared under this name: where a family of the name is declared
// otherwise, it gives way to this one, in all processes. It is not shown any more, and updates through handles of it are not
// seen unless it is declared in the place of this one again; then it goes on with what it had. Processes that make the same
// declaration record into the same series, whichever of them was first.
// Errors: as of fdm_register; CONFLICT where a family of another name has a sample of this family's names. Since ABI 1.3.
fdm_status fdm_register_replacing(fdm_store *store, const fdm_descriptor *descriptor, fdm_family **family);

// Whether this process may register metric and label names of any UTF-8, as Prometheus 3 takes them; 0: no, which is the
// default unless the environment has FDMETRICS_UTF8_NAMES=1. It says nothing of what is rendered: see the options there.
// Since ABI 1.1.
void fdm_allow_utf8_names(uint32_t allowed);

// A label value with its length, for values that are not C strings. data may be NULL when length is 0.
typedef struct fdm_string {
  const char *data;
  size_t length;
} fdm_string;

// The series of a family with these label values, in the order of its label names; made at the first call of any
// process. The handle is that of the family's type, and is the same at every call: cache it where you can. Invalid
// UTF-8 is repaired (U+FFFD).
// Errors: LABELS, INVALID_ARGUMENT, NO_SPACE, SERIES_LIMIT, SYSTEM, DAMAGED; *handle then records nothing.
fdm_status fdm_labels(fdm_family *family, const fdm_string *values, size_t count, void **handle);

// Removes the series with these label values from the store, for all processes; FDM_OK also if there is none. Costs the same
// however many series there are, but for an info, whose series are looked for one by one.
// Errors: LABELS, INVALID_ARGUMENT, SYSTEM.
fdm_status fdm_remove(fdm_family *family, const fdm_string *values, size_t count);

// Removes all series of a family. Errors: INVALID_ARGUMENT, SYSTEM.
fdm_status fdm_clear(fdm_family *family);

// ---------------------------------------------------------------------------------------------------------------------
// Instruments. Each *_labels function is fdm_labels for C strings, and checks that the family is of its type; values may
// be NULL when count is 0. The recording functions are wait-free (inc) or lock-free (the others). Those of counters, histograms
// and summaries are async-signal-safe, always, and so are those of gauges but for the first update of a gauge in a process, or
// in a fork child. That one finds or makes the process's slot and its place for the gauge's value; it allocates nothing and
// waits for nobody, and is async-signal-safe too unless the store has grown by a file that this process has not used yet (a
// look-up of any new series maps it), or has to.

typedef struct fdm_counter fdm_counter;
typedef struct fdm_gauge fdm_gauge;
typedef struct fdm_histogram fdm_histogram;
typedef struct fdm_summary fdm_summary;

fdm_status fdm_counter_labels(fdm_family *family, const char *const *values, size_t count, fdm_counter **counter);
fdm_status fdm_gauge_labels(fdm_family *family, const char *const *values, size_t count, fdm_gauge **gauge);
fdm_status fdm_histogram_labels(fdm_family *family, const char *const *values, size_t count, fdm_histogram **histogram);
fdm_status fdm_summary_labels(fdm_family *family, const char *const *values, size_t count, fdm_summary **summary);

// Adds 1. Async-signal-safe.
void fdm_counter_inc(fdm_counter *counter);
// Adds an amount >= 0. Async-signal-safe unless it fails. Errors: INVALID_ARGUMENT (negative or NaN; nothing is added).
fdm_status fdm_counter_add(fdm_counter *counter, double amount);
// Adds a whole amount, at the cost of fdm_counter_inc. Async-signal-safe.
void fdm_counter_add_u64(fdm_counter *counter, uint64_t amount);
// The total over all processes.
double fdm_counter_value(fdm_counter *counter);

// Sets the value of this process. In the most recent modes the time is CLOCK_REALTIME's. An update that has nowhere to go, for
// want of space or of a process slot, is lost and counted (fdmetrics_lost_updates_total); the next one after a second tries
// again. Async-signal-safe as said above, here and in the next functions.
void fdm_gauge_set(fdm_gauge *gauge, double value);
// The same, with the time of setting in seconds since the epoch (used by the most recent modes only).
void fdm_gauge_set_at(fdm_gauge *gauge, double value, double seconds);
// Adds to the value of this process; a negative amount subtracts. Errors: INVALID_ARGUMENT in the most recent modes.
fdm_status fdm_gauge_add(fdm_gauge *gauge, double amount);
// Adds 1, or -1; nothing in the most recent modes.
void fdm_gauge_inc(fdm_gauge *gauge);
void fdm_gauge_dec(fdm_gauge *gauge);
// The value of this process; 0 before its first update.
double fdm_gauge_value(fdm_gauge *gauge);

// The series of a gauge family for a logical worker (the third worker of a server, whichever process that is): its value
// belongs to the worker, not to this process. So the next process of the same number goes on with it, it counts as alive
// in the live modes until fdm_worker_ended, and its samples carry worker="<number>", in place of those of the process slot
// of that number. Each call makes a handle: keep it.
// Errors: as fdm_gauge_labels, and INVALID_ARGUMENT for a number above 16,777,215.
fdm_status fdm_gauge_of_worker(fdm_family *family, const fdm_string *values, size_t count, uint32_t worker,
                               fdm_gauge **gauge);
// Takes the values of a logical worker out of all gauges of live modes. Errors: INVALID_ARGUMENT, SYSTEM.
fdm_status fdm_worker_ended(fdm_store *store, uint32_t worker);

// Counts an observation in its bucket and adds it to the sum, both or neither. NaN goes to the +Inf bucket.
// Async-signal-safe.
void fdm_histogram_observe(fdm_histogram *histogram, double value);
// Count and sum over all processes. Either pointer may be NULL.
void fdm_histogram_value(fdm_histogram *histogram, uint64_t *count, double *sum);

// Counts an observation and adds it to the sum, both or neither. Async-signal-safe.
void fdm_summary_observe(fdm_summary *summary, double value);
// Count and sum over all processes. Either pointer may be NULL.
void fdm_summary_value(fdm_summary *summary, uint64_t *count, double *sum);

// Sets the text of an info family: key_count pairs keys[i]="values[i]", at most 1,024, in place of what its series with these
// label values showed before. Of several processes that do so at once one wins; there is one text at any time. Keys follow the
// rules of label names and must differ from the family's.
// Errors: INVALID_ARGUMENT, INVALID_NAME, LABELS, NO_SPACE, SERIES_LIMIT, SYSTEM, DAMAGED.
fdm_status fdm_info_set(fdm_family *family, const fdm_string *label_values, size_t label_count, const fdm_string *keys,
                        const fdm_string *values, size_t key_count);

// Turns one state of a state set on and all others off, for all processes; the first state is on before any call.
// Errors: INVALID_ARGUMENT (no such state), LABELS, NO_SPACE, SERIES_LIMIT, SYSTEM, DAMAGED.
fdm_status fdm_state_set(fdm_family *family, const fdm_string *label_values, size_t label_count, const char *state);

// ---------------------------------------------------------------------------------------------------------------------
// Exposition

// Formats.
enum {
  FDM_FORMAT_TEXT = 1,         // Prometheus text format 0.0.4; content type "text/plain; version=0.0.4; charset=utf-8"
  FDM_FORMAT_OPENMETRICS = 2,  // OpenMetrics 1.0; "application/openmetrics-text; version=1.0.0; charset=utf-8"
  // Messages io.prometheus.client.MetricFamily, each after its length as a varint. No text: it has zeros in it. Since 1.1.
  FDM_FORMAT_PROTOBUF = 3
};

// Options of a rendering, to be or-ed.
enum {
  FDM_RENDER_PID_LABEL = 1,  // gauges of mode all and liveall carry pid="<process id>" in place of worker="<slot>"
  // Adds what the kernel says of the live processes that hold the store, read when it is rendered, for those of the
  // renderer's pid namespace: process_cpu_seconds_total, process_open_fds, process_max_fds, process_threads,
  // process_resident_memory_bytes, process_virtual_memory_bytes (sums) and process_start_time_seconds (the earliest).
  // The CPU time of a process stays in the total when it has ended; what it used since it was last asked may be missing.
  // Who only reads (fdm_render_directory) takes no notes: for it, what nobody else has asked for leaves with the process.
  FDM_RENDER_PROCESS_METRICS = 2,
  FDM_RENDER_PROCESS_METRICS_BY_WORKER = 4,  // the same, one sample for each live process, with the label worker
  FDM_RENDER_CREATED = 8,  // in OpenMetrics: when each series was registered, as x_created
  // Adds what the store says of itself: fdmetrics_live_processes, fdmetrics_families, fdmetrics_series, fdmetrics_lanes,
  // fdmetrics_segments, fdmetrics_store_reserved_bytes, fdmetrics_damaged_records, fdmetrics_build_info{version} and
  // fdmetrics_dropped_registrations_total{reason="conflict", "no_space" or "series_limit"}, and
  // fdmetrics_lost_updates_total: updates of gauges that had nowhere to go.
  FDM_RENDER_SELF_METRICS = 16,
  // How names that are not [a-zA-Z_:][a-zA-Z0-9_:]* are written; one of the four, since 1.1. Where two names become the same,
  // one of them is written as with FDM_RENDER_ESCAPE_VALUES.
  FDM_RENDER_ESCAPE_UNDERSCORES = 0,  // http.requests is http_requests
  FDM_RENDER_ESCAPE_DOTS = 256,       // http_dot_requests
  FDM_RENDER_ESCAPE_VALUES = 512,     // U__http_2e_requests
  FDM_RENDER_ALLOW_UTF8 = 768         // as they are; in text {"http.requests"}
};

// Renders the whole store. *text is *length bytes and a terminating zero, to be released with fdm_free.
// Costs the same however many processes ever lived. Errors: INVALID_ARGUMENT, NO_SPACE, SYSTEM, DAMAGED.
fdm_status fdm_render(fdm_store *store, uint32_t format, uint32_t options, char **text, size_t *length);

// Renders the store in a directory, of live or dead processes, with read access alone: nothing is made or changed.
// Errors: as fdm_render, and NOT_FOUND, DIRECTORY, FOREIGN.
fdm_status fdm_render_directory(const char *directory, uint32_t format, uint32_t options, char **text, size_t *length);

// What a scraper asks for. Set every field that is not used to zero, and struct_size to sizeof(fdm_scrape). Since ABI 1.1.
typedef struct fdm_scrape {
  size_t struct_size;
  uint32_t format;           // FDM_FORMAT_*
  uint32_t options;          // FDM_RENDER_*
  const char *content_type;  // out of fdm_negotiate: the answer's Content-Type; a constant of the library
  uint32_t is_gzipped;       // out of fdm_negotiate: 1: the answer is to be compressed, which is left to the caller
  uint32_t name_count;       // at most 65,536; 0: all families
  // Only the families that have one of these names, or a sample of such a name: the query's name[]=...
  const char *const *names;
} fdm_scrape;

// Fills in what suits a scraper's headers best: format, the bits of escaping in options (the others stay), content_type and
// is_gzipped. NULL stands for a header that is missing; several of one name are joined by a comma. Whatever the headers hold,
// there is an answer, text format 0.0.4 where nothing matches. Pure. Errors: INVALID_ARGUMENT for a scrape that is NULL or has
// no struct_size. Since ABI 1.1.
fdm_status fdm_negotiate(const char *accept, const char *accept_encoding, fdm_scrape *scrape);

// As fdm_render and fdm_render_directory, for a scrape; content_type and is_gzipped are not looked at. Since ABI 1.1.
fdm_status fdm_render_scrape(fdm_store *store, const fdm_scrape *scrape, char **text, size_t *length);
fdm_status fdm_render_directory_scrape(const char *directory, const fdm_scrape *scrape, char **text, size_t *length);

// Releases what the functions that give a text gave; NULL is fine.
void fdm_free(void *pointer);

// The HTTP content type of a format, never NULL; that of FDM_FORMAT_TEXT for a number that is none.
const char *fdm_content_type(uint32_t format);

// ---------------------------------------------------------------------------------------------------------------------
// Inspection: what `fdmctl dump` and `fdmctl check` print, for who does not have the tool. With read access alone, of live or
// dead processes; nothing is made or changed. *text is *length bytes of UTF-8 and a terminating zero, to be released with
// fdm_free. The words are for people and may change. Names and labels are texts of others: what a terminal would obey is
// written as an escape, such as \u{1B}. Since ABI 1.4.

// Options of fdm_dump_directory, to be or-ed.
enum {
  FDM_DUMP_JSON = 1,    // one JSON object, as of fdmctl dump --json, in place of lines
  FDM_DUMP_REMOVED = 2  // also removed series
};

// Says what is in the store in a directory: header, segments, processes, families, and series with the value of each lane and
// of each process. Damaged records are named and skipped. Errors: INVALID_ARGUMENT, NO_SPACE, SYSTEM, DAMAGED, NOT_FOUND,
// DIRECTORY, FOREIGN.
fdm_status fdm_dump_directory(const char *directory, uint32_t options, char **text, size_t *length);

// Options of fdm_check_directory.
enum {
  FDM_CHECK_NOTES = 1  // also what killed processes leave, which is harmless
};

// Verifies every invariant of the store in a directory. The text has what is wrong, one finding a line; where nothing is, it
// is a line that begins with "ok". *error_count is the number of findings that mean damage; may be NULL. A store that is
// written to meanwhile raises no false alarm. A damaged file, or one that is no store's, is not
// an error of the call but found.
// Errors: INVALID_ARGUMENT, NO_SPACE, SYSTEM, NOT_FOUND, DIRECTORY.
fdm_status fdm_check_directory(const char *directory, uint32_t options, uint64_t *error_count, char **text, size_t *length);

// ---------------------------------------------------------------------------------------------------------------------
// ZeroMQ. The library does not call libzmq: the caller sends and receives, and says here what happened, once a message.
// fdmetrics_zmq.h has wrappers of libzmq's own calls that do so. The functions that record messages are async-signal-safe;
// fdm_zmq_connection_event is as a gauge's update is.

// One link: the series of an address. NULL is the link that records nothing.
typedef struct fdm_zmq_link fdm_zmq_link;

// The link of an address (the endpoint that both ends share, or a name for it), made at the first call of any process.
// The series are, each with the label address and with the prefix (NULL: "fastdeploy") in front:
//   <prefix>:zmq:msg_send_total, msg_send_failed_total, msg_bytes_send_total, msg_recv_total, msg_bytes_recv_total,
//   latency (histogram, milliseconds); msg_recv_failed_total, latency_skipped_total, send_blocked_seconds_total, and
//   in_flight: messages sent less messages received, computed when it is rendered.
// The same arguments give the same handle. Errors: as fdm_register and fdm_labels; *link is then NULL.
fdm_status fdm_zmq_link_open(fdm_store *store, const char *prefix, const char *address, fdm_zmq_link **link);

// One message was accepted by libzmq; bytes are those of all its frames, a trailer's excepted.
void fdm_zmq_sent(fdm_zmq_link *link, uint64_t bytes);
// One send failed, serialisation and EAGAIN included.
void fdm_zmq_send_failed(fdm_zmq_link *link);
// A send waited for room for that long; nothing for a time that is not positive and finite.
void fdm_zmq_send_blocked(fdm_zmq_link *link, double seconds);
// One message was received that carries no time stamp; bytes as above.
void fdm_zmq_received(fdm_zmq_link *link, uint64_t bytes);
// One message was received whose envelope says when its send began, on the clock of fdm_zmq_now. Of a stamp that is not
// finite, not positive or later than now no latency is taken; it is counted in latency_skipped_total.
void fdm_zmq_received_stamped(fdm_zmq_link *link, uint64_t bytes, double send_seconds);
// One message was received with a trailer of fdm_zmq_is_trailer; bytes without it. Of a stamp of another clock domain, or
// later than now, no latency is taken; it is counted in latency_skipped_total.
void fdm_zmq_received_trailer(fdm_zmq_link *link, uint64_t bytes, const void *trailer);
// One message, counted as received, could not be decoded.
void fdm_zmq_receive_failed(fdm_zmq_link *link);
// Seconds of CLOCK_MONOTONIC: what send_ts of an envelope holds.
double fdm_zmq_now(void);

// A trailer is one more frame at the end of a message, all little-endian: the bytes "FDM1", flags u32 (0), the time of the
// send in ns of CLOCK_MONOTONIC u64, the clock domain u64 (a hash of the boot id and the time namespace).
enum { FDM_ZMQ_TRAILER_SIZE = 24 };
// Writes a trailer of now, FDM_ZMQ_TRAILER_SIZE bytes. Async-signal-safe once a link was opened.
void fdm_zmq_write_trailer(void *trailer);
// 1 if a frame is a trailer (its size and first four bytes say so), else 0. Async-signal-safe.
int fdm_zmq_is_trailer(const void *frame, size_t size);
// This process's clock domain: stamps of the same one can be compared.
uint64_t fdm_zmq_clock_domain(void);

// What a socket's monitor may report.
enum {
  FDM_ZMQ_CONNECTED = 1,         // connected_total, and connections goes up
  FDM_ZMQ_ACCEPTED = 2,          // accepted_total, and connections goes up
  FDM_ZMQ_DISCONNECTED = 3,      // disconnected_total, and connections goes down
  FDM_ZMQ_CONNECT_RETRIED = 4,   // connect_retried_total
  FDM_ZMQ_HANDSHAKE_FAILED = 5   // handshake_failed_total
};
// Registers a link's series of connections: the five counters, and the gauge connections (of live processes, added up).
// Errors: as fdm_register and fdm_labels, INVALID_ARGUMENT for NULL.
fdm_status fdm_zmq_link_watch(fdm_zmq_link *link);
// Counts an event of a link that is watched; nothing for another one, or another event.
void fdm_zmq_connection_event(fdm_zmq_link *link, uint32_t event);

// ---------------------------------------------------------------------------------------------------------------------
// CPython. Functions of its METH_FASTCALL convention (with four parameters: METH_FASTCALL | METH_KEYWORDS), from which
// ctypes makes builtins (PyCFunction_NewEx) that cost no Python frame and no conversion of arguments. self is a Python
// bytes object whose 8 bytes are a handle, unless it says otherwise; arguments and results are PyObject pointers. The few
// functions of CPython that they need are looked up in the process. Call them with the interpreter's lock held, as CPython
// calls a builtin. They are not for C programs.

// Looks up what the functions below need. FDM_OK, or UNSUPPORTED where this process has no CPython. Call it first.
fdm_status fdm_py_prepare(void);
void *fdm_py_counter_inc(void *self, void *const *arguments, ptrdiff_t count, void *keywords);  // inc(amount=1)
void *fdm_py_gauge_set(void *self, void *const *arguments, ptrdiff_t count, void *keywords);  // set(value)
void *fdm_py_gauge_inc(void *self, void *const *arguments, ptrdiff_t count, void *keywords);  // inc(amount=1)
void *fdm_py_gauge_dec(void *self, void *const *arguments, ptrdiff_t count, void *keywords);  // dec(amount=1)
void *fdm_py_histogram_observe(void *self, void *const *arguments, ptrdiff_t count, void *keywords);  // observe(value)
void *fdm_py_summary_observe(void *self, void *const *arguments, ptrdiff_t count, void *keywords);  // observe(value)
// labels(*values, **values_by_name) of a metric. self is a tuple: the dictionary of children by tuples of label values, the
// address of fdm_store_removals as an int, what stood there when the dictionary was made, a callable for all that is not
// found in it, or when another value stands there now, and the label names, interned.
void *fdm_py_labels(void *self, void *const *arguments, ptrdiff_t count, void *keywords);
void *fdm_py_zmq_sent(void *self, void *const *arguments, ptrdiff_t count);           // sent(size)
void *fdm_py_zmq_send_failed(void *self, void *const *arguments, ptrdiff_t count);    // send_failed()
void *fdm_py_zmq_received(void *self, void *const *arguments, ptrdiff_t count);       // received(size)
void *fdm_py_zmq_received_stamped(void *self, void *const *arguments, ptrdiff_t count);  // received_stamped(size, seconds)
void *fdm_py_zmq_received_trailer(void *self, void *const *arguments, ptrdiff_t count);  // received_trailer(size, bytes)
void *fdm_py_zmq_trailer(void *self, void *const *arguments, ptrdiff_t count);           // trailer() -> bytes

#ifdef __cplusplus
}
#endif
#endif
