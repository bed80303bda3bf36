# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The exceptions of fdmetrics: one class a status of the library, and check_status.

A class whose fault lies in what the caller wrote is a ValueError too, so that code written for prometheus_client
catches it. Recording calls raise none of these for the store's sake; see fdmetrics.Registry.
"""

from __future__ import annotations

from . import _constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._library import Library


class FDMetricsError(Exception):
    """The base class. `status` is the library's code, 0 where the library was not asked."""

    status: int = c.FDM_OK


class LibraryError(FDMetricsError):
    """libfdmetrics.so cannot be loaded, or is of another ABI version."""


class StoreClosedError(FDMetricsError):
    """The store was closed by this process."""


class InvalidArgumentError(FDMetricsError, ValueError):
    """An argument is out of range or not a number."""

    status = c.FDM_ERR_INVALID_ARGUMENT


class InvalidNameError(FDMetricsError, ValueError):
    """A metric name, label name, unit, bound or state that Prometheus does not take."""

    status = c.FDM_ERR_INVALID_NAME


class ConflictError(FDMetricsError, ValueError):
    """The metric is declared with another type, label names, buckets, states, unit or mode, here or elsewhere."""

    status = c.FDM_ERR_CONFLICT


class LabelsError(FDMetricsError, ValueError):
    """The number or the names of the label values are not those of the metric."""

    status = c.FDM_ERR_LABELS


class SeriesLimitError(FDMetricsError):
    """The metric has as many series as the store's limit allows."""

    status = c.FDM_ERR_SERIES_LIMIT


class NoSpaceError(FDMetricsError):
    """The file system of the store, or the memory, is full."""

    status = c.FDM_ERR_NO_SPACE


class SystemCallError(FDMetricsError):
    """A system call failed; the text has its name, the path and errno."""

    status = c.FDM_ERR_SYSTEM


class DirectoryError(FDMetricsError):
    """The store's directory is not usable: another owner, writable by others, a network file system, no directory."""

    status = c.FDM_ERR_DIRECTORY


class ForeignStoreError(FDMetricsError):
    """The file is not a store, or is one of another version or another boot. It was not touched."""

    status = c.FDM_ERR_FOREIGN


class DamagedStoreError(FDMetricsError):
    """The store's file is damaged or truncated. It was not touched."""

    status = c.FDM_ERR_DAMAGED


class StoreNotFoundError(FDMetricsError):
    """There is no store in the directory."""

    status = c.FDM_ERR_NOT_FOUND


class ProcessLimitError(FDMetricsError):
    """As many processes hold the store as it has room for."""

    status = c.FDM_ERR_PROCESS_LIMIT


class UnsupportedError(FDMetricsError):
    """This kernel, machine or file system lacks something that the store needs; the text says what."""

    status = c.FDM_ERR_UNSUPPORTED


#: What a recording call may meet for the store's sake: it is counted then, not raised. No other class: what a signal
#: handler of the program's raises amid the call is not ours to keep.
REFUSALS = (FDMetricsError, MemoryError)

BY_STATUS: dict[int, type[FDMetricsError]] = {
    error.status: error
    for error in (
        InvalidArgumentError,
        InvalidNameError,
        ConflictError,
        LabelsError,
        SeriesLimitError,
        NoSpaceError,
        SystemCallError,
        DirectoryError,
        ForeignStoreError,
        DamagedStoreError,
        StoreNotFoundError,
        ProcessLimitError,
        UnsupportedError,
    )
}


def check_status(library: Library, status: int) -> None:
    """Raises the exception of a status that is not FDM_OK, with the library's own sentence about it.

    Call it right after the failing call and in the same thread: the sentence is the thread's last one.
    """
    if status == c.FDM_OK:
        return
    text = library.fdm_last_error() or library.fdm_strerror(status)
    error = BY_STATUS.get(status, FDMetricsError)(text.decode("utf-8", "replace"))
    error.status = status
    raise error
