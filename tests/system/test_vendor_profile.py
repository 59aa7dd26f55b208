"""A skid in the manner of a vendor's server: trusted, mapped, run on, followed when it stands by itself."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from asyncua import ua

from minifactory.opcua.browsing import namespaces_of
from minifactory.opcua.certificates import own_identity
from minifactory.opcua.session import Target, open_session
from minifactory.opcua.unicorn_like import CONSOLE, NAMESPACE
from tests.commands import COMMAND, environment, minifactory
from tests.system.going import PATIENCE, going

pytestmark = pytest.mark.slow
USER, PASSWORD = "orbit", "correct horse"


@dataclass
class Instrument:
    """A listening skid, and the person who stands before it."""

    folder: Path
    url: str
    password: Path

    @property
    def signing_in(self) -> tuple[str, ...]:
        """The options with which a command logs in."""
        return ("--user", USER, "--password-file", str(self.password))

    def press(self, button: str) -> None:
        """Press a button of the instrument."""
        asyncio.run(self._press(button))

    async def _press(self, button: str) -> None:
        identity = own_identity(self.folder / "home" / "pki" / "orbit", "urn:minifactory:orbit")
        session = await open_session(
            Target(self.url, identity, timeout=PATIENCE, user=USER, password=PASSWORD)
        )
        try:
            index = (await namespaces_of(session)).index(NAMESPACE)
            call = ua.CallMethodRequest()
            path = CONSOLE[button]
            call.ObjectId, call.MethodId = ua.NodeId(path[0], index), ua.NodeId(".".join(path), index)
            request = ua.CallRequest()
            request.Parameters.MethodsToCall = [call]
            (result,) = (await session.request(request, ua.CallResponse)).Results
            assert result.StatusCode.is_good()
        finally:
            await session.close()


@pytest.fixture
def instrument(tmp_path: Path, short: Path) -> Iterator[Instrument]:
    """`minifactory skid --profile unicorn` at speed 20."""
    password = tmp_path / "password"
    password.touch(mode=0o600)
    password.write_text(PASSWORD + "\n", encoding="utf-8")
    words = ["--port", "0", "--speed", "20", "--profile", "unicorn", "--user", USER]
    with subprocess.Popen(
        [*COMMAND, "skid", str(short), *words, "--password-file", str(password)],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield Instrument(tmp_path, json.loads(process.stdout.readline())["endpoint"], password)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 0


def trust(folder: Path, application: str) -> None:
    """Trust, as a person does, the one certificate that was rejected."""
    listed = json.loads(minifactory(folder, "trust", application, "--json").stdout)["certificates"]
    (unknown,) = [item["thumbprint"] for item in listed if not item["trusted"]]
    assert minifactory(folder, "trust", application, unknown).returncode == 0


def test_a_vendor_like_server_is_trusted_mapped_and_followed(
    tmp_path: Path, short: Path, instrument: Instrument
) -> None:
    words = ("map", instrument.url, "--case", short, "-o", tmp_path / "map.yaml", *instrument.signing_in)
    for application in ("orbit", "skid-akta1"):  # first we do not know the server, then it does not know us
        assert minifactory(tmp_path, *words).returncode == 3
        trust(tmp_path, application)
    mapped = minifactory(tmp_path, *words)
    assert mapped.returncode == 0, mapped.stderr
    assert "has no place" not in mapped.stderr
    check = ("map", "--check", tmp_path / "map.yaml", "--case", short)
    assert minifactory(tmp_path, *check, instrument.url, *instrument.signing_in).returncode == 0

    on_it = ("--connect", instrument.url, "--map", str(tmp_path / "map.yaml"), *instrument.signing_in)
    with going(tmp_path, short, *on_it, "--speed", "20") as command:
        command.wait_for("test.only.second")
        instrument.press("hold")
        command.wait_for("Held")
        restarted = minifactory(tmp_path, "orbit", "restart")
        assert restarted.returncode == 0, restarted.stderr
        command.wait_for("Running")
        instrument.press("end")
        assert command.end() == 3
        said = command.said.decode()
    assert "Traceback" not in said
    run = command.run
    assert run.state == "Stopped"
    assert run.phases[0].reason == "6 mL"
    assert "the run was ended on the equipment's own side" in said
