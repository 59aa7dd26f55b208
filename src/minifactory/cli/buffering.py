"""The command `buffer`: the recipe of a buffer from stocks, or the library of buffer substances."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from minifactory.cli.output import print_json, stdout
from minifactory.errors import Finding, InputError
from minifactory.twin.buffers import (
    BufferRecipe,
    Stock,
    Stocks,
    Wanted,
    buffer_recipe,
    buffer_substances,
    compound,
    usual_stocks,
)
from minifactory.units import CONCENTRATION, CONDUCTIVITY, PH, TEMPERATURE, VOLUME, Kind, parse

ROLES = ("buffer", "acid", "base", "salt")


def library(as_json: bool) -> None:
    """Print the buffer substances with their pKa values and slopes in temperature."""
    rows = [
        {
            "name": name,
            "pka": list(item.pka),
            "pka_per_kelvin": [-heat / (2.302585093 * 8.314462618 * 298.15**2) for heat in item.enthalpy],
            "acid_charge": item.acid_charge,
        }
        for name, item in sorted(buffer_substances().items(), key=lambda pair: pair[1].pka[0])
    ]
    if as_json:
        print_json({"buffers": rows})
        return
    table = Table("buffer", "pKa at 25 degC", "per K", "charge of the acid", box=None)
    for row in rows:
        pka = ", ".join(f"{value:g}" for value in row["pka"])  # type: ignore[attr-defined]
        slope = ", ".join(f"{value:+.4f}" for value in row["pka_per_kelvin"])  # type: ignore[attr-defined]
        table.add_row(str(row["name"]), pka, slope or "?", f"{row['acid_charge']:+d}")
    stdout.print(table)


def prepare(
    buffer: str,
    ph: str,
    concentration: str,
    conductivity: str,
    salt: str,
    volume: str,
    temperature: str,
    stocks: Sequence[str],
    as_json: bool,
) -> None:
    """Print the volumes of stocks for the wanted buffer, and what they make."""
    missing = [f"--{name}" for name, text in (("ph", ph), ("concentration", concentration)) if not text]
    if missing:
        example = "e.g. --ph 5.1 --concentration '50 mM'"
        raise InputError(Finding("buffer", f"no {' and no '.join(missing)}", example))
    if conductivity and salt:
        raise InputError(Finding("buffer", "--conductivity and --salt", "one of them"))
    wanted = Wanted(
        buffer,
        _value("--concentration", concentration, CONCENTRATION),
        _value("--ph", ph, PH),
        _value("--conductivity", conductivity, CONDUCTIVITY) if conductivity else None,
        _value("--salt", salt, CONCENTRATION) if salt else 0.0,
        _value("--temperature", temperature, TEMPERATURE),
        _value("--volume", volume, VOLUME),
    )
    recipe = buffer_recipe(wanted, _stocks(buffer, stocks))
    if as_json:
        print_json(_document(recipe))
    else:
        _tell(recipe)


def _value(option: str, text: str, kind: Kind) -> float:
    return parse(text, kind, where=f"buffer {option}").value


def _stocks(buffer: str, given: Sequence[str]) -> Stocks | None:
    """The usual stocks, those named ``ROLE=COMPOUND@CONCENTRATION`` in their places."""
    if not given or buffer not in buffer_substances():
        return None
    usual = usual_stocks(buffer)
    found: dict[str, Stock] = {role: getattr(usual, role) for role in ROLES}
    for text in given:
        role, _, rest = text.partition("=")
        name, _, strength = rest.rpartition("@")
        if role not in ROLES or not name:
            raise InputError(
                Finding(
                    f"buffer --stock {text}", "not understood", f"{'|'.join(ROLES)}=COMPOUND@CONCENTRATION",
                    'e.g. "salt=KCl@3 M".',
                )
            )  # fmt: skip
        found[role] = compound(name, _value(f"--stock {text}", strength, CONCENTRATION))
    return Stocks(**found)


def _document(recipe: BufferRecipe) -> dict[str, object]:
    return {
        "buffer": recipe.wanted.buffer,
        "temperature": recipe.wanted.temperature,
        "volumes": dict(recipe.volumes),
        "composition": dict(recipe.composition),
        "ph": recipe.ph,
        "conductivity": recipe.conductivity,
        "ionic_strength": recipe.ionic_strength,
        "capacity": recipe.capacity,
        "ph_per_kelvin": recipe.ph_per_kelvin,
    }


def _tell(recipe: BufferRecipe) -> None:
    table = Table("stock", "volume", box=None)
    for name, volume in recipe.volumes.items():
        table.add_row(name, f"{volume * 1e6:.4g} mL")
    stdout.print(table)
    stdout.print(
        f"pH {recipe.ph:.2f}, {recipe.conductivity * 10.0:.3g} mS/cm at "
        f"{recipe.wanted.temperature - 273.15:.3g} degC; ionic strength {recipe.ionic_strength:.3g} mM, "
        f"capacity {recipe.capacity:.3g} mM per pH unit, {recipe.ph_per_kelvin:+.4f} pH per K"
    )
    content = ", ".join(f"{name} {value:.4g} mM" for name, value in recipe.composition.items())
    stdout.print(f"contains {content}")
