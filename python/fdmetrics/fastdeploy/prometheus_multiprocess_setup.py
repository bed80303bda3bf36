# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""The directory of a service's metrics in PROMETHEUS_MULTIPROC_DIR, for programs that want it named there.

fdmetrics needs none of this: its processes find one another by themselves. It is for the processes of a service that
start with an environment of their own, for libraries that look at the variable, and for ranks that must not share.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import shutil
from typing import MutableMapping, Optional, Union

from .. import _environment
from ..errors import FDMetricsError
from ..registry import REGISTRY
from ..store import Store

logger = logging.getLogger("fdmetrics")

VARIABLE = _environment.PROMETHEUS_DIRECTORY

_original_directory: Optional[str] = None


def get_original_prom_dir() -> Optional[str]:
    """What setup_multiprocess_prometheus returned in this process or in one that it was forked from; else None."""
    return _original_directory


def setup_multiprocess_prometheus() -> str:
    """Puts the directory of the service's metrics into PROMETHEUS_MULTIPROC_DIR, and returns it.

    The user's own is respected, also in the variable's lower case name, and returned as it is set, but absolute: it is
    made where it is missing, and otherwise left as it is. Where others may write to it or it is another user's, the
    store is in a private directory in it, fdmetrics-<uid>, which REGISTRY.path names. Else it is the one that processes
    of this service record into already; else a fresh one in TMPDIR, or where automatic directories are when TMPDIR is
    not set, named by a UUID, which goes with the service. Call it in the first process of the service, before it
    starts others. Further calls return the same and do nothing.

    Errors: the classes of Store()'s, such as SystemCallError and DirectoryError, where no store can be there.
    """
    global _original_directory
    _environment.make_absolute()
    directory = _environment.prometheus_directory()
    if directory and directory == _original_directory:
        return directory
    respected = bool(directory)
    planned = _environment.plan_directory()
    directory = directory or _chosen_directory(planned)
    # The store itself is where FDMETRICS_DIR says, if it says anything.
    store_directory = os.environ.get(_environment.DIRECTORY) or directory
    try:
        _make(store_directory, VARIABLE if store_directory == directory else _environment.DIRECTORY)
    except FDMetricsError:
        os.environ[_environment.AUTOMATIC_DIRECTORY] = planned
        raise
    os.environ[VARIABLE] = _original_directory = directory
    if directory == os.environ.get(_environment.AUTOMATIC_DIRECTORY):
        atexit.register(_remove_ranks, directory)
    logger.info("PROMETHEUS_MULTIPROC_DIR is %s%s", directory, ", as the user has set it" if respected else "")
    return directory


def _chosen_directory(planned: str) -> str:
    """Where the processes of this service would record if nobody set a directory, or the same name in TMPDIR."""
    recorded = os.environ.get(_environment.DIRECTORY)
    if recorded:
        return recorded
    parent = os.environ.get("TMPDIR")
    if not parent or os.path.exists(planned):
        return planned
    # The processes that the name is for would all move it to the same place. The library removes it in the end.
    moved = os.path.join(os.path.abspath(parent), os.path.basename(planned))
    os.environ[_environment.AUTOMATIC_DIRECTORY] = moved
    return moved


def _make(directory: str, variable: str) -> None:
    """Makes a directory and the store in it. Errors: those of Store(), with the variable that names it."""
    try:
        Store(directory).close()
    except FDMetricsError as error:
        raise type(error)(f"{variable}={directory} cannot be used for metrics: {error}") from error


def setup_dp_prometheus_dir(
    dp_id: Union[int, str], base_dir: str, env_dict: Optional[MutableMapping[str, str]] = None
) -> str:
    """Gives a data parallel rank a directory of its own, base_dir/dp<dp_id>, so that it shows its own metrics alone.

    The names are put into env_dict, the environment of a process to be started, or into this process's own, which then
    must not have recorded anything yet. Rank 0 goes on with what was recorded into base_dir so far. Returns the
    directory. Errors: RuntimeError where this process records into another directory already; those of Store().
    """
    base_dir = os.path.abspath(base_dir)
    directory = os.path.join(base_dir, f"dp{dp_id}")
    if env_dict is None and REGISTRY.attached and not _is_taken_over(dp_id, base_dir):
        raise RuntimeError(
            f"this process records into {REGISTRY.path} already, so it cannot move to {directory}: call "
            "setup_dp_prometheus_dir before its first metric is updated, or start the rank as a program with env_dict"
        )
    if str(dp_id) == "0":
        _make(base_dir, "base_dir")
        # Another name for base_dir: what is mapped, here and elsewhere, stays where it is.
        with contextlib.suppress(FileExistsError):
            os.symlink(os.curdir, directory)
    _make(directory, VARIABLE)
    environment = os.environ if env_dict is None else env_dict
    environment[VARIABLE] = directory
    if env_dict is not None or os.environ.get(_environment.DIRECTORY):
        # It would have precedence, here or where env_dict is put over the environment of this process.
        environment[_environment.DIRECTORY] = directory
    logger.info("PROMETHEUS_MULTIPROC_DIR of rank %s is %s", dp_id, directory)
    return directory


def _is_taken_over(dp_id: Union[int, str], base_dir: str) -> bool:
    return str(dp_id) == "0" and _environment.is_store_of(REGISTRY.path, base_dir)


def _remove_ranks(directory: str) -> None:
    """Removes the directories of ranks in an automatic one, at the exit of the process at whose exit that goes too."""
    if os.environ.get(_environment.AUTOMATIC_PROCESS) != str(os.getpid()):
        return
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if not entry.name.startswith("dp"):
                continue
            if entry.is_symlink():
                os.unlink(entry.path)
            elif entry.is_dir() and not _is_used(entry.path):
                shutil.rmtree(entry.path, ignore_errors=True)


def _is_used(directory: str) -> bool:
    """Whether another process holds the store in a directory. True where that cannot be known."""
    try:
        store = Store(directory)
    except FDMetricsError:
        return True
    try:
        return store.statistics().live_processes > 1
    finally:
        store.close()
