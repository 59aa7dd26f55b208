"""A server of another maker for tests: other namespaces, names, units and types, and manners that go wrong.

It knows nothing of MiniFactory: plain variables and methods of the asyncua stack, changed by the test.
"""

from __future__ import annotations

from typing import Any

from asyncua import Server, ua
from asyncua.common.methods import uamethod
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509

from minifactory.opcua.certificates import Identity

VENDOR, VALVES = "urn:acme:chrom", "http://acme.example/valves"


class Foreign:
    """A listening server of another maker; `nodes` by their name there.

    Parameters
    ----------
    identity : Identity
        Its certificate and key.
    port : int
        0 takes a free one.
    padding : int
        Namespaces and nodes that are there before its own, so that indices and node ids differ.
    """

    def __init__(self, identity: Identity, port: int = 0, padding: int = 0) -> None:
        self.identity, self.port, self.padding = identity, port, padding
        self.nodes: dict[str, Any] = {}
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.server = Server(user_manager=_Anybody())

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"opc.tcp://127.0.0.1:{self.server.bserver.port}/acme"

    async def __aenter__(self) -> Foreign:
        server = self.server
        await server.init()
        await server.set_application_uri(self.identity.application_uri)
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/acme")
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.iserver.certificate = x509.load_der_x509_certificate(self.identity.certificate)
        await server.load_private_key(self.identity.folder / "own" / "key.pem")
        await self.build()
        await server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    async def build(self) -> None:
        """Make the address space."""
        for number in range(self.padding):
            await self.server.register_namespace(f"urn:padding:{number}")
        space = await self.server.register_namespace(VENDOR)
        valves = await self.server.register_namespace(VALVES)
        self.space, self.valve_space = space, valves
        top = await self.server.nodes.objects.add_object(space, "ChromUnit 7")
        pumps = await top.add_folder(space, "Pump System")
        detectors = await top.add_folder(space, "Detection")
        await self.analogue(pumps, "Total Flow Rate", 0.0, "l/h", 0.0, 6.0)
        await self.analogue(pumps, "Total Flow Rate Setpoint", 0.0, "l/h", 0.0, 6.0, writable=True)
        await self.analogue(pumps, "Conc B", 0.0, "%", 0.0, 100.0)
        await self.analogue(pumps, "Conc B Setpoint", 0.0, "%", 0.0, 100.0, writable=True)
        await self.analogue(detectors, "UV Absorbance 1", 0.0, "mAU", -100.0, 3000.0)
        await self.analogue(detectors, "Conductivity", 5.0, "µS/cm", 0.0, 100000.0)
        await self.analogue(detectors, "Conductivity Cell Temperature", 25.0, "°C", 0.0, 100.0)
        await self.analogue(pumps, "System Pressure", 0.1, "bar", 0.0, 200.0)
        folder = await top.add_folder(valves, "Valves")
        for name, writable in (("Outlet Valve Pos", False), ("Outlet Valve Cmd", True)):
            node = await folder.add_variable(valves, name, ua.Variant(1, ua.VariantType.Int16))
            texts = [ua.LocalizedText(text) for text in ("none", "WasteF1", "F2", "F3")]
            await node.add_property(0, "EnumStrings", texts)
            if writable:
                await node.set_writable()
            self.nodes[name] = node
        mode = await folder.add_variable(valves, "Injection Valve Pos", "Load")
        self.nodes["Injection Valve Pos"] = mode
        for name, inputs in (
            ("Zero UV", []),
            ("Run Gradient", [("Target B", "%"), ("Gradient Length", "ml")]),
        ):
            arguments = [_argument(argument, unit) for argument, unit in inputs]
            self.nodes[name] = await top.add_method(space, name, self._called(name), arguments, [])

    async def analogue(
        self,
        parent: Any,
        name: str,
        value: float,
        unit: str,
        low: float,
        high: float,
        writable: bool = False,
    ) -> None:
        """Add an analogue item."""
        node = await parent.add_variable(self.space, name, ua.Variant(value, ua.VariantType.Float))
        information = ua.EUInformation()
        information.DisplayName = ua.LocalizedText(unit)
        information.UnitId = -1
        await node.add_property(0, "EngineeringUnits", information)
        await node.add_property(0, "EURange", ua.Range(Low=low, High=high))
        if writable:
            await node.set_writable()
        self.nodes[name] = node

    async def set(self, name: str, value: Any, **stamps: Any) -> None:
        """Let a variable have a value, with the status and time stamps given."""
        node = self.nodes[name]
        held = (await node.read_data_value()).Value.VariantType
        await node.write_value(ua.DataValue(ua.Variant(value, held), **stamps))

    async def set_unit(self, name: str, unit: str) -> None:
        """Let a variable have another engineering unit."""
        information = ua.EUInformation()
        information.DisplayName = ua.LocalizedText(unit)
        (found,) = [
            item
            for item in await self.nodes[name].get_properties()
            if (await item.read_browse_name()).Name == "EngineeringUnits"
        ]
        await found.write_value(information)

    async def value(self, name: str) -> Any:
        """What a variable holds."""
        return await self.nodes[name].read_value()

    async def move(self) -> None:
        """Take everything away and make it anew under other node ids, while clients are connected."""
        for node in await self.server.nodes.objects.get_children():
            if node.nodeid.NamespaceIndex:
                await self.server.delete_nodes([node], recursive=True)
        self.nodes.clear()
        await self.build()

    def _called(self, name: str) -> Any:
        @uamethod
        def called(_parent: Any, *arguments: Any) -> None:
            self.calls.append((name, arguments))

        return called


class _Anybody:
    """Lets everybody in who has a certificate."""

    def get_user(self, *_: Any, **__: Any) -> User:
        return User(role=UserRole.User)


def _argument(name: str, unit: str) -> ua.Argument:
    argument = ua.Argument()
    argument.Name = name
    argument.DataType = ua.NodeId(ua.ObjectIds.Double)
    argument.ValueRank = -1
    argument.Description = ua.LocalizedText(unit)
    return argument
