"""Who may talk to the server: the checks between a secure channel and a session.

The stack under us accepts every well-formed certificate and, for discovery, unsecured channels. Here nothing
but discovery is answered unless the channel is signed and encrypted with a certificate that is on our trust
list, names the application URI that the client claims, and is neither weak nor expired. An unknown one goes
to the ``rejected`` folder, so that a person can trust it.
"""

from __future__ import annotations

import asyncio
import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from asyncua import Server, ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.internal_server import InternalServer
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary, uatcp_to_binary

from minifactory.opcua import certificates

_log = logging.getLogger(__name__)

DISCOVERY = {
    ua.ObjectIds.GetEndpointsRequest_Encoding_DefaultBinary,
    ua.ObjectIds.FindServersRequest_Encoding_DefaultBinary,
    ua.ObjectIds.CloseSecureChannelRequest_Encoding_DefaultBinary,
}
# Nobody may change the address space, register as a server, or take over a session from another channel.
REFUSED = {
    ua.ObjectIds.AddNodesRequest_Encoding_DefaultBinary,
    ua.ObjectIds.AddReferencesRequest_Encoding_DefaultBinary,
    ua.ObjectIds.DeleteNodesRequest_Encoding_DefaultBinary,
    ua.ObjectIds.DeleteReferencesRequest_Encoding_DefaultBinary,
    ua.ObjectIds.RegisterServerRequest_Encoding_DefaultBinary,
    ua.ObjectIds.RegisterServer2Request_Encoding_DefaultBinary,
    ua.ObjectIds.TransferSubscriptionsRequest_Encoding_DefaultBinary,
}
CREATE_SESSION = ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary
PEER: ContextVar[bytes | None] = ContextVar("peer", default=None)
"""Certificate (DER) of the client whose message is being answered; also in threads that answer for it."""
LIMITS = TransportLimits(65535, 65535, 128, 4 * 1024 * 1024)


@dataclass(frozen=True)
class Admission:
    """What a channel must be like.

    Parameters
    ----------
    identity : Identity
        The server's own; its PKI folder holds the trust list.
    unsecured : bool
        True lets unsecured channels in as well (only ever on loopback).
    """

    identity: certificates.Identity
    unsecured: bool = False

    def check_channel(self, mode: ua.MessageSecurityMode, certificate: bytes | None) -> None:
        """Return when a channel may be used for more than discovery; else ServiceError with the reason."""
        if mode == ua.MessageSecurityMode.None_:
            if not self.unsecured:
                raise ServiceError(ua.StatusCodes.BadSecurityModeInsufficient)
            return
        if mode != ua.MessageSecurityMode.SignAndEncrypt or not certificate:
            raise ServiceError(ua.StatusCodes.BadSecurityModeInsufficient)
        folder = self.identity.folder
        if not certificates.is_trusted(folder, certificate):
            mark = certificates.reject(folder, certificate)
            _log.warning("client certificate %s is not trusted; kept in %s", mark, folder / "rejected")
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)
        if fault := certificates.weakness(certificate):
            _log.warning("client certificate %s refused: %s", certificates.thumbprint(certificate), fault)
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid)

    def check_session(self, parameters: ua.CreateSessionParameters, certificate: bytes | None) -> None:
        """Return when the session's client is the owner of the channel; ServiceError otherwise."""
        if not certificate:
            return
        if parameters.ClientCertificate and parameters.ClientCertificate != certificate:
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid)
        if parameters.ClientDescription.ApplicationUri not in certificates.application_uris(certificate):
            raise ServiceError(ua.StatusCodes.BadCertificateUriInvalid)


class GuardedProcessor(UaProcessor):
    """The stack's message processor with the admission checks in front."""

    def __init__(
        self, iserver: InternalServer, transport: Any, limits: TransportLimits, admission: Admission
    ) -> None:
        super().__init__(iserver, transport, limits)
        self._admission = admission
        self._admitted = False

    async def process(self, header: Any, body: Any) -> bool:
        """Process one message; False closes the connection (also after what the stack cannot digest)."""
        try:
            return bool(await super().process(header, body))
        except Exception as fault:
            # Wrong policy, foreign or broken certificate, bad signature: say so and hang up, as OPC 10000-6
            # section 7.1.5 asks; details stay in our log.
            _log.warning("connection from %s refused: %s", self.name, fault)
            status = ua.StatusCode(ua.UInt32(ua.StatusCodes.BadSecurityChecksFailed))
            message = ua.ErrorMessage(status, "security checks failed")
            self._transport.write(uatcp_to_binary(ua.MessageType.Error, message))
            return False

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        service = typeid.Identifier
        if service not in DISCOVERY:
            if service in REFUSED:
                raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
            policy = self._connection.security_policy
            if not self._admitted:
                self._admission.check_channel(policy.Mode, policy.peer_certificate)
                self._admitted = True
            if service != CREATE_SESSION and self.session is None:
                raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
            if service == CREATE_SESSION:
                if self.session is not None:
                    raise ServiceError(ua.StatusCodes.BadTooManySessions)
                parameters = struct_from_binary(ua.CreateSessionParameters, body.copy())
                self._admission.check_session(parameters, policy.peer_certificate)
            PEER.set(policy.peer_certificate)
        return await super()._process_message(typeid, requesthdr, seqhdr, body)

    def _should_close_session_on_transport_loss(self) -> bool:
        return self.session is not None


class GuardedProtocol(OPCUAProtocol):
    """A connection whose messages go through a :class:`GuardedProcessor`."""

    def __init__(self, admission: Admission, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._admission = admission

    def connection_made(self, transport: Any) -> None:
        """Called by the event loop with a new connection."""
        super().connection_made(transport)
        self.processor: UaProcessor | None
        if self.processor is not None:
            self.processor = GuardedProcessor(self.iserver, transport, self.limits, self._admission)
            self.processor.set_policies(self.policies)


class GuardedBinaryServer(BinaryServer):
    """The stack's socket server with guarded connections."""

    def __init__(self, admission: Admission, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._admission = admission

    def _make_protocol(self) -> OPCUAProtocol:
        return GuardedProtocol(
            self._admission,
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )


class GuardedServer(Server):
    """The stack's server, listening through a :class:`GuardedBinaryServer`."""

    def __init__(self, admission: Admission, user_manager: Any) -> None:
        super().__init__(user_manager=user_manager)
        self._admission = admission
        self.limits = LIMITS

    async def start(self) -> None:
        """Listen."""
        await self._setup_server_nodes()
        await self.iserver.start()
        try:
            host, port = self._get_bind_socket_info()
            self.bserver = GuardedBinaryServer(self._admission, self.iserver, host, port, self.limits)
            self.bserver.set_policies(self._policies)
            await self.bserver.start()
        except BaseException:
            await self._stop_clock()
            await self.iserver.stop()
            raise

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        await self._stop_clock()
        await super().stop()

    async def _stop_clock(self) -> None:
        """End the stack's clock task at once, which it would otherwise wait a second for."""
        clock, self.iserver.time_task = self.iserver.time_task, None
        if clock is not None:
            clock.cancel()
            await asyncio.gather(clock, return_exceptions=True)
