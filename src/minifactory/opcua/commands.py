"""Commands to a server: set-points in one request, instructions as calls, and what a refusal means.

A refusal of the equipment is final. A status that only says that the server cannot do it now, or that a node
is no longer where it was, is a fault of the link: the same may be asked again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any

from asyncua import ua

from minifactory.errors import EquipmentError, Finding
from minifactory.opcua.coding import variant_of
from minifactory.opcua.resolving import Input, Resolution, ResolvedMethod, ResolvedTag, Trigger
from minifactory.opcua.session import Session
from minifactory.opcua.tag_map import NUMBER, OWNER, VALUE
from minifactory.opcua.wire import scale
from minifactory.signals.backend import InstructionRefused
from minifactory.signals.tags import TagTable

GONE = frozenset({ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid})
"""Status codes of a node that is no longer where it was: look it up again."""
UNAVAILABLE = GONE | frozenset(
    getattr(ua.StatusCodes, name)
    for name in (
        *("BadCommunicationError", "BadNoCommunication", "BadNotConnected", "BadOutOfService", "BadShutdown"),
        *(
            "BadServerHalted",
            "BadTimeout",
            "BadSessionIdInvalid",
            "BadSessionNotActivated",
            "BadMethodInvalid",
        ),
        *(
            "BadSecureChannelIdInvalid",
            "BadResourceUnavailable",
            "BadWaitingForInitialData",
            "BadSessionClosed",
        ),
    )
)
"""Status codes that say nothing about what was asked: it may be asked again."""


class Commands:
    """Sends commands to the nodes of the moment.

    Parameters
    ----------
    session : Session
        Open.
    table : TagTable
        Tags and instructions.
    nodes : Resolution
        Where they are now.
    reason : callable
        Asks the server why it refused something; empty when it does not say.

    Attributes
    ----------
    gone : bool
        Whether a node was found to be no longer where it was.
    """

    def __init__(
        self, session: Session, table: TagTable, nodes: Resolution, reason: Callable[[], Awaitable[str]]
    ) -> None:
        self.gone = False
        self._session, self._table, self._nodes, self._reason = session, table, nodes, reason

    async def write(self, values: Mapping[str, float], misfits: Collection[str] = ()) -> None:
        """Send set-points (SI units): variables in one request, methods likewise, in the order given.

        `misfits` are those that must not be sent now.

        Raises
        ------
        InstructionRefused
            The server refused them; says why, as far as the server tells.
        EquipmentError
            The link failed, or a set-point is not (or no longer) to be found.
        """
        found = {name: self._set_point(name, misfits) for name in values}
        by_method = [name for name, tag in found.items() if tag.method is not None]
        variables = [name for name in values if name not in by_method]
        # Whatever is asked first goes first; only where both kinds alternate does one kind wait.
        groups = [(self._write, variables), (self._set_by_method, by_method)]
        if by_method and next(iter(values)) == by_method[0]:
            groups.reverse()
        for send, names in groups:
            if names:
                await send({name: values[name] for name in names}, found)

    async def _write(self, values: Mapping[str, float], found: Mapping[str, ResolvedTag]) -> None:
        request = ua.WriteRequest()
        for name, value in values.items():
            request.Parameters.NodesToWrite.append(_item(found[name].node, found[name].coding.variant(value)))
        codes = (await self._session.request(request, ua.WriteResponse)).Results
        if len(codes) != len(values):
            raise self._odd(f"{len(codes)} status codes for {len(values)} set-points")
        refused = [(name, code) for name, code in zip(values, codes, strict=True) if not code.is_good()]
        if refused:
            self._look_for_gone(code for _, code in refused)
            reason = await self._reason()
            raise _kind_of_refusal(code for _, code in refused)(
                Finding(
                    self._where(name),
                    f"set-point {self._shown(name, values[name])} refused ({code.name})"
                    + (f": {reason}" if reason else ""),
                )
                for name, code in refused
            )

    async def _set_by_method(self, values: Mapping[str, float], found: Mapping[str, ResolvedTag]) -> None:
        calls = []
        for name, value in values.items():
            tag = found[name]
            assert tag.method is not None
            sent = tag.coding.variant(value)
            calls.append(
                _call(tag.method, [self._argument(item, {}, 0, "", sent) for item in tag.method.inputs or ()])
            )
        results = await self._results(calls)
        refusals = [
            (name, result)
            for name, result in zip(values, results, strict=True)
            if _refusal_in(result) is not None
        ]
        if refusals:
            self._look_for_gone(result.StatusCode for _, result in refusals)
            raise _kind_of_refusal(result.StatusCode for _, result in refusals)(
                Finding(
                    self._where(name),
                    f"set-point {self._shown(name, values[name])} refused ({_refusal_in(result)})",
                )
                for name, result in refusals
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
        nodes = self._nodes.instructions.get(instruction)
        if nodes is None:
            raise EquipmentError(
                Finding(self._where(instruction), "the server does not have it as it should be")
            )
        if isinstance(nodes, Trigger):
            request = ua.WriteRequest()
            request.Parameters.NodesToWrite.append(_item(nodes.node, nodes.variant))
            (code,) = (await self._session.request(request, ua.WriteResponse)).Results
            if not code.is_good():
                self._look_for_gone([code])
                raise _kind_of_refusal([code])(Finding(self._where(instruction), f"refused ({code.name})"))
            return
        (result,) = await self._results(
            [_call(nodes, self._inputs(instruction, nodes, arguments, number, owner))]
        )
        refusal = _refusal_in(result)
        if refusal is not None:
            self._look_for_gone([result.StatusCode])
            where = self._where(instruction)
            raise _kind_of_refusal([result.StatusCode])(Finding(where, f"refused: {refusal}"))

    def _inputs(
        self, name: str, nodes: ResolvedMethod, arguments: Mapping[str, float], number: int, owner: str
    ) -> list[ua.Variant]:
        if nodes.inputs is not None:
            return [self._argument(item, arguments, number, owner) for item in nodes.inputs]
        known = self._table.instructions[name]
        return [
            *(
                ua.Variant(scale(item.unit, item.kind).wire(arguments[item.name]), ua.VariantType.Double)
                for item in known.arguments
            ),
            ua.Variant(number, ua.VariantType.UInt32),
            ua.Variant(owner, ua.VariantType.String),
        ]

    @staticmethod
    def _argument(
        item: Input,
        arguments: Mapping[str, float],
        number: int,
        owner: str,
        value: ua.Variant | None = None,
    ) -> ua.Variant:
        source = item.source
        if source.what == VALUE and value is not None:
            return value
        if source.what == OWNER:
            return variant_of(item.variant_type, owner)
        if source.what == NUMBER:
            return variant_of(item.variant_type, float(number))
        if source.constant is not None:
            return variant_of(item.variant_type, source.constant)
        return variant_of(item.variant_type, item.scale.wire(arguments[source.what]))

    async def _results(self, calls: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        request = ua.CallRequest()
        request.Parameters.MethodsToCall = calls
        results = (await self._session.request(request, ua.CallResponse)).Results
        if len(results) != len(calls):
            raise self._odd(f"{len(results)} results for {len(calls)} calls")
        return list(results)

    def _set_point(self, name: str, misfits: Collection[str]) -> ResolvedTag:
        found = self._nodes.tags.get(name)
        if found is None or name in misfits:
            raise EquipmentError(Finding(self._where(name), "the server does not have it as it should be"))
        return found

    def _look_for_gone(self, codes: Iterable[Any]) -> None:
        gone = GONE | {ua.StatusCodes.BadMethodInvalid}
        self.gone = self.gone or any(int(code.value) in gone for code in codes)

    def _odd(self, found: str) -> EquipmentError:
        return EquipmentError(Finding(self._where(""), found, remedy="Check the server's version."))

    def _shown(self, name: str, value: float) -> str:
        tag = self._table.tags[name]
        if tag.choices and 0 <= value < len(tag.choices):
            return f'"{tag.choices[int(value)]}"'
        return f"{scale(tag.unit, tag.kind).wire(value):.6g} {tag.unit}".rstrip()

    def _where(self, what: str) -> str:
        return f"driver {self._session.target.url} {what}".rstrip()


def _item(node: ua.NodeId, variant: ua.Variant) -> ua.WriteValue:
    item = ua.WriteValue()
    item.NodeId = node
    item.AttributeId = ua.AttributeIds.Value
    item.Value = ua.DataValue(Value=variant, StatusCode=None)
    return item


def _call(method: ResolvedMethod, inputs: list[ua.Variant]) -> ua.CallMethodRequest:
    request = ua.CallMethodRequest()
    request.ObjectId, request.MethodId = method.parent, method.node
    request.InputArguments = inputs
    return request


def _refusal_in(result: ua.CallMethodResult) -> str | None:
    """Why a call was not obeyed; None when it was."""
    if not result.StatusCode.is_good():
        return str(result.StatusCode.name)
    outputs = [item.Value for item in result.OutputArguments or ()]
    if outputs and outputs[0] is False:
        return str(outputs[1]) if len(outputs) > 1 else "no reason given"
    return None


def _kind_of_refusal(codes: Iterable[Any]) -> type[EquipmentError]:
    """A refusal is final; what is only unavailable now may be asked again."""
    bad = [int(code.value) for code in codes if not code.is_good()]
    return EquipmentError if any(code in UNAVAILABLE for code in bad) else InstructionRefused
