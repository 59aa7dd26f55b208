"""The server shows a skid to trusted clients over a secured channel, and to nobody else."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from trivial_skid import ML_MIN, TrivialSkid

from minifactory.errors import EquipmentError, InputError
from minifactory.opcua.certificates import Identity, introduce, own_identity, trust, trust_list
from minifactory.opcua.client import connect
from minifactory.opcua.server import ServerSettings, SkidServer, password_digest
from minifactory.opcua.session import Target
from minifactory.signals import InstructionRefused, Quality

PATIENCE = 60.0  # s for an answer; only a test that fails waits as long
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Rig:
    """A trivial skid, its running lock-step server, and the identities of server and a trusted client."""

    skid: TrivialSkid
    url: str
    server: Identity
    client: Identity


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def listening(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One server for the whole file, since starting one takes a second."""
    folder = tmp_path_factory.mktemp("pki")
    server_identity = own_identity(folder / "skid", "urn:minifactory:test:skid1")
    client_identity = own_identity(folder / "orbit", "urn:minifactory:test:orbit1")
    introduce(server_identity, client_identity)
    skid = TrivialSkid()
    async with SkidServer(skid, ServerSettings(server_identity, lock_step=True)) as server:
        yield Rig(skid, server.endpoint, server_identity, client_identity)


@pytest.fixture
def rig(listening: Rig) -> Rig:
    """The server with its skid as new, except for the time."""
    listening.skid.restart()
    return listening


Pair = tuple[Identity, Identity]


def raw_client(
    url: str,
    identity: Identity,
    server: Identity,
    policy: Any = security_policies.SecurityPolicyBasic256Sha256,
    mode: ua.MessageSecurityMode = ua.MessageSecurityMode.SignAndEncrypt,
) -> Client:
    """A client of the stack itself, without any of our checks."""
    client = Client(url, timeout=PATIENCE)
    client.application_uri = identity.application_uri
    client.security_policy = policy(
        x509.load_der_x509_certificate(server.certificate),
        x509.load_der_x509_certificate(identity.certificate),
        load_pem_private_key(identity.key, password=None),
        mode,
    )
    client.uaclient.set_security(client.security_policy)
    return client


async def test_values_travel_in_si_with_quality(rig: Rig) -> None:
    rig.skid.quality = {"UV1.Signal": Quality.UNCERTAIN, "Pressure.System": Quality.BAD}
    client = await connect(Target(rig.url, rig.client, PATIENCE), rig.skid.table)
    time, moved = await client.advance(rig.skid.time + 1.0)
    for image in (await client.read(), moved):
        assert set(image) == {tag.name for tag in rig.skid.table.readable}
        assert image["UV1.Signal"].value == pytest.approx(1.5 + math.sin(time), rel=1e-14)
        assert image["UV1.Signal"].quality is Quality.UNCERTAIN
        assert image["Pressure.System"].quality is Quality.BAD
        assert image["Cond.Temperature"].value == pytest.approx(298.15, rel=1e-14)
        assert image["Cond.Temperature"].quality is Quality.GOOD
        assert image["System.State"].value == 1.0
        assert image["Gradient.Running"].value == 0.0
    assert math.isnan((await client.read())["Pressure.System"].value)
    await client.close()


async def test_process_time_moves_only_on_demand_in_lock_step(rig: Rig) -> None:
    client = await connect(Target(rig.url, rig.client, PATIENCE), rig.skid.table)
    assert client.lock_step
    wanted = rig.skid.time + 2.5
    reached, image = await client.advance(wanted)
    assert reached == wanted
    assert image["System.ProcessTime"].value == wanted
    assert image["UV1.Signal"].time == wanted
    assert (await client.advance(1.0))[0] == wanted
    with pytest.raises(EquipmentError, match="BadOutOfRange"):
        await client.advance(1e6)
    await client.close()


async def test_set_points_are_taken_over_together_or_not_at_all(rig: Rig) -> None:
    client = await connect(Target(rig.url, rig.client, PATIENCE), rig.skid.table)
    wanted = {"System.Flow.SP": 5 * ML_MIN, "OutletValve.SP": 2.0, "UV1.Lamp.SP": 1.0}
    await client.write(wanted)
    assert rig.skid.points == pytest.approx({**wanted, "Gradient.PercentB.SP": 0.0}, rel=1e-14)
    before = dict(rig.skid.points)
    with pytest.raises(InstructionRefused, match=r"101 mL/min refused \(BadOutOfRange"):
        await client.write({"OutletValve.SP": 1.0, "System.Flow.SP": 101 * ML_MIN})
    with pytest.raises(InstructionRefused, match="unlucky flow"):
        await client.write({"OutletValve.SP": 1.0, "System.Flow.SP": 66 * ML_MIN})
    with pytest.raises(InstructionRefused, match="BadOutOfRange"):
        await client.write({"OutletValve.SP": 3.0})
    with pytest.raises(InstructionRefused, match="BadOutOfRange"):
        await client.write({"System.Flow.SP": math.nan})
    assert rig.skid.points == before
    await client.close()


async def test_instructions_are_accepted_or_refused_with_the_reason(rig: Rig) -> None:
    client = await connect(Target(rig.url, rig.client, PATIENCE), rig.skid.table)
    await client.call("Gradient", {"percent_b": 50.0, "volume": 1e-5}, 7, "recipe")
    ((name, arguments, number, owner),) = rig.skid.calls
    assert (name, number, owner) == ("Gradient", 7, "recipe")
    assert arguments == pytest.approx({"percent_b": 50.0, "volume": 1e-5}, rel=1e-14)
    await client.call("AutoZero", {}, 7, "recipe")  # a number accepted before
    assert len(rig.skid.calls) == 1
    with pytest.raises(InstructionRefused, match="too steep"):
        await client.call("Gradient", {"percent_b": 95.0, "volume": 1e-5}, 8, "recipe")
    await client.close()


async def test_wrong_requests_never_reach_the_skid(rig: Rig) -> None:
    async with raw_client(rig.url, rig.client, rig.server) as client:
        index = await client.get_namespace_index("urn:minifactory:skid")
        folder = await client.nodes.objects.get_child([f"{index}:skid1", f"{index}:Instruction"])
        one = ua.Variant(1, ua.VariantType.UInt32)
        with pytest.raises(ua.uaerrors.BadArgumentsMissing):
            await folder.call_method(f"{index}:AutoZero", one)
        with pytest.raises(ua.uaerrors.BadTooManyArguments):
            await folder.call_method(f"{index}:AutoZero", one, "me", 1.0)
        with pytest.raises(ua.uaerrors.BadInvalidArgument):
            await folder.call_method(f"{index}:AutoZero", "one", "me")
        path = [f"{index}:{name}" for name in ("skid1", "System", "Flow")]
        flow = await client.nodes.objects.get_child(path)
        with pytest.raises(ua.uaerrors.BadNotWritable):
            await flow.write_value(1.0)
        point = await flow.get_child(f"{index}:SP")
        with pytest.raises(ua.uaerrors.BadTypeMismatch):
            await point.write_value("fast")
        with pytest.raises(ua.uaerrors.BadServiceUnsupported):
            await client.delete_nodes([flow])
    assert rig.skid.calls == []
    assert set(rig.skid.points.values()) == {0.0}


async def test_unknown_client_is_rejected_until_trusted(rig: Rig, tmp_path: Path) -> None:
    stranger = own_identity(tmp_path, "urn:minifactory:test:stranger")
    trust(stranger.folder, rig.server.certificate)
    with pytest.raises(EquipmentError, match="server does not trust our certificate"):
        await connect(Target(rig.url, stranger, PATIENCE), rig.skid.table)
    kept = {entry.application_uri: entry.trusted for entry in trust_list(rig.server.folder)}
    assert kept["urn:minifactory:test:stranger"] is False
    trust(rig.server.folder, stranger.certificate)
    client = await connect(Target(rig.url, stranger, PATIENCE), rig.skid.table)
    assert (await client.read())["System.State"].quality is Quality.GOOD
    await client.close()


async def test_unknown_server_is_rejected_until_trusted(rig: Rig, tmp_path: Path) -> None:
    careful = own_identity(tmp_path, "urn:minifactory:test:careful")
    trust(rig.server.folder, careful.certificate)
    with pytest.raises(EquipmentError, match=r"server's certificate [0-9a-f]{40} is not trusted"):
        await connect(Target(rig.url, careful, PATIENCE), rig.skid.table)
    (entry,) = trust_list(careful.folder)
    assert not entry.trusted
    assert entry.application_uri == rig.server.application_uri
    trust(careful.folder, rig.server.certificate)
    client = await connect(Target(rig.url, careful, PATIENCE), rig.skid.table)
    await client.close()


async def test_without_security_only_discovery_is_answered(rig: Rig) -> None:
    client = Client(rig.url, timeout=PATIENCE)
    modes = {item.SecurityMode for item in await client.connect_and_get_server_endpoints()}
    assert modes == {ua.MessageSecurityMode.SignAndEncrypt}
    with pytest.raises(ua.uaerrors.BadSecurityModeInsufficient):
        await Client(rig.url, timeout=PATIENCE).connect()


async def test_application_uri_must_match_the_certificate(rig: Rig) -> None:
    liar = raw_client(rig.url, rig.client, rig.server)
    liar.application_uri = "urn:minifactory:test:someone-else"
    with pytest.raises(ua.uaerrors.BadCertificateUriInvalid):
        await liar.connect()


@pytest.mark.parametrize("shown", ["none", "trusted"])
async def test_the_channels_certificate_counts_not_the_sessions(rig: Rig, tmp_path: Path, shown: str) -> None:
    stranger = own_identity(tmp_path, "urn:minifactory:test:stranger")
    sneak = raw_client(rig.url, stranger, rig.server)
    await sneak.connect_sessionless()
    parameters = ua.CreateSessionParameters()
    parameters.ClientCertificate = rig.client.certificate if shown == "trusted" else None
    parameters.ClientNonce = bytes(32)
    parameters.ClientDescription.ApplicationUri = stranger.application_uri
    with pytest.raises(ua.uaerrors.BadCertificateUntrusted):
        await sneak.uaclient.create_session(parameters)
    await sneak.disconnect_sessionless()


async def test_nobody_takes_over_a_session_by_its_guessable_token(rig: Rig, tmp_path: Path) -> None:
    stranger = own_identity(tmp_path, "urn:minifactory:test:stranger")
    async with raw_client(rig.url, rig.client, rig.server) as victim:
        for identity, refusal in (
            (rig.client, ua.uaerrors.BadSessionIdInvalid),
            (stranger, ua.uaerrors.BadCertificateUntrusted),
        ):
            thief = raw_client(rig.url, identity, rig.server)
            await thief.connect_sessionless()
            token = victim.uaclient.session.authentication_token
            thief.uaclient.session.restore_authentication_token(token)
            parameters = ua.ActivateSessionParameters()
            parameters.UserIdentityToken = ua.AnonymousIdentityToken()
            with pytest.raises(refusal):
                await thief.uaclient.activate_session(parameters)
            await thief.disconnect_sessionless()


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        (security_policies.SecurityPolicyBasic256Sha256, ua.MessageSecurityMode.Sign),
        (security_policies.SecurityPolicyAes128Sha256RsaOaep, ua.MessageSecurityMode.SignAndEncrypt),
    ],
)
async def test_other_policies_are_hung_up_on(rig: Rig, policy: Any, mode: Any) -> None:
    client = raw_client(rig.url, rig.client, rig.server, policy, mode)
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises((ua.UaError, OSError)):
        await client.connect()
    assert loop.time() - start < PATIENCE  # the client's time-out: refused, not ignored


async def test_expired_certificate_is_refused_although_trusted(rig: Rig, tmp_path: Path) -> None:
    uri = "urn:minifactory:test:old"
    old = own_identity(tmp_path, uri, now=datetime(2001, 1, 1, tzinfo=UTC))
    introduce(rig.server, old)
    with pytest.raises(EquipmentError, match="BadCertificateInvalid"):
        await connect(Target(rig.url, old, PATIENCE), rig.skid.table)


async def test_nodes_are_what_data_access_says(rig: Rig) -> None:
    async with raw_client(rig.url, rig.client, rig.server) as client:
        index = await client.get_namespace_index("urn:minifactory:skid")

        async def node(*names: str) -> Any:
            return await client.nodes.objects.get_child([f"{index}:{name}" for name in ("skid1", *names)])

        flow = await node("System", "Flow")
        assert (await flow.read_type_definition()).Identifier == ua.ObjectIds.AnalogItemType
        span = await (await flow.get_child("0:EURange")).read_value()
        assert (span.Low, span.High) == pytest.approx((0.0, 100.0), abs=1e-12)
        unit = await (await flow.get_child("0:EngineeringUnits")).read_value()
        assert unit.DisplayName.Text == "mL/min"
        assert unit.UnitId == int.from_bytes(b"41", "big")
        assert (await flow.read_description()).Text == "Flow to the column"
        running = await node("Gradient", "Running")
        assert (await running.read_type_definition()).Identifier == ua.ObjectIds.TwoStateDiscreteType
        assert (await (await running.get_child("0:TrueState")).read_value()).Text == "Yes"
        assert await running.read_value() is False
        valve = await node("OutletValve", "Position")
        assert (await valve.read_type_definition()).Identifier == ua.ObjectIds.MultiStateDiscreteType
        names = await (await valve.get_child("0:EnumStrings")).read_value()
        assert [item.Text for item in names] == ["WasteF1", "F2", "F3"]
        gradient = await node("Instruction", "Gradient")
        inputs = await (await gradient.get_child("0:InputArguments")).read_value()
        assert [item.Name for item in inputs] == ["percent_b", "volume", "Number", "Owner"]
        assert [item.Description.Text for item in inputs][:2] == ["%B", "mL"]
        value = await flow.read_data_value()
        assert value.SourceTimestamp is not None
        assert value.StatusCode.is_good()


class Heard:
    """A subscription handler that keeps what it hears."""

    def __init__(self) -> None:
        self.values: asyncio.Queue[Any] = asyncio.Queue()

    def datachange_notification(self, _node: Any, value: Any, _data: Any) -> None:
        """Called by the stack."""
        self.values.put_nowait(value)


async def test_subscriptions_hear_changes(rig: Rig) -> None:
    async with raw_client(rig.url, rig.client, rig.server) as client, asyncio.timeout(PATIENCE):
        index = await client.get_namespace_index("urn:minifactory:skid")
        path = [f"{index}:{name}" for name in ("skid1", "System", "Flow", "SP")]
        point = await client.nodes.objects.get_child(path)
        heard = Heard()
        subscription = await client.create_subscription(20, heard)
        await subscription.subscribe_data_change(point)
        assert await heard.values.get() == 0.0
        rig.skid.points["System.Flow.SP"] = 30 * ML_MIN
        assert await heard.values.get() == pytest.approx(30.0)
        await subscription.delete()


async def test_keys_of_the_channel_are_renewed_while_in_use(rig: Rig) -> None:
    # Keys that are renewed late by more than a quarter of their lifetime are refused, hence not shorter.
    client = await connect(Target(rig.url, rig.client, PATIENCE, channel_lifetime=1.5), rig.skid.table)
    tokens = set()
    async with asyncio.timeout(PATIENCE):
        while len(tokens) < 3:
            await client.advance(rig.skid.time + 1.0)
            tokens.add(client.session.channel_token)
    await client.close()


async def test_free_running_server_keeps_time_and_has_no_time_master(introduced: Pair) -> None:
    skid = TrivialSkid()
    settings = ServerSettings(introduced[0], speed=200.0, period=0.005)
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with SkidServer(skid, settings) as server:
        client = await connect(Target(server.endpoint, introduced[1], PATIENCE), skid.table)
        assert not client.lock_step
        with pytest.raises(EquipmentError, match="runs by itself"):
            await client.advance(1.0)
        value = first = skid.time
        while value < first + 20.0:
            value = (await client.read())["System.ProcessTime"].value
            assert loop.time() - start < PATIENCE
        assert value <= settings.speed * (loop.time() - start)
        await client.close()


async def test_users_are_asked_for_their_password(introduced: Pair) -> None:
    skid = TrivialSkid()
    users = {"orbit": password_digest("correct horse")}
    async with SkidServer(skid, ServerSettings(introduced[0], users=users)) as server:
        target = Target(server.endpoint, introduced[1], PATIENCE)
        with pytest.raises(EquipmentError, match="user name and password"):
            await connect(target, skid.table)
        for user, password in (("orbit", "wrong"), ("nobody", "correct horse"), ("admin", "")):
            with pytest.raises(EquipmentError, match=f'refused the user "{user}"'):
                await connect(replace(target, user=user, password=password), skid.table)
        client = await connect(replace(target, user="orbit", password="correct horse"), skid.table)
        await client.write({"UV1.Lamp.SP": 1.0})
        assert skid.points["UV1.Lamp.SP"] == 1.0
        await client.close()


async def test_unsecured_endpoint_only_when_asked_for_and_on_loopback(introduced: Pair) -> None:
    with pytest.raises(InputError, match="loopback"):
        ServerSettings(introduced[0], host="0.0.0.0", unsecured=True)
    async with (
        SkidServer(TrivialSkid(), ServerSettings(introduced[0], unsecured=True)) as server,
        Client(server.endpoint, timeout=PATIENCE) as client,
    ):
        assert "urn:minifactory:skid" in await client.get_namespace_array()
        # Our own client does not use it all the same.
        secured = await connect(Target(server.endpoint, introduced[1], PATIENCE), TrivialSkid().table)
        assert secured.session.is_open
        await secured.close()


@pytest.mark.parametrize("lock_step", [True, False])
async def test_a_source_that_breaks_ends_the_server_with_its_error(introduced: Pair, lock_step: bool) -> None:
    skid = TrivialSkid()
    async with SkidServer(skid, ServerSettings(introduced[0], lock_step=lock_step)) as server:
        client = await connect(Target(server.endpoint, introduced[1], PATIENCE), skid.table)
        await client.call("Break", {}, 1, "test")
        if lock_step:
            with pytest.raises(EquipmentError, match="the shaft broke"):
                await client.advance(1.0)
        with pytest.raises(RuntimeError, match="the shaft broke"):
            await server.run(asyncio.Event())
        await client.close()


async def test_port_in_use_is_said(rig: Rig, introduced: Pair) -> None:
    port = int(rig.url.split(":")[2].split("/")[0])
    with pytest.raises(EquipmentError, match="cannot listen"):
        await SkidServer(TrivialSkid(), ServerSettings(introduced[0], port=port)).__aenter__()
