#!/usr/bin/env python3
# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Writes fdmetrics-dashboard.json, of which this is the source: python dashboard.py

Queries use the metrics alone and no recording rule, so that the dashboard works with any Prometheus that has them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from panels import Panel, Query, choice, dashboard, placed

OUTPUT = Path(__file__).with_name("fdmetrics-dashboard.json")

#: What the variables choose, in every query.
CHOSEN = 'job=~"$job",instance=~"$instance"'
LINK = CHOSEN + ',address=~"$address"'
FAILED = CHOSEN + ',status_code=~"5.."'
TOKENS = "suffix: tok/s"
DROPPED = "fdmetrics_dropped_registrations_total"


def rate(name: str, by: str = "", selector: str = CHOSEN) -> str:
    """The rate of a counter, added up over all labels but these."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({name}{{{selector}}}[$__rate_interval]))"


def total(name: str, by: str = "", selector: str = CHOSEN) -> str:
    """A gauge, added up over all labels but these."""
    return f"sum{f' by ({by})' if by else ''} ({name}{{{selector}}})"


def quantile(q: float, name: str, by: str = "", selector: str = CHOSEN) -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({q}, {rate(f'{name}_bucket', ', '.join(filter(None, [by, 'le'])), selector)})"


def quantiles(name: str, by: str = "", selector: str = CHOSEN) -> list[Query]:
    """The middle, and the slow ones."""
    suffix = "".join(f" {{{{{label}}}}}" for label in by.split(", ") if label)
    return [Query(quantile(q, name, by, selector), f"p{round(q * 100)}{suffix}") for q in (0.5, 0.9, 0.99)]


def graph(title: str, *queries: Query, unit: str = "short", description: str = "", **options: Any) -> Panel:
    """A panel of lines."""
    return Panel("timeseries", title, queries, unit, description, **options)


def mean(name: str) -> str:
    """The mean of what a histogram observed."""
    return f"{rate(f'{name}_sum')} / {rate(f'{name}_count')}"


def number(title: str, expression: str, unit: str = "short", limits: tuple[float, float] | None = None) -> Panel:
    """One number, with the line that it made behind it."""
    return Panel("stat", title, [Query(expression)], unit, limits=limits, width=3, height=4)


OVERVIEW = [
    number("Targets that do not answer", f"count(up{{{CHOSEN}}} == 0) or vector(0)", limits=(1, 1)),
    number("HTTP requests", rate("http_requests_total"), "reqps"),
    number(
        "HTTP errors",
        f"({rate('http_requests_total', selector=FAILED)} or vector(0)) / {rate('http_requests_total')}",
        "percentunit",
        (0.001, 0.01),
    ),
    number("HTTP p99", quantile(0.99, "http_request_duration_seconds"), "s", (0.5, 2)),
    number("First token p99", quantile(0.99, "fastdeploy:time_to_first_token_seconds"), "s", (0.5, 0.75)),
    number("Tokens generated", rate("fastdeploy:generation_tokens_total"), TOKENS),
    number("ZeroMQ in flight", total("fastdeploy:zmq:in_flight", selector=LINK)),
    number("Live processes", total("fdmetrics_live_processes")),
]

HTTP = [
    graph("Requests by status", Query(rate("http_requests_total", "status_code"), "{{status_code}}"), unit="reqps"),
    graph(
        "Requests by route",
        Query(f"topk(10, {rate('http_requests_total', 'method, path')})", "{{method}} {{path}}"),
        unit="reqps",
        description="The ten with the most requests. <unmatched>: no route of the service took them.",
    ),
    graph(
        "Failed requests by route",
        Query(
            f"{rate('http_requests_total', 'path', FAILED)} / {rate('http_requests_total', 'path')}",
            "{{path}}",
        ),
        unit="percentunit",
        description="Status codes 500 to 599. 499, a client that went away, is none of them.",
    ),
    graph("Duration", *quantiles("http_request_duration_seconds"), unit="s"),
    graph(
        "Duration by route, p99",
        Query(
            f"topk(10, {quantile(0.99, 'http_request_duration_seconds', 'method, path')})",
            "{{method}} {{path}}",
        ),
        unit="s",
    ),
    Panel("heatmap", "Durations", [Query(rate("http_request_duration_seconds_bucket", "le"))], "s"),
]

LLM = [
    graph("Time to first token", *quantiles("fastdeploy:time_to_first_token_seconds"), unit="s"),
    graph("Time per output token", *quantiles("fastdeploy:time_per_output_token_seconds"), unit="s"),
    graph("Request, end to end", *quantiles("fastdeploy:e2e_request_latency_seconds"), unit="s"),
    graph(
        "Requests",
        Query(total("fastdeploy:num_requests_running", "instance"), "running {{instance}}"),
        Query(total("fastdeploy:num_requests_waiting", "instance"), "waiting {{instance}}"),
        Query(total("fastdeploy:num_requests_enqueued", "instance"), "enqueued {{instance}}"),
        Query(total("fastdeploy:num_requests_preempted", "instance"), "preempted {{instance}}"),
        description="Gauges of the mode local are those of the process that answered the scrape: choose livesum or "
        "livemax in FDMETRICS_FASTDEPLOY_GAUGE_MODES where the engine is another process.",
    ),
    graph("Time in the queue", *quantiles("fastdeploy:request_queue_time_seconds"), unit="s"),
    graph(
        "Phases of a request, p99",
        Query(quantile(0.99, "fastdeploy:request_queue_time_seconds"), "queue"),
        Query(quantile(0.99, "fastdeploy:request_prefill_time_seconds"), "prefill"),
        Query(quantile(0.99, "fastdeploy:request_decode_time_seconds"), "decode"),
        Query(quantile(0.99, "fastdeploy:request_inference_time_seconds"), "inference"),
        unit="s",
    ),
    graph(
        "Tokens",
        Query(rate("fastdeploy:prompt_tokens_total"), "prompt"),
        Query(rate("fastdeploy:generation_tokens_total"), "generated"),
        unit=TOKENS,
    ),
    graph(
        "Requests received and answered",
        Query(rate("fastdeploy:requests_number_total"), "received"),
        Query(rate("fastdeploy:request_success_total"), "answered with success"),
        Query(rate("fastdeploy:request_preempted_total"), "preempted"),
        Query(rate("fastdeploy:send_cache_failed_num_total"), "caches not sent"),
        unit="reqps",
    ),
    graph(
        "KV cache in use",
        Query(f"max by (instance) (fastdeploy:gpu_cache_usage_perc{{{CHOSEN}}})", "{{instance}}"),
        unit="percentunit",
    ),
    graph(
        "Cache blocks",
        Query(total("fastdeploy:available_gpu_block_num"), "to be had"),
        Query(total("fastdeploy:free_gpu_block_num"), "free"),
        Query(total("fastdeploy:max_gpu_block_num"), "all"),
    ),
    graph(
        "Batch",
        Query(total("fastdeploy:batch_size", "instance"), "size {{instance}}"),
        Query(total("fastdeploy:available_batch_size", "instance"), "room {{instance}}"),
        Query(total("fastdeploy:max_batch_size", "instance"), "most {{instance}}"),
    ),
    graph(
        "Tokens from the prefix cache",
        Query(rate("fastdeploy:prefix_gpu_cache_token_num_total"), "GPU"),
        Query(rate("fastdeploy:prefix_cpu_cache_token_num_total"), "CPU"),
        Query(rate("fastdeploy:prefix_ssd_cache_token_num_total"), "SSD"),
        Query(rate("fastdeploy:prefix_storage_cache_token_num_total"), "storage"),
        unit=TOKENS,
    ),
    graph(
        "Prefix cache hits",
        Query(f"avg by (instance) (fastdeploy:hit_req_rate{{{CHOSEN}}})", "requests {{instance}}"),
        Query(f"avg by (instance) (fastdeploy:hit_token_rate{{{CHOSEN}}})", "tokens {{instance}}"),
        Query(
            f"{rate('fastdeploy:prefix_cache_token_num_total')} / {rate('fastdeploy:prompt_tokens_total')}",
            "tokens of prompts, of all",
        ),
        unit="percentunit",
    ),
    graph(
        "Tokens of a request, mean",
        Query(mean("fastdeploy:request_prompt_tokens"), "prompt"),
        Query(mean("fastdeploy:request_generation_tokens"), "generated"),
        Query(mean("fastdeploy:request_params_max_tokens"), "max_tokens"),
    ),
    graph(
        "Speculative decoding",
        Query(
            f"{rate('fastdeploy:spec_decode_num_accepted_tokens_total')} / "
            f"{rate('fastdeploy:spec_decode_num_emitted_tokens_total')}",
            "accepted drafts, of the tokens emitted",
        ),
        Query(
            f"avg by (instance) (fastdeploy:spec_decode_draft_acceptance_rate{{{CHOSEN}}})",
            "drafts accepted {{instance}}",
        ),
        unit="percentunit",
    ),
]

ZEROMQ = [
    graph(
        "Messages",
        Query(rate("fastdeploy:zmq:msg_send_total", "address", LINK), "sent {{address}}"),
        Query(rate("fastdeploy:zmq:msg_recv_total", "address", LINK), "received {{address}}"),
        unit="mps",
        description="Received ones are below zero.",
        least=None,
        below_zero="/^received /",
    ),
    graph(
        "Bytes",
        Query(rate("fastdeploy:zmq:msg_bytes_send_total", "address", LINK), "sent {{address}}"),
        Query(rate("fastdeploy:zmq:msg_bytes_recv_total", "address", LINK), "received {{address}}"),
        unit="Bps",
        description="Received ones are below zero.",
        least=None,
        below_zero="/^received /",
    ),
    graph(
        "In flight",
        Query(total("fastdeploy:zmq:in_flight", "instance, address", LINK), "{{address}} {{instance}}"),
        description="Sent less received. Once a link is idle, these are lost, where both ends are on one store. "
        "Negative where one message has several receivers.",
        least=None,
    ),
    graph(
        "In flight for ten minutes, at least",
        Query(f"min_over_time(fastdeploy:zmq:in_flight{{{LINK}}}[10m])", "{{address}} {{instance}}"),
        description="What does not go down to zero any more was lost, or waits for a receiver that has stopped.",
        least=None,
    ),
    graph(
        "Bytes of a message, mean",
        Query(
            f"{rate('fastdeploy:zmq:msg_bytes_send_total', 'address', LINK)} / "
            f"{rate('fastdeploy:zmq:msg_send_total', 'address', LINK)}",
            "{{address}}",
        ),
        unit="bytes",
    ),
    graph("Latency", *quantiles("fastdeploy:zmq:latency", "address", LINK), unit="ms"),
    Panel("heatmap", "Latencies", [Query(rate("fastdeploy:zmq:latency_bucket", "le", LINK))], "ms"),
    graph(
        "Without a latency",
        Query(rate("fastdeploy:zmq:latency_skipped_total", "address", LINK), "{{address}}"),
        unit="mps",
        description="The stamp is of another clock, of the future, or none.",
    ),
    graph(
        "Failures",
        Query(rate("fastdeploy:zmq:msg_send_failed_total", "address", LINK), "not sent {{address}}"),
        Query(rate("fastdeploy:zmq:msg_recv_failed_total", "address", LINK), "not decoded {{address}}"),
        unit="mps",
    ),
    graph(
        "Sends that wait for room",
        Query(rate("fastdeploy:zmq:send_blocked_seconds_total", "address", LINK), "{{address}}"),
        unit="percentunit",
        description="Seconds of each second, of all senders together.",
    ),
    graph(
        "Connections",
        Query(total("fastdeploy:zmq:connections", "instance, address", LINK), "{{address}} {{instance}}"),
        description="Of sockets that are monitored (monitor=True, watchConnections()).",
    ),
    graph(
        "Connections made and lost",
        Query(rate("fastdeploy:zmq:connected_total", "address", LINK), "connected {{address}}"),
        Query(rate("fastdeploy:zmq:accepted_total", "address", LINK), "accepted {{address}}"),
        Query(rate("fastdeploy:zmq:disconnected_total", "address", LINK), "disconnected {{address}}"),
        Query(rate("fastdeploy:zmq:connect_retried_total", "address", LINK), "tried again {{address}}"),
        Query(rate("fastdeploy:zmq:handshake_failed_total", "address", LINK), "handshake failed {{address}}"),
        unit="cps",
    ),
]

PROCESSES = [
    graph(
        "CPU",
        Query(rate("process_cpu_seconds_total", "instance, worker"), "{{instance}} {{worker}}"),
        description="CPUs in use. By worker where the endpoint shows process metrics so (process_metrics='worker').",
    ),
    graph(
        "Memory",
        Query(total("process_resident_memory_bytes", "instance, worker"), "resident {{instance}} {{worker}}"),
        Query(total("process_virtual_memory_bytes", "instance, worker"), "virtual {{instance}} {{worker}}"),
        unit="bytes",
    ),
    graph(
        "File descriptors",
        Query(total("process_open_fds", "instance, worker"), "{{instance}} {{worker}}"),
        Query(f"{total('process_open_fds')} / {total('process_max_fds')}", "part of the limit"),
    ),
    graph("Threads", Query(total("process_threads", "instance, worker"), "{{instance}} {{worker}}")),
    graph(
        "Age",
        Query(f"time() - process_start_time_seconds{{{CHOSEN}}}", "{{instance}} {{worker}}"),
        unit="s",
        description="Where it falls, a process started again; without workers, the one that had run for longest.",
    ),
    graph("Live processes", Query(total("fdmetrics_live_processes", "job, instance"), "{{job}} {{instance}}")),
]

ITSELF = [
    graph(
        "Series and families",
        Query(total("fdmetrics_series", "job, instance"), "series {{job}} {{instance}}"),
        Query(total("fdmetrics_families", "job, instance"), "families {{job}} {{instance}}"),
    ),
    graph(
        "Store",
        Query(total("fdmetrics_store_reserved_bytes", "job, instance"), "reserved {{job}} {{instance}}"),
        Query(total("fdmetrics_store_used_bytes", "job, instance"), "used {{job}} {{instance}}"),
        unit="bytes",
        description="Reserved on the file system, and what of it holds something.",
    ),
    graph(
        "Refused registrations and damaged records",
        Query(f"sum by (instance, reason) (increase({DROPPED}{{{CHOSEN}}}[$__rate_interval]))", "{{reason}}"),
        Query(total("fdmetrics_damaged_records", "instance"), "damaged {{instance}}"),
        description="conflict: declared in two ways. series_limit: a label has too many values. no_space: the file "
        "system is full.",
    ),
    graph(
        "Scrapes",
        Query(f"scrape_duration_seconds{{{CHOSEN}}}", "all {{job}} {{instance}}"),
        Query(f"fdmetrics_scrape_duration_seconds{{{CHOSEN}}}", "rendering {{job}} {{instance}}"),
        unit="s",
        description="As Prometheus sees them, and what the process that serves says of the one before.",
    ),
    graph(
        "Bytes of a scrape",
        Query(f"fdmetrics_scrape_bytes{{{CHOSEN}}}", "{{job}} {{instance}}"),
        unit="bytes",
        description="Before they are compressed.",
    ),
    graph("Samples of a scrape", Query(f"scrape_samples_scraped{{{CHOSEN}}}", "{{job}} {{instance}}")),
    Panel("table", "Versions", [Query(f"fdmetrics_build_info{{{CHOSEN}}}")]),
]

ROWS = {
    "Overview": OVERVIEW,
    "HTTP": HTTP,
    "LLM serving": LLM,
    "ZeroMQ links": ZEROMQ,
    "Processes": PROCESSES,
    "fdmetrics itself": ITSELF,
}

ANY_OF_OURS = '{__name__=~"fdmetrics_build_info|http_requests_total|fastdeploy:.+"}'
VARIABLES = [
    choice("job", "Service", f"label_values({ANY_OF_OURS}, job)"),
    choice("instance", "Instance", 'label_values(up{job=~"$job"}, instance)'),
    choice("address", "ZeroMQ link", f"label_values(fastdeploy:zmq:in_flight{{{CHOSEN}}}, address)"),
]


def text() -> str:
    """The file's text."""
    return json.dumps(dashboard("fdmetrics", "fdmetrics", VARIABLES, placed(ROWS)), indent=2) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(text())
