"""The command `buffer`."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Speaks

ACETATE = ("buffer", "acetate", "--ph", "5.1", "--concentration", "50 mM")


def test_volumes_for_ph_and_conductivity(says: Speaks) -> None:
    said = says(*ACETATE, "--conductivity", "12 mS/cm", "--json")
    document = json.loads(said.output)
    assert said.code == 0
    assert document["ph"] == pytest.approx(5.1)
    assert document["volumes"]["acetate, free"] == pytest.approx(5e-5)
    assert document["conductivity"] == pytest.approx(1.2)


def test_another_salt_stock_in_words(says: Speaks) -> None:
    said = says(*ACETATE, "--salt", "300 mM", "--volume", "10 L", "--stock", "salt=KCl@3 M")
    assert said.code == 0
    assert "1000 mL" in said.output
    assert "pH 5.10" in said.output
    assert "KCl" in said.output


def test_the_library(says: Speaks) -> None:
    names = [row["name"] for row in json.loads(says("buffer", "--json").output)["buffers"]]
    assert {"acetate", "tris", "phosphate", "caps"} < set(names)
    assert "histidine" in says("buffer").output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("buffer", "acetate", "--ph", "5.1"), "--concentration"),
        ((*ACETATE, "--salt", "1 M", "--conductivity", "1 mS/cm"), "one of them"),
        ((*ACETATE, "--stock", "salz=KCl@3 M"), "buffer|acid|base|salt=COMPOUND@CONCENTRATION"),
        ((*ACETATE, "--stock", "salt=KClO@3 M"), "no known compound"),
        ((*ACETATE, "--conductivity", "0.1 mS/cm"), "no salt"),
        (("buffer", "acetate", "--ph", "5.1", "--concentration", "50 L"), "concentration"),
    ],
)
def test_what_cannot_be_is_refused(says: Speaks, words: tuple[str, ...], told: str) -> None:
    said = says(*words)
    assert said.code == 2
    assert told in said.errors
