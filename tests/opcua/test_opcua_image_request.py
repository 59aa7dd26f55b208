"""The quick decoder of an image gives what the stack's general decoder gives, whatever the server sends."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import example, given
from hypothesis import strategies as st

from minifactory.opcua.image_request import ImageRequest, _generally_decoded

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NUMBERS = {
    ua.VariantType.Boolean: st.booleans(),
    ua.VariantType.SByte: st.integers(-128, 127),
    ua.VariantType.Byte: st.integers(0, 255),
    ua.VariantType.Int16: st.integers(-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: st.integers(0, 2**16 - 1),
    ua.VariantType.Int32: st.integers(-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: st.integers(0, 2**32 - 1),
    ua.VariantType.Int64: st.integers(-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: st.integers(0, 2**64 - 1),
    ua.VariantType.Float: st.floats(width=32, allow_nan=False),
    ua.VariantType.Double: st.floats(allow_nan=False),
}
SCALARS = st.sampled_from(list(NUMBERS)).flatmap(
    lambda kind: NUMBERS[kind].map(lambda value: ua.Variant(value, kind))
)
OTHERS = st.sampled_from(
    [
        ua.Variant("text", ua.VariantType.String),
        ua.Variant([1.0, 2.0], ua.VariantType.Double),
        ua.Variant(ua.LocalizedText("text"), ua.VariantType.LocalizedText),
    ]
)
STAMPS = st.none() | st.integers(-5000, 5000).map(lambda ms: NOW + timedelta(milliseconds=ms))
STATUSES = st.sampled_from([None, 0, 0x40000000, 0x80000000]).map(
    lambda code: None if code is None else ua.StatusCode(ua.UInt32(code))
)


def data_values(variants: st.SearchStrategy[ua.Variant]) -> st.SearchStrategy[ua.DataValue]:
    return st.builds(
        ua.DataValue,
        Value=st.none() | variants | st.just(ua.Variant(None, ua.VariantType.Null)),
        StatusCode=STATUSES,
        SourceTimestamp=STAMPS,
        ServerTimestamp=STAMPS,
    )


def answer(values: list[ua.DataValue], result: int = 0) -> Buffer:
    """The bytes of a read response."""
    response = ua.ReadResponse()
    response.ResponseHeader.Timestamp = NOW
    response.ResponseHeader.ServiceResult = ua.StatusCode(ua.UInt32(result))
    response.Results = values
    return Buffer(struct_to_binary(response))


def request(count: int) -> ImageRequest:
    return ImageRequest([ua.NodeId(number, 2) for number in range(count)])


def same(found: list[Any], expected: list[Any]) -> bool:
    return all(
        one.value == other.value
        and type(one.value) is type(other.value)
        and one.status == other.status
        and math.isclose(one.age, other.age, abs_tol=1e-6)  # time stamps have microseconds in Python
        and math.isclose(one.stamp, other.stamp, abs_tol=1e-5)  # counted from the year 1601
        for one, other in zip(found, expected, strict=True)
    )


@given(st.lists(data_values(SCALARS), min_size=1, max_size=6), st.data())
def test_quick_and_general_decoder_agree(values: list[ua.DataValue], data: st.DataObject) -> None:
    image = request(len(values))
    for _ in range(2):  # the second answer meets a learned layout, which may no longer fit
        assert same(image.decode(answer(values)), _generally_decoded(answer(values)))
        place = data.draw(st.integers(0, len(values) - 1))
        values[place] = data.draw(data_values(SCALARS))


def test_the_quick_way_is_taken_and_kept() -> None:
    image = request(3)
    values = [ua.DataValue(ua.Variant(float(n), ua.VariantType.Double), None, NOW, NOW) for n in range(3)]
    image.decode(answer(values))
    layout = image._layout
    assert layout is not None
    values[1] = ua.DataValue(ua.Variant(7.0, ua.VariantType.Double), None, NOW - timedelta(seconds=2), None)
    assert image.decode(answer(values))[1][:3] == (7.0, 0, pytest.approx(2.0))
    assert image._layout is not layout


@given(st.lists(data_values(SCALARS | OTHERS), min_size=1, max_size=4))
def test_anything_else_is_left_to_the_general_decoder(values: list[ua.DataValue]) -> None:
    assert same(request(len(values)).decode(answer(values)), _generally_decoded(answer(values)))


def test_wrong_answers_are_errors() -> None:
    value = ua.DataValue(ua.Variant(1.0, ua.VariantType.Double))
    with pytest.raises(ua.UaError, match="1 values in answer to a read of 2"):
        request(2).decode(answer([value]))
    with pytest.raises(ua.uaerrors.BadTooManyOperations):
        request(1).decode(answer([value], ua.StatusCodes.BadTooManyOperations))


@given(st.binary(max_size=80))
@example(b"\x000" + bytes(8))  # by chance a proper answer with two data values that hold nothing
def test_a_damaged_answer_never_passes_for_values(noise: bytes) -> None:
    whole = bytes(answer([ua.DataValue(ua.Variant(1.0, ua.VariantType.Double), None, NOW, NOW)] * 2))
    for damaged in (whole[:32] + noise, whole[:-1], whole + noise[:1] + b"x"):
        found = request(2)._unpacked(damaged)
        if found is not None and len(damaged) != len(whole):
            assert [item.value for item in found] == [None, None]
