"""A store that is opened when it is first needed, in a thread of its own.

To load a database's libraries and reach it takes a second on a busy machine, a server that is away much
longer; a controller that comes back after a crash shall not wait for it, and its record is kept meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minifactory.historian.store import Store


class Opening:
    """The store, opened or to be opened.

    Parameters
    ----------
    store : Store or callable
        The open store, or what opens it; called again after it has failed.
    """

    def __init__(self, store: Store | Callable[[], Store]) -> None:
        self._open = store if callable(store) else None
        self._store = None if callable(store) else store
        self._fault: Exception | None = None
        self._thread: threading.Thread | None = None

    def ready(self, wait: bool = False) -> bool:
        """Whether :attr:`store` gives an answer now: the store, or why it cannot be opened.

        Begins to open it when nobody has; with `wait` it is waited for.
        """
        if self._store is not None:
            return True
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="historian opens", daemon=True)
            self._thread.start()
        if wait:
            self._thread.join()
        return not self._thread.is_alive()

    @property
    def store(self) -> Store:
        """The open store, once :meth:`ready` has said so; raises what kept it from being opened."""
        if self._store is not None:
            return self._store
        fault, self._fault, self._thread = self._fault, None, None  # the next time is another attempt
        raise fault if fault is not None else RuntimeError("the store has not been opened")

    def _work(self) -> None:
        assert self._open is not None
        try:
            self._store = self._open()
        except Exception as fault:  # told by `store`
            self._fault = fault
