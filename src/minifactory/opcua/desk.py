"""A controller's desk as an OPC UA server in a thread of its own, and the client that speaks to it.

    Objects/Desk   State, Reason, Run, Phase, Status (JSON)      variables, read-only
                   Words (JSON)                                  what peers are told, of the last scans
                   Start, Hold, Pause, ...  (Owner)              -> Accepted, Reason
                   Request (Owner, Request as JSON)              -> Accepted, Reason, Result as JSON

Security and trust are those of every server here. The desk never touches the controller's scan: a call is
handed to `answer` in a worker thread, which lines the request up and waits for what the scan decides.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from minifactory.errors import EquipmentError, Finding
from minifactory.opcua.admission import Admission, GuardedServer
from minifactory.opcua.browse_path import path_of
from minifactory.opcua.browsing import NameBrowser
from minifactory.opcua.certificates import Identity
from minifactory.opcua.session import SESSION_LIFETIME, Target, open_session

NAMESPACE = "urn:minifactory:desk"
FOLDER, REQUEST, WORDS = "Desk", "Request", "Words"
WORDS_PERIOD = 0.05
"""s of real time between two looks at whether there is something new to tell subscribers."""
SHOWN = ("State", "Reason", "Run", "Phase", "Status")
START_PATIENCE = 30.0
"""s of real time in which the server must listen."""

Answer = Callable[[str, Mapping[str, Any]], tuple[bool, str, Mapping[str, Any]]]
"""Owner and request -> accepted, reason, result."""


class DeskServer:
    """Serves one desk on loopback until it is closed.

    Parameters
    ----------
    identity : Identity
        The controller's own; its PKI folder holds the trust list.
    name : str
        Of the controller.
    commands : sequence of str
        Commands that get a method of their own.
    shown : callable
        The texts of :data:`SHOWN`, by name; called in the server's thread.
    answer : callable
        Decides a request; may block.
    words : callable, optional
        What peers are told (JSON): in answer to a read as it is at that moment, to subscribers when it has
        changed.
    host : str
        Address to listen on; loopback by default.
    """

    def __init__(
        self,
        identity: Identity,
        name: str,
        commands: Sequence[str],
        shown: Callable[[], Mapping[str, str]],
        answer: Answer,
        words: Callable[[], str] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.endpoint = ""
        self._words, self._host = words, host
        self._identity, self._name, self._commands = identity, name, tuple(commands)
        self._shown, self._answer = shown, answer
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._fault: Exception | None = None
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"desk {name}", daemon=True)

    def start(self) -> None:
        """Listen from now on; returns when it does.

        Raises
        ------
        EquipmentError
            When it cannot.
        """
        self._thread.start()
        if not self._listening.wait(START_PATIENCE) or self._fault is not None:
            found = f"cannot listen ({self._fault or 'no answer'})"
            raise EquipmentError(Finding(f"desk {self._name}", found, "a free port on loopback"))

    def close(self) -> None:
        """Stop listening; idempotent."""
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        if self._thread.is_alive():
            self._thread.join(START_PATIENCE)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as fault:
            self._fault = fault
            self._listening.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = GuardedServer(Admission(self._identity), _Anyone())
        server.set_server_name(f"MiniFactory Orbit {self._name}")
        server.application_type = ua.ApplicationType.Server
        server.allow_remote_admin(False)
        server.iserver.max_session_timeout_ms = SESSION_LIFETIME * 1000.0
        await server.init()
        await server.set_application_uri(self._identity.application_uri)
        server.set_endpoint(f"opc.tcp://{self._host}:0/orbit/{self._name}")
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        server.iserver.certificate = x509.load_der_x509_certificate(self._identity.certificate)
        server.iserver.private_key = load_pem_private_key(self._identity.key, password=None)
        await self._build(server)
        await server.start()
        telling = None if self._words is None else asyncio.create_task(self._tell(server))
        try:
            binary = server.bserver
            assert binary is not None
            self.endpoint = f"opc.tcp://{self._host}:{binary.port}/orbit/{self._name}"
            self._listening.set()
            await self._stop.wait()
        finally:
            if telling is not None:
                telling.cancel()
            await server.stop()

    async def _tell(self, server: Any) -> None:
        """Offer what peers are told to those who subscribed to it, when it has changed."""
        index = await server.get_namespace_index(NAMESPACE)
        attributes = server.iserver.aspace[ua.NodeId(f"{FOLDER}.{WORDS}", index)].attributes
        told = ""
        while True:
            await asyncio.sleep(WORDS_PERIOD)
            value = self._said()
            if value.Value.Value != told:
                told = value.Value.Value
                for handle, callback in list(attributes[ua.AttributeIds.Value].datachange_callbacks.items()):
                    await callback(handle, value)

    async def _build(self, server: Any) -> None:
        index = await server.register_namespace(NAMESPACE)
        folder = await server.nodes.objects.add_object(ua.NodeId(FOLDER, index), f"{index}:{FOLDER}")
        for name in SHOWN:
            node = await folder.add_variable(ua.NodeId(f"{FOLDER}.{name}", index), f"{index}:{name}", "")
            server.iserver.set_attribute_value_callback(
                node.nodeid, lambda _node, _attribute, name=name: self._value(name)
            )
        texts = [ua.VariantType.String]
        if self._words is not None:
            node = await folder.add_variable(ua.NodeId(f"{FOLDER}.{WORDS}", index), f"{index}:{WORDS}", "")
            server.iserver.set_attribute_value_callback(node.nodeid, lambda _node, _attribute: self._said())
        outputs = [ua.VariantType.Boolean, ua.VariantType.String]
        for command in self._commands:
            name = command.capitalize()
            await folder.add_method(
                ua.NodeId(f"{FOLDER}.{name}", index), f"{index}:{name}", self._method(command), texts, outputs
            )
        await folder.add_method(
            ua.NodeId(f"{FOLDER}.{REQUEST}", index),
            f"{index}:{REQUEST}",
            self._request,
            texts * 2,
            [*outputs, ua.VariantType.String],
        )

    def _value(self, name: str) -> ua.DataValue:
        return ua.DataValue(ua.Variant(str(self._shown().get(name, "")), ua.VariantType.String))

    def _said(self) -> ua.DataValue:
        assert self._words is not None
        return ua.DataValue(ua.Variant(self._words(), ua.VariantType.String))

    def _method(self, command: str) -> Any:
        async def call(_parent: ua.NodeId, owner: ua.Variant) -> list[ua.Variant]:
            said = await asyncio.to_thread(self._answer, str(owner.Value or ""), {"do": command})
            return [ua.Variant(said[0], ua.VariantType.Boolean), ua.Variant(said[1], ua.VariantType.String)]

        return call

    async def _request(self, _parent: ua.NodeId, owner: ua.Variant, asked: ua.Variant) -> list[ua.Variant]:
        accepted, reason, result = False, "the request is not a JSON object", {}
        try:
            request = json.loads(str(asked.Value or ""))
        except ValueError:
            request = None
        if isinstance(request, dict):
            said = await asyncio.to_thread(self._answer, str(owner.Value or ""), request)
            accepted, reason, result = said[0], said[1], dict(said[2])
        return [
            ua.Variant(accepted, ua.VariantType.Boolean),
            ua.Variant(reason, ua.VariantType.String),
            ua.Variant(json.dumps(result), ua.VariantType.String),
        ]


class _Anyone:
    """Whoever was admitted by certificate is let in."""

    def get_user(self, _server: Any, **_token: Any) -> User:
        """A user without a name."""
        return User(role=UserRole.User)


def ask_desk(target: Target, owner: str, request: Mapping[str, Any]) -> tuple[bool, str, dict[str, Any]]:
    """What the desk at `target` answers to `request` of `owner`: accepted, reason, result.

    Raises
    ------
    EquipmentError
        When nobody answers there, or it is no desk.
    """
    return asyncio.run(_ask(target, owner, request))


async def _ask(target: Target, owner: str, request: Mapping[str, Any]) -> tuple[bool, str, dict[str, Any]]:
    session = await open_session(target)
    try:
        browser = await NameBrowser.connect(session, [NAMESPACE])
        folder, method = await browser.find(
            [path_of(NAMESPACE, (FOLDER,)), path_of(NAMESPACE, (FOLDER, REQUEST))]
        )
        if folder is None or method is None:
            raise EquipmentError(Finding(target.url, "no desk of a controller is there"))
        call = ua.CallMethodRequest()
        call.ObjectId, call.MethodId = folder, method
        call.InputArguments = [
            ua.Variant(owner, ua.VariantType.String),
            ua.Variant(json.dumps(request), ua.VariantType.String),
        ]
        asked = ua.CallRequest()
        asked.Parameters.MethodsToCall = [call]
        (result,) = (await session.request(asked, ua.CallResponse)).Results
        result.StatusCode.check()
        accepted, reason, text = (item.Value for item in result.OutputArguments)
        return bool(accepted), str(reason or ""), json.loads(text or "{}")
    finally:
        await session.close()
