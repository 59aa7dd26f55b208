"""Shows a run while it goes on, without ever holding it up: a terminal may stop taking what is written to it
(Ctrl-S, a pager that nobody scrolls), and the scan must not notice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from minifactory.orbit.status import Status

LAST_LOOK = 1.0
"""s of real time for which the end of a run waits until its last status has been shown."""
Watcher = Callable[[Status], None]


class Showing:
    """Hands the newest status to `watcher` in a thread of its own; what comes while it is busy is skipped."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._change = threading.Condition()
        self._newest: Status | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="display", daemon=True)
        self._thread.start()

    def __call__(self, status: Status) -> None:
        """Show `status` as soon as the one before has been shown; never waits."""
        with self._change:
            self._newest = status
            self._change.notify_all()

    def close(self) -> None:
        """Show the last one, unless nobody takes it."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._thread.join(LAST_LOOK)

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._newest is not None or self._closing)
                status, self._newest = self._newest, None
            if status is None:
                return
            self._watcher(status)


@contextmanager
def showing(watcher: Watcher | None) -> Iterator[Watcher]:
    """What shows a status by `watcher`, if there is one."""
    if watcher is None:
        yield lambda _status: None
        return
    shown = Showing(watcher)
    try:
        yield shown
    finally:
        shown.close()
