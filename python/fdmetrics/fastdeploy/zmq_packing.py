# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What responses and control commands are on the wire: pickle, or msgpack where other hosts may be at the other end."""

from __future__ import annotations

import dataclasses
import importlib
from multiprocessing.reduction import ForkingPickler
from typing import Any, Dict, Protocol, Sequence


class Response(Protocol):
    """One part of the answer to a request."""

    finished: bool

    def to_dict(self) -> Dict[str, Any]:
        """What is sent of it."""


def pickled(responses: Sequence[Response]) -> Any:
    """What goes over the wire for some responses, unless the server is given another way."""
    return ForkingPickler.dumps([response.to_dict() for response in responses])


def pickled_whole(responses: Sequence[Any]) -> Any:
    """Responses as they are, for a peer that has their classes."""
    return ForkingPickler.dumps(list(responses))


def msgpack() -> Any:
    """The module. Errors: ImportError, which says how to get it."""
    try:
        return importlib.import_module("msgpack")
    except ImportError as error:
        raise ImportError(
            "control commands, and responses by step or batch, are msgpack: pip install fdmetrics[fastdeploy]"
        ) from error


def packed(value: object) -> bytes:
    """msgpack of a value in which responses, tensors, arrays and dataclasses may be."""
    result: bytes = msgpack().packb(_plain(value), default=_msgpack_default)
    return result


def unpacked(data: Any) -> Any:
    """The value of some msgpack. Errors: ValueError and others of msgpack."""
    return msgpack().unpackb(data)


def _plain(value: object) -> object:
    """Lists of lists of responses as lists of lists of what their to_dict() gives."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    to_dict = getattr(value, "to_dict", None)
    return value if to_dict is None else to_dict()


def _msgpack_default(value: Any) -> Any:
    """What msgpack has no type for: lists of tensors and arrays, dictionaries of dataclasses, lists of named tuples."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Not asdict: it would copy what the fields have.
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"Object of type {type(value).__name__} is not msgpack serializable")
