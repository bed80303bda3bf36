# SPDX-FileCopyrightText: the fdmetrics authors
# SPDX-License-Identifier: Apache-2.0
"""fdmctl top: on a terminal of tmux, whose keys are pressed and whose screen is read, and as plain tables.

Nothing here depends on how long something takes: a test waits for what must appear.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tool import HANG_SECONDS, Tool, environment
from writers import Writers


class Screen:
    """A shell in a terminal of tmux."""

    def __init__(self, socket: Path, width: int = 80, height: int = 24) -> None:
        if shutil.which("tmux") is None:
            pytest.fail("tmux is not there: apt-get install tmux")
        self.socket = socket
        shell = "env PS1='$ ' bash --norc --noprofile -i"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), shell)
        self.until(lambda text: text.startswith("$"))

    def tmux(self, *arguments: str) -> str:
        """A command of tmux."""
        command = ["tmux", "-S", str(self.socket), *arguments]
        # C.UTF-8, or tmux shows other letters as underscores.
        variables = environment(LC_ALL="C.UTF-8", TERM="xterm")
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG_SECONDS, env=variables)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def keys(self, *keys: str) -> None:
        """Presses keys: Enter, Escape, Up, C-c, or letters."""
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        """Types a line."""
        self.tmux("send-keys", "-l", text)
        self.keys("Enter")

    def text(self) -> str:
        """What is on the screen."""
        return self.tmux("capture-pane", "-p")

    def until(self, holds: Callable[[str], Any]) -> str:
        """Waits until something can be seen."""
        deadline = time.monotonic() + HANG_SECONDS
        while time.monotonic() < deadline:
            text = self.text()
            if holds(text):
                return text
            time.sleep(0.02)
        raise AssertionError(f"this never came to be what was expected:\n{text}")

    def shows(self, *parts: str) -> str:
        """Waits for texts."""
        return self.until(lambda text: all(part in text for part in parts))

    def state(self) -> tuple[str, str]:
        """Whether the other screen is on, and the cursor."""
        return tuple(self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split())  # type: ignore[return-value]

    def command(self, line: str) -> str:
        """Runs a command in the shell and gives its output."""
        self.keys("C-l")
        self.until(lambda text: text.strip() == "$")
        self.type(f"{line}; echo =end")
        text = self.until(lambda text: "\n=end" in text)
        return text.split("\n", 1)[1].split("\n=end")[0]


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Screen]:
    """80 columns, 24 lines."""
    screen = Screen(tmp_path / "tmux")
    yield screen
    with contextlib.suppress(AssertionError):
        screen.tmux("kill-server")


class Stepper:
    """A process that records the same again whenever it is told to."""

    def __init__(self, writers: Writers, directory: Path) -> None:
        self.directory = directory
        self.process = writers.start(directory, "steps")

    def step(self, value: float = 0.5) -> None:
        """10 more requests, and 10 observations of a value."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{value}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"


@pytest.fixture
def stepper(writers: Writers, stores: Path, request: pytest.FixtureRequest) -> Stepper:
    """Such a process with a store of its own."""
    return Stepper(writers, stores / re.sub(r"\W", "-", request.node.name))


def start(tool: Tool, screen: Screen, stepper: Stepper, *options: str) -> None:
    """Starts the live view, and waits for it."""
    screen.type(shlex.join([str(tool.path), "top", "--interval", "0.2", *options, str(stepper.directory)]))
    screen.shows("SERIES", "q quit")


def row(text: str, name: str) -> list[str]:
    """The words of the line that begins with a name."""
    return next((line.split() for line in text.splitlines() if line.startswith(name)), [])


def counter(text: str) -> str:
    """The value of the counter that steps."""
    words = row(text, 'steps{path="/"}')
    return words[2] if len(words) > 2 else ""


def only(reading: Any, name: str) -> Any:
    """The series of a name in a reading in JSON; of the counter that steps, the one that does."""
    return next(one for one in reading["series"] if one["name"] == name and one["labels"] in ("", '{path="/"}'))


def test_a_screen_of_80_columns(tool: Tool, screen: Screen, stepper: Stepper) -> None:
    start(tool, screen, stepper)
    text = screen.shows("step_level", "first")
    lines = text.splitlines()
    assert len(lines) == 24
    assert all(len(line) <= 80 for line in lines), text
    assert lines[0].startswith(f"fdmctl top  {stepper.directory}"[:60])
    assert lines[1].startswith("processes 1 live of 1, series 6 in 4 families, ")
    assert lines[3].split() == ["SERIES", "T", "VALUE", "RATE/s", "P50", "P90", "P99"]
    assert row(text, "step_level")[1:3] == ["g", "1.50"]
    # From the second refresh on there are rates.
    screen.until(lambda text: row(text, "step_seconds")[1:] == ["h", "0", "0", "-", "-", "-"])
    # Columns stand where they should, behind letters that take two of them; what would clear the screen is shown.
    assert 'steps{path="/日本語"}' in text
    assert 'steps{path="/\\u{1B}[2J"}' in text
    assert lines[23].startswith("q quit")

    stepper.step(0.5)
    text = screen.until(lambda text: counter(text) == "10")
    assert row(text, "step_seconds")[1:3] == ["h", "10"]
    # All ten lie between 0.1 and 1.
    assert row(text, "step_seconds")[4:] == ["550ms", "910ms", "991ms"]
    assert row(text, "step_phase")[1:3] == ["e", "later"]
    stepper.step(0.5)
    screen.until(lambda text: counter(text) == "20")


def test_keys(tool: Tool, screen: Screen, stepper: Stepper) -> None:
    start(tool, screen, stepper)
    for order in ("rate", "value", "p99", "name"):
        screen.keys("s")
        text = screen.shows(f"series by {order},")
    assert row(text, "step_level")

    screen.keys("p")
    text = screen.shows("processes by slot", "COMMAND")
    words = row(text, "   0")
    assert words[:3] == ["0", str(stepper.process.pid), "alive"]
    assert words[-2] == "python", text
    screen.keys("s")
    screen.shows("processes by cpu")
    screen.keys("p")
    screen.shows("SERIES")

    screen.keys("?")
    screen.shows("Any key goes back", "histogram_quantile()")
    screen.keys("x")
    screen.shows("SERIES")

    screen.keys("/")
    screen.shows("enter keeps the filter")
    screen.tmux("send-keys", "-l", "^step_(l")
    # Not an expression yet, so nothing is left out that was there before.
    assert row(screen.shows("/^step_(l/ (not a regular expression)"), "step_level")
    screen.tmux("send-keys", "-l", "evel|q)")
    screen.until(lambda text: row(text, "step_level") and not row(text, "steps{"))
    screen.keys("Enter")
    screen.shows("filter /^step_(level|q)/", "q quit")
    # q in the filter was a letter; now it would be the key. Escape drops the filter.
    screen.keys("Escape")
    screen.until(lambda text: row(text, "steps{") and "filter /" not in text)
    screen.keys("/")
    screen.tmux("send-keys", "-l", "phase")
    screen.until(lambda text: not row(text, "steps{"))
    screen.keys("BSpace", "BSpace", "BSpace", "BSpace", "BSpace")
    screen.until(lambda text: row(text, "steps{"))
    screen.keys("Escape")
    screen.shows("q quit")


def test_pause(tool: Tool, screen: Screen, stepper: Stepper) -> None:
    start(tool, screen, stepper)
    screen.until(lambda text: counter(text) == "0")
    screen.keys("Space")
    screen.shows("paused")
    stepper.step()
    # The screen is drawn again for these keys, with what was read before.
    screen.keys("s")
    text = screen.shows("series by rate")
    assert counter(text) == "0"
    screen.keys("Space")
    screen.until(lambda text: counter(text) == "10" and "paused" not in text)


def test_scrolling(tool: Tool, screen: Screen, writers: Writers, stores: Path) -> None:
    directory = stores / "scrolling"
    writers.start(directory, "many", "100")
    screen.type(shlex.join([str(tool.path), "top", str(directory)]))
    names = sorted(f'many{{n="{number}"}}' for number in range(100))
    page = 24 - 5

    def first(text: str) -> str:
        lines = text.splitlines()
        return lines[4].split(" ")[0] if len(lines) > 4 else ""

    def is_at(position: int) -> None:
        text = screen.until(lambda text: first(text) == names[position])
        assert [line.split(" ")[0] for line in text.splitlines()[4 : 4 + page]] == names[position : position + page]

    is_at(0)
    screen.keys("j", "Down", "Down")
    is_at(3)
    screen.keys("k", "Up")
    is_at(1)
    screen.keys("NPage")
    is_at(1 + page)
    screen.keys("PPage", "Up", "Up", "Up")
    is_at(0)
    screen.keys("G")
    is_at(100 - page)
    screen.keys("j", "k")
    is_at(100 - page - 1)
    screen.keys("g")
    is_at(0)
    screen.keys("End")
    is_at(100 - page)
    screen.keys("Home")
    is_at(0)


def test_the_ends_of_long_names(tool: Tool, screen: Screen, writers: Writers, stores: Path) -> None:
    directory = stores / "long"
    name = "a_long_name_" + "".join(f"_{number:02}" for number in range(20))
    writers.start(directory, "gauges", f"{name}=1", "short=2")
    screen.type(shlex.join([str(tool.path), "top", str(directory)]))
    screen.shows(f"\n{name[:31]}… g", "\nshort  ")
    screen.keys("Right", "Right")
    # 17 columns are left out, for which one mark stands.
    screen.shows(f"\n…{name[17:47]}… g", "\nshort  ")
    screen.keys("Right", "Right", "Right", "Right", "Right")
    screen.shows(f"\n…{name[57:]} ")
    screen.keys("Left", "Left", "Left", "Left", "Left", "Left", "Left", "Left")
    screen.shows(f"\n{name[:31]}… g")


def test_resizing(tool: Tool, screen: Screen, stepper: Stepper) -> None:
    start(tool, screen, stepper)
    for width, height in [(132, 40), (60, 12), (20, 5), (3, 2), (1, 1), (80, 24)]:
        screen.tmux("resize-window", "-x", str(width), "-y", str(height))
        # The title has a clock at its right end, and the last line are the keys.
        last = "q quit  p processes/series  s sort  / filter  space pause  j k scroll  ? help"
        shown = last if len(last) <= width else last[: width - 1] + "…"

        def is_drawn(text: str, shown: str = shown, height: int = height) -> bool:
            return text.splitlines()[height - 1 :] == [shown]

        text = screen.until(is_drawn)
        assert len(text.splitlines()) == height
        if height > 5:
            assert re.search(r" \d\d:\d\d:\d\d$", text.splitlines()[0]), text
    assert row(text, "step_level")


@pytest.mark.parametrize("width", [24, 30, 40, 50, 60, 80, 100, 132, 220])
def test_every_width_has_whole_numbers(tool: Tool, tmp_path: Path, writers: Writers, stores: Path, width: int) -> None:
    """Of a column that there is no room for nothing is shown; what is left goes to the names."""
    directory = stores / f"width-{width}"
    long = "a_name_" + "x" * 90
    values = {"a_short_name": "123456", long: "-1.5e9", "b_bytes": "5e12", "z": "1e300"}
    writers.start(directory, "gauges", *(f"{name}={value}" for name, value in values.items()))
    stepper = Stepper(writers, directory)
    stepper.step(0.5)
    screen = Screen(tmp_path / "tmux", width, 30)
    try:
        start(tool, screen, stepper)
        lines = screen.until(lambda text: "\nz " in text).splitlines()
    finally:
        screen.tmux("kill-server")
    head = lines[3].split()
    # By what is left of the names in the narrowest.
    shown = {line[:6].split()[0]: line.split() for line in lines[4:-1] if line}
    # The columns that are left out, the least telling ones first.
    columns = ["SERIES", "T", "VALUE", "RATE/s", "P50", "P90", "P99"]
    missing = ["P90", "P50", "P99", "RATE/s", "T"]
    assert head in [[name for name in columns if name not in missing[:count]] for count in range(6)], lines[3]
    assert (len(head) == 7) == (width >= 68)
    numbers = {"a_short_name": "123k", "b_bytes": "4.55TiB", "z": "1.0e300", "step_level": "1.50", "step_seconds": "10"}
    for name, number in numbers.items():
        assert shown[name[:6]][head.index("VALUE")] == number, lines
    for column, number in {"P50": "550ms", "P90": "910ms", "P99": "991ms"}.items():
        assert column not in head or shown["step_s"][head.index(column)] == number, lines
    name = shown["a_name"][0]
    assert shown["a_name"][head.index("VALUE")] == "-1.50G"
    if width == 220:
        assert name == long
    else:
        # All the columns that the others leave.
        assert name[-1] == "…" and long.startswith(name[:-1]) and len(lines[3]) == width, lines


def test_names_get_the_room_of_a_wide_terminal_and_no_more(
    tool: Tool, tmp_path: Path, writers: Writers, stores: Path
) -> None:
    directory = stores / "wide"
    writers.start(directory, "gauges", "short=1", "also_short=2")
    screen = Screen(tmp_path / "tmux", 200, 24)
    try:
        screen.type(shlex.join([str(tool.path), "top", str(directory)]))
        text = screen.shows("also_short", "q quit")
    finally:
        screen.tmux("kill-server")
    # The numbers stand beside the names, not at the other end of the window.
    assert re.search(r"^also_short g {9}2$", text, re.MULTILINE), text


def test_states_get_what_names_leave(tool: Tool, tmp_path: Path, writers: Writers, stores: Path) -> None:
    directory = stores / "states"
    writers.start(directory, "labels", "x")
    screen = Screen(tmp_path / "tmux", 80, 24)
    try:
        screen.type(shlex.join([str(tool.path), "top", str(directory)]))
        screen.shows("phase              e a state with quite a l…")
        screen.tmux("resize-window", "-x", "120", "-y", "24")
        screen.shows("e a state with quite a long name\n")
    finally:
        screen.tmux("kill-server")


def test_columns_stand_where_they_should_behind_any_letters(
    tool: Tool, tmp_path: Path, writers: Writers, stores: Path
) -> None:
    """The terminal itself says how wide a text is: that is where its cursor is behind it."""
    labels = ["plain", "日本語", "ｶﾀｶﾅ", "한글", "\uff21\uff22", "e\u0301a\u0308", "か\u3099", "🚀⭐", "𠀀", "→…☺"]
    # Terminals disagree about these: what is behind them stands where it should all the same.
    labels += ["👩\u200d💻", "👨\u200d👩\u200d👧", "🇯🇵", "❤\ufe0f", "👍🏽", "1\ufe0f\u20e3"]
    directory = stores / "letters"
    writers.start(directory, "labels", *labels)
    screen = Screen(tmp_path / "tmux", 100, 24)
    try:

        def width(text: str) -> int:
            screen.type(f"clear; printf %s '{text}'; read")
            screen.until(lambda shown: text[0] in shown and "$" not in shown)
            number = int(screen.tmux("display-message", "-p", "#{cursor_x}"))
            screen.keys("Enter")
            screen.until(lambda shown: shown.rstrip().endswith("$"))
            return number

        widths = {label: width(label) for label in labels}
        screen.type(shlex.join([str(tool.path), "top", str(directory)]))
        lines = screen.shows("q quit", *labels).splitlines()
    finally:
        screen.tmux("kill-server")
    ends = set()
    for label, taken in widths.items():
        line = next(line for line in lines if f'"{label}"' in line)
        ends.add(len(line[: line.index("1.23M") + 5]) - len(label) + taken)
    assert ends == {lines[3].index("VALUE") + 5}, (widths, lines)


@pytest.mark.parametrize("width", [30, 50, 80, 160])
def test_processes_by_name(tool: Tool, tmp_path: Path, writers: Writers, stores: Path, width: int) -> None:
    directory = stores / f"named-{width}"
    name = "engine-\x1b[2J日本-" + "n" * 40
    process = writers.start(directory, "gauges", "level=1", FDMETRICS_PROCESS_NAME=name)
    writers.start(directory, "gauges", "level=2")
    screen = Screen(tmp_path / "tmux", width, 12)
    try:
        screen.type(shlex.join([str(tool.path), "top", str(directory)]))
        screen.shows("SERIES")
        screen.keys("p")
        text = screen.shows("NAME", "alive")
    finally:
        screen.tmux("kill-server")
    lines = text.splitlines()
    head, words = lines[3].split(), lines[4].split()
    assert len(lines) == 12
    assert words[head.index("PID")] == str(process.pid) and words[head.index("STATE")] == "alive"
    shown = words[head.index("NAME")]
    whole = name.replace("\x1b", "\\u{1B}")
    assert shown == whole if width == 160 else shown.endswith("…") and whole.startswith(shown[:-1])
    # Who was given no name is shown by the kernel's.
    assert lines[5].split()[head.index("NAME")].startswith("python")
    assert ("COMMAND" in head) == (width >= 80)


@pytest.mark.parametrize("way", ["q", "C-c", "TERM", "HUP"])
def test_the_terminal_is_as_it_was(tool: Tool, screen: Screen, stepper: Stepper, way: str) -> None:
    before = screen.command("stty -g")
    screen.type("echo here")
    start(tool, screen, stepper)
    assert screen.state() == ("1", "0")
    if way in ("TERM", "HUP"):
        pane = int(screen.tmux("display-message", "-p", "#{pane_pid}"))
        [child] = Path(f"/proc/{pane}/task/{pane}/children").read_text().split()
        os.kill(int(child), signal.Signals[f"SIG{way}"])
    else:
        screen.keys(way)
    text = screen.until(lambda text: "here" in text and text.rstrip().endswith("$"))
    assert "SERIES" not in text
    assert screen.state() == ("0", "1")
    status = {"q": 0, "C-c": 128 + signal.SIGINT, "TERM": 128 + signal.SIGTERM, "HUP": 128 + signal.SIGHUP}[way]
    screen.type("echo status $?")
    screen.shows(f"status {status}\n")
    assert screen.command("stty -g") == before


def test_stopped_and_continued(tool: Tool, screen: Screen, stepper: Stepper) -> None:
    before = screen.command("stty -g")
    start(tool, screen, stepper)
    screen.keys("C-z")
    screen.shows("Stopped")
    assert screen.state() == ("0", "1")
    assert screen.command("stty -g") == before
    screen.type("fg")
    screen.shows("SERIES")
    stepper.step()
    screen.until(lambda text: counter(text) == "10")
    screen.keys("q")
    screen.until(lambda text: text.rstrip().endswith("$"))
    assert screen.command("stty -g") == before


def test_a_crash_and_a_restart(tool: Tool, screen: Screen, writers: Writers, stepper: Stepper) -> None:
    start(tool, screen, stepper)
    stepper.step()
    screen.until(lambda text: counter(text) == "10")
    writers.kill(stepper.process)
    # What the dead process has counted is still there.
    text = screen.shows("processes 0 live of 1")
    assert counter(text) == "10"
    screen.keys("p")
    screen.shows(f"{stepper.process.pid} dead")
    shutil.rmtree(stepper.directory)
    screen.shows("there is no directory")
    again = Stepper(writers, stepper.directory)
    screen.shows(f"{again.process.pid} alive", "processes 1 live of 1")
    screen.keys("p")
    screen.until(lambda text: counter(text) == "0")


class TestPlain:
    """Without a terminal."""

    def tables(self, tool: Tool, *arguments: str) -> str:
        done = tool.run("top", *arguments)
        assert done.returncode == 0, done.stderr
        assert "\x1b" not in done.stdout
        return done.stdout

    def test_tables(self, tool: Tool, stepper: Stepper) -> None:
        stepper.step()
        directory = str(stepper.directory)
        once = self.tables(tool, directory, "--once")
        assert counter(once) == "10"
        assert row(once, 'steps{path="/"}')[3] == "-", "a rate without an earlier reading"
        assert row(once, "step_seconds")[4:] == ["550ms", "910ms", "991ms"]
        assert str(stepper.process.pid) in once
        twice = self.tables(tool, directory, "--count", "2", "--interval", "0.1", "--filter", '^steps.*/"')
        assert twice.count("SERIES") == 2
        assert row(twice, 'steps{path="/"}')[3] == "0"
        assert not row(twice, "step_level")
        # Names are not cut.
        assert all(line == line.rstrip() for line in once.splitlines())

    def test_numbers(self, tool: Tool, writers: Writers, stores: Path) -> None:
        expected = {
            "": {
                "0": "0", "-7": "-7", "2.5": "2.50", "-0.25": "-0.250", "0.00123": "0.001", "1e-7": "1.0e-7",
                "99999": "99999", "99.96": "100", "9.996": "10.0", "100000": "100k", "999960": "1.00M",
                "123456789": "123M", "-1.5e9": "-1.50G", "1e21": "1000E", "1e300": "1.0e300", "inf": "+Inf",
                "-inf": "-Inf", "nan": "NaN",
            },
            "_seconds": {
                "0": "0", "1e-9": "1ns", "0.00000125": "1.25us", "0.0005": "500us", "0.9999": "1.00s", "90": "90s",
                "1700000000": "1.70Gs",
            },
            "_bytes": {"1023": "1023B", "1024": "1KiB", "1536": "1.50KiB", "1048300": "1.00MiB", "5e12": "4.55TiB"},
        }  # fmt: skip
        names: dict[str, str] = {}
        arguments = []
        for unit, numbers in expected.items():
            for number, text in numbers.items():
                name = f"n{len(names)}{unit}"
                names[name] = text
                arguments.append(f"{name}={number}")
        directory = stores / "numbers"
        writers.start(directory, "gauges", *arguments)
        table = self.tables(tool, str(directory), "--once")
        assert {name: row(table, f"{name} ")[2] for name in names} == names

    def test_a_reader_that_goes_ends_it(self, tool: Tool, stepper: Stepper) -> None:
        command = [str(tool.path), "top", "--interval", "0.1", str(stepper.directory)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step_level"):
                break
        process.stdout.close()
        assert process.wait(HANG_SECONDS) == -signal.SIGPIPE

    def test_rates_are_differences(self, tool: Tool, stepper: Stepper) -> None:
        command = [str(tool.path), "top", "--json", "--count", "6", "--interval", "0.2", str(stepper.directory)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        while process.poll() is None:
            stepper.step(2.0)
            time.sleep(0.02)
        assert process.stdout is not None
        decoder, text = json.JSONDecoder(), process.stdout.read()
        process.stdout.close()
        readings: list[Any] = []
        while text := text.lstrip():
            reading, end = decoder.raw_decode(text)
            readings.append(reading)
            text = text[end:]
        assert len(readings) == 6
        found = 0.0
        for earlier, later in zip(readings, readings[1:]):
            for name in ("steps", "step_seconds"):
                old, new = (only(reading, name) for reading in (earlier, later))
                gained = new["value"] - old["value"]
                assert new["rate"] * later["interval"] == pytest.approx(gained)
                found += gained
                if name == "step_seconds" and gained:
                    assert (new["p50"], new["p90"], new["p99"]) == (5.5, 9.1, 9.91)
        assert found > 0, "nothing was recorded between two readings"

    def test_quantiles_are_those_of_prometheus(self, tool: Tool, stepper: Stepper, tmp_path: Path) -> None:
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.fail("promtool is not there: scripts/setup.sh servers .venv/bin")
        seed = int(time.time())
        print(f"seed {seed}")
        generator = random.Random(seed)
        tests: list[Any] = []
        # Of the highest bucket alone, then more and more of all.
        for values in ([50.0], [0.01], [0.05, 0.7], [generator.uniform(0, 12) for _ in range(20)]):
            for value in values:
                stepper.step(value)
            family = next(one for one in tool.dump(stepper.directory)["families"] if one["name"] == "step_seconds")
            total, inputs = 0, []
            for bucket in family["series"][0]["buckets"]:
                total += bucket["count"]
                inputs.append({"series": f'x_bucket{{le="{bucket["le"]}"}}', "values": str(total)})
            reading = json.loads(tool.run("top", "--once", "--json", str(stepper.directory)).stdout)
            shown = only(reading, "step_seconds")
            expressions: list[Any] = [
                {
                    "expr": f"histogram_quantile({quantile}, x_bucket)",
                    "eval_time": "0",
                    "exp_samples": [{"labels": "{}", "value": shown[name]}],
                }
                for name, quantile in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]
            ]
            tests.append({"interval": "1m", "input_series": inputs, "promql_expr_test": expressions})
        # JSON is YAML.
        path = tmp_path / "quantiles.yml"
        path.write_text(json.dumps({"rule_files": [], "tests": tests}))
        done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        # And that program does look.
        tests[0]["promql_expr_test"][0]["exp_samples"][0]["value"] += 0.001
        path.write_text(json.dumps({"rule_files": [], "tests": tests}))
        assert subprocess.run([promtool, "test", "rules", str(path)], capture_output=True).returncode != 0

    def test_what_cannot_be_shown(self, tool: Tool, tmp_path: Path, dead_store: Path) -> None:
        done = tool.run("top", "--once", str(tmp_path))
        assert (done.returncode, done.stdout) == (2, "")
        assert str(tmp_path) in done.stderr
        for wrong in (["--interval", "0"], ["--interval", "nan"], ["--count", "0"], ["--sort", "x"], ["--filter", "("]):
            assert tool.run("top", *wrong, str(dead_store)).returncode == 64, wrong
        # By the environment.
        assert "processes 0 live of 1" in tool.run("top", "--once", FDMETRICS_DIR=str(dead_store)).stdout
