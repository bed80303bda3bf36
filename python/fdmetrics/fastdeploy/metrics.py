# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The catalogue of FastDeploy as metrics that all processes of a service share, and what /metrics answers.

    from fdmetrics.fastdeploy.metrics import get_filtered_metrics, main_process_metrics

    main_process_metrics.request_success_total.inc()
    main_process_metrics.set_value("num_requests_running", 3)
    print(get_filtered_metrics())

Needs neither prometheus_client nor pyzmq.
"""

from __future__ import annotations

from typing import Any, ClassVar, Dict, Iterable, List, Mapping, Optional, Protocol, Set, Type, TypeVar, Union

from .. import _log
from ..errors import InvalidArgumentError
from ..exposition import generate_latest
from ..instruments import GAUGE_MODES, Counter, Gauge, Histogram
from ..metric import Metric
from ..registry import Registry, register_each, registry_of
from . import catalogue, envs
from .catalogue import REQUEST_LATENCY_BUCKETS, Declaration, Declarations, build_1_2_5_buckets
from .collector import CollectorRegistry, FamilyCollector
from .gauge_modes import chosen as chosen_modes
from .inert import Inert
from .interface import MetricsManagerInterface
from .stats import ZMQMetricsStats

__all__ = [
    "EXCLUDE_LABELS",
    "REQUEST_LATENCY_BUCKETS",
    "MetricsManager",
    "ZMQMetricsStats",
    "build_1_2_5_buckets",
    "get_filtered_metrics",
    "main_process_metrics",
]

_LOCAL = GAUGE_MODES["local"]
_Declared = TypeVar("_Declared", Counter, Gauge, Histogram)

#: The address of messages whose link has none.
UNKNOWN_ADDRESS = "unknown"


class CacheConfig(Protocol):
    """What set_cache_config_info takes."""

    def metrics_info(self) -> Optional[Mapping[str, object]]:
        """The configuration, by names that can be label names."""


class MetricsManager(MetricsManagerInterface):
    """Every metric of the catalogue, under its attribute name.

    Several may be made, in one process and in many: a name is one series, and its total that of all processes. Those of
    speculative decoding and cache_config_info are there once they are initialised. An attribute that the catalogue does
    not know, of a later FastDeploy say, is an inert metric: its updates do nothing, and one log line tells its name;
    see declare. Names that begin with an underscore are no metrics, and missing ones an AttributeError.

    Making one touches nothing outside of the process. Methods may be called from any thread and in fork children, and
    raise nothing for the store's sake but where it is said; a label name that a metric does not have is a ValueError.
    """

    #: The groups. HTTP's are in METRICS, as in FastDeploy.
    METRICS: ClassVar[Declarations] = {**catalogue.CORE, **catalogue.HTTP}
    GAUGE_METRICS: ClassVar[Declarations] = catalogue.GAUGES
    SERVER_METRICS: ClassVar[Declarations] = catalogue.SERVER
    ZMQ_METRICS: ClassVar[Declarations] = catalogue.ZMQ

    num_requests_running: Gauge
    num_requests_waiting: Gauge
    num_requests_enqueued: Gauge
    num_requests_preempted: Gauge
    gpu_cache_usage_perc: Gauge
    batch_size: Gauge
    max_batch_size: Gauge
    available_gpu_block_num: Gauge
    free_gpu_block_num: Gauge
    max_gpu_block_num: Gauge
    max_cpu_block_num: Gauge
    available_gpu_resource: Gauge
    first_token_latency: Gauge
    infer_latency: Gauge
    available_batch_size: Gauge
    hit_req_rate: Gauge
    hit_token_rate: Gauge
    cpu_hit_token_rate: Gauge
    gpu_hit_token_rate: Gauge

    time_to_first_token: Histogram
    time_per_output_token: Histogram
    request_inference_time: Histogram
    request_queue_time: Histogram
    generation_tokens_total: Counter
    request_prefill_time: Histogram
    request_decode_time: Histogram
    request_generation_tokens: Histogram
    request_token_ratio: Histogram
    request_success_total: Counter
    request_preempted_total: Counter
    prefix_cache_token_num: Counter
    prefix_gpu_cache_token_num: Counter
    prefix_cpu_cache_token_num: Counter
    prefix_ssd_cache_token_num: Counter
    prefix_storage_cache_token_num: Counter
    requests_number: Counter
    send_cache_failed_num: Counter

    http_requests_total: Counter
    http_request_duration_seconds: Histogram

    e2e_request_latency: Histogram
    request_params_max_tokens: Histogram
    prompt_tokens_total: Counter
    request_prompt_tokens: Histogram

    msg_send_total: Counter
    msg_send_failed_total: Counter
    msg_bytes_send_total: Counter
    msg_recv_total: Counter
    msg_bytes_recv_total: Counter
    zmq_latency: Histogram

    spec_decode_draft_acceptance_rate: Gauge
    spec_decode_num_accepted_tokens_total: Counter
    spec_decode_num_emitted_tokens_total: Counter
    spec_decode_efficiency: Gauge
    spec_decode_num_draft_tokens_total: Counter
    spec_decode_draft_single_head_acceptance_rate: List[Gauge]

    cache_config_info: Optional[Gauge] = None

    def __init__(self, registry: object = None, *, gauge_modes: Optional[Mapping[str, str]] = None) -> None:
        """Declares the metrics.

        registry: a fdmetrics.Registry; anything else stands for the process's default one. gauge_modes: the modes of
        gauges that are not to have the catalogue's, by attribute name, "*" for every gauge that is local there; None:
        those in FDMETRICS_FASTDEPLOY_GAUGE_MODES ("num_requests_waiting=livesum,*=all"). All processes must choose
        alike. Errors: ConflictError, where this process has declared a name otherwise; InvalidArgumentError.
        """
        self.registry: Registry = registry_of(registry)
        self._gauge_modes = chosen_modes(gauge_modes)
        self._collect_zmq_metrics = False
        #: Empty until init_speculative_metrics, and without the heads.
        self.SPECULATIVE_METRICS: Declarations = {}
        for group in (self.METRICS, self.GAUGE_METRICS, self.SERVER_METRICS, self.ZMQ_METRICS):
            self._declare(group)

    def _declare(self, group: Declarations) -> None:
        for attribute, declaration in group.items():
            setattr(self, attribute, declaration.declared(self.registry, self._gauge_modes.get(attribute)))

    # What the catalogue does not have ---------------------------------------------------------------------------------

    def declare(
        self,
        attribute: str,
        type: Type[_Declared],
        name: str,
        description: str,
        labelnames: Iterable[str] = (),
        *,
        buckets: Iterable[float] = Histogram.DEFAULT_BUCKETS,
        multiprocess_mode: str = catalogue.DEFAULT_MODE,
    ) -> _Declared:
        """Adds a metric to this object, as the attribute of a name, and returns it.

            main_process_metrics.declare("kv_bytes", Counter, "fastdeploy:kv_bytes", "KV cache sent (in bytes)")

        type is fdmetrics.Counter, Gauge or Histogram. buckets are a histogram's upper bounds, multiprocess_mode is a
        gauge's. Every process that records it must declare it, alike. The same again gives the metric that is there.
        Errors: InvalidArgumentError for a type or a mode that is none, and for an attribute that is something else;
        InvalidNameError; ConflictError, where this process has declared the name otherwise.
        """
        if type not in (Counter, Gauge, Histogram):
            raise InvalidArgumentError(f"type of {attribute!r} is {type!r}: fdmetrics.Counter, Gauge or Histogram")
        if isinstance(labelnames, str):
            raise InvalidArgumentError(f"labelnames of {attribute!r} are one text, {labelnames!r}: write a list")
        if not attribute.isidentifier() or attribute.startswith("_"):
            raise InvalidArgumentError(f"attribute {attribute!r} is no name that a metric can have here")
        there = self._found_attribute(attribute)
        declaration = Declaration(type, name, description, tuple(labelnames), tuple(buckets), multiprocess_mode)
        taken = there is not None or attribute in catalogue.LATER or hasattr(MetricsManager, attribute)
        # What is alike may be declared again, by each of several modules.
        if taken and not (isinstance(there, type) and there.name == _family_name(type, name)):
            raise InvalidArgumentError(f"attribute {attribute!r} is something else already: choose another name")
        metric = declaration.declared(self.registry)
        assert isinstance(metric, type)
        setattr(self, attribute, metric)
        return metric

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if name in catalogue.LATER:
            raise AttributeError(f"no {name} yet: call init_speculative_metrics() of the method that has it")
        known: Dict[str, Inert] = self.__dict__.setdefault("_inert", {})
        if name not in known:
            new = Inert(name)
            # Of several threads that come at once, one tells it.
            if known.setdefault(name, new) is new:
                _tell_unknown(name)
        return known[name]

    # What there is once it is initialised -----------------------------------------------------------------------------

    def init_speculative_metrics(self, speculative_method: Optional[str], num_speculative_tokens: int) -> None:
        """Declares the metrics of a method of speculative decoding; of "mtp", a gauge for each of the heads, too.

        May be called again, also with another method. Errors: as MetricsManager().
        """
        self.SPECULATIVE_METRICS = catalogue.speculative(speculative_method)
        self._declare(self.SPECULATIVE_METRICS)
        if speculative_method == "mtp":
            mode = self._gauge_modes.get(catalogue.HEADS_ATTRIBUTE)
            heads = [catalogue.head(number).declared(self.registry, mode) for number in range(num_speculative_tokens)]
            self.spec_decode_draft_single_head_acceptance_rate = [one for one in heads if isinstance(one, Gauge)]

    # FastDeploy's name for it.
    _init_speculative_metrics = init_speculative_metrics

    def set_cache_config_info(self, obj: CacheConfig) -> None:
        """Shows a cache configuration as labels of cache_config_info; nothing where it is None or empty.

        The gauge is declared by the first configuration, and every later one must have its names (else ValueError).
        """
        configuration = obj.metrics_info()
        if not configuration:
            return
        if self.cache_config_info is None:
            declaration = catalogue.cache_config_info(list(configuration))
            gauge = declaration.declared(self.registry, self._gauge_modes.get(catalogue.CACHE_CONFIG_INFO))
            assert isinstance(gauge, Gauge)
            self.cache_config_info = gauge
        self.cache_config_info.labels(**configuration).set(1)

    def init_zmq_metrics(self) -> None:
        """Lets record_zmq_stats record from now on. Further calls do nothing.

        Sockets that fdmetrics.zmq.instrument() has made record leave it to record_zmq_stats: messages count once.
        """
        self._collect_zmq_metrics = True
        self.registry._records_itself(self.msg_send_total.name)

    # ZeroMQ -----------------------------------------------------------------------------------------------------------

    def record_zmq_stats(self, zmq_metrics_stats: ZMQMetricsStats, address: Optional[str] = UNKNOWN_ADDRESS) -> None:
        """Adds what a call to a socket did to the series of an address; None stands for "unknown".

        Nothing before init_zmq_metrics. The services and the sockets of fdmetrics.zmq do not need it: they record by
        themselves, into the same series. Errors: ValueError for a negative number, before anything is added.
        """
        if not self._collect_zmq_metrics:
            return
        stats = zmq_metrics_stats
        counted = [(name, getattr(stats, name)) for name in self.ZMQ_METRICS if name != "zmq_latency"]
        for name, amount in counted:
            if not amount >= 0:
                raise InvalidArgumentError(
                    f"{name} of {stats!r} is {amount!r}: a number that is not negative is expected"
                )
        link = UNKNOWN_ADDRESS if address is None else address
        for name, amount in counted:
            # By 0 too, so that all series of the link are there.
            getattr(self, name).labels(link).inc(amount)
        if 0 < stats.zmq_latency < float("inf"):
            self.zmq_latency.labels(link).observe(stats.zmq_latency * 1000)

    # Exposition -------------------------------------------------------------------------------------------------------

    @property
    def _metrics(self) -> Dict[str, Metric]:
        """The metrics that there are now, by the families' names."""
        values: List[Any] = list(vars(self).values())
        values += self.__dict__.get(catalogue.HEADS_ATTRIBUTE, [])
        return {value.name: value for value in values if isinstance(value, Metric)}

    def show_local_gauges(self) -> None:
        """Lets every local gauge of this process be rendered: one that it did not set is 0."""
        for metric in self._metrics.values():
            # A gauge of that mode has no value before an update; adding 0 changes none that is there.
            if isinstance(metric, Gauge) and metric._family.descriptor.gauge_mode == _LOCAL and not metric._is_parent:
                metric.inc(0)

    def register_all(self, registry: Union[Registry, CollectorRegistry, None] = None) -> None:
        """Registers all metrics that there are, those of ZeroMQ too.

        registry: None or this object's own: registers them with the store now, and raises what is wrong, as
        Registry.attach. A registry of prometheus_client (or what has its method register): it collects them from the
        store from now on, the totals of all processes. Errors: InvalidArgumentError for another fdmetrics.Registry.
        """
        self._register(list(self._metrics.values()), registry)

    def re_register_gauge(self, registry: Union[Registry, CollectorRegistry, None] = None) -> None:
        """As register_all, for the gauges of GAUGE_METRICS alone."""
        self._register([getattr(self, attribute) for attribute in self.GAUGE_METRICS], registry)

    def register_speculative_metrics(self, registry: Union[Registry, CollectorRegistry, None] = None) -> None:
        """As register_all, for the metrics of speculative decoding alone."""
        heads = self.__dict__.get(catalogue.HEADS_ATTRIBUTE, [])
        self._register([*(getattr(self, attribute) for attribute in self.SPECULATIVE_METRICS), *heads], registry)

    def _register(self, metrics: List[Metric], registry: Union[Registry, CollectorRegistry, None]) -> None:
        if registry is not None and not isinstance(registry, Registry):
            registry.register(FamilyCollector(self.registry, metrics, self.show_local_gauges))
            return
        if registry is not None and registry is not self.registry:
            raise InvalidArgumentError(
                "these metrics record into another registry: make MetricsManager(registry=...) with the one you mean"
            )
        register_each(metrics)

    @classmethod
    def get_excluded_metrics(cls) -> Set[str]:
        """The names of the gauges of GAUGE_METRICS: those that are read from the process that answers, by default."""
        return {declaration.name for declaration in cls.GAUGE_METRICS.values()}


def _family_name(kind: Type[Metric], name: str) -> str:
    """The name that a metric has, of the one that it was declared with."""
    return name[: -len("_total")] if kind is Counter and name.endswith("_total") else name


def _tell_unknown(name: str) -> None:
    _log.warn(
        "fdmetrics: the catalogue has no metric %s: what is recorded into it is dropped. "
        "MetricsManager.declare() adds it. This is told once a name",
        name,
    )


#: The metrics of this process, and with it those of the service. Not for the main process alone, as FastDeploy's name
#: has it.
main_process_metrics = MetricsManager()

if envs.FD_DEBUG:
    main_process_metrics.init_zmq_metrics()

#: The names that get_excluded_metrics gives.
EXCLUDE_LABELS = MetricsManager.get_excluded_metrics()


def get_filtered_metrics() -> str:
    """All families of the store, the catalogue's and any other, in the Prometheus text format 0.0.4.

    The totals of all processes, the same whoever answers, but for gauges of the mode local, which have the value of
    this process. Serve it as fdmetrics.CONTENT_TYPE_LATEST. Errors: those of fdmetrics.Registry.render.
    """
    main_process_metrics.show_local_gauges()
    return generate_latest(main_process_metrics.registry).decode()
