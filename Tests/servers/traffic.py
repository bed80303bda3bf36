# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Requests from several threads, which can be paused between two of them, and scrapes beside them."""

from __future__ import annotations

import collections
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from clients import HANG_SECONDS, Answer, Client


class Traffic:
    """Sends numbered requests until so many are answered. A context manager: the threads run inside of it."""

    def __init__(self, path: Path, requests: int, *, threads: int, numbers: int) -> None:
        """numbers: how many there are at most; those beyond `requests` replace requests whose worker has gone."""
        self.requests = requests
        self.answered: set[int] = set()
        #: How many requests each process has answered.
        self.workers: collections.Counter[int] = collections.Counter()
        self._path = path
        self._numbers = numbers
        self._issued = 0
        self._in_flight = 0
        self._is_paused = False
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def take_number(self) -> int:
        """The next number, for a request that the caller sends."""
        with self._changed:
            number = self._issued
            assert number < self._numbers, f"{number} requests were not enough for {self.requests} answers"
            self._issued += 1
            return number

    @property
    def issued(self) -> int:
        """How many requests were begun."""
        return self._issued

    def wait_for(self, answers: int) -> None:
        """Waits until so many requests are answered."""
        self._wait(lambda: len(self.answered) >= min(answers, self.requests), f"{answers} requests are answered")

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """No request is sent inside of it, and none that was sent is without an answer."""
        with self._changed:
            self._is_paused = True
        self._wait(lambda: self._in_flight == 0, "no request is in flight")
        try:
            yield
        finally:
            with self._changed:
                self._is_paused = False
                self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool], sentence: str) -> None:
        with self._changed:
            arrived = self._changed.wait_for(lambda: self._error is not None or condition(), HANG_SECONDS)
            self.raise_error()
            assert arrived, f"after {HANG_SECONDS} s still not: {sentence}; {len(self.answered)} are answered"

    def raise_error(self) -> None:
        """Raises what a thread has come upon."""
        if self._error is not None:
            raise AssertionError(f"a thread failed: {self._error}") from self._error

    def fail(self, error: BaseException) -> None:
        """Ends the traffic for this reason."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def _begin(self) -> int | None:
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._error is not None
                    or len(self.answered) >= self.requests
                    or (not self._is_paused and len(self.answered) + self._in_flight < self.requests)
                )
            )
            if self._error is not None or len(self.answered) >= self.requests:
                return None
            self._in_flight += 1
            return self.take_number()

    def _end(self, number: int, answer: Answer | None) -> None:
        with self._changed:
            self._in_flight -= 1
            if answer is not None:
                self.answered.add(number)
                self.workers[answer.worker] += 1
            self._changed.notify_all()

    def _run(self) -> None:
        client = Client(self._path)
        try:
            while (number := self._begin()) is not None:
                self._end(number, client.get(f"/items/{number % 10}", number))
        except BaseException as error:
            self.fail(error)
        finally:
            client.close()

    def __enter__(self) -> Traffic:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.fail(error)
        for thread in self._threads:
            thread.join(HANG_SECONDS)


class Scrapes:
    """Scrapes spread over the traffic, each over a new connection and so by whichever worker answers."""

    def __init__(self, path: Path, traffic: Traffic, count: int, check: Callable[[Answer, int, int], None]) -> None:
        """check: gets each answer, how many requests were answered before it, and how many begun after it."""
        self.workers: collections.Counter[int] = collections.Counter()
        self._path = path
        self._traffic = traffic
        self._count = count
        self._check = check
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        traffic = self._traffic
        try:
            for number in range(self._count):
                traffic.wait_for(number * traffic.requests // self._count)
                before = len(traffic.answered)
                answer = scrape(self._path)
                self._check(answer, before, traffic.issued)
                self.workers[answer.worker] += 1
        except BaseException as error:
            traffic.fail(error)

    def __enter__(self) -> Scrapes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(HANG_SECONDS)
        self._traffic.raise_error()
        assert sum(self.workers.values()) == self._count


def scrape(path: Path) -> Answer:
    """The metrics from whichever worker answers; a worker that is killed meanwhile is no answer."""
    client = Client(path)
    deadline = time.monotonic() + HANG_SECONDS
    try:
        while (answer := client.get("/metrics")) is None:
            assert time.monotonic() < deadline, f"no worker has answered a scrape within {HANG_SECONDS} s"
        return answer
    finally:
        client.close()
