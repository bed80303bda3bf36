# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Registries: which metrics this process has declared, and the store that they record into."""

from __future__ import annotations

import atexit
import os
import time
from _collections_abc import Collection, Iterable

import fdmetrics

from . import _environment, _gauge_functions, _library, _log
from ._descriptor import Descriptor
from .errors import REFUSALS, ConflictError, FDMetricsError, StoreClosedError
from .store import ProcessMetrics, Store, absolute

#: How long after a failure the same thing is tried again, in seconds.
RETRY_SECONDS = 1.0


TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, MutableSet
    from typing import Protocol

    class Declared(Protocol):
        """What a registry knows of a metric."""

        def register(self) -> None:
            """Registers the metric with the store, or raises."""

        def _register_quietly(self) -> bool: ...

    from ._family import Family

    class Attached(Protocol):
        """Whatever holds an address in the store."""

        def _detach(self) -> None: ...


class Registry:
    """The metrics of this process that record into one store.

    The store is attached when a metric is first updated, looked up by labels or rendered, not when it is declared, so
    that the environment may still be set, and processes still be forked, between the two.

    Recording never raises for the store's sake. Where attaching or registering fails (a full disk, an unwritable
    directory, another process's other declaration, no descriptors left), the metric records nothing, and each lost
    update counts in `lost_updates`. The failure counts in `failures`, and the same thing is tried again after a second.
    The log gets one line for each cause, an exception's class, and minute: through logging.getLogger("fdmetrics") once
    the program has imported logging, on standard error before. attach() and a metric's register() raise instead.

    Methods may be called from any thread, and in fork children. No method takes a lock.
    """

    # Of the class until the store is attached, then of the object: two threads that attach at once so keep one store.
    _store: Store | None = None
    #: Of the default store: what the environment says, and what the directory is, where it was attached.
    _found: _environment.Found | None = None

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        """A registry for the store in a directory; None: for the process's default store.

        A relative name counts from the working directory of now. Errors: OSError where there is none then.
        """
        self._directory = None if directory is None else absolute(directory)
        self._closed = False
        self._retry_at = 0.0
        # The declaration that counts for each name in this process.
        self._declared: dict[str, Descriptor] = {}
        # Of prometheus_client's registries those that hold a metric of a name, which is free once there are none left;
        # see _hold. A name that no such registry has had is not there, and not free.
        self._holders: dict[str, MutableSet[object]] = {}
        self._pending: dict[Declared, None] = {}
        # Only of a store that may be closed; a process that has the default one alone need not import weakref.
        self._attachments: MutableSet[Attached] | None = None
        if directory is not None:
            import weakref

            self._attachments = weakref.WeakSet()
        # Families of ZeroMQ messages that the program itself records into, and whom to tell of one; see _own_records.
        self._own_records: set[str] = set()
        self._on_own_record: list[Callable[[Registry, str], None]] = []
        self._refusals = _log.Refusals()
        #: The families that Gauge.set_function was called for.
        self._functions: _gauge_functions.Functions = {}
        #: How often something was refused, by the exception's class name. Not exact under several threads.
        self.failures: dict[str, int] = {}
        #: Recording calls that had nothing to record into. Not exact under several threads.
        self.lost_updates = 0

    def __repr__(self) -> str:
        return f"fdmetrics.Registry({'' if self._directory is None else repr(self._directory)})"

    def attach(self) -> Store:
        """Attaches the store now and registers every declared metric.

        Returns the store. Errors: those of Store(), and the first one of registering a metric, such as ConflictError;
        the other metrics are registered all the same.
        """
        self._follow()
        store = self._attach()
        register_each(list(self._pending))
        return store

    def render(
        self,
        *,
        pid_label: bool = False,
        process_metrics: ProcessMetrics = False,
        self_metrics: bool = False,
        format: str = "text",
        escaping: str = "underscores",
        names: Collection[str] = (),
        created: bool = False,
    ) -> bytes:
        """All series of the store, of all processes, in a text format or protobuf; see Store.render.

        Calls the functions that this process has given to Gauge.set_function, of the gauges that are rendered. Errors:
        those of Store() and Store.render, and what such a function raises.
        """
        store = self._ready()
        if self._functions:
            # A name that is not of the classic character set may be asked for by one that stands for it.
            _gauge_functions.evaluate(self, lambda name: not names or name in names or not name.isidentifier())
        return store.render(
            pid_label=pid_label,
            process_metrics=process_metrics,
            self_metrics=self_metrics,
            format=format,
            escaping=escaping,
            names=names,
            created=created,
        )

    def _ready(self) -> Store:
        """The store, with all that this process has declared in it. Errors: those of Store()."""
        self._follow()
        store = self._attach()
        self._register_pending()
        return store

    def statistics(self) -> fdmetrics.Statistics:
        """The numbers of the store. Errors: those of Store()."""
        return self._attach().statistics()

    @property
    def attached(self) -> bool:
        """Whether the store is attached."""
        return self._store is not None

    @property
    def path(self) -> str:
        """The store's directory, attached at the first call. Errors: those of Store()."""
        self._follow()
        return self._attach().path

    def close(self) -> None:
        """Detaches the store; the metrics of this registry record nothing any more. The default store stays.

        For tests and tools. No other thread may record meanwhile, and update callables that were taken out of a metric
        (`inc = counter.inc`) must not be called afterwards: they hold an address of the store.
        """
        if self._directory is None:
            return
        self._closed = True
        _gauge_functions.forget(self)
        store = self.__dict__.pop("_store", None)
        for attachment in list(self._attachments or ()):
            attachment._detach()
        if store is not None:
            store.close()

    def _attach(self) -> Store:
        store = self._store
        if store is not None:
            return store
        if self._closed:
            raise StoreClosedError(f"The registry of {self._directory} was closed: make another one.")
        opened = Store.default() if self._directory is None else Store(self._directory)
        store = self.__dict__.setdefault("_store", opened)
        if store is not opened:
            # Another thread, or a signal handler, was quicker.
            opened.close()
        elif self._directory is None:
            self._found = _environment.Found(store.path)
        self._register_pending()
        return store

    def _follow(self) -> None:
        """Moves to another default store, where the environment names one and the directory of this one was deleted.

        A test suite does so that sets PROMETHEUS_MULTIPROC_DIR to another temporary directory for each test. What has
        been declared before is declared no more, and comes into the new store at its next update. The old store stays
        mapped: somebody may hold an address in it. No other thread may record meanwhile. Errors: those of Store().
        """
        found = self._found
        directory = None if found is None else found.successor()
        if directory is None:
            return
        from ._attachments import detach_all

        store = Store(directory)
        os.environ[_environment.DIRECTORY] = directory
        self._declared, self._pending, self._retry_at = {}, {}, 0.0
        self._store = store
        self._found = _environment.Found(store.path)
        detach_all(self)
        self._register_pending()

    def _attach_quietly(self) -> Store | None:
        """The store, or None where it cannot be had: then the cause is logged and counted."""
        store = self._store
        if store is not None:
            return store
        if self._closed or time.monotonic() < self._retry_at:
            return None
        try:
            return self._attach()
        except REFUSALS as error:
            self._retry_at = self._refuse(error, "the store")
            return None

    def _follow_quietly(self) -> None:
        try:
            self._follow()
        except REFUSALS as error:
            self._refuse(error, "the store that the environment names now")

    def _register_pending(self) -> None:
        # A process that has attached shows all that it has declared: an unlabelled counter is there with 0.
        for metric in list(self._pending):
            metric._register_quietly()

    def _declare(self, metric: Declared, family: Family) -> None:
        """Takes up a metric, new or declared again. Errors: ConflictError, where its name has another declaration in
        this process and is not free."""
        descriptor = family.descriptor
        if self._store is None:
            # A name that was set after the import, as seen before the program changes its directory.
            _environment.make_absolute()
        else:
            self._follow_quietly()
        known = self._declared.setdefault(descriptor.name, descriptor)
        difference = descriptor.difference(known)
        is_free = self._is_free(descriptor.name)
        if difference is not None:
            if not is_free:
                raise ConflictError(
                    f"Metric {descriptor.name} is already declared in this process with {difference}: declare it alike "
                    "everywhere, or choose another name."
                )
            self._declared[descriptor.name] = descriptor
            self._holders.pop(descriptor.name, None)
            # It may have been registered, or refused, before the other one took its place.
            family.detach(is_replacing=True)
            self._forget_replaced(descriptor.name)
        if is_free:
            # Whatever the store has under the name, perhaps of another process, gives way.
            family.is_replacing = True
            _gauge_functions.forget_given_up(self, descriptor.name)
        if ":zmq:" in descriptor.name and type(metric).__module__ != "fdmetrics.instruments":
            # Through prometheus_client, in either way. This package declares such families without recording into them.
            self._records_itself(descriptor.name)
        # By this thread alone where it can be: one that scrapes would register what is pending, too.
        if self._store is None or not metric._register_quietly():
            self._pending[metric] = None
            if self._store is not None:
                metric._register_quietly()

    def _forget_replaced(self, name: str) -> None:
        """Registers only at their next update what was declared otherwise, if the store has not been attached since."""
        for metric in list(self._pending):
            family: Family | None = getattr(metric, "_family", None)
            if family is not None and family.descriptor.name == name and self._is_replaced(family.descriptor):
                self._pending.pop(metric, None)

    def _take_back(self, metric: Declared, family: Family) -> None:
        """The constructor of a metric of prometheus_client's API has raised after it had declared that."""
        import weakref

        self._pending.pop(metric, None)
        if self._declared.get(family.descriptor.name) is family.descriptor:
            # Nobody had declared it before: the name is free again.
            self._holders.setdefault(family.descriptor.name, weakref.WeakSet())

    def _is_free(self, name: str) -> bool:
        """Whether registries of prometheus_client's had a metric of the name, and none has: they have unregistered it,
        or are gone themselves."""
        holders = self._holders.get(name)
        return holders is not None and not holders

    def _is_replaced(self, descriptor: Descriptor) -> bool:
        """Whether another declaration of the name counts in this process."""
        known = self._declared.get(descriptor.name)
        return known is not None and known is not descriptor and descriptor.difference(known) is not None

    def _hold(self, metric: Declared, family: Family, holder: object) -> None:
        """Takes note of a registry of prometheus_client's that has a metric, unless the name was refused to that.

        A metric whose name has been declared otherwise meanwhile, and is free, is declared once more.
        """
        import weakref

        if self._is_replaced(family.descriptor):
            if family.refusal is not None and not self._is_free(family.descriptor.name):
                return
            try:
                self._declare(metric, family)
            except ConflictError as error:
                family.refuse_for_ever(error)
                return
        if self._is_free(family.descriptor.name):
            _gauge_functions.forget_given_up(self, family.descriptor.name)
        self._holders.setdefault(family.descriptor.name, weakref.WeakSet()).add(holder)
        _gauge_functions.take_up(family)

    def _release(self, family: Family, holder: object) -> bool:
        """Takes note that such a registry has given a metric up. Whether its name is free now: nobody has it any more.

        The next declaration of the name, whatever it is, then takes the former one's place in the store, for all
        processes of the service; those that make the same declaration record into the same series. One that is as the
        store's goes on with what there is.
        """
        import weakref

        if self._is_replaced(family.descriptor):
            return False  # It was refused, or has been replaced.
        name = family.descriptor.name
        self._holders.setdefault(name, weakref.WeakSet()).discard(holder)
        if not self._is_free(name):
            return False
        family.is_held = False
        _gauge_functions.forget_given_up(self, name)
        return True

    def _records_itself(self, name: str) -> None:
        """The program itself records into a family of ZeroMQ messages from now on."""
        if name not in self._own_records:
            self._own_records.add(name)
            for tell in list(self._on_own_record):
                tell(self, name)

    def _registered(self, metric: Declared) -> None:
        self._pending.pop(metric, None)

    def _holds(self, attachment: Attached) -> None:
        """Takes note of who holds an address in the store, for close(). The default store is never closed."""
        if self._attachments is not None:
            self._attachments.add(attachment)

    def _refuse(self, error: BaseException, what: str, consequence: str = _log.NOTHING) -> float:
        """Counts a failure that no caller is told of, and logs it where its cause was not logged in the last minute.

        Returns from when on it may be tried again, on the clock of time.monotonic.
        """
        name = type(error).__name__
        try:
            self.failures[name] = self.failures.get(name, 0) + 1
            self._refusals.tell(what, error, consequence)
        except MemoryError:
            pass
        library = _library.loaded()
        if library is not None:
            _log.pass_on(library)
        return time.monotonic() + RETRY_SECONDS


#: The registry of the process's default store, used wherever no other one is given.
REGISTRY = Registry()


def register_each(metrics: Iterable[Declared]) -> None:
    """Registers metrics with the store, all of them, and then raises the first error that there was."""
    first: FDMetricsError | None = None
    for metric in metrics:
        try:
            metric.register()
        except FDMetricsError as error:
            first = first or error
    if first is not None:
        raise first


def registry_of(registry: object) -> Registry:
    """The registry that an argument stands for: itself, or the default one for None and for any other object.

    prometheus_client's registries are taken too, so that its users' code runs unchanged; the store has all metrics.
    """
    return registry if isinstance(registry, Registry) else REGISTRY


def _join_after_fork() -> None:
    # A fork child that only counts would otherwise never be one of the live processes whose memory and time are shown.
    store = REGISTRY._store
    if store is not None:
        try:  # noqa: SIM105
            store.join()
        except REFUSALS:
            pass


os.register_at_fork(after_in_child=_join_after_fork)


def _attach_to_remove() -> None:
    # The library removes an automatic directory at the exit of the process that chose its name, if that has attached.
    if not REGISTRY.attached and _environment.is_left_to_remove():
        try:  # noqa: SIM105
            Store.default()
        except FDMetricsError:
            pass


def _pass_on_at_exit() -> None:
    library = _library.loaded()
    if library is not None:
        _log.pass_on(library)


atexit.register(_attach_to_remove)
atexit.register(_pass_on_at_exit)


def attach() -> Store:
    """Attaches the default store now, instead of at the first update; see Registry.attach."""
    return REGISTRY.attach()
