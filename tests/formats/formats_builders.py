"""Result files made for the tests, byte by byte, independently of the readers."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

NRBF_HEADER = b"\x00\x01\x00\x00\x00\xff\xff\xff\xff\x01\x00\x00\x00\x00\x00\x00\x00"


def floats(values: Sequence[float]) -> bytes:
    """A .NET array of singles."""
    data = np.asarray(values, dtype="<f4").tobytes()
    return NRBF_HEADER + b"\x0f" + struct.pack("<ii", 1, len(values)) + b"\x0b" + data + b"\x0b"


def string(text: str) -> bytes:
    """A .NET string, its length in groups of seven bits."""
    data = text.encode()
    length, head = len(data), bytearray()
    while length >= 0x80:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return NRBF_HEADER + b"\x06" + struct.pack("<i", 1) + bytes(head) + data + b"\x0b"


def archive(members: Mapping[str, bytes], padding: int = 0) -> bytes:
    """A ZIP archive, padded with zeros behind its end."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), content)
    return out.getvalue() + bytes(padding)


def unicorn7(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    log: Sequence[tuple[float, float, str, str, str]] = (),
    changed: Mapping[str, bytes] | None = None,
    junk: tuple[bytes, bytes] = (b"", b""),
) -> bytes:
    """A small UNICORN 7 result: curves as (ml, values) by name, log as (min, ml, text, type, sub-type)."""
    listed, members = [], {}
    for number, (name, (volumes, values)) in enumerate(curves.items(), 1):
        listed.append(
            f"<Curve CurveDataType='UV'><Name>{name}</Name><IsoChroneType>Time</IsoChroneType>"
            f"<DistanceBetweenPoints>0.1</DistanceBetweenPoints><DistanceToStartPoint>0</DistanceToStartPoint>"
            f"<TimeUnit>min</TimeUnit><VolumeUnit>ml</VolumeUnit><AmplitudeUnit>mAU</AmplitudeUnit>"
            f"<IsOriginalData>true</IsOriginalData><ColumnVolume>2</ColumnVolume>"
            f"<ColumnVolumeUnitName>ml</ColumnVolumeUnitName><CurvePoints><CurvePoint>"
            f"<BinaryCurvePointsFileName>Chrom.1_{number}_True</BinaryCurvePointsFileName></CurvePoint></CurvePoints>"
            f"</Curve>"
        )
        points = {"CoordinateData.Volumes": floats(volumes), "CoordinateData.Amplitudes": floats(values)}
        members[f"Chrom.1_{number}_True"] = archive(points, padding=70_000)
    events = "".join(
        f"<Event EventType='{sort}' EventSubType='{sub}'><EventTime>{time}</EventTime>"
        f"<EventVolume>{volume}</EventVolume><EventText>{text}</EventText></Event>"
        for time, volume, text, sort, sub in log
    )
    xml = (
        f"<Chromatogram><Curves>{''.join(listed)}</Curves><EventCurves><EventCurve EventCurveType='Logbook'>"
        f"<TimeUnit>min</TimeUnit><VolumeUnit>ml</VolumeUnit><Events>{events}</Events></EventCurve></EventCurves>"
        f"</Chromatogram>"
    )
    members["Chrom.1.Xml"] = junk[0] + xml.encode() + junk[1]
    members["Result.xml"] = b"<Result UNICORNVersion='7.3'><Name>made up</Name></Result>"
    return archive({**members, **(changed or {})})


def xls(rows: Sequence[Sequence[str | float]]) -> bytes:
    """An Excel 97 workbook with one sheet: BIFF8 records in an OLE container."""

    def record(kind: int, data: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    cells = []
    for row, line in enumerate(rows):
        for column, cell in enumerate(line):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(cell, str):
                cells.append(
                    record(0x0204, place + struct.pack("<HB", len(cell), 0) + cell.encode("latin-1"))
                )
            else:
                cells.append(record(0x0203, place + struct.pack("<d", cell)))
    start = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 1997, 0, 6))
    name = b"Sheet1"
    sheet_head = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 1997, 0, 6))
    bound_size = 4 + 4 + 2 + 2 + len(name)
    offset = len(start) + bound_size + 4
    bound = record(0x0085, struct.pack("<IHBB", offset, 0, len(name), 0) + name)
    stream = start + bound + record(0x000A) + sheet_head + b"".join(cells) + record(0x000A)
    return compound("Workbook", stream)


def compound(name: str, stream: bytes) -> bytes:
    """An OLE compound file with one stream (of at least 4096 bytes, so that it needs no mini stream)."""
    stream = stream.ljust(4096, b"\0")
    sectors = -(-len(stream) // 512)
    stream = stream.ljust(sectors * 512, b"\0")
    fat = [0xFFFFFFFD, 0xFFFFFFFE, *range(3, 2 + sectors), 0xFFFFFFFE]
    fat_sector = struct.pack(f"<{len(fat)}I", *fat).ljust(512, b"\xff")
    if len(fat_sector) > 512:
        raise ValueError("too large for one sector of the allocation table")

    def entry(title: str, kind: int, child: int, first: int, size: int) -> bytes:
        encoded = title.encode("utf-16-le") + b"\0\0"
        body = encoded.ljust(64, b"\0") + struct.pack("<HBB", len(encoded), kind, 1)
        body += struct.pack("<III", 0xFFFFFFFF, 0xFFFFFFFF, child) + bytes(36)
        return body + struct.pack("<IQ", first, size)

    directory = entry("Root Entry", 5, 1, 0xFFFFFFFE, 0) + entry(name, 2, 0xFFFFFFFF, 2, len(stream))
    directory += bytes(512 - len(directory))
    head = (
        bytes.fromhex("d0cf11e0a1b11ae1")
        + bytes(16)
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + bytes(6)
    )
    head += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    head += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    return head + fat_sector + directory + stream
