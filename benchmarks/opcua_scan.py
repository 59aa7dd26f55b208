"""What one scan of a secured OPC UA server costs: both processes, 20, 50 and 200 tags.

    python benchmarks/opcua_scan.py [--scans 2000] [--json]

A scan in lock-step is one call of ``AdvanceTo`` (which brings the image), and one write when a set-point has
changed. Free running, a poll is one read of all tags. The skid behind the server does nothing, so that the
figures are those of the link. Wall time is the median over batches; processor time is per process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "tests" / "opcua"))

from trivial_skid import ML_MIN, skid_table
from trivial_skid import __file__ as skid_script

from minifactory.drivers.opcua_free_running import FreeRunningBackend
from minifactory.drivers.opcua_lock_step import LockStepBackend
from minifactory.opcua.certificates import introduce, own_identity
from minifactory.opcua.process import start_server
from minifactory.opcua.session import Target

READABLE = 10  # readable tags that the trivial skid has by itself
BATCHES = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Cost of a secured OPC UA scan.")
    parser.add_argument("--scans", type=int, default=2000, help="scans per figure")
    parser.add_argument("--json", action="store_true", help="one JSON document")
    given = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for tags in (20, 50, 200):
            rows += measured(Path(folder), tags, given.scans)
    if given.json:
        print(json.dumps(rows))
        return
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}; ms per scan\n")
    print(f"{'tags':>5} {'what':<22} {'wall':>7} {'client cpu':>11} {'server cpu':>11}")
    for row in rows:
        print(
            f"{row['tags']:>5} {row['what']:<22} {row['wall_ms']:7.3f} "
            f"{row['client_ms']:11.3f} {row['server_ms']:11.3f}"
        )


def measured(folder: Path, tags: int, scans: int) -> list[dict[str, object]]:
    """The rows for a skid with `tags` readable tags."""
    server = own_identity(folder / "skid", "urn:minifactory:test:skid1")
    client = own_identity(folder / "orbit", "urn:minifactory:benchmark:orbit")
    introduce(server, client)
    extra = tags - READABLE
    table = skid_table(extra)
    rows = []
    with start_server((sys.executable, skid_script, str(server.folder), "lock-step", str(extra))) as process:
        backend = LockStepBackend(Target(process.endpoint, client), table)

        def quiet() -> None:
            backend.advance(backend.now() + 1.0)
            backend.read()

        def active() -> None:
            backend.write({"System.Flow.SP": backend.now() % 50.0 * ML_MIN})
            quiet()

        rows.append(row("lock-step", quiet, scans, process.pid, tags))
        rows.append(row("lock-step with write", active, scans, process.pid, tags))
        backend.close()
    with start_server((sys.executable, skid_script, str(server.folder), "real", str(extra))) as process:
        free = FreeRunningBackend(Target(process.endpoint, client), table, period=0.001)
        seen = [0.0]

        def polled() -> None:
            while (stamp := free.read()["System.Flow"].time) == seen[0]:
                time.sleep(1e-4)
            seen[0] = stamp

        rows.append(row("free-running read", polled, max(scans // 10, BATCHES), process.pid, tags))
        free.close()
    return rows


def row(what: str, scan: Callable[[], None], scans: int, pid: int, tags: int) -> dict[str, object]:
    """Figures of `scans` repetitions of `scan`, in batches."""
    scan()
    per_batch = scans // BATCHES
    client, server, walls = time.process_time(), processor_time(pid), []
    for _ in range(BATCHES):
        began = time.perf_counter()
        for _ in range(per_batch):
            scan()
        walls.append((time.perf_counter() - began) / per_batch)
    total = per_batch * BATCHES
    return {
        "tags": tags,
        "what": what,
        "wall_ms": 1e3 * statistics.median(walls),
        "client_ms": 1e3 * (time.process_time() - client) / total,
        "server_ms": 1e3 * (processor_time(pid) - server) / total,
    }


def processor_time(pid: int) -> float:
    """Processor time of a process so far, s."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
