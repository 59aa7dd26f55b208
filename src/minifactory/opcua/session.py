"""A secured session with an OPC UA server: discovered, checked, opened, renewed, closed.

Only Basic256Sha256 with signing and encryption is used. The server's certificate must be on the trust list of
our PKI folder, be sound, and name the application URI that the server claims; otherwise nothing is sent.
Every wait is bounded by the target's time-out.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from minifactory.clock import monotonic
from minifactory.errors import EquipmentError, Finding
from minifactory.opcua import certificates
from minifactory.opcua.certificates import Identity
from minifactory.opcua.image_request import ImageRequest, Item

_log = logging.getLogger(__name__)
# What the stack has to say beside its exceptions is for whoever asks for its log, not for the terminal.
logging.getLogger("asyncua").addHandler(logging.NullHandler())

CHANNEL_LIFETIME = 3600.0  # s
SESSION_LIFETIME = 3600.0  # s without any request; a client that dies closes its connection at once
RENEW_AFTER = 0.75  # of the channel's lifetime, as OPC 10000-4 section 5.5.2.1 advises


@dataclass(frozen=True)
class Target:
    """A server and how we present ourselves to it.

    Parameters
    ----------
    url : str
        E.g. ``opc.tcp://127.0.0.1:4840``.
    identity : Identity
        Our own; its PKI folder holds the trust list.
    timeout : float
        Longest wait for any answer of an open session, s.
    user, password : str
        User token, if the server asks for one.
    channel_lifetime : float
        Asked lifetime of the keys of the secure channel, s.
    opening : float
        Longest wait for each answer while a session is being opened, s. A server that has just started takes
        its time, as does a busy machine, and nothing is being missed yet.
    """

    url: str
    identity: Identity
    timeout: float = 1.5
    user: str = ""
    password: str = ""
    channel_lifetime: float = CHANNEL_LIFETIME
    opening: float = 15.0

    def __repr__(self) -> str:
        return f"Target({self.url!r}, {self.identity!r})"


class Session:
    """An open session. Made by :func:`open_session`; used from one event loop.

    Parameters
    ----------
    target : Target
        Whom it is with.
    client : Client
        The connected client of the stack.
    """

    def __init__(self, target: Target, client: Client) -> None:
        self.target = target
        self._client = client
        self._renew_at = 0.0
        self._note_lifetime()
        client.uaclient.protocol.timeout = target.timeout  # was `opening` until now

    @property
    def services(self) -> Any:
        """The services of the stack's session (read, write, call, browse, ...)."""
        return self._client.uaclient.session

    async def subscribe(self, period: float, handler: Any) -> Any:
        """A subscription of the stack with messages at most every `period` ms, told to `handler`."""
        return await self._client.create_subscription(period, handler)

    def node(self, nodeid: ua.NodeId) -> Any:
        """The stack's node, for subscriptions."""
        return self._client.get_node(nodeid)

    @property
    def is_open(self) -> bool:
        """Whether the connection stands, as far as is known."""
        protocol = self._client.uaclient.protocol
        return protocol is not None and protocol.transport is not None

    @property
    def channel_token(self) -> int:
        """The number of the channel's present keys; changes when they are renewed."""
        protocol = self._client.uaclient.protocol
        return 0 if protocol is None else int(protocol._connection.security_token.TokenId)

    async def request(self, message: Any, answer: type[Any]) -> Any:
        """The server's answer to `message`, decoded as `answer`; EquipmentError if there is none in time."""
        return await self.within(self._request(message, answer))

    async def exchange(self, image: ImageRequest) -> list[Item]:
        """The server's answer to the read of an image; EquipmentError if nothing sensible comes in time."""
        items: list[Item] = await self.within(self._exchange(image))
        return items

    async def within(self, work: Awaitable[Any]) -> Any:
        """What `work` gives; EquipmentError in place of whatever the stack or the network raise."""
        try:
            return await work
        except Exception as fault:
            # Whatever a broken or lying server provokes in the stack's decoders ends here, too.
            raise link_error(self.target, fault) from fault

    async def _protocol(self) -> Any:
        """The stack's protocol with an open connection and keys that are young enough."""
        if monotonic() > self._renew_at:
            await self._renew()
        protocol = self._client.uaclient.protocol
        if protocol is None or protocol.transport is None:
            raise ConnectionError("the connection was lost")
        return protocol

    async def _exchange(self, image: ImageRequest) -> list[Item]:
        # What the stack's protocol does for a request, with parameters that are encoded already.
        protocol = await self._protocol()
        header = ua.RequestHeader()
        protocol._setup_request_header(header, self.target.timeout)
        protocol.revolve_security_token()
        protocol._request_id += 1
        body = image.type_id + struct_to_binary(header) + image.parameters
        message = protocol._connection.message_to_binary(body, request_id=protocol._request_id)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        protocol._callbackmap[protocol._request_id] = answer
        protocol.transport.write(message)
        async with asyncio.timeout(self.target.timeout):
            body = await answer
        protocol.check_answer(body, " in response to a read")
        return image.decode(body)

    async def _request(self, message: Any, answer: type[Any]) -> Any:
        protocol = await self._protocol()
        body = await protocol.send_request(message, self.target.timeout)
        decoded = struct_from_binary(answer, body)
        decoded.ResponseHeader.ServiceResult.check()
        return decoded

    async def _renew(self) -> None:
        """Fresh keys for the channel; requests that are sent meanwhile still use the old ones."""
        self._renew_at = math.inf
        await self._client.open_secure_channel(renew=True)
        self._client.uaclient.revolve_security_token()
        self._note_lifetime()

    def _note_lifetime(self) -> None:
        self._renew_at = monotonic() + RENEW_AFTER * self._client.secure_channel_timeout / 1000.0

    async def close(self) -> None:
        """Say good-bye if the server still listens, and leave nothing open; never raises."""
        await _hang_up(self._client, polite=self.is_open)

    async def abort(self) -> None:
        """Drop the connection at once; never raises."""
        await _hang_up(self._client, polite=False)


async def open_session(target: Target) -> Session:
    """A session with the server of `target`.

    Raises
    ------
    EquipmentError
        Nobody listens, the server offers no secured endpoint, its certificate is not trusted (it is then kept
        in ``rejected``) or does not fit, it does not trust ours, or it refuses the user.
    """
    endpoint = await _discover(target)
    check_server(target, endpoint)
    client = _client(target)
    own = target.identity
    client.security_policy = SecurityPolicyBasic256Sha256(
        x509.load_der_x509_certificate(first_certificate(endpoint.ServerCertificate)),
        x509.load_der_x509_certificate(own.certificate),
        # Whether the key is sound was seen when the identity was made; to see it again takes 40 ms.
        load_pem_private_key(own.key, password=None, unsafe_skip_rsa_key_validation=True),
        ua.MessageSecurityMode.SignAndEncrypt,
    )
    client.uaclient.set_security(client.security_policy)
    try:
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        await client.create_session()
        await client.activate_session(target.user or None, target.password or None)
    except (OSError, TimeoutError, ua.UaError) as fault:
        await _hang_up(client, polite=False)
        raise link_error(target, fault, target.opening) from fault
    except BaseException:
        await _hang_up(client, polite=False)
        raise
    return Session(target, client)


async def server_endpoints(target: Target) -> list[Any]:
    """The endpoints that the server offers; asked without security, so not to be believed yet."""
    client = _client(target)
    try:
        endpoints: list[Any] = await client.connect_and_get_server_endpoints()
    except (OSError, TimeoutError, ua.UaError) as fault:
        raise link_error(target, fault, target.opening) from fault
    finally:
        await _hang_up(client, polite=False)
    return endpoints


async def _discover(target: Target) -> Any:
    endpoints = await server_endpoints(target)
    wanted = SecurityPolicyBasic256Sha256.URI
    for endpoint in endpoints:
        secured = endpoint.SecurityMode == ua.MessageSecurityMode.SignAndEncrypt
        if secured and endpoint.SecurityPolicyUri == wanted and endpoint.ServerCertificate:
            return endpoint
    offered = sorted({f"{str(item.SecurityPolicyUri).rpartition('#')[2]}" for item in endpoints})
    raise EquipmentError(
        Finding(
            f"driver {target.url}",
            f"the server offers only {', '.join(offered) or 'nothing'}",
            "an endpoint with Basic256Sha256, sign and encrypt",
            "Switch that endpoint on in the server's configuration.",
        )
    )


def check_server(target: Target, endpoint: Any) -> None:
    """Return when the certificate of `endpoint` may be believed.

    Raises
    ------
    EquipmentError
        It is not on the trust list (it is then kept in ``rejected``), weak, expired, or somebody else's.
    """
    der = first_certificate(endpoint.ServerCertificate)
    folder = target.identity.folder
    where = f"driver {target.url}"
    mark = certificates.thumbprint(der)
    if not certificates.is_trusted(folder, der):
        certificates.reject(folder, der)
        raise EquipmentError(
            Finding(
                where,
                f"the server's certificate {mark} is not trusted",
                f"a certificate in {folder / 'trusted'}",
                f"If the equipment shows the same thumbprint, trust it: minifactory trust {folder.name} "
                f"{mark[:16]} (or move {mark}.der there from {folder / 'rejected'}).",
            )
        )
    if fault := certificates.weakness(der):
        raise EquipmentError(
            Finding(
                where, f"the server's certificate {mark} cannot be used: {fault}", remedy="Renew it there."
            )
        )
    claimed = endpoint.Server.ApplicationUri
    if claimed not in certificates.application_uris(der):
        raise EquipmentError(
            Finding(
                where,
                f'the server calls itself "{claimed}", but its certificate belongs to '
                f'"{", ".join(certificates.application_uris(der))}"',
                "the same application URI in both",
                "Renew the server's certificate.",
            )
        )


def first_certificate(chain: bytes) -> bytes:
    """The application's own certificate out of a chain of concatenated DER certificates."""
    if len(chain) > 4 and chain[0] == 0x30 and chain[1] == 0x82:
        return chain[: int.from_bytes(chain[2:4], "big") + 4]
    return chain


_TRUST_US = (
    "Trust it on the server (it lies in the server's rejected list now; for a virtual skid of this machine: "
    "minifactory trust skid-NAME {mark}), then connect again."
)
_REFUSALS = {
    "BadCertificateUntrusted": (
        "the server does not trust our certificate {mark}",
        _TRUST_US,
    ),
    "BadSecurityChecksFailed": (
        "the server refused our certificate {mark}",
        _TRUST_US,
    ),
    "BadCertificateUriInvalid": (
        "the server says that our certificate {mark} names another application",
        "Remove the own certificate, so that a new one is made.",
    ),
    "BadUserAccessDenied": ('the server refused the user "{user}"', "Check user name and password."),
    "BadIdentityTokenRejected": (
        'the server does not accept the user "{user}"',
        "Check user name and password.",
    ),
}


def link_error(target: Target, fault: BaseException, waited: float | None = None) -> EquipmentError:
    """What went wrong with the link, in words, with what to do; `waited` in s, else the link's time-out."""
    where = f"driver {target.url}"
    name = type(fault).__name__
    if name in _REFUSALS:
        found, remedy = _REFUSALS[name]
        mark = certificates.thumbprint(target.identity.certificate)
        user = target.user or "anonymous"
        return EquipmentError(
            Finding(
                where, found.format(mark=mark, user=user), remedy=remedy.format(mark=mark[:16], user=user)
            )
        )
    if isinstance(fault, TimeoutError):
        found = f"no answer within {target.timeout if waited is None else waited:g} s"
    elif isinstance(fault, ConnectionRefusedError):
        found = "nobody listens there"
    elif "No supported user token policy" in str(fault) or "token" in str(fault).lower():
        found = "the server asks for a user name and password"
    else:
        found = f"the link failed ({name}: {fault})"
    return EquipmentError(
        Finding(where, found, remedy="Check that the equipment is on and the address right.")
    )


def _client(target: Target) -> Client:
    client = Client(target.url, timeout=max(target.timeout, target.opening))
    client.application_uri = target.identity.application_uri
    client.name = client.description = target.identity.application_uri.rpartition(":")[2]
    client.product_uri = "urn:minifactory"
    client.secure_channel_timeout = round(target.channel_lifetime * 1000)
    client.session_timeout = round(SESSION_LIFETIME * 1000)
    return client


async def _hang_up(client: Client, polite: bool) -> None:
    protocol = client.uaclient.protocol
    try:
        if polite:
            await client.close_session()
            await client.close_secure_channel()
    except Exception as fault:  # the server is gone or talks nonsense; there is nothing left to say
        _log.info("no good-bye from %s: %s", client.server_url.geturl(), fault)
    client.disconnect_socket()
    if protocol is not None and protocol.transport is not None:
        if not polite:
            protocol.transport.abort()
        while protocol.transport is not None:  # until the event loop has told the protocol
            await asyncio.sleep(0)
