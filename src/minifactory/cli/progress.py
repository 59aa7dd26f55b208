"""Progress on stderr: a bar or a live line when a person watches, plain lines otherwise."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from minifactory.cli.output import stderr
from minifactory.orbit.status import Status
from minifactory.units import ABSORBANCE, CONDUCTIVITY, PERCENT_B, PRESSURE, Kind, shown_value

PLAIN_EVERY = 10.0
"""s of real time between two plain lines when nobody watches."""

_SHOWN: tuple[tuple[str, str, Kind | None], ...] = (
    ("UV", "UV1.Signal", ABSORBANCE),
    ("cond", "Cond.Signal", CONDUCTIVITY),
    ("pH", "pH.Signal", None),
    ("%B", "Gradient.PercentB", PERCENT_B),
    ("pressure", "Pressure.System", PRESSURE),
)


class Bar:
    """A progress bar for calculations; told what is being done and how far it is (0 to 1)."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._task = None if progress is None else progress.add_task("", total=1.0)
        self._said = ""

    def __call__(self, what: str, fraction: float) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what, completed=fraction)
        elif what != self._said:
            stderr.print(f"{what} ...")
            self._said = what


@contextmanager
def bar() -> Iterator[Bar]:
    """A bar that goes away when it is done."""
    if not stderr.is_terminal:
        yield Bar(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        yield Bar(progress)


class LiveStatus:
    """Shows the controller's status while a run goes on."""

    def __init__(self, live: Live | None) -> None:
        self._live = live
        self._last = 0.0
        self._phase = ""

    def __call__(self, status: Status) -> None:
        if self._live is not None:
            self._live.update(_table(status))
            return
        now = time.monotonic()
        if status.phase != self._phase or now - self._last >= PLAIN_EVERY:
            self._phase, self._last = status.phase, now
            stderr.print(line(status))

    def pause(self) -> None:
        """Leave the terminal to a question."""
        if self._live is not None:
            self._live.stop()

    def go_on(self) -> None:
        """Show the status again."""
        if self._live is not None:
            self._live.start()


@contextmanager
def live_status() -> Iterator[LiveStatus]:
    """The live view of a run."""
    if not stderr.is_terminal:
        yield LiveStatus(None)
        return
    with Live(console=stderr, refresh_per_second=5, transient=True) as live:
        yield LiveStatus(live)


def line(status: Status) -> str:
    """The status on one line."""
    parts = [f"{status.time / 60.0:8.1f} min", f"{status.state.value:<9}", f"{status.phase or '-':<34}"]
    left = "" if status.cv_left is None else f", {status.cv_left:.2f} left"
    parts.append(f"{status.phase_cv:6.2f} CV{left}")
    parts += [f"{name} {value}" for name, value in _values(status)]
    if status.alarms:
        parts.append(f"ALARM {status.alarms[0].name}")
    return "  ".join(parts)


def _values(status: Status) -> list[tuple[str, str]]:
    shown = []
    for name, tag, kind in _SHOWN:
        value = status.value(tag)
        if value is None:
            text = "bad"
        elif kind is None:
            text = f"{value:.2f}"
        else:
            text = f"{shown_value(value, kind):.4g} {kind.shown}"
        shown.append((name, text))
    return shown


def _table(status: Status) -> Table:
    table = Table.grid(padding=(0, 2))
    where = f"{status.phase_number}/{status.phase_count}" if status.phase_count else ""
    left = "" if status.cv_left is None else f"{status.cv_left:.2f} CV left"
    table.add_row(
        f"[bold]{status.skid}[/]", f"[bold]{status.state.value}[/]", f"{status.time / 60.0:.1f} min", ""
    )
    table.add_row(f"phase {where}", status.phase or "-", f"{status.phase_cv:.2f} CV", left)
    table.add_row(*(f"{name} [bold]{value}[/]" for name, value in _values(status)))
    table.add_row("outlet", status.outlet or "-", "link", status.link)
    for alarm in status.alarms[:3]:
        table.add_row("[red]alarm[/]", f"[red]{alarm.name}[/]", "", "")
    return table
