"""The values that a server shows: the newest image of its source, made into data values on demand.

Nothing is written into the address space at each scan: variables ask this object when somebody reads them,
and only variables that somebody subscribed to are compared and announced.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from asyncua import ua

from minifactory.opcua.layout import Item, Layout, own_layout
from minifactory.opcua.source import Image, TagSource
from minifactory.opcua.wire import STATUS, Form, Scale, scale, variant
from minifactory.signals.reading import Quality
from minifactory.signals.tags import Instruction, Tag

_STATUS_CODES = {status: ua.StatusCode(ua.UInt32(status)) for status in STATUS.values()}


class Publication:
    """The image and set-points of a source as OPC UA sees them.

    Parameters
    ----------
    source : TagSource
        The skid. Its tags keep their order: readable ones first, then set-points.
    layout : Layout, optional
        How they look on the server; None: as on our own.
    """

    def __init__(self, source: TagSource, layout: Layout | None = None) -> None:
        self.source = source
        table = source.table
        self.layout = layout = layout or own_layout(table)
        self.tags: tuple[Tag, ...] = (*table.readable, *table.writable)
        self.readable = len(table.readable)
        self.position: Mapping[str, int] = {tag.name: place for place, tag in enumerate(self.tags)}
        self.items: tuple[Item, ...] = tuple(layout.tags[tag.name] for tag in self.tags)
        self.forms: tuple[Form, ...] = tuple(item.form for item in self.items)
        self.scales = tuple(
            scale(item.unit, tag.kind) for item, tag in zip(self.items, self.tags, strict=True)
        )
        self.image: Image = source.image()
        self.sampled = datetime.now(UTC)

    def argument_scales(self, instruction: Instruction) -> list[Scale]:
        """The conversions of an instruction's arguments."""
        units = [unit for _, unit in self.layout.instructions[instruction.name].arguments]
        return [scale(unit, item.kind) for unit, item in zip(units, instruction.arguments, strict=True)]

    def advance(self, process_time: float) -> None:
        """Let the source run to `process_time` (s) and take its image."""
        self.source.advance(process_time)
        self.refresh()

    def refresh(self) -> None:
        """Take the source's image as it is now."""
        self.image = self.source.image()
        self.sampled = datetime.now(UTC)

    def wire_values(self) -> list[float]:
        """The readable tags in wire units, in order."""
        return [
            (value - item.offset) / item.factor
            for value, item in zip(self.image.values, self.scales, strict=False)
        ]

    def statuses(self) -> list[int]:
        """The status codes of the readable tags, in order; empty when all are good."""
        qualities = self.image.qualities
        if qualities is None:
            return []
        return [STATUS[item] for item in qualities]

    def data_value(self, place: int) -> ua.DataValue:
        """The tag at `place` with status and time stamps."""
        if place < self.readable:
            value = self.image.values[place]
            qualities: Sequence[Quality] | None = self.image.qualities
            status = STATUS[Quality.GOOD if qualities is None else qualities[place]]
        else:
            value = self.source.set_points()[place - self.readable]
            status = STATUS[Quality.GOOD]
        if status >> 30 == 0 and not math.isfinite(value):
            status = STATUS[Quality.BAD]
        shown = (
            variant(self.forms[place], self.scales[place].wire(value))
            if status >> 31 == 0
            else ua.Variant(None, ua.VariantType.Null)
        )
        return ua.DataValue(
            Value=shown,
            StatusCode=_STATUS_CODES[status],
            SourceTimestamp=self.sampled,
            ServerTimestamp=self.sampled,
        )
