# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""What a gauge must show, computed from what its processes did: the meaning of the eleven modes in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field

MODES = {
    "all": 1,
    "liveall": 2,
    "min": 3,
    "livemin": 4,
    "max": 5,
    "livemax": 6,
    "sum": 7,
    "livesum": 8,
    "mostrecent": 9,
    "livemostrecent": 10,
    "local": 11,
}


@dataclass
class Instance:
    """What one process slot has of one series.

    base is what dead owners of the slot have left for the aggregation; their value itself stays in value until the
    next owner's first update.
    """

    owner: int
    value: float = 0.0
    time: float = 0.0
    base: float | None = None
    base_time: float = 0.0


@dataclass
class GaugeModel:
    """One gauge series. Processes are known by a number that is never used again; a slot is lowest free first."""

    mode: str
    slots: dict[int, int]  # the slot of each process that is alive
    pids: dict[int, int]  # the pid of each process that ever was
    setters: set[int] = field(default_factory=set)  # the slots that ever had a value of the family, of all its series
    instances: dict[int, Instance] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The mode without its "live"."""
        return self.mode[4:] if self.mode.startswith("live") else self.mode

    @property
    def live_only(self) -> bool:
        """Whether only processes that are alive count."""
        return self.mode.startswith("live")

    def _own(self, process: int) -> Instance:
        slot = self.slots[process]
        self.setters.add(slot)
        found = self.instances.get(slot)
        if found is None:
            found = self.instances[slot] = Instance(process)
        elif found.owner != process:
            self._adopt(found, process)
        return found

    def _adopt(self, found: Instance, process: int) -> None:
        if not self.live_only and self.kind in ("sum", "min", "max", "mostrecent"):
            if found.base is None or (self.kind == "mostrecent" and found.time > found.base_time):
                found.base, found.base_time = found.value, found.time
            elif self.kind == "sum":
                found.base += found.value
            elif self.kind == "min":
                found.base = min(found.base, found.value)
            elif self.kind == "max":
                found.base = max(found.base, found.value)
        found.owner, found.value, found.time = process, 0.0, 0.0

    def set(self, process: int, value: float, time: float) -> None:
        """The process sets its value."""
        own = self._own(process)
        own.value, own.time = value, time

    def add(self, process: int, amount: float) -> None:
        """The process adds to its value."""
        self._own(process).value += amount

    def value(self, process: int) -> float:
        """What the process itself sees."""
        found = self.instances.get(self.slots[process])
        return found.value if found is not None and found.owner == process else 0.0

    def _values(self, counted: list[Instance]) -> list[float]:
        return [each for one in counted for each in (one.value, one.base) if each is not None]

    def shown(self, renderer: int | None, pid_label: bool = False) -> dict[tuple[tuple[str, str], ...], float]:
        """The samples of the series, by their additional labels, as a process renders them (None: a mere reader)."""
        counted = {
            slot: one for slot, one in self.instances.items() if not self.live_only or self.slots.get(one.owner) == slot
        }
        if self.kind == "all":
            name = "pid" if pid_label else "worker"
            number = {slot: self.pids[one.owner] if pid_label else slot for slot, one in counted.items()}
            labels = {slot: ((name, str(number[slot])),) for slot in counted}
            if len(self.setters) == 1 and not pid_label:
                labels = dict.fromkeys(counted, ())
            return {labels[slot]: one.value for slot, one in counted.items()}
        if self.kind == "local":
            if renderer is None or renderer not in {one.owner for one in counted.values()}:
                return {}
            return {(): self.value(renderer)}
        values = self._values(list(counted.values()))
        if self.kind == "sum":
            return {(): sum(values)}
        if self.kind in ("min", "max"):
            if not values:
                # Before any process has set it, the series is there and shows 0.
                return {} if self.instances else {(): 0.0}
            return {(): min(values) if self.kind == "min" else max(values)}
        times = [(one.time, one.value) for one in counted.values()]
        times += [(one.base_time, one.base) for one in counted.values() if one.base is not None]
        return {(): max(times)[1]} if times else {}
