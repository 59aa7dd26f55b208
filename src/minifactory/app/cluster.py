"""A Dask cluster that does the jobs of studies, where one machine is outgrown.

A worker runs what it is sent, so that only clusters are used that ask for certificates (``tls://``) or that
cannot be reached from elsewhere (``tcp://`` on loopback). The certificates are those of Dask's own
configuration (``DASK_DISTRIBUTED__COMM__TLS__CA_FILE`` and so on).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from minifactory.design.executor import ATTEMPTS, Work
from minifactory.errors import EnvironmentFault, Finding, InputError

PATIENCE = 20.0
"""s within which a scheduler must answer."""
AHEAD = 3
"""Jobs per worker thread that are handed out at a time."""


class DaskCluster:
    """Implements :class:`minifactory.design.executor.Executor` by the workers of a Dask scheduler.

    Parameters
    ----------
    address : str
        ``tls://host:port``, or ``tcp://`` on loopback.
    patience : float
        s of real time for its first answer.

    Raises
    ------
    InputError
        An address that would run what anybody sends.
    EnvironmentFault
        The extra ``cluster`` is not installed, or nothing answers there.
    """

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        check_address(address)
        try:
            import distributed
        except ImportError as fault:
            raise EnvironmentFault(
                Finding(
                    "--cluster",
                    "Dask is not installed",
                    "",
                    'Install the extra: pip install "minifactory[cluster]".',
                )
            ) from fault
        self._address = address
        self._distributed = distributed
        options: dict[str, Any] = {}
        try:
            if address.startswith("tls://"):
                options["security"] = distributed.Security(require_encryption=True)
            self._client = distributed.Client(address, timeout=patience, set_as_default=False, **options)
            threads = self._client.nthreads()
        except (OSError, TimeoutError, ValueError) as fault:
            raise EnvironmentFault(
                Finding(
                    f"--cluster {address}",
                    f"the scheduler does not answer ({type(fault).__name__}: {fault})",
                    "a running Dask scheduler with workers of the same MiniFactory",
                    "Start `dask scheduler` and `dask worker`, and for tls:// set Dask's certificates.",
                )
            ) from fault
        self._threads = sum(threads.values())
        self._workers = len(threads)

    @property
    def name(self) -> str:
        """What a report says."""
        return f"Dask cluster {self._address}, {self._workers} workers"

    @property
    def width(self) -> int:
        """Jobs at a time."""
        return max(1, int(self._threads))

    def close(self) -> None:
        """End the connection; the cluster goes on."""
        self._client.close()

    def run(self, work: Work, jobs: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Results as they come; Dask gives the jobs of a worker that is lost to another one."""
        waiting = iter(enumerate(jobs))
        numbers: dict[Any, int] = {}
        loop = self._client.loop
        stream = self._distributed.as_completed([], loop=loop, with_results=True, raise_errors=False)

        def hand_out() -> None:
            for number, job in waiting:
                future = self._client.submit(work, job, pure=False, retries=ATTEMPTS - 1)
                numbers[future.key] = number
                stream.add(future)
                return

        for _ in range(AHEAD * self.width):
            hand_out()
        for future, result in stream:
            if future.status != "finished":
                # The worker that held the result has died meanwhile: wait for the other that makes it again.
                if (error := future.exception()) is not None:
                    raise _lost(self._address, error)
                result = future.result()
            yield numbers.pop(future.key), result
            hand_out()


def _lost(address: str, error: Any) -> Exception:
    """The job's own error, or that its workers died one after the other."""
    if type(error).__name__ not in ("KilledWorker", "CancelledError", "FutureCancelledError"):
        return error if isinstance(error, Exception) else RuntimeError(str(error))
    return EnvironmentFault(
        Finding(
            f"--cluster {address}",
            f"a batch of candidates was lost with its worker several times ({error})",
            "workers that live",
            "Look at the workers' logs and memory.",
        )
    )


def check_address(address: str) -> None:
    """InputError unless `address` is ``tls://host:port`` or ``tcp://`` on loopback."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if parts.scheme not in ("tls", "tcp") or not host or port is None:
        raise InputError(
            Finding("--cluster", f'"{address}" is no address of a scheduler', "e.g. tls://host:8786")
        )
    if parts.scheme == "tcp" and not _is_loopback(host):
        raise InputError(
            Finding(
                "--cluster",
                f'"{address}" is neither encrypted nor on this machine; its workers run what anybody sends',
                "tls://host:port, or tcp://127.0.0.1:port",
                "Start the scheduler with --tls-ca-file, --tls-cert and --tls-key.",
            )
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
