# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What stands for a metric that the catalogue does not know: it takes every update and keeps none."""

from __future__ import annotations

from typing import Any, Iterator


class Inert:
    """A metric of no type, or a list, mapping or method of a later version's. Each call takes whatever arguments that
    takes, and does nothing; what is called or indexed gives itself, and nothing is in it. A public attribute that it
    has not gives itself too. It is no number.

    May be used from any thread and in fork children, copied and pickled.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        #: The attribute that it was looked up as.
        self.name = name

    def __getattr__(self, name: str) -> Inert:
        """Itself. Errors: AttributeError for a name with an underscore, by which Python asks what an object can."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self

    def inc(self, *_amount: object, **_keywords: object) -> None:
        """Does nothing, as every update of it; so do those below."""

    dec = set = observe = info = state = inc
    set_to_current_time = set_function = inc
    remove = remove_by_labels = clear = reset = register = inc

    def time(self, *_arguments: object, **_keywords: object) -> InertContext:
        """A context manager and decorator that does nothing; so do those below."""
        return InertContext(self.name)

    track_inprogress = count_exceptions = time

    def __call__(self, *_arguments: object, **_keywords: object) -> Any:
        """Itself: it stands for what a method returns, too."""
        return self

    def __getitem__(self, _key: object) -> Inert:
        """Itself: each element of it is inert."""
        return self

    def __setitem__(self, _key: object, _value: object) -> None:
        pass

    def __delitem__(self, _key: object) -> None:
        pass

    def __iter__(self) -> Iterator[Inert]:
        # Not by __getitem__, which would never end.
        return iter(())

    def __contains__(self, _key: object) -> bool:
        return False

    def __len__(self) -> int:
        return 0

    def __bool__(self) -> bool:
        # `if metrics.name:` asks whether the metric is there, as with one that the catalogue has.
        return True

    def __repr__(self) -> str:
        return f"<inert metric {self.name}>"


class InertContext(Inert):
    """Stands for a timer, an exception counter or an in-progress tracker, and for what it is entered as."""

    __slots__ = ()

    def __enter__(self) -> InertContext:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def __call__(self, *arguments: Any, **_keywords: object) -> Any:
        """The function that it decorates, else itself."""
        return arguments[0] if arguments and callable(arguments[0]) else self
