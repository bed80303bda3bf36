# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What the catalogue must expose. Written down apart from it, because dashboards are built on these names."""

from __future__ import annotations

from typing import Dict, List, NamedTuple, Tuple

_BUCKETS = {
    "FIRST_TOKEN": "0.001 0.005 0.01 0.02 0.04 0.06 0.08 0.1 0.25 0.5 0.75 1.0",
    "OUTPUT_TOKEN": "0.01 0.025 0.05 0.075 0.1 0.15 0.2 0.3 0.4 0.5 0.75 1.0",
    "REQUEST": (
        "0.3 0.5 0.8 1.0 1.5 2.0 2.5 5.0 10.0 15.0 20.0 30.0 40.0 50.0 60.0 120.0 240.0 480.0 960.0 1920.0 7680.0"
    ),
    "TOKENS": "1.0 2.0 5.0 10.0 20.0 50.0 100.0 200.0 500.0 1000.0 2000.0 5000.0 10000.0 20000.0",
    "HTTP": "0.01 0.025 0.05 0.1 0.25 0.5 0.75 1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5 5.0 7.5 10.0 30.0 60.0",
    "ZMQ": "0.001 0.01 0.02 0.05 0.1 0.25 0.5 1.0 2.0 5.0 10.0 20.0 50.0 100.0 200.0 500.0 1000.0",
}

# Attribute, name in the text, type, labels, buckets of a histogram or mode of a gauge, unit in the help text.
_ALWAYS = """
num_requests_running fastdeploy:num_requests_running gauge - sum -
num_requests_waiting fastdeploy:num_requests_waiting gauge - local -
num_requests_enqueued fastdeploy:num_requests_enqueued gauge - local -
num_requests_preempted fastdeploy:num_requests_preempted gauge - local -
gpu_cache_usage_perc fastdeploy:gpu_cache_usage_perc gauge - local -
batch_size fastdeploy:batch_size gauge - local -
max_batch_size fastdeploy:max_batch_size gauge - local -
available_gpu_block_num fastdeploy:available_gpu_block_num gauge - local -
free_gpu_block_num fastdeploy:free_gpu_block_num gauge - local -
max_gpu_block_num fastdeploy:max_gpu_block_num gauge - local -
max_cpu_block_num fastdeploy:max_cpu_block_num gauge - local -
available_gpu_resource fastdeploy:available_gpu_resource gauge - local -
first_token_latency fastdeploy:first_token_latency gauge - local -
infer_latency fastdeploy:infer_latency gauge - local -
available_batch_size fastdeploy:available_batch_size gauge - local -
hit_req_rate fastdeploy:hit_req_rate gauge - local -
hit_token_rate fastdeploy:hit_token_rate gauge - local -
cpu_hit_token_rate fastdeploy:cpu_hit_token_rate gauge - local -
gpu_hit_token_rate fastdeploy:gpu_hit_token_rate gauge - local -
time_to_first_token fastdeploy:time_to_first_token_seconds histogram - FIRST_TOKEN seconds
time_per_output_token fastdeploy:time_per_output_token_seconds histogram - OUTPUT_TOKEN seconds
request_inference_time fastdeploy:request_inference_time_seconds histogram - REQUEST seconds
request_queue_time fastdeploy:request_queue_time_seconds histogram - REQUEST seconds
generation_tokens_total fastdeploy:generation_tokens_total counter - - -
request_prefill_time fastdeploy:request_prefill_time_seconds histogram - REQUEST seconds
request_decode_time fastdeploy:request_decode_time_seconds histogram - REQUEST seconds
request_generation_tokens fastdeploy:request_generation_tokens histogram - TOKENS tokens
request_token_ratio fastdeploy:request_token_ratio histogram - TOKENS tokens_per_second
request_success_total fastdeploy:request_success_total counter - - -
request_preempted_total fastdeploy:request_preempted_total counter - - -
prefix_cache_token_num fastdeploy:prefix_cache_token_num_total counter - - -
prefix_gpu_cache_token_num fastdeploy:prefix_gpu_cache_token_num_total counter - - -
prefix_cpu_cache_token_num fastdeploy:prefix_cpu_cache_token_num_total counter - - -
prefix_ssd_cache_token_num fastdeploy:prefix_ssd_cache_token_num_total counter - - -
prefix_storage_cache_token_num fastdeploy:prefix_storage_cache_token_num_total counter - - -
requests_number fastdeploy:requests_number_total counter - - -
send_cache_failed_num fastdeploy:send_cache_failed_num_total counter - - -
http_requests_total http_requests_total counter method,path,status_code - -
http_request_duration_seconds http_request_duration_seconds histogram method,path HTTP seconds
e2e_request_latency fastdeploy:e2e_request_latency_seconds histogram - REQUEST seconds
request_params_max_tokens fastdeploy:request_params_max_tokens histogram - TOKENS tokens
prompt_tokens_total fastdeploy:prompt_tokens_total counter - - -
request_prompt_tokens fastdeploy:request_prompt_tokens histogram - TOKENS tokens
msg_send_total fastdeploy:zmq:msg_send_total counter address - -
msg_send_failed_total fastdeploy:zmq:msg_send_failed_total counter address - -
msg_bytes_send_total fastdeploy:zmq:msg_bytes_send_total counter address - -
msg_recv_total fastdeploy:zmq:msg_recv_total counter address - -
msg_bytes_recv_total fastdeploy:zmq:msg_bytes_recv_total counter address - -
zmq_latency fastdeploy:zmq:latency histogram address ZMQ milliseconds
"""

_SPECULATIVE = """
spec_decode_draft_acceptance_rate fastdeploy:spec_decode_draft_acceptance_rate gauge - local -
spec_decode_num_accepted_tokens_total fastdeploy:spec_decode_num_accepted_tokens_total counter - - -
spec_decode_num_emitted_tokens_total fastdeploy:spec_decode_num_emitted_tokens_total counter - - -
"""
_SPECULATIVE_MTP = """
spec_decode_efficiency fastdeploy:spec_decode_efficiency gauge - local -
spec_decode_num_draft_tokens_total fastdeploy:spec_decode_num_draft_tokens_total counter - - -
"""

HEADS = "spec_decode_draft_single_head_acceptance_rate"


class Expected(NamedTuple):
    """One family."""

    attribute: str
    #: The name in the text: of a counter, with "_total".
    name: str
    type: str
    labels: Tuple[str, ...]
    #: Of a histogram, as they stand in the text, without +Inf.
    buckets: Tuple[str, ...]
    #: Of a gauge.
    mode: str
    unit: str


def _rows(table: str) -> List[Expected]:
    rows = []
    for line in table.split("\n"):
        if line:
            attribute, name, kind, labels, detail, unit = (word.strip("-") for word in line.split())
            buckets = tuple(_BUCKETS[detail].split()) if kind == "histogram" else ()
            mode = detail if kind == "gauge" else ""
            rows.append(Expected(attribute, name, kind, tuple(filter(None, labels.split(","))), buckets, mode, unit))
    return rows


ALWAYS = _rows(_ALWAYS)
SPECULATIVE = _rows(_SPECULATIVE)
SPECULATIVE_MTP = _rows(_SPECULATIVE_MTP)


def by_name(*groups: List[Expected]) -> Dict[str, Expected]:
    """The rows of some groups by the names in the text."""
    return {row.name: row for group in groups for row in group}


def head(number: int) -> Expected:
    """The gauge of one head."""
    return Expected(HEADS, f"fastdeploy:{HEADS}_{number}", "gauge", (), (), "local", "")
