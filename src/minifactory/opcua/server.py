"""A skid as an OPC UA server: Basic256Sha256, sign and encrypt, only for clients on the trust list.

The server publishes a :class:`~minifactory.opcua.source.TagSource`. Free running, it lets the source's
process time follow the monotonic clock times a speed; in lock-step a client is time master and moves it
through ``Simulation.AdvanceTo``, which answers with the image, so that a scan is one round trip.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace, AttributeService
from asyncua.server.internal_server import InternalServer
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from minifactory.errors import EquipmentError, Finding, InputError, MiniFactoryError
from minifactory.opcua.address_space import SkidAddressSpace
from minifactory.opcua.admission import Admission, GuardedServer
from minifactory.opcua.certificates import Identity
from minifactory.opcua.layout import LayoutOf, own_layout
from minifactory.opcua.publication import Publication
from minifactory.opcua.source import Console, Shared, TagSource
from minifactory.opcua.wire import DATA_VARIANTS
from minifactory.signals.backend import InstructionRefused
from minifactory.signals.tags import Instruction

_log = logging.getLogger(__name__)

LONGEST_STEP = 60.0  # s of process time in one call, so that the server stays responsive
LONGEST_STANDSTILL = 1.0  # s; time lost while the process was stopped or asleep beyond this is not caught up
ANNOUNCE_PERIOD = 0.1  # s
OTHERS_PATIENCE = 0.5  # s of real time in which one call waits for the time that others have to grant
LONGEST_SESSION = 3600.0  # s without any request
MOST_CONNECTIONS = 100


@dataclass(frozen=True)
class ServerSettings:
    """How a server runs.

    Parameters
    ----------
    identity : Identity
        Own certificate and PKI folder with the trust list.
    host : str
        Address to listen on; loopback by default.
    port : int
        0 takes a free one.
    lock_step : bool
        True lets a client be time master; process time then stands still on its own.
    speed : float
        Process seconds per second when free running.
    period : float
        Time between two advances when free running, s.
    users : mapping
        User name -> digest made by :func:`password_digest`. Empty: no user token is asked, the client's
        certificate is enough.
    unsecured : bool
        True offers an endpoint without security and user as well; refused unless `host` is loopback.
    layout : callable
        Gives the layout of the address space for a tag table.
    """

    identity: Identity
    host: str = "127.0.0.1"
    port: int = 0
    lock_step: bool = False
    speed: float = 1.0
    period: float = 0.02
    users: Mapping[str, str] = field(default_factory=dict)
    unsecured: bool = False
    layout: LayoutOf = own_layout

    def __post_init__(self) -> None:
        if self.unsecured and not _is_loopback(self.host):
            raise InputError(
                Finding(
                    f"server {self.host}",
                    "an endpoint without security is asked for on an address that others can reach",
                    "loopback, e.g. 127.0.0.1",
                    "Trust the client's certificate instead.",
                )
            )
        if not (self.speed > 0.0 and self.period > 0.0):
            raise InputError(
                Finding("server", f"speed {self.speed}, period {self.period}", "both above zero")
            )


def password_digest(password: str, salt: bytes | None = None) -> str:
    """What :class:`ServerSettings` keeps of a password: salt and scrypt digest as hexadecimal text."""
    salt = os.urandom(16) if salt is None else salt
    digest = hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
    return f"{salt.hex()}:{digest.hex()}"


class SkidServer:
    """An OPC UA server of one skid; an asynchronous context manager that listens while it is entered.

    Parameters
    ----------
    source : TagSource
        What is published. Used from the event loop only.
    settings : ServerSettings
        How.
    """

    def __init__(self, source: TagSource, settings: ServerSettings) -> None:
        self.settings = settings
        self._publication = Publication(source, settings.layout(source.table))
        admission = Admission(settings.identity, settings.unsecured)
        self._server = GuardedServer(admission, _Users(settings.users))
        self._space = SkidAddressSpace(self._server, self._publication)
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: asyncio.Future[Any] | None = None

    @property
    def endpoint(self) -> str:
        """The URL under which clients reach this server."""
        binary = self._server.bserver
        if binary is None:
            raise EquipmentError(Finding("server", "it does not listen yet", remedy="Enter it first."))
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"opc.tcp://{host}:{binary.port}{self._path}"

    @property
    def _path(self) -> str:
        return f"/{self._publication.layout.endpoint}/{self._publication.source.table.skid}"

    async def __aenter__(self) -> SkidServer:
        settings, server = self.settings, self._server
        skid = self._publication.source.table.skid
        server.set_server_name(f"MiniFactory {skid}")
        server.manufacturer_name = "MiniFactory"
        server.product_uri = "urn:minifactory:skid-server"
        server.application_type = ua.ApplicationType.Server
        server.allow_remote_admin(False)
        server.iserver.max_session_timeout_ms = LONGEST_SESSION * 1000.0
        server.iserver.max_connections = MOST_CONNECTIONS
        await server.init()
        await server.set_application_uri(settings.identity.application_uri)
        server.set_endpoint(f"opc.tcp://{settings.host}:{settings.port}{self._path}")
        policies = [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
        if settings.unsecured:
            policies.append(ua.SecurityPolicyType.NoSecurity)
        server.set_security_policy(policies)
        server.set_identity_tokens(
            [ua.UserNameIdentityToken if settings.users else ua.AnonymousIdentityToken]
        )
        server.iserver.certificate = x509.load_der_x509_certificate(settings.identity.certificate)
        server.iserver.private_key = load_pem_private_key(settings.identity.key, password=None)
        await self._space.build(
            self._method, self._advance_to if settings.lock_step else None, self._operation
        )
        server.iserver.attribute_service = _TagAttributes(
            server.iserver.aspace, self._space, self._publication
        )
        try:
            await server.start()
        except OSError as fault:
            raise EquipmentError(
                Finding(
                    f"server {settings.host}:{settings.port}",
                    f"cannot listen there ({fault.strerror})",
                    "a free port on an own address",
                    "Choose another port, or 0 for any.",
                )
            ) from fault
        self._failure = asyncio.get_running_loop().create_future()
        self._start(self._announce())
        if not settings.lock_step:
            self._start(self._pace())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._failure is not None:
            self._failure.cancel()
        await self._server.stop()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; an error of the source ends it and is raised here."""
        assert self._failure is not None
        waiting: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([waiting, self._failure], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._failure.done():
            self._failure.result()

    def _start(self, coroutine: Any) -> None:
        self._tasks.append(asyncio.create_task(coroutine))

    def _fail(self, fault: Exception) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(fault)

    async def _pace(self) -> None:
        """Let process time follow the monotonic clock, phase-locked, without catching up a standstill."""
        loop, settings, publication = asyncio.get_running_loop(), self.settings, self._publication
        process_time = publication.image.time
        last = due = loop.time()
        try:
            while True:
                due = max(due + settings.period, loop.time() - LONGEST_STANDSTILL)
                await asyncio.sleep(due - loop.time())
                now = loop.time()
                target = process_time + min(now - last, LONGEST_STANDSTILL) * settings.speed
                last = now
                while process_time < target:
                    process_time = min(target, process_time + 1.0)
                    publication.source.advance(process_time)
                    await asyncio.sleep(0)
                publication.refresh()
        except Exception as fault:
            self._fail(fault)

    async def _announce(self) -> None:
        try:
            while True:
                await asyncio.sleep(ANNOUNCE_PERIOD)
                await self._space.announce()
        except Exception as fault:
            self._fail(fault)

    async def _advance_to(self, _parent: ua.NodeId, *arguments: ua.Variant) -> Any:
        publication = self._publication
        if fault := _argument_fault(arguments, (ua.VariantType.Double,)):
            return fault
        asked = arguments[0].Value
        if isinstance(publication.source, Shared):
            publication.refresh()  # others may have moved it
            if asked == math.inf:  # the controller takes its leave
                publication.source.release()
                asked = -math.inf
        now = publication.image.time
        if math.isnan(asked) or asked > now + LONGEST_STEP:
            return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadOutOfRange))
        try:
            if asked > now and isinstance(publication.source, Shared):
                await publication.source.reach(asked, OTHERS_PATIENCE)
                publication.refresh()
            elif asked > now:
                publication.advance(asked)
        except Exception as fault_of_source:
            self._fail(fault_of_source)
            await self._space.note_refusal(str(fault_of_source))
            return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadDeviceFailure))
        return [
            ua.Variant(publication.image.time, ua.VariantType.Double),
            ua.Variant(publication.wire_values(), ua.VariantType.Double, is_array=True),
            ua.Variant(publication.statuses(), ua.VariantType.UInt32, is_array=True),
        ]

    def _method(self, instruction: Instruction) -> Any:
        publication = self._publication
        types = (
            *(ua.VariantType.Double for _ in instruction.arguments),
            ua.VariantType.UInt32,
            ua.VariantType.String,
        )
        scales = publication.argument_scales(instruction)

        async def call(_parent: ua.NodeId, *arguments: ua.Variant) -> Any:
            if fault := _argument_fault(arguments, types):
                return fault
            *numbers, number, owner = (item.Value for item in arguments)
            values = {
                item.name: scaled.si(value)
                for item, scaled, value in zip(instruction.arguments, scales, numbers, strict=True)
            }
            reason = ""
            try:
                publication.source.call(instruction.name, values, int(number), owner or "")
            except MiniFactoryError as refusal:
                reason = str(refusal)
                await self._space.note_refusal(reason)
            return [
                ua.Variant(not reason, ua.VariantType.Boolean),
                ua.Variant(reason, ua.VariantType.String),
            ]

        return call

    def _operation(self, action: str) -> Any:
        source = self._publication.source

        async def operate(_parent: ua.NodeId, *arguments: ua.Variant) -> Any:
            if fault := _argument_fault(arguments, ()):
                return fault
            if not isinstance(source, Console):
                return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadNotSupported))
            source.console(action)
            return []

        return operate


class _TagAttributes(AttributeService):
    """The attribute service with set-points written in one piece: all of them or none."""

    def __init__(self, aspace: AddressSpace, space: SkidAddressSpace, publication: Publication) -> None:
        super().__init__(aspace)
        self._space = space
        self._publication = publication

    async def write(
        self, params: ua.WriteParameters, user: User = User(role=UserRole.Admin)
    ) -> list[ua.StatusCode]:
        """Write attributes; a status code for each."""
        places = [self._space.place.get(item.NodeId) for item in params.NodesToWrite]
        if all(place is None for place in places):
            codes_of_others: list[ua.StatusCode] = await super().write(params, user)
            return codes_of_others
        codes, values, reasons = [], {}, []
        for place, item in zip(places, params.NodesToWrite, strict=True):
            code, reason = self._check(place, item)
            codes.append(code)
            if reason:
                reasons.append(reason)
            elif place is not None:
                value = float(item.Value.Value.Value)
                values[self._publication.tags[place].name] = self._publication.scales[place].si(value)
        if not reasons:
            try:
                self._publication.source.write(values)
            except InstructionRefused as refusal:
                reasons = [str(refusal)]
        if reasons:
            await self._space.note_refusal(" ".join(reasons))
            codes = [code or ua.StatusCodes.BadInvalidState for code in codes]
        return [ua.StatusCode(ua.UInt32(code)) for code in codes]

    def _check(self, place: int | None, item: ua.WriteValue) -> tuple[int, str]:
        publication = self._publication
        if place is None or item.AttributeId != ua.AttributeIds.Value or not publication.tags[place].writable:
            return ua.StatusCodes.BadNotWritable, f"{item.NodeId.to_string()} is not a set-point."
        tag = publication.tags[place]
        variant = item.Value.Value
        if (
            item.IndexRange
            or variant is None
            or variant.VariantType != DATA_VARIANTS[publication.forms[place]]
        ):
            return ua.StatusCodes.BadTypeMismatch, f"{tag.name} is of type {publication.forms[place].name}."
        value = publication.scales[place].si(float(variant.Value))
        last = len(tag.choices) - 1 if tag.choices else math.inf
        slack = 1e-9 * max(abs(tag.lower), abs(tag.upper)) if math.isfinite(tag.upper - tag.lower) else 0.0
        if not (math.isfinite(value) and tag.lower - slack <= value <= min(tag.upper, last) + slack):
            return ua.StatusCodes.BadOutOfRange, f"{tag.name} = {variant.Value:.6g} is out of range."
        return ua.StatusCodes.Good, ""


class _Users:
    """Users with passwords; with none configured, whoever was admitted by certificate is let in."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = dict(users)

    def get_user(
        self,
        _iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: Any = None,  # noqa: ARG002
    ) -> User | None:
        """The user, or None when name or password are wrong."""
        if not self._users:
            return User(role=UserRole.User)
        # The work is the same for unknown names, so that names cannot be told by the time it takes.
        known = self._users.get(username or "", f"{bytes(16).hex()}:")
        salt = bytes.fromhex(known.partition(":")[0])
        if not hmac.compare_digest(password_digest(password or "", salt), known):
            return None
        return User(role=UserRole.User, name=username)


def _argument_fault(
    arguments: tuple[ua.Variant, ...], types: tuple[ua.VariantType, ...]
) -> ua.CallMethodResult | None:
    result = ua.CallMethodResult()
    if len(arguments) != len(types):
        few = len(arguments) < len(types)
        code = ua.StatusCodes.BadArgumentsMissing if few else ua.StatusCodes.BadTooManyArguments
        result.StatusCode = ua.StatusCode(ua.UInt32(code))
        return result
    faults = [
        argument.VariantType != wanted or argument.is_array
        for argument, wanted in zip(arguments, types, strict=True)
    ]
    if not any(faults):
        return None
    result.StatusCode = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadInvalidArgument))
    result.InputArgumentResults = [
        ua.StatusCode(ua.UInt32(ua.StatusCodes.BadTypeMismatch if fault else ua.StatusCodes.Good))
        for fault in faults
    ]
    return result


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


__all__ = ["ServerSettings", "SkidServer", "password_digest"]
