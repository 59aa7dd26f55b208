"""Authority by certificate: who may claim which level, who is refused, and how he is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from minifactory.app.claims import FILE, allow, open_to_all, read_claims
from minifactory.cli.authority import authority
from minifactory.errors import InputError
from minifactory.opcua.certificates import Identity, own_identity, thumbprint


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return own_identity(tmp_path_factory.mktemp("model"), "urn:lab:model")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINIFACTORY_HOME", str(tmp_path))
    return tmp_path


def asked(**request: object) -> Mapping[str, object]:
    return request


def test_without_a_file_whoever_is_trusted_may_claim_any_level(model: Identity) -> None:
    for level in ("operator", "recipe", "peer", "model"):
        read_claims().check(model.certificate, asked(do="set", level=level), "akta1")


def test_only_the_levels_of_the_client_may_be_claimed(model: Identity) -> None:
    allow("urn:lab:model", ["model"])
    claims = read_claims()
    claims.check(model.certificate, asked(do="set", level="model"), "akta1")
    with pytest.raises(InputError) as refused:
        claims.check(model.certificate, asked(do="set"), "akta1")
    said = str(refused.value)
    mark = thumbprint(model.certificate)[:16]
    assert (
        f'orbit akta1: "set" refused: urn:lab:model (certificate {mark}) may not claim the level operator'
        in said
    )
    assert f"minifactory orbit authority {mark} operator" in said
    assert claims.clients == {"urn:minifactory:operator": {"operator"}, "urn:lab:model": {"model"}}


@pytest.mark.parametrize(
    "request_",
    [
        {"do": "ack"},
        {"do": "shelve"},
        {"do": "level"},
        {"do": "grant"},
        {"do": "hold", "until": "1 s", "then": "restart"},
    ],
)
def test_what_only_operators_do_is_not_had_by_naming_another_level(
    model: Identity, request_: Mapping[str, object]
) -> None:
    allow("urn:lab:model", ["model", "peer"])
    with pytest.raises(InputError, match="may not claim the level operator"):
        read_claims().check(model.certificate, {**request_, "level": "model"}, "akta1")


def test_a_certificate_that_is_named_counts_by_itself(model: Identity) -> None:
    allow("urn:lab:model", ["operator"])
    mark = thumbprint(model.certificate)
    allow(":".join(mark[at : at + 2] for at in range(0, 20, 2)).upper(), [])
    with pytest.raises(InputError, match="none: it may read and make things stand"):
        read_claims().check(model.certificate, asked(do="skip"), "akta1")
    with pytest.raises(InputError, match="a client without a certificate"):
        read_claims().check(None, asked(do="skip"), "akta1")


def test_reading_and_making_things_stand_is_open_to_all() -> None:
    for word in ("status", "log", "recipe", "hold", "pause", "stop", "abort"):
        assert open_to_all(asked(do=word))
    for word in ("start", "resume", "restart", "reset", "set", "edit", "ack"):
        assert not open_to_all(asked(do=word))
    assert not open_to_all(asked(do="hold", until="1 s", then="restart"))


def test_a_faulty_file_tells_every_fault(home: Path) -> None:
    (home / FILE).write_text("clients:\n  3f2a: [peer]\n  nobody: [operater]\nothers: 3\n", encoding="utf-8")
    with pytest.raises(InputError) as found:
        read_claims()
    said = str(found.value)
    for part in (
        '"3f2a" has 4 digits',
        'no level "operater"',
        'Did you mean "operator"',
        '"nobody"',
        "others",
    ):
        assert part in said


def test_the_command_shows_and_changes_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    authority("", (), False, False)
    assert "may claim any level" in capsys.readouterr().out
    authority("urn:lab:model", ("model", "peer"), False, False)
    assert "peer, model" in (home / FILE).read_text(encoding="utf-8")
    assert (home / FILE).stat().st_mode & 0o077 == 0
    authority("urn:lab:model", (), True, True)
    assert '"urn:lab:model": []' in capsys.readouterr().out
    for who, levels, none in (("urn:x", (), False), ("urn:x", ("peer",), True), ("urn:x", ("pear",), False)):
        with pytest.raises(InputError):
            authority(who, levels, none, False)
