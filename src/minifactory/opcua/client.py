"""A skid seen from a client: one read for the image, one write for set-points, calls for instructions.

Requests are built once per connection; conversions between wire units and SI are numbers computed beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from asyncua import ua

from minifactory.errors import EquipmentError, Finding, did_you_mean
from minifactory.opcua.address_space import (
    ADVANCE,
    INSTRUCTION_FOLDER,
    ORDER,
    REFUSAL,
    SIMULATION_FOLDER,
)
from minifactory.opcua.image_request import ImageRequest
from minifactory.opcua.session import Session, Target, open_session
from minifactory.opcua.tag_map import NameBrowser, TagMap, read_attributes, resolve
from minifactory.opcua.wire import Scale, quality, scale
from minifactory.signals.backend import InstructionRefused
from minifactory.signals.reading import Quality, Reading
from minifactory.signals.tags import TagTable

FUTURE = 1.0  # s; a source time stamp further ahead of the server's clock is not believed


class SkidClient:
    """A connected skid. Made by :func:`connect`; used from one event loop."""

    def __init__(self, session: Session, table: TagTable) -> None:
        self.session = session
        self.table = table
        self._scales = {tag.name: scale(tag.unit, tag.kind) for tag in table.tags.values()}
        self._readable = [(tag.name, self._scales[tag.name]) for tag in table.readable]
        self._order: list[tuple[int, str, Scale]] = []
        self._refusal: ua.NodeId | None = None
        self._advance: ua.CallRequest | None = None

    async def _prepare(self, tag_map: TagMap) -> None:
        self._nodes = await resolve(self.session, self.table, tag_map)
        self._image = ImageRequest([self._nodes.tags[tag.name].node for tag in self.table.readable])
        browser = await NameBrowser.connect(self.session, tag_map.namespace)
        simulation = (*tag_map.root, SIMULATION_FOLDER)
        folder, advance, order, self._refusal = await browser.find(
            [
                simulation,
                (*simulation, ADVANCE),
                (*simulation, ORDER),
                (*tag_map.root, INSTRUCTION_FOLDER, REFUSAL),
            ]
        )
        if folder is not None and advance is not None and order is not None:
            (value,) = await read_attributes(self.session, [(order, ua.AttributeIds.Value)])
            self._order = self._in_order(list(value.Value.Value))
            method = ua.CallMethodRequest()
            method.ObjectId, method.MethodId = folder, advance
            self._advance = ua.CallRequest()
            self._advance.Parameters.MethodsToCall = [method]

    def _in_order(self, names: Sequence[str]) -> list[tuple[int, str, Scale]]:
        places = {name: place for place, name in enumerate(names)}
        missing = [tag.name for tag in self.table.readable if tag.name not in places]
        if missing:
            raise EquipmentError(
                Finding(
                    self._where(SIMULATION_FOLDER),
                    f'tag "{name}" is not in the image that {ADVANCE} returns',
                    remedy=did_you_mean(name, names),
                )
                for name in missing
            )
        return [(places[tag.name], tag.name, self._scales[tag.name]) for tag in self.table.readable]

    @property
    def lock_step(self) -> bool:
        """Whether the server lets us be time master."""
        return self._advance is not None

    async def read(self, asked: float = 0.0) -> dict[str, Reading]:
        """All readable tags, in one request.

        Parameters
        ----------
        asked : float
            The reader's time now, s; a reading's time is this less the value's age on the server's clock.
        """
        items = await self.session.exchange(self._image)
        readings = {}
        for (name, scaled), (value, status, age) in zip(self._readable, items, strict=True):
            known = quality(status)
            if value is None:
                readings[name] = Reading(math.nan, asked, Quality.BAD)
                continue
            number = value * scaled.factor + scaled.offset
            if not math.isfinite(number):
                known = Quality.BAD
            elif age < -FUTURE:
                known = max(known, Quality.UNCERTAIN)
            readings[name] = Reading(number, asked - max(age, 0.0), known)
        return readings

    async def write(self, values: Mapping[str, float]) -> None:
        """Send set-points (SI units) in one request.

        Raises
        ------
        InstructionRefused
            The server refused them; says why, as far as the server tells.
        EquipmentError
            The link failed.
        """
        request = ua.WriteRequest()
        for name, value in values.items():
            node = self._nodes.tags[name]
            item = ua.WriteValue()
            item.NodeId = node.node
            item.AttributeId = ua.AttributeIds.Value
            item.Value = ua.DataValue(
                Value=_variant(node.variant_type, self._scales[name].wire(value)), StatusCode=None
            )
            request.Parameters.NodesToWrite.append(item)
        codes = (await self.session.request(request, ua.WriteResponse)).Results
        if len(codes) != len(values):
            raise self._odd(f"{len(codes)} status codes for {len(values)} set-points")
        refused = [(name, code) for name, code in zip(values, codes, strict=True) if not code.is_good()]
        if refused:
            reason = await self._reason()
            raise InstructionRefused(
                Finding(
                    self._where(name),
                    f"set-point {self._shown(name, values[name])} refused ({code.name})"
                    + (f": {reason}" if reason else ""),
                )
                for name, code in refused
            )

    async def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Issue an instruction (SI units); returns when it was accepted.

        Raises
        ------
        InstructionRefused
            The equipment refused it; says why.
        EquipmentError
            The link failed, or the server does not know such a call.
        """
        known = self.table.instructions[instruction]
        method = ua.CallMethodRequest()
        nodes = self._nodes.instructions[instruction]
        method.ObjectId, method.MethodId = nodes.parent, nodes.node
        method.InputArguments = [
            *(
                ua.Variant(scale(item.unit, item.kind).wire(arguments[item.name]), ua.VariantType.Double)
                for item in known.arguments
            ),
            ua.Variant(number, ua.VariantType.UInt32),
            ua.Variant(owner, ua.VariantType.String),
        ]
        request = ua.CallRequest()
        request.Parameters.MethodsToCall = [method]
        (result,) = (await self.session.request(request, ua.CallResponse)).Results
        if not result.StatusCode.is_good():
            raise EquipmentError(Finding(self._where(instruction), f"call failed ({result.StatusCode.name})"))
        outputs = [item.Value for item in result.OutputArguments or ()]
        if outputs and outputs[0] is False:
            raise InstructionRefused(
                Finding(self._where(instruction), f"refused: {outputs[1] if len(outputs) > 1 else ''}")
            )

    async def advance(self, process_time: float) -> tuple[float, dict[str, Reading]]:
        """Let the skid's process time run to `process_time` (s); the time reached and the image there.

        An earlier time than the skid's changes nothing and gives the present image.
        """
        if self._advance is None:
            raise EquipmentError(
                Finding(self._where(SIMULATION_FOLDER), "the server runs by itself", "a server in lock-step")
            )
        (method,) = self._advance.Parameters.MethodsToCall
        method.InputArguments = [ua.Variant(process_time, ua.VariantType.Double)]
        (result,) = (await self.session.request(self._advance, ua.CallResponse)).Results
        if not result.StatusCode.is_good():
            reason = await self._reason()
            raise EquipmentError(
                Finding(
                    self._where(f"{SIMULATION_FOLDER}.{ADVANCE}"),
                    f"the skid did not reach {process_time:g} s ({result.StatusCode.name})"
                    + (f": {reason}" if reason else ""),
                )
            )
        outputs = [item.Value for item in result.OutputArguments or ()]
        try:
            return float(outputs[0]), self._ordered(float(outputs[0]), outputs[1], outputs[2] or ())
        except (IndexError, TypeError, ValueError) as fault:
            raise self._odd(f"{ADVANCE} returned something else than an image ({fault})") from fault

    def _ordered(
        self, reached: float, values: Sequence[float], statuses: Sequence[int]
    ) -> dict[str, Reading]:
        good = Quality.GOOD
        if not statuses and math.isfinite(sum(values)):
            return {
                name: Reading(values[place] * scaled.factor + scaled.offset, reached, good)
                for place, name, scaled in self._order
            }
        readings = {}
        for place, name, scaled in self._order:
            value = scaled.si(values[place])
            known = quality(statuses[place]) if statuses else good
            readings[name] = Reading(value, reached, known if math.isfinite(value) else Quality.BAD)
        return readings

    async def close(self) -> None:
        """End the session; never raises."""
        await self.session.close()

    async def abort(self) -> None:
        """Drop the connection without a word, for when nobody listens; never raises."""
        await self.session.abort()

    def _odd(self, found: str) -> EquipmentError:
        return EquipmentError(
            Finding(f"driver {self.session.target.url}", found, remedy="Check the server's version.")
        )

    async def _reason(self) -> str:
        if self._refusal is None:
            return ""
        (value,) = await read_attributes(self.session, [(self._refusal, ua.AttributeIds.Value)])
        return str(value.Value.Value or "")

    def _shown(self, name: str, value: float) -> str:
        tag = self.table.tags[name]
        if tag.choices and 0 <= value < len(tag.choices):
            return f'"{tag.choices[int(value)]}"'
        return f"{self._scales[name].wire(value):.6g} {tag.unit}".rstrip()

    def _where(self, what: str) -> str:
        return f"driver {self.session.target.url} {what}"


async def connect(target: Target, table: TagTable, tag_map: TagMap | None = None) -> SkidClient:
    """A client of the skid that `table` describes, at `target`.

    Parameters
    ----------
    target : Target
        The server.
    table : TagTable
        What must be there.
    tag_map : TagMap, optional
        Where it is; as our own servers lay it out by default.

    Raises
    ------
    EquipmentError
        No secured session, or the server does not have what the table says (all findings at once).
    """
    session = await open_session(target)
    try:
        client = SkidClient(session, table)
        await client._prepare(tag_map or TagMap((table.skid,)))
    except BaseException:
        await session.close()
        raise
    return client


def _variant(variant_type: ua.VariantType, value: float) -> ua.Variant:
    if variant_type in (ua.VariantType.Double, ua.VariantType.Float):
        return ua.Variant(value, variant_type)
    if variant_type == ua.VariantType.Boolean:
        return ua.Variant(bool(round(value)), variant_type)
    return ua.Variant(round(value), variant_type)
