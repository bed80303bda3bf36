# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""Each gauge mode against a model: random updates, deaths and restarts of up to eight processes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from expositions import SampleKey, key, parse
from gauge_model import MODES, GaugeModel
from shells import RENDER_PID_LABEL, Refused, Shell

PROCESSES = 8
STEPS = 250
ITEMS = ("a", "b")
INVALID_ARGUMENT = -31001


class World:
    """The processes of a test, and the model of what they did."""

    def __init__(self, mode: str, store: Path, start: Callable[[], Shell], chance: random.Random) -> None:
        self.mode = mode
        self.store = store
        self._start = start
        self.chance = chance
        self.slots: dict[int, int] = {}
        self.pids: dict[int, int] = {}
        self.shells: dict[int, Shell] = {}
        setters: set[int] = set()
        self.series = {item: GaugeModel(mode, self.slots, self.pids, setters) for item in ITEMS}
        self.most_alive = 0
        self._times: dict[tuple[int, str], float] = {}
        self._used_times: set[float] = set()
        self.reader = start()

    def start(self) -> None:
        """A new process attaches and registers; it contributes nothing yet."""
        number = len(self.pids)
        fresh = self._start()
        fresh.ask("open", self.store)
        # A gauge that the test does not look at: with its update the process has a slot for certain.
        fresh.gauge(len(ITEMS), "attached", MODES["livesum"])
        fresh.ask("set", len(ITEMS), 1)
        for handle, item in enumerate(ITEMS):
            fresh.gauge(handle, "modelled", MODES[self.mode], "item", item)
        self.shells[number] = fresh
        self.pids[number] = fresh.process.pid
        self.slots[number] = min(set(range(PROCESSES)) - set(self.slots.values()))
        self.most_alive = max(self.most_alive, len(self.shells))

    def end(self, number: int) -> None:
        """A process dies, in one of the ways there are."""
        dying = self.shells.pop(number)
        del self.slots[number]
        way = self.chance.randrange(4)
        if way == 0:
            dying.exit()
        elif way == 1:
            dying.ask("close")
            dying.exit()
        else:
            dying.kill()

    def _next_time(self, number: int, item: str) -> float:
        # The times of one process ascend; those of different processes cross, and no two are the same.
        while True:
            time = self._times.get((number, item), 1000.0) + self.chance.randrange(1, 4000) / 4
            if time not in self._used_times:
                self._used_times.add(time)
                self._times[number, item] = time
                return time

    def update(self, number: int) -> None:
        """A process sets, increments or decrements one of the series."""
        handle = self.chance.randrange(len(ITEMS))
        item = ITEMS[handle]
        process, model = self.shells[number], self.series[item]
        amount = self.chance.randrange(-4000, 4000) / 4
        way = self.chance.randrange(4)
        if model.kind == "mostrecent":
            if way == 0:
                with pytest.raises(Refused) as refused:
                    process.ask("add", handle, amount)
                assert refused.value.status == INVALID_ARGUMENT
                process.ask("gauge_inc", handle)
            else:
                time = self._next_time(number, item)
                process.ask("set_at", handle, amount, time)
                model.set(number, amount, time)
        elif way == 0:
            process.ask("set", handle, amount)
            model.set(number, amount, 0.0)
        elif way == 1:
            process.ask("add", handle, amount)
            model.add(number, amount)
        elif way == 2:
            process.ask("gauge_inc", handle)
            model.add(number, 1)
        else:
            process.ask("gauge_dec", handle)
            model.add(number, -1)
        assert float(process.ask("gauge_value", handle)) == model.value(number)

    def expected(self, renderer: int | None, pid_label: bool) -> dict[SampleKey, float]:
        """All samples of the gauge, as the model has them."""
        return {
            key("modelled", {"item": item, **dict(labels)}): value
            for item, model in self.series.items()
            for labels, value in model.shown(renderer, pid_label).items()
        }

    def compare(self, step: str) -> None:
        """A process that renders and one that only reads both show what the model says."""
        renderer = self.chance.choice(sorted(self.shells)) if self.shells else None
        pid_label = self.chance.random() < 0.25
        options = RENDER_PID_LABEL if pid_label else 0
        texts: list[tuple[int | None, str]] = [(None, self.reader.render_directory(self.store, options))]
        if renderer is not None:
            texts.append((renderer, self.shells[renderer].render(options)))
        for who, text in texts:
            shown = {found: value for found, value in parse(text).items() if found[0] == "modelled"}
            assert shown == self.expected(who, pid_label), f"after {step}, rendered by {who}; slots {self.slots}"

    def count_instances(self) -> None:
        """There are never more instances than processes were alive at once, for each series."""
        if self.shells:
            teller = self.shells[self.chance.choice(sorted(self.shells))]
            numbers = teller.statistics()
            assert numbers["gauge_instances"] <= self.most_alive * (len(ITEMS) + 1)
            assert numbers["live_processes"] == len(self.shells)


@pytest.mark.parametrize("mode", list(MODES))
def test_gauge_mode_follows_its_model(
    mode: str, store: Path, seed: int, stress: int, shell: Callable[[], Shell], check: Callable[[], None]
) -> None:
    chance = random.Random(f"{seed} {mode}")
    world = World(mode, store, shell, chance)
    world.start()
    world.compare("the first registration, before any update")
    for step in range(STEPS * stress):
        roll = chance.random()
        alive = sorted(world.shells)
        if len(alive) < PROCESSES and (not alive or roll < 0.15):
            what = "a start"
            world.start()
        elif roll < 0.25 or (len(alive) == PROCESSES and roll < 0.3):
            number = chance.choice(alive)
            what = f"the end of {number}"
            world.end(number)
        else:
            number = chance.choice(alive)
            what = f"an update of {number}"
            world.update(number)
        world.compare(f"step {step}, {what}")
        world.count_instances()
    if not world.shells:
        world.start()
    stopped = sorted(world.shells)[0]
    world.update(stopped)
    # A process that is stopped is alive.
    world.shells[stopped].stop()
    renderer = world.shells.pop(stopped)
    world.compare("a process was stopped")
    world.shells[stopped] = renderer
    renderer.go_on()
    check()
    for number in sorted(world.shells):
        world.end(number)
        world.compare(f"the end of {number}, at the end of the test")
    check()
