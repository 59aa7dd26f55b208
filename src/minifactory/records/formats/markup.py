"""XML members of a result: junk before and behind, strings in .NET payloads, and no entities."""

from __future__ import annotations

import base64
import binascii
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from minifactory.records.formats import dotnet
from minifactory.records.formats.source import fault

_AGAIN = "Export the result again; this copy is damaged."


def parse(content: bytes | str, where: str) -> Element:
    """The root element of an XML text, wherever it begins and ends in `content`.

    Raises
    ------
    FormatError
        When it is not well-formed or declares entities.
    """
    if isinstance(content, bytes):
        content = dotnet.text(content, where) if dotnet.is_payload(content) else _decoded(content)
    start, end = content.find("<"), content.rfind(">")
    body = content[start : end + 1] if 0 <= start < end else ""
    body = re.sub(r"^\s*<\?xml[^>]*\?>", "", body)
    if not body:
        raise fault(where, "no XML", "an XML document", _AGAIN)
    if "<!DOCTYPE" in body or "<!ENTITY" in body:
        raise fault(where, "XML with declarations of entities", "plain XML", "Do not trust this file.")
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, ValueError, RecursionError) as trouble:
        raise fault(where, f"damaged XML ({str(trouble)[:100]})", "well-formed XML", _AGAIN) from None


def _decoded(content: bytes) -> str:
    start = content.find(b"<")
    if content[start + 1 : start + 2] == b"\x00":
        return content[start:].decode("utf-16-le", "replace")
    return content[max(start, 0) :].decode("utf-8", "replace")


def said(element: Element | None, path: str, default: str = "") -> str:
    """The stripped text at `path` below `element`, or `default`."""
    found = element.findtext(path) if element is not None else None
    return found.strip() if found and found.strip() else default


def amount(element: Element | None, path: str) -> float | None:
    """The number at `path` below `element`, or None."""
    try:
        return float(said(element, path))
    except ValueError:
        return None


def unpacked(element: Element | None, path: str, where: str) -> Element | None:
    """The root of the XML that is packed as base64 at `path` below `element`, or None."""
    packed = said(element, path)
    if not packed:
        return None
    try:
        return parse(base64.b64decode(packed, validate=False), where)
    except (binascii.Error, ValueError):
        return None


def items(element: Element | None) -> Mapping[str, str]:
    """The name-value pairs of ``<Item Name= Value= Unit=>`` elements below `element`, units appended."""
    if element is None:
        return {}
    pairs = {}
    for item in element.iter("Item"):
        attributes = {key.lower(): value for key, value in item.attrib.items()}
        if attributes.get("name") and attributes.get("value"):
            pairs[attributes["name"]] = f"{attributes['value']} {attributes.get('unit', '')}".strip()
    return pairs
