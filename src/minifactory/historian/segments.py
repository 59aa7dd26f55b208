"""Samples packed without loss: one segment holds the changed values of all tags over some scans.

Layout (little-endian)::

    b"MFS1" | uint32 scans | uint32 tags | uint32 length of the time stream
    tags x (uint32 tag index, uint32 points, uint32 length of scans, of values, of quality stream)
    time stream | for each tag: scan stream, value stream, quality stream

Streams are compressed (zlib) one by one, so that one tag is read without unpacking the others. Times are
the bit patterns of float64, differenced twice (a regular scan becomes almost all zeros). Values are the bit
patterns of float64, each combined by exclusive or with the one before it in the same tag, then transposed
by bytes, so that equal leading bytes of neighbours become runs of zeros (the idea of T. Pelkonen et al.,
*Gorilla*, PVLDB 8 (2015) 1816-1827). An empty scan stream means that the tag changed in every scan; an
empty quality stream that all were good.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from minifactory.errors import EnvironmentFault, Finding
from minifactory.records.documents import Samples

MAGIC = b"MFS1"
_HEAD = struct.Struct("<4sIII")
_ENTRY = struct.Struct("<IIIII")
_LEVEL = 6


@dataclass(frozen=True)
class Track:
    """The changes of one tag: `time` (n,) in s, `values` (n,) SI, `quality` (n,) or None if all good."""

    index: int
    time: NDArray[np.float64]
    values: NDArray[np.float64]
    quality: NDArray[np.int8] | None


def pack(samples: Sequence[Samples]) -> bytes:
    """The segment that holds `samples`, which share one descriptor and are in order of time."""
    lengths = np.fromiter((len(sample.indices) for sample in samples), np.int64, len(samples))
    points = int(lengths.sum())
    times = np.fromiter((sample.time for sample in samples), np.float64, len(samples))
    tags = np.fromiter(chain.from_iterable(sample.indices for sample in samples), np.uint32, points)
    values = np.fromiter(chain.from_iterable(sample.values for sample in samples), np.float64, points)
    quality = np.fromiter(chain.from_iterable(sample.quality for sample in samples), np.int8, points)
    scans = np.repeat(np.arange(len(samples), dtype=np.uint32), lengths)
    order = np.argsort(tags, kind="stable")
    names, starts = np.unique(tags[order], return_index=True)
    streams = [_pack_times(times)]
    directory = []
    for name, places in zip(names, np.split(order, starts[1:]) if names.size else [], strict=True):
        parts = (
            b"" if places.size == times.size else _pack_scans(scans[places]),
            _pack_values(values[places]),
            zlib.compress(quality[places].tobytes(), _LEVEL) if quality[places].any() else b"",
        )
        directory.append(_ENTRY.pack(int(name), places.size, *(len(part) for part in parts)))
        streams.extend(parts)
    head = _HEAD.pack(MAGIC, times.size, names.size, len(streams[0]))
    return b"".join([head, *directory, *streams])


def unpack(blob: bytes, wanted: Collection[int] | None = None) -> Iterator[Track]:
    """The tracks of a segment by tag index, only those in `wanted` (None: all).

    Raises
    ------
    EnvironmentFault
        When the segment is damaged.
    """
    try:
        yield from _unpack(blob, wanted)
    except (struct.error, zlib.error, ValueError, IndexError) as fault:
        raise EnvironmentFault(
            Finding(
                "historian", f"a segment of samples is damaged ({fault})", remedy="Run verify on this run."
            )
        ) from fault


def _unpack(blob: bytes, wanted: Collection[int] | None) -> Iterator[Track]:
    magic, scans, tags, length = _HEAD.unpack_from(blob)
    if magic != MAGIC:
        raise ValueError("it does not begin with the right mark")
    entries = [_ENTRY.unpack_from(blob, _HEAD.size + i * _ENTRY.size) for i in range(tags)]
    place = _HEAD.size + tags * _ENTRY.size
    times = _unpack_times(blob[place : place + length], scans)
    place += length
    for index, points, *sizes in entries:
        parts = []
        for size in sizes:
            parts.append(blob[place : place + size])
            place += size
        if wanted is not None and index not in wanted:
            continue
        when = times[_unpack_scans(parts[0])] if parts[0] else times
        values = _unpack_values(parts[1], points)
        quality = np.frombuffer(zlib.decompress(parts[2]), np.int8) if parts[2] else None
        if when.size != points or (quality is not None and quality.size != points):
            raise ValueError("its streams are of different lengths")
        yield Track(index, when, values, quality)


def _transposed(words: NDArray[np.uint64]) -> bytes:
    return zlib.compress(words.view(np.uint8).reshape(-1, 8).T.tobytes(), _LEVEL)


def _restored(stream: bytes, count: int) -> NDArray[np.uint64]:
    raw = np.frombuffer(zlib.decompress(stream), np.uint8).reshape(8, count)
    return np.ascontiguousarray(raw.T).view(np.uint64).reshape(count)


def _pack_values(values: NDArray[np.float64]) -> bytes:
    words = np.ascontiguousarray(values).view(np.uint64).copy()
    words[1:] ^= words[:-1].copy()
    return _transposed(words)


def _unpack_values(stream: bytes, count: int) -> NDArray[np.float64]:
    words = _restored(stream, count)
    return np.bitwise_xor.accumulate(words).view(np.float64) if count else np.empty(0)


def _pack_times(times: NDArray[np.float64]) -> bytes:
    words = np.ascontiguousarray(times).view(np.int64)
    for _ in range(2):
        words = np.diff(words, prepend=np.int64(0))
    return _transposed(words.view(np.uint64))


def _unpack_times(stream: bytes, count: int) -> NDArray[np.float64]:
    words = _restored(stream, count).view(np.int64)
    for _ in range(2):
        words = np.cumsum(words, dtype=np.int64)
    return words.view(np.float64)


def _pack_scans(scans: NDArray[np.uint32]) -> bytes:
    return zlib.compress(np.diff(scans, prepend=np.uint32(0)).tobytes(), _LEVEL)


def _unpack_scans(stream: bytes) -> NDArray[np.intp]:
    steps = np.frombuffer(zlib.decompress(stream), np.uint32)
    return np.cumsum(steps, dtype=np.intp)
