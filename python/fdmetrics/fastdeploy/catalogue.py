# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The metrics of an LLM server of FastDeploy: names, types, labels, buckets and modes, by group and attribute name.

Names and buckets are what dashboards are built on: they change for no reason of ours.
"""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Type, Union, cast

from ..instruments import Counter, Gauge, GaugeMode, Histogram
from ..registry import Registry

Instrument = Union[Counter, Gauge, Histogram]

#: A gauge that is read from the process that renders, unless another mode is chosen for it.
DEFAULT_MODE = "local"


class Declaration(NamedTuple):
    """One metric."""

    type: Type[Instrument]
    name: str
    description: str
    labelnames: Tuple[str, ...] = ()
    #: A histogram's upper bounds.
    buckets: Tuple[float, ...] = ()
    #: A gauge's mode.
    multiprocess_mode: str = DEFAULT_MODE

    def declared(self, registry: Registry, multiprocess_mode: Optional[str] = None) -> Instrument:
        """The metric. Errors: ConflictError, where this process has declared the name otherwise."""
        if issubclass(self.type, Histogram):
            return Histogram(self.name, self.description, self.labelnames, registry=registry, buckets=self.buckets)
        if issubclass(self.type, Gauge):
            mode = cast(GaugeMode, multiprocess_mode or self.multiprocess_mode)
            return Gauge(self.name, self.description, self.labelnames, registry=registry, multiprocess_mode=mode)
        return Counter(self.name, self.description, self.labelnames, registry=registry)


Declarations = Mapping[str, Declaration]


def build_1_2_5_buckets(max_value: int) -> List[int]:
    """1, 2, 5, 10, 20, 50 and so on, as far as they are not above max_value."""
    buckets: List[int] = []
    decade = 1
    while decade <= max_value:
        buckets += [factor * decade for factor in (1, 2, 5) if factor * decade <= max_value]
        decade *= 10
    return buckets


#: Seconds of a request and of its phases.
REQUEST_LATENCY_BUCKETS = [
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
]
#: The most tokens that the buckets of token counts are made for.
MOST_TOKENS = 33792
_TOKENS = build_1_2_5_buckets(MOST_TOKENS)
_FIRST_TOKEN_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0)
_OUTPUT_TOKEN_SECONDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
_HTTP_SECONDS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 7.5),
    *(10.0, 30.0, 60.0),
)
_ZMQ_MILLISECONDS = (
    *(0.001, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
    *(100.0, 200.0, 500.0, 1000.0),
)


def _counter(name: str, description: str, *labelnames: str) -> Declaration:
    return Declaration(Counter, name, description, labelnames)


def _gauge(name: str, description: str, mode: str = DEFAULT_MODE) -> Declaration:
    return Declaration(Gauge, name, description, multiprocess_mode=mode)


def _histogram(name: str, description: str, buckets: Sequence[float], *labelnames: str) -> Declaration:
    return Declaration(Histogram, name, description, labelnames, tuple(map(float, buckets)))


#: The state of the engine, now.
GAUGES: Declarations = {
    "num_requests_running": _gauge("fastdeploy:num_requests_running", "Number of requests that are running", "sum"),
    "num_requests_waiting": _gauge("fastdeploy:num_requests_waiting", "Number of requests that wait to run"),
    "num_requests_enqueued": _gauge(
        "fastdeploy:num_requests_enqueued", "Number of requests in the queue that the scheduler has not taken yet"
    ),
    "num_requests_preempted": _gauge(
        "fastdeploy:num_requests_preempted", "Number of requests that were preempted and wait for cache blocks"
    ),
    "gpu_cache_usage_perc": _gauge(
        "fastdeploy:gpu_cache_usage_perc", "Used part of the KV cache on the GPU (ratio, 1 is all of it)"
    ),
    "batch_size": _gauge("fastdeploy:batch_size", "Number of requests in the running batch"),
    "max_batch_size": _gauge(
        "fastdeploy:max_batch_size", "Most requests that a batch may have, as set when the service started"
    ),
    "available_gpu_block_num": _gauge(
        "fastdeploy:available_gpu_block_num", "Number of GPU cache blocks to be had: free ones and those to be evicted"
    ),
    "free_gpu_block_num": _gauge("fastdeploy:free_gpu_block_num", "Number of GPU cache blocks that are free"),
    "max_gpu_block_num": _gauge(
        "fastdeploy:max_gpu_block_num", "Number of all GPU cache blocks, as set when the service started"
    ),
    "max_cpu_block_num": _gauge(
        "fastdeploy:max_cpu_block_num", "Number of all CPU cache blocks, as set when the service started"
    ),
    "available_gpu_resource": _gauge(
        "fastdeploy:available_gpu_resource", "Part of all GPU cache blocks that is to be had (ratio, 1 is all of them)"
    ),
    "first_token_latency": _gauge(
        "fastdeploy:first_token_latency", "Time to the first token of the latest request (in seconds)"
    ),
    "infer_latency": _gauge("fastdeploy:infer_latency", "Time that the latest token took (in seconds)"),
    "available_batch_size": _gauge(
        "fastdeploy:available_batch_size", "Number of requests that the decode batch still has room for"
    ),
    "hit_req_rate": _gauge("fastdeploy:hit_req_rate", "Part of the requests that the prefix cache served (ratio)"),
    "hit_token_rate": _gauge("fastdeploy:hit_token_rate", "Part of the tokens that the prefix cache served (ratio)"),
    "cpu_hit_token_rate": _gauge(
        "fastdeploy:cpu_hit_token_rate", "Part of the tokens that the prefix cache on the CPU served (ratio)"
    ),
    "gpu_hit_token_rate": _gauge(
        "fastdeploy:gpu_hit_token_rate", "Part of the tokens that the prefix cache on the GPU served (ratio)"
    ),
}

#: What the engine counts and times.
CORE: Declarations = {
    "time_to_first_token": _histogram(
        "fastdeploy:time_to_first_token_seconds", "Time to the first token (in seconds)", _FIRST_TOKEN_SECONDS
    ),
    "time_per_output_token": _histogram(
        "fastdeploy:time_per_output_token_seconds", "Time for each output token (in seconds)", _OUTPUT_TOKEN_SECONDS
    ),
    "request_inference_time": _histogram(
        "fastdeploy:request_inference_time_seconds",
        "Time of a request's inference, from its start to the last token (in seconds)",
        REQUEST_LATENCY_BUCKETS,
    ),
    "request_queue_time": _histogram(
        "fastdeploy:request_queue_time_seconds",
        "Time that a request waits, from the end of its preprocessing to its inference (in seconds)",
        REQUEST_LATENCY_BUCKETS,
    ),
    "generation_tokens_total": _counter("fastdeploy:generation_tokens_total", "Total number of tokens generated"),
    "request_prefill_time": _histogram(
        "fastdeploy:request_prefill_time_seconds",
        "Time of a request's prefill, from the start to the end of its preprocessing (in seconds)",
        REQUEST_LATENCY_BUCKETS,
    ),
    "request_decode_time": _histogram(
        "fastdeploy:request_decode_time_seconds",
        "Time of a request's decoding, from the first to the last token (in seconds)",
        REQUEST_LATENCY_BUCKETS,
    ),
    "request_generation_tokens": _histogram(
        "fastdeploy:request_generation_tokens", "Tokens generated for a request (in tokens)", _TOKENS
    ),
    "request_token_ratio": _histogram(
        "fastdeploy:request_token_ratio", "Tokens generated for a request, by its time (in tokens per second)", _TOKENS
    ),
    "request_success_total": _counter(
        "fastdeploy:request_success_total", "Total number of requests answered with success"
    ),
    "request_preempted_total": _counter(
        "fastdeploy:request_preempted_total", "Total number of times that a request was preempted"
    ),
    "prefix_cache_token_num": _counter(
        "fastdeploy:prefix_cache_token_num", "Total number of tokens taken from the prefix cache"
    ),
    "prefix_gpu_cache_token_num": _counter(
        "fastdeploy:prefix_gpu_cache_token_num", "Total number of tokens taken from the prefix cache on the GPU"
    ),
    "prefix_cpu_cache_token_num": _counter(
        "fastdeploy:prefix_cpu_cache_token_num", "Total number of tokens taken from the prefix cache on the CPU"
    ),
    "prefix_ssd_cache_token_num": _counter(
        "fastdeploy:prefix_ssd_cache_token_num", "Total number of tokens taken from the prefix cache on the SSD"
    ),
    "prefix_storage_cache_token_num": _counter(
        "fastdeploy:prefix_storage_cache_token_num", "Total number of tokens taken from the prefix cache in storage"
    ),
    "requests_number": _counter("fastdeploy:requests_number", "Total number of requests received"),
    "send_cache_failed_num": _counter(
        "fastdeploy:send_cache_failed_num", "Total number of times that a cache could not be sent"
    ),
}

#: What the middleware records.
HTTP: Declarations = {
    "http_requests_total": _counter(
        "http_requests_total",
        "Total number of HTTP requests by method, path and status code",
        *("method", "path", "status_code"),
    ),
    "http_request_duration_seconds": _histogram(
        "http_request_duration_seconds", "Duration of an HTTP request (in seconds)", _HTTP_SECONDS, "method", "path"
    ),
}

#: What the API server counts and times.
SERVER: Declarations = {
    "e2e_request_latency": _histogram(
        "fastdeploy:e2e_request_latency_seconds",
        "Time of a request, from its arrival to the end of its answer (in seconds)",
        REQUEST_LATENCY_BUCKETS,
    ),
    "request_params_max_tokens": _histogram(
        "fastdeploy:request_params_max_tokens", "Parameter max_tokens of a request (in tokens)", _TOKENS
    ),
    "prompt_tokens_total": _counter("fastdeploy:prompt_tokens_total", "Total number of tokens in prompts"),
    "request_prompt_tokens": _histogram(
        "fastdeploy:request_prompt_tokens", "Tokens in the prompt of a request (in tokens)", _TOKENS
    ),
}

#: Messages of a ZeroMQ link. fdmetrics.zmq and the services record into the same series.
ZMQ: Declarations = {
    "msg_send_total": _counter("fastdeploy:zmq:msg_send_total", "Total number of zmq messages sent", "address"),
    "msg_send_failed_total": _counter(
        "fastdeploy:zmq:msg_send_failed_total", "Total number of zmq messages that could not be sent", "address"
    ),
    "msg_bytes_send_total": _counter(
        "fastdeploy:zmq:msg_bytes_send_total", "Total number of bytes sent over zmq", "address"
    ),
    "msg_recv_total": _counter("fastdeploy:zmq:msg_recv_total", "Total number of zmq messages received", "address"),
    "msg_bytes_recv_total": _counter(
        "fastdeploy:zmq:msg_bytes_recv_total", "Total number of bytes received over zmq", "address"
    ),
    "zmq_latency": _histogram(
        "fastdeploy:zmq:latency",
        "Latency of zmq messages, from send to receive (in milliseconds)",
        _ZMQ_MILLISECONDS,
        "address",
    ),
}

#: Speculative decoding, whatever its method.
SPECULATIVE: Declarations = {
    "spec_decode_draft_acceptance_rate": _gauge(
        "fastdeploy:spec_decode_draft_acceptance_rate", "Part of the draft tokens that were accepted (ratio)"
    ),
    "spec_decode_num_accepted_tokens_total": _counter(
        "fastdeploy:spec_decode_num_accepted_tokens_total", "Total number of draft tokens that were accepted"
    ),
    "spec_decode_num_emitted_tokens_total": _counter(
        "fastdeploy:spec_decode_num_emitted_tokens_total", "Total number of tokens that speculative decoding gave"
    ),
}

#: Added by the method "mtp".
SPECULATIVE_MTP: Declarations = {
    "spec_decode_efficiency": _gauge(
        "fastdeploy:spec_decode_efficiency", "Tokens emitted of those that could have been (ratio)"
    ),
    "spec_decode_num_draft_tokens_total": _counter(
        "fastdeploy:spec_decode_num_draft_tokens_total", "Total number of draft tokens that were proposed"
    ),
}

#: The attribute that has a list of gauges, one for each head of the method "mtp".
HEADS_ATTRIBUTE = "spec_decode_draft_single_head_acceptance_rate"

#: The attribute of the gauge that has the cache configuration as labels, and the gauge's name.
CACHE_CONFIG_INFO = "cache_config_info"
CACHE_CONFIG_INFO_NAME = "fastdeploy:cache_config_info"
CACHE_CONFIG_INFO_MODE = "mostrecent"


def speculative(method: Optional[str]) -> Dict[str, Declaration]:
    """What there is for a method of speculative decoding, but for the gauges of the heads."""
    return {**SPECULATIVE, **(SPECULATIVE_MTP if method == "mtp" else {})}


def head(number: int) -> Declaration:
    """The gauge of one head of the method "mtp"."""
    return _gauge(
        f"fastdeploy:{HEADS_ATTRIBUTE}_{number}",
        f"Part of the draft tokens of one head that were accepted (ratio) (head {number})",
    )


def cache_config_info(labelnames: Sequence[str]) -> Declaration:
    """The gauge of a cache configuration with these keys."""
    return Declaration(
        Gauge,
        CACHE_CONFIG_INFO_NAME,
        "Configuration of the engine's cache, as labels; the value is 1",
        tuple(labelnames),
        multiprocess_mode=CACHE_CONFIG_INFO_MODE,
    )


#: What is an attribute once it is initialised, and none before.
LATER = frozenset((*SPECULATIVE, *SPECULATIVE_MTP, HEADS_ATTRIBUTE))

#: The attributes of all gauges, each of which may be given another mode.
GAUGE_ATTRIBUTES = (
    *GAUGES,
    *(name for name, one in speculative("mtp").items() if one.type is Gauge),
    HEADS_ATTRIBUTE,
    CACHE_CONFIG_INFO,
)
