"""Reads a species: an ion, a buffer substance, a product, an impurity or a tracer."""

from __future__ import annotations

import math

from minifactory.errors import InputError
from minifactory.plant.document import Reader
from minifactory.plant.model import Role, Species
from minifactory.units import EXTINCTION, LENGTH, MOLAR_MASS, NUMBER, PH, Kind, parse

MOLAR_CONDUCTIVITY = Kind("molar conductivity", "S*m^2/mol", "S*cm^2/mol", 0.0, 1.0)
ENTHALPY = Kind("enthalpy of ionisation", "J/mol", "kJ/mol", -1e6, 1e6)
MASS_EXTINCTION = Kind("mass extinction coefficient", "AU*m^2/kg", "AU*L/(g*cm)", 0.0)

ROLES = {role.value: role for role in Role}


def read_species(item: Reader, name: str, base: Species | None = None) -> Species:
    """The species that a block describes; what it does not state is taken from `base`.

    Extinction coefficients may be molar (``0.2 AU/(mM*cm)``) or per mass (``1.4 AU*L/(g*cm)``, then the molar
    mass converts them).
    """
    role = ROLES[item.choice("role", tuple(ROLES), base.role.value if base else None)]
    molar_mass = item.value("molar_mass", MOLAR_MASS, base.molar_mass if base else None)
    pka = item.values("pka", PH) or (base.pka if base else ())
    conductivity = item.values("conductivity", MOLAR_CONDUCTIVITY) or (
        base.molar_conductivity if base else ()
    )
    enthalpy = item.values("enthalpy", ENTHALPY) or (base.enthalpy if base and "pka" not in item else ())
    if enthalpy and len(enthalpy) != len(pka):
        item.fail(f"{len(enthalpy)} enthalpies for {len(pka)} pKa values", "one for each", key="enthalpy")
        enthalpy = ()
    acid_charge = _whole(item, "acid_charge", base.acid_charge if base else 0)
    if role is Role.WEAK_ACID:
        if not pka:
            item.fail("a weak acid without pka", "its pKa values, ascending", 'e.g. "pka: [4.76]"')
        if list(pka) != sorted(pka):
            item.fail("pKa values are not ascending", key="pka")
        charged = sum(acid_charge - step != 0 for step in range(len(pka) + 1))
        if conductivity and len(conductivity) != charged:
            item.fail(
                f"{len(conductivity)} molar conductivities",
                f"{charged}, one for each charged protonation stage",
                key="conductivity",
            )
    elif pka:
        item.fail("pKa values of what is not a weak acid", remedy='Say "role: weak acid".', key="pka")
    extinction = _read_extinction(item.section("extinction"), molar_mass) or (base.extinction if base else {})
    return Species(
        name=name,
        role=role,
        molar_mass=molar_mass,
        charge=_whole(item, "charge", base.charge if base else 0),
        pka=pka,
        acid_charge=acid_charge,
        molar_conductivity=conductivity,
        extinction=extinction,
        enthalpy=enthalpy,
    )


def _whole(item: Reader, key: str, default: int) -> int:
    value = item.value(key, NUMBER, default)
    if math.isnan(value):
        return default
    if value != round(value):
        item.fail(f"{value:g} is not a whole number", "a charge number", key=key)
    return round(value)


def _read_extinction(block: Reader, molar_mass: float) -> dict[float, float]:
    """Wavelength in m -> molar extinction in AU m2/mol."""
    found = {}
    for text in block.keys:
        try:
            wavelength = parse(text, LENGTH, where=block.where(text)).value
        except InputError as fault:
            block.report.add_all(fault.findings)
            continue
        quantity = block.quantity(text, EXTINCTION, MASS_EXTINCTION)
        if quantity is not None:
            scale = molar_mass if quantity.kind is MASS_EXTINCTION else 1.0
            found[wavelength] = quantity.value * scale
    return found
