"""The payloads inside UNICORN 6 and 7 results: one string or one array of numbers, as .NET serialises them.

A payload is a stream header (17 bytes), one record, and the end mark 0x0b:

* array of primitives: ``0f``, object id (int32), count (int32), type (1 byte), the numbers, little-endian;
* string: ``06``, object id (int32), length in bytes (7 bits a byte, low bits first), UTF-8.

Source: Microsoft [MS-NRBF], sections 2.1.1.6, 2.4.3.3, 2.5.7 and 2.6.1; checked against UNICORN 7.3 results.
"""

from __future__ import annotations

import numpy as np

from minifactory.records.chromatogram import FloatArray
from minifactory.records.formats.source import fault

_HEADER = bytes.fromhex("00 01000000 ffffffff 01000000 00000000")
_ARRAY = 0x0F
_STRING = 0x06
_END = 0x0B
_TYPES = {0x06: "<f8", 0x07: "<i2", 0x08: "<i4", 0x09: "<i8", 0x0B: "<f4"}
_AGAIN = "Export the result again; this copy is damaged."


def is_payload(content: bytes) -> bool:
    """Whether `content` begins like a serialised .NET payload."""
    return content.startswith(_HEADER)


def numbers(content: bytes, where: str) -> FloatArray:
    """The array of numbers in a payload, shape (n,), every one of them.

    Raises
    ------
    FormatError
        When the payload is no array of numbers or is cut short.
    """
    if not is_payload(content) or len(content) < 28 or content[17] != _ARRAY:
        raise fault(where, f"data that begin {content[:18].hex(' ')}", "an array of numbers", _AGAIN)
    count = int.from_bytes(content[22:26], "little", signed=True)
    kind = _TYPES.get(content[26])
    if kind is None:
        raise fault(where, f"an array of type {content[26]:#04x}", "an array of floats or integers", _AGAIN)
    dtype = np.dtype(kind)
    end = 27 + count * dtype.itemsize
    if count < 0 or len(content) <= end or content[end] != _END:
        have = (len(content) - 28) // dtype.itemsize
        raise fault(where, f"{have} numbers", f"{count} numbers and the end mark", _AGAIN)
    return np.frombuffer(content, dtype, count, 27).astype(np.float64)


def text(content: bytes, where: str) -> str:
    """The string in a payload.

    Raises
    ------
    FormatError
        When the payload is no string or is cut short.
    """
    if not is_payload(content) or len(content) < 23 or content[17] != _STRING:
        raise fault(where, f"data that begin {content[:18].hex(' ')}", "a string", _AGAIN)
    length = shift = 0
    position = 22
    while True:
        if position >= len(content) or shift > 28:
            raise fault(where, "a string without its length", "a whole string", _AGAIN)
        byte = content[position]
        length |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if not byte & 0x80:
            break
    if len(content) < position + length:
        raise fault(where, f"{len(content) - position} bytes of text", f"{length} bytes", _AGAIN)
    return content[position : position + length].decode("utf-8", "replace")
