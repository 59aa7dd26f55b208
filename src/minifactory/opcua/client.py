"""A skid seen from a client: one read for the image, one write for set-points, calls for instructions.

Requests are built once per connection; conversions between wire units and SI are numbers computed beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from asyncua import ua

from minifactory.errors import EquipmentError, Finding, did_you_mean
from minifactory.opcua.address_space import ADVANCE, ORDER, SIMULATION_FOLDER
from minifactory.opcua.browse_path import path_of
from minifactory.opcua.browsing import NameBrowser, content, read_attributes
from minifactory.opcua.coding import Coding
from minifactory.opcua.commands import GONE, Commands
from minifactory.opcua.engineering_units import texts_of
from minifactory.opcua.image_request import ImageRequest, Item
from minifactory.opcua.layout import INSTRUCTION_FOLDER, REFUSAL
from minifactory.opcua.resolving import refuse_misfits, resolve
from minifactory.opcua.session import Session, Target, open_session
from minifactory.opcua.tag_map import TagMap
from minifactory.opcua.wire import Scale, quality, scale
from minifactory.signals.reading import Quality, Reading
from minifactory.signals.tags import TagTable

FUTURE = 1.0  # s; a source time stamp further ahead of the server's clock is not believed


class SkidClient:
    """A connected skid. Made by :func:`connect`; used from one event loop.

    Attributes
    ----------
    gone : bool
        Whether a node was found to be no longer where it was; :meth:`look_up` finds it again.
    misfit : EquipmentError or None
        What is missing or does not fit, as far as it was forgiven.
    """

    def __init__(self, session: Session, table: TagTable, tag_map: TagMap) -> None:
        self.session = session
        self.table = table
        self.gone = False
        self.misfit: EquipmentError | None = None
        self._tag_map = tag_map
        self._own = {tag.name: scale(tag.unit, tag.kind) for tag in table.tags.values()}
        self._misfits: set[str] = set()
        self._readable: list[tuple[str, Coding | None]] = []
        self._order: list[tuple[int, str, Scale]] = []
        self._refusal: ua.NodeId | None = None
        self._advance: ua.CallRequest | None = None

    async def look_up(self, forgiving: bool = False) -> tuple[Finding, ...]:
        """Find all nodes as they are now; what is missing or does not fit.

        With `forgiving`, such tags are bad from here on, and everything else goes on.

        Raises
        ------
        EquipmentError
            The link failed, or something does not fit and that is not forgiven.
        """
        self._nodes = nodes = await resolve(self.session, self.table, self._tag_map)
        if not forgiving or not nodes.tags:
            refuse_misfits(nodes)
        self._misfits.clear()
        self.misfit = EquipmentError(nodes.findings) if nodes.findings else None
        readable = [(tag.name, nodes.tags.get(tag.name)) for tag in self.table.readable]
        self._readable = [(name, None if found is None else found.coding) for name, found in readable]
        self._image = ImageRequest([found.node for _, found in readable if found is not None])
        self._sampled = [self._tag_map.stamps_each_sample] * len(self._readable)
        self._before: list[Item | None] = [None] * len(self._readable)
        self.gone = False
        self._commands = Commands(self.session, self.table, nodes, self._reason)
        return nodes.findings

    async def check(self) -> None:
        """See whether the server is still laid out as it was, and every unit what it was.

        A tag whose unit has changed is bad until the unit is back; with other namespaces, all nodes are to be
        looked up again (:attr:`gone`).
        """
        nodes = self._nodes
        asked = [(ua.NodeId(ua.ObjectIds.Server_NamespaceArray), ua.AttributeIds.Value)]
        asked += [(node, ua.AttributeIds.Value) for node, _ in nodes.units.values()]
        namespaces, *units = [content(value) for value in await read_attributes(self.session, asked)]
        if tuple(namespaces or ()) != nodes.namespaces:
            self.gone = True
            return
        for (name, (_, before)), now in zip(nodes.units.items(), units, strict=True):
            if texts_of(now) == texts_of(before):
                self._misfits.discard(name)
            else:
                self._misfits.add(name)

    async def _prepare(self, forgiving: bool) -> None:
        await self.look_up(forgiving)
        own, root = self._tag_map.namespace, self._tag_map.root
        if not root:
            return
        browser = NameBrowser(self.session, self._nodes.namespaces)
        simulation = (*root, SIMULATION_FOLDER)
        wanted = [
            simulation,
            (*simulation, ADVANCE),
            (*simulation, ORDER),
            (*root, INSTRUCTION_FOLDER, REFUSAL),
        ]
        found = await browser.find([path_of(own, names) for names in wanted])
        folder, advance, order, self._refusal = found
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
        return [(places[tag.name], tag.name, self._own[tag.name]) for tag in self.table.readable]

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
        items = iter(await self.session.exchange(self._image))
        readings = {}
        for place, (name, coding) in enumerate(self._readable):
            if coding is None:
                readings[name] = Reading(math.nan, asked, Quality.BAD)
                continue
            item = next(items)
            value, status, age, _ = item
            if status in GONE:
                self.gone = True
            if value is None or name in self._misfits:
                readings[name] = Reading(math.nan, asked, Quality.BAD)
                continue
            known, number = quality(status), coding.si(value)
            if not math.isfinite(number) or age < -FUTURE:
                known = Quality.BAD
            elif not self._sampled[place] and age > 0.0:
                age = self._believed(place, item)
            readings[name] = Reading(number, asked - max(age, 0.0), known)
        return readings

    def _believed(self, place: int, item: Item) -> float:
        """The age (s) of a value on a server of which it is not known when it stamps.

        A value that got a new stamp without changing is stamped at each sample, and its age counts from then
        on. Before that an old stamp may just mean that nothing has changed: the server answers for the value.
        """
        before, self._before[place] = self._before[place], item
        if before is not None and before.stamp < item.stamp and before.value == item.value:
            self._sampled[place] = True
            return item.age
        return 0.0

    async def write(self, values: Mapping[str, float]) -> None:
        """Send set-points (SI units); errors as of :meth:`Commands.write`."""
        try:
            await self._commands.write(values, self._misfits)
        finally:
            self.gone = self.gone or self._commands.gone

    async def call(self, instruction: str, arguments: Mapping[str, float], number: int, owner: str) -> None:
        """Issue an instruction (SI units); errors as of :meth:`Commands.call`."""
        try:
            await self._commands.call(instruction, arguments, number, owner)
        finally:
            self.gone = self.gone or self._commands.gone

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

    def _where(self, what: str) -> str:
        return f"driver {self.session.target.url} {what}"


async def connect(
    target: Target, table: TagTable, tag_map: TagMap | None = None, forgiving: bool = False
) -> SkidClient:
    """A client of the skid that `table` describes, at `target`.

    Parameters
    ----------
    target : Target
        The server.
    table : TagTable
        What must be there.
    tag_map : TagMap, optional
        Where it is; as our own servers lay it out by default.
    forgiving : bool
        True: tags that are missing or do not fit are bad, and all others are reached.

    Raises
    ------
    EquipmentError
        No secured session, or the server does not have what the table says (all findings at once).
    """
    session = await open_session(target)
    try:
        client = SkidClient(session, table, tag_map or TagMap((table.skid,)))
        await client._prepare(forgiving)
    except BaseException:
        await session.close()
        raise
    return client
