"""ZIP archives as UNICORN writes them, unpacked within bounds.

Inner archives are padded behind their end-of-directory record, which the standard reader refuses when the
padding is long: it is cut off here. What a member unpacks to is bounded before and while it is unpacked.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass

from minifactory.records.formats.source import LARGEST_CONTENT, fault

_END = b"PK\x05\x06"
_END_SIZE = 22
_MOST_MEMBERS = 20_000


@dataclass
class Budget:
    """Bytes that a file may still unpack to, shared by an archive and the archives in it."""

    left: int = LARGEST_CONTENT


class Archive:
    """The members of a ZIP archive held in memory.

    Raises
    ------
    FormatError
        When it is damaged, truncated, or claims more than the budget allows.
    """

    def __init__(self, content: bytes, where: str, budget: Budget) -> None:
        self.where = where
        self._budget = budget
        end = content.rfind(_END)
        if end < 0 or len(content) < end + _END_SIZE:
            raise fault(where, "a ZIP archive without its directory", "a whole archive", _AGAIN)
        comment = int.from_bytes(content[end + 20 : end + 22], "little")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content[: end + _END_SIZE + comment]))
            self._members = {info.filename: info for info in self._zip.infolist()}
        except _FAULTS as trouble:
            found = f"a damaged ZIP archive ({_reason(trouble)})"
            raise fault(where, found, "a whole archive", _AGAIN) from None
        if len(self._members) > _MOST_MEMBERS:
            raise fault(where, f"{len(self._members)} members", f"at most {_MOST_MEMBERS}", _BOMB)
        self.require(budget.left)

    def require(self, most: int) -> None:
        """Raise FormatError when the members claim to unpack to more than `most` bytes together."""
        claimed = sum(info.file_size for info in self._members.values())
        if claimed > most:
            limit = f"at most {most // 2**20} MiB"
            raise fault(self.where, f"an archive that unpacks to {claimed / 2**20:.0f} MiB", limit, _BOMB)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the members, in the order of the directory."""
        return tuple(self._members)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str) -> bytes:
        """The unpacked bytes of one member.

        Raises
        ------
        FormatError
            When it is missing, damaged, or protected by a password.
        """
        place = f"{self.where}/{name}"
        info = self._members.get(name)
        if info is None:
            raise fault(place, "no such member in the archive", "a complete result", _AGAIN)
        if info.flag_bits & 0x1:
            raise fault(place, "a member protected by a password", "an open archive", _PASSWORD)
        try:
            with self._zip.open(info) as member:
                content = member.read(self._budget.left + 1)
        except _FAULTS as trouble:
            raise fault(place, f"damaged data ({_reason(trouble)})", "a whole member", _AGAIN) from None
        self._budget.left -= len(content)
        if self._budget.left < 0:
            raise fault(
                place, "more data than a result may unpack to", f"{LARGEST_CONTENT // 2**20} MiB", _BOMB
            )
        return content


_AGAIN = "Export or copy the result again; this copy is incomplete."
_BOMB = "Do not open this file unless you know where it comes from; export the result again."
_PASSWORD = "Unpack it with its password and pack it again without one."
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
    KeyError,
    IndexError,
)


def _reason(trouble: Exception) -> str:
    return str(trouble)[:120] or type(trouble).__name__
