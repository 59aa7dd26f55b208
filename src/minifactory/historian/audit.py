"""The hash chain of the record: every entry's hash covers its content and the hash before it.

    hash(n) = SHA-256( hash(n-1) | run | n | kind | time | wall | body | SHA-256(blob) )

with each part preceded by its length. The chain of a run begins with its genesis, which covers the genesis
of the run before it in the same store, so that a run taken out as a whole is noticed, too. A change, an
exchange, an insertion or a deletion of entries breaks the chain at the first place concerned. Cutting off
the *end* cannot break a chain: compare its head with the one that the batch record or an export states.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from minifactory.historian.entries import Entry

ORIGIN = hashlib.sha256(b"minifactory historian 1").hexdigest()


def _digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def genesis(before: str, run: str) -> str:
    """The first link of the chain of `run`, after a run whose genesis is `before` (else :data:`ORIGIN`)."""
    return _digest(bytes.fromhex(before), run.encode())


def link(previous: str, sequence: int, entry: Entry) -> str:
    """The hash of `entry` as number `sequence` of its run, after the entry whose hash is `previous`."""
    time = "nan" if math.isnan(entry.time) else repr(float(entry.time))
    return _digest(
        bytes.fromhex(previous),
        entry.run.encode(),
        str(sequence).encode(),
        entry.kind.encode(),
        time.encode(),
        entry.wall.encode(),
        entry.body.encode(),
        b"" if entry.blob is None else hashlib.sha256(entry.blob).digest(),
    )


@dataclass(frozen=True)
class Verification:
    """Whether the record of a run is as it was written.

    Parameters
    ----------
    run : str
        Which run.
    intact : bool
        True when every entry fits the chain.
    entries : int
        How many entries were found to fit.
    head : str
        Hash of the last entry that fits.
    fault : str
        Where and what, when it is not intact.
    closed : bool
        Whether the record says how the run ended; an open end may be a crash or a cut.
    """

    run: str
    intact: bool
    entries: int
    head: str
    fault: str = ""
    closed: bool = False
