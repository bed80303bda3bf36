# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""One attached store directory."""

from __future__ import annotations

import ctypes
import os
from _collections_abc import Collection

import fdmetrics

from . import _constants as c
from . import _environment, _library, _log, _prototypes
from .errors import InvalidArgumentError, StoreClosedError, check_status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import TypeAlias

    from ._types import Statistics as Statistics

Path: TypeAlias = "str | os.PathLike[str]"

#: The HTTP content type of a rendered text.
TEXT_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: Whether the metrics of the processes themselves are rendered too, and how; see Store.render.
ProcessMetrics: TypeAlias = "bool | str"


if not TYPE_CHECKING:
    # Type checkers see what is imported above.
    def __getattr__(name: str) -> object:
        if name != "Statistics":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return fdmetrics.Statistics


class Store:
    """A store directory that this process has attached; what fdmetrics.Registry records into.

    Methods may be called from any thread. A fork child goes on with the store of its parent and need not open it.
    """

    __slots__ = ("__weakref__", "_pointer", "library", "path", "removals", "removals_address")

    def __init__(self, directory: Path, *, lanes: int = 0, series_limit: int = 0) -> None:
        """Attaches the store in a directory, and makes both where they are missing.

        A relative name counts from the working directory of now. lanes and series_limit count for a new store only; 0
        leaves them to the library. Errors: LibraryError and the classes of fdm_store_open's statuses; OSError where the
        name is relative and there is no working directory.
        """
        library = _library.load()
        path = os.fsencode(absolute(directory))
        options = _prototypes.Options(ctypes.sizeof(_prototypes.Options), path, lanes, series_limit)
        pointer = ctypes.c_void_p()
        check_status(library, library.fdm_store_open(ctypes.byref(options), ctypes.byref(pointer)))
        self._take(library, pointer)

    @classmethod
    def default(cls) -> Store:
        """The store of this process's default directory, which also becomes FDMETRICS_DIR in os.environ.

        Errors: as for Store().
        """
        library = _library.load()
        directory = os.fsdecode(library.fdm_default_directory())
        # The library has put the name into C's environment, which os.environ is a copy of since the start.
        os.environ[_environment.DIRECTORY] = directory
        pointer = ctypes.c_void_p()
        check_status(library, library.fdm_store_default(ctypes.byref(pointer)))
        store = cls.__new__(cls)
        store._take(library, pointer)
        return store

    def _take(self, library: _library.Library, pointer: ctypes.c_void_p) -> None:
        self.library = library
        self._pointer: ctypes.c_void_p | None = pointer
        #: The store's directory.
        self.path: str = os.fsdecode(library.fdm_store_path(pointer))
        #: Where the number stands that `removals` shows.
        self.removals_address = 0
        #: removals[0] changes whenever a process removes a series of this store, and when the store was deleted and
        #: another one has taken its place. Then the number stands elsewhere: see look_again.
        self.removals: memoryview
        self.look_again()
        _log.pass_on(library)

    def look_again(self) -> None:
        """Finds where the number of removals stands now. Errors: StoreClosedError."""
        word = self.library.fdm_store_removals(self.pointer)
        address = ctypes.addressof(word.contents)
        if address != self.removals_address:
            self.removals = memoryview((ctypes.c_uint64 * 1).from_address(address)).cast("B").cast("Q")
            self.removals_address = address

    @property
    def pointer(self) -> ctypes.c_void_p:
        """The fdm_store. Errors: StoreClosedError."""
        if self._pointer is None:
            raise StoreClosedError(f"The store in {self.path} was closed by this process: open it again.")
        return self._pointer

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
        """The whole store, in the Prometheus text format 0.0.4 unless another is given; releases the interpreter lock.

        pid_label: gauges of the modes all and liveall carry pid="<process id>" in place of worker="<slot>".
        process_metrics: adds process_cpu_seconds_total, process_resident_memory_bytes and so on of all live processes
        that hold the store, added up; "worker": one sample for each of them, with the label worker. self_metrics: adds
        what the store says of itself, fdmetrics_live_processes and so on. format: "text", "openmetrics" or "protobuf"
        (delimited io.prometheus.client.MetricFamily). escaping: how names that are not of the classic character set are
        written, "underscores", "dots", "values" or "allow-utf-8". names: only the families that have one of these
        names, or a sample of such a name. created: in OpenMetrics, adds when each series was made, as x_created.
        Errors: NoSpaceError, SystemCallError, DamagedStoreError, StoreClosedError, InvalidArgumentError.
        """
        options = render_options(pid_label, process_metrics, self_metrics) | (c.FDM_RENDER_CREATED if created else 0)
        library = self.library
        if names or format != "text" or escaping != "underscores":
            from . import _asked

            asked = _asked.scrape(format, escaping, options, names)
            rendered = _library.text_of(library, library.fdm_render_scrape, self.pointer, ctypes.byref(asked))
        else:
            rendered = _library.text_of(library, library.fdm_render, self.pointer, c.FDM_FORMAT_TEXT, options)
        _log.pass_on(library)
        return rendered

    def join(self) -> int:
        """Makes this process one that the store knows to be alive, and returns its number, the label worker's.

        Opening a store does so; a fork child does it right after the fork. Errors: as Store().
        """
        worker = ctypes.c_uint32()
        check_status(self.library, self.library.fdm_store_join(self.pointer, ctypes.byref(worker)))
        return worker.value

    def end_worker(self, worker: int) -> None:
        """Takes the values of a logical worker out of all gauges of live modes; see Family.series.

        Errors: StoreClosedError, InvalidArgumentError for a number that is none of a worker, SystemCallError.
        """
        check_status(self.library, self.library.fdm_worker_ended(self.pointer, worker))

    def statistics(self) -> fdmetrics.Statistics:
        """The numbers of the store. Errors: StoreClosedError."""
        from ._rare_prototypes import StatisticsNumbers
        from ._types import Statistics

        numbers = StatisticsNumbers(ctypes.sizeof(StatisticsNumbers))
        check_status(self.library, self.library.fdm_store_statistics(self.pointer, ctypes.byref(numbers)))
        return Statistics(*(getattr(numbers, name) for name in Statistics._fields))

    def close(self) -> None:
        """Detaches this object from the store; a second call does nothing.

        The last one of this process that was opened for the directory frees what the process holds of the store. For
        tests and tools: no thread may use this object or anything got from it during the call or after it. The default
        store stays attached for the life of the process. Metrics are detached by fdmetrics.Registry.close().
        """
        pointer, self._pointer = self._pointer, None
        if pointer is not None:
            try:  # noqa: SIM105
                check_status(self.library, self.library.fdm_store_close(pointer))
            except InvalidArgumentError:  # The default store is never closed.
                pass


def absolute(directory: Path) -> str:
    """A directory's name that goes on meaning the same when the working directory changes; an absolute one as it is.

    Errors: OSError, where the name is relative and there is no working directory.
    """
    path = os.fspath(directory)
    return path if os.path.isabs(path) else os.path.abspath(path)


def render_directory(
    directory: Path,
    *,
    pid_label: bool = False,
    process_metrics: ProcessMetrics = False,
    self_metrics: bool = False,
    format: str = "text",
    escaping: str = "underscores",
    names: Collection[str] = (),
) -> bytes:
    """Renders the store in a directory, of live or dead processes, with read access alone; see Store.render.

    Errors: as Store.render, and StoreNotFoundError, DirectoryError, ForeignStoreError, LibraryError.
    """
    from . import _asked

    library = _library.load()
    asked = _asked.scrape(format, escaping, render_options(pid_label, process_metrics, self_metrics), names)
    place = os.fsencode(directory)
    rendered = _library.text_of(library, library.fdm_render_directory_scrape, place, ctypes.byref(asked))
    _log.pass_on(library)
    return rendered


def render_options(pid_label: bool, process_metrics: ProcessMetrics, self_metrics: bool) -> int:
    """The flags of fdm_render. Errors: InvalidArgumentError."""
    options = c.FDM_RENDER_PID_LABEL if pid_label else 0
    options |= c.FDM_RENDER_SELF_METRICS if self_metrics else 0
    if process_metrics == "worker":
        return options | c.FDM_RENDER_PROCESS_METRICS_BY_WORKER
    if process_metrics in (True, False):
        return options | (c.FDM_RENDER_PROCESS_METRICS if process_metrics else 0)
    raise InvalidArgumentError(f'process_metrics is {process_metrics!r}: give True, False or "worker"')
