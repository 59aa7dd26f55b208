"""One read of many scalar values, cheap enough to be repeated at every scan.

The request's parameters are encoded once. An answer is a row of data values (OPC 10000-6 section 5.2.2.17),
whose layout hardly ever changes from one answer to the next: it is learned from the first answer and then
unpacked in one step, after checking that every encoding mask and type is still the same. What is not a row of
plain scalars is left to the stack's general decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary, struct_from_binary, struct_to_binary

TICKS = 1e-7  # s; OPC UA counts time in 100 ns from EPOCH on
EPOCH = datetime(1601, 1, 1)  # noqa: DTZ001 - OPC UA knows UTC only
_CODES = {0: "", 1: "?", 2: "b", 3: "B", 4: "h", 5: "H", 6: "i", 7: "I", 8: "q", 9: "Q", 10: "f", 11: "d"}
_TYPE = nodeid_to_binary(ua.ReadRequest().TypeId)
_ANSWER_TYPE = nodeid_to_binary(ua.ReadResponse().TypeId)
_HEAD = struct.Struct("<qIIBi3si")  # time, handle, result, diagnostics, strings, additional header, count


class Item(NamedTuple):
    """One data value of an answer.

    Parameters
    ----------
    value : float, int, bool, str or None
        None for a null, an array or a structure.
    status : int
        Status code.
    age : float
        Time in s from the newest time stamp of the value to the answer, on the server's clock; negative when
        the value claims to be from the future, 0 without time stamps.
    stamp : float
        That newest time stamp, in s of the server's clock; 0 without time stamps.
    """

    value: Any
    status: int
    age: float
    stamp: float = 0.0


class ImageRequest:
    """A read of the value attributes of `nodes`, to be sent over and over.

    Parameters
    ----------
    nodes : sequence of NodeId
        What is read, in order.
    """

    def __init__(self, nodes: Sequence[ua.NodeId]) -> None:
        parameters = ua.ReadParameters()
        parameters.MaxAge = 0.0
        parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        parameters.NodesToRead = [
            ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value) for node in nodes
        ]
        self.type_id: bytes = _TYPE
        self.parameters: bytes = struct_to_binary(parameters)
        self._count = len(nodes)
        self._layout: _Layout | None = None

    def decode(self, answer: Any) -> list[Item]:
        """The items of an answer (the stack's buffer), in the order of the nodes; else ua.UaError."""
        raw = bytes(answer)
        items = self._unpacked(raw)
        if items is None:
            items = _generally_decoded(answer)
        if len(items) != self._count:
            raise ua.UaError(f"{len(items)} values in answer to a read of {self._count}")
        return items

    def _unpacked(self, raw: bytes) -> list[Item] | None:
        start = len(_ANSWER_TYPE) + _HEAD.size
        if not raw.startswith(_ANSWER_TYPE) or len(raw) < start:
            return None
        now, _, result, diagnostics, strings, additional, count = _HEAD.unpack_from(raw, len(_ANSWER_TYPE))
        if result or diagnostics or strings > 0 or additional != b"\0\0\0" or count != self._count:
            return None
        if self._layout is None or not self._layout.fits(raw, start):
            self._layout = _Layout.of(raw, start, count)
        return None if self._layout is None else self._layout.items(raw, start, now)


class _Layout:
    """The lengths and places of the fields of a row of data values."""

    def __init__(
        self, form: str, marks: list[tuple[int, int]], places: list[tuple[int, int, int, int]]
    ) -> None:
        self._struct = struct.Struct(form)
        self._marks = itemgetter(*(place for place, _ in marks))
        self._expected = tuple(mark for _, mark in marks)
        self._places = places

    @classmethod
    def of(cls, raw: bytes, start: int, count: int) -> _Layout | None:
        """The layout of `count` data values from `start` on; None when they are not all plain scalars."""
        form, marks, places, field, position = "<", [], [], 0, start
        for _ in range(count):
            if position >= len(raw):
                return None
            mask = raw[position]
            part = "B"
            marks.append((field, mask))
            field += 1
            value = status = source = server = -1
            if mask & 0x01:
                kind = raw[position + 1] if position + 1 < len(raw) else 255
                if kind not in _CODES:
                    return None
                marks.append((field, kind))
                part += "B" + _CODES[kind]
                field += 1
                if _CODES[kind]:
                    value, field = field, field + 1
            if mask & 0x02:
                part, status, field = part + "I", field, field + 1
            if mask & 0x04:
                part, source, field = part + "q", field, field + 1
            if mask & 0x10:
                part, field = part + "H", field + 1
            if mask & 0x08:
                part, server, field = part + "q", field, field + 1
            if mask & 0x20:
                part, field = part + "H", field + 1
            form += part
            places.append((value, status, source, server))
            position += struct.calcsize("<" + part)
        layout = cls(form, marks, places) if len(marks) > 1 else None
        return layout if layout is not None and layout.fits(raw, start) else None

    def fits(self, raw: bytes, start: int) -> bool:
        """Whether the data values in `raw` have this layout, followed by no diagnostics."""
        end = start + self._struct.size
        if len(raw) != end + 4 or int.from_bytes(raw[end:], "little", signed=True) > 0:
            return False
        return bool(self._marks(self._struct.unpack_from(raw, start)) == self._expected)

    def items(self, raw: bytes, start: int, now: int) -> list[Item]:
        """The data values, aged against `now` (OPC UA ticks)."""
        # The two appended fields stand for what is absent: no status means good.
        fields = (*self._struct.unpack_from(raw, start), 0, None)
        last = len(fields) - 1
        items = []
        for value, status, source, server in self._places:
            newest = max(fields[source] if source >= 0 else 0, fields[server] if server >= 0 else 0)
            items.append(
                Item(
                    fields[value if value >= 0 else last],
                    fields[status if status >= 0 else last - 1],
                    (now - newest) * TICKS if newest > 0 and now > 0 else 0.0,
                    newest * TICKS,
                )
            )
        return items


def _generally_decoded(answer: Any) -> list[Item]:
    response = struct_from_binary(ua.ReadResponse, answer)
    response.ResponseHeader.ServiceResult.check()
    now = response.ResponseHeader.Timestamp
    items = []
    for item in response.Results:
        value = None if item.Value is None else item.Value.Value
        if isinstance(value, ua.LocalizedText):
            value = value.Text
        stamps = [stamp for stamp in (item.SourceTimestamp, item.ServerTimestamp) if stamp is not None]
        newest = max(stamps, default=None)
        told = newest is not None and now.year > EPOCH.year
        items.append(
            Item(
                value if isinstance(value, int | float | str) else None,
                0 if item.StatusCode is None else int(item.StatusCode.value),
                (now - newest).total_seconds() if told else 0.0,
                (newest - EPOCH.replace(tzinfo=newest.tzinfo)).total_seconds() if newest is not None else 0.0,
            )
        )
    return items
