"""The blocks of a study file that one kind of study asks for."""

from __future__ import annotations

from minifactory.design.description import Description
from minifactory.design.figures import Prices
from minifactory.design.optimisation import Effort
from minifactory.design.study import Collected, Demand, Scaling, Sequencing, Verifying
from minifactory.errors import InputError, did_you_mean
from minifactory.plant.document import Reader
from minifactory.units import FRACTION, LENGTH, MASS, MASS_CONCENTRATION, NUMBER, TIME, Kind, parse

COUNT = Kind("number", "", "", 0.0, 1e7, bare=True)
PRICE_VOLUME = Kind("price per volume", "1/m^3", "1/L", 0.0)
PRICE_MASS = Kind("price per mass", "1/kg", "1/g", 0.0)
PRICE_TIME = Kind("price per time", "1/s", "1/h", 0.0)
EFFORT = Effort(population=20, evaluations=240, polish=80)
"""Of a search over a whole case, whose candidates take tenths of a second each."""
RULES = ("residence time", "velocity")


def effort(top: Reader) -> Effort:
    """How hard to search: ``search: {population, evaluations, polish}``, ``seed``."""
    block, usual = top.section("search"), EFFORT
    found = Effort(
        population=int(block.value("population", COUNT, usual.population, 4, 4096)),
        evaluations=int(block.value("evaluations", COUNT, usual.evaluations, 4)),
        polish=int(block.value("polish", COUNT, usual.polish)),
        seed=int(top.value("seed", COUNT, usual.seed)),
    )
    block.finish()
    return found


def prices(top: Reader, description: Description) -> Prices | None:
    """What things cost: ``prices: {currency, resin, ...}``; None when nothing is stated."""
    if "prices" not in top:
        return None
    block = top.section("prices")
    currency = block.text("currency", "")
    inside = block.section("buffers")
    buffers = {}
    for vessel in inside.keys:
        if vessel not in description.plant.vessels:
            inside.fail(
                f'no vessel "{vessel}"', remedy=did_you_mean(vessel, description.plant.vessels), key=vessel
            )
        buffers[vessel] = _price(inside, vessel, PRICE_VOLUME, currency)
    found = Prices(
        currency=currency,
        resin=_price(block, "resin", PRICE_VOLUME, currency),
        cycles=block.value("resin_cycles", COUNT, 1.0, 1.0),
        buffers=buffers,
        buffer=_price(block, "buffer", PRICE_VOLUME, currency),
        feed=_price(block, "feed", PRICE_MASS, currency),
        hour=_price(block, "time", PRICE_TIME, currency),
    )
    block.finish()
    return found


def _price(block: Reader, key: str, kind: Kind, currency: str) -> float:
    """``1200 EUR/L`` in the study's currency; 0 when it is not stated."""
    text = block.text(key, "")
    if not text:
        return 0.0
    said = text.replace(currency, "1", 1) if currency and currency in text else text
    number, _, rest = said.partition(" ")
    try:
        return parse(f"{number} {rest.strip()}", kind, where=block.where(key)).value
    except InputError:
        unit = kind.shown.replace("1/", f"{currency or 'EUR'}/")
        block.fail(
            f'"{text}" is no {kind.name}', f'e.g. "10 {unit}", with "currency: {currency or "EUR"}"', key=key
        )
        return 0.0


def collected(top: Reader, description: Description) -> list[Collected]:
    """What a pool study collects: ``collect: {COMPONENT: {purity, yield, ...}}``."""
    found = []
    proteins = [name for name, one in description.plant.species.items() if one.role.is_protein]
    for block in top.members("collect"):
        if block.name not in proteins:
            block.fail(f'no protein "{block.name}"', remedy=did_you_mean(block.name, proteins))
        found.append(
            Collected(
                component=block.name,
                purity=block.value("purity", FRACTION, 0.0),
                recovery=block.value("yield", FRACTION, 0.0),
                concentration=block.value("concentration", MASS_CONCENTRATION, 0.0),
                weight=block.value("weight", NUMBER, 1.0, 0.0),
                fractions=int(block.value("fractions", COUNT, 1, 1, 4)),
            )
        )
        block.finish()
    return found


def scaling(top: Reader) -> Scaling:
    """To which column: ``scale: {hardware, bed_height, ...}``."""
    block = top.section("scale")
    height = block.quantity("bed_height", LENGTH, required=False)
    found = Scaling(
        hardware=block.text("hardware", ""),
        bed_height=None if height is None else height.value,
        column=block.text("column", ""),
        system=block.text("system", ""),
        rule=block.choice("rule", RULES, RULES[0]),
    )
    block.finish()
    return found


def demand(top: Reader) -> Demand:
    """What is to be made: ``demand: {product, batches, ...}``."""
    block, usual = top.section("demand"), Demand()
    found = Demand(
        product=block.value("product", MASS, usual.product),
        batches=int(block.value("batches", COUNT, usual.batches, 1)),
        skids=int(block.value("skids", COUNT, usual.skids, 1)),
        changeover=block.value("changeover", TIME, usual.changeover),
        analyses=int(block.value("analyses", COUNT, usual.analyses)),
        analysis_time=block.value("analysis_time", TIME, usual.analysis_time),
        hours_per_day=block.value("hours_per_day", TIME, usual.hours_per_day, 60.0, 86_400.0),
    )
    block.finish()
    return found


def sequencing(top: Reader, description: Description) -> Sequencing:
    """What a sequence may choose: ``sequence: {columns: {COLUMN: [hardware, ...]}}``."""
    block = top.section("sequence")
    inside = block.section("columns")
    columns = {}
    for name in inside.keys:
        if name not in description.plant.columns:
            inside.fail(f'no column "{name}"', remedy=did_you_mean(name, description.plant.columns), key=name)
        columns[name] = tuple(inside.texts(name))
    inside.finish()
    block.finish()
    return Sequencing(columns)


def verifying(top: Reader) -> Verifying:
    """What is executed: ``verify: {of, batches, scan, mismatch}``."""
    block, usual = top.section("verify"), Verifying()
    found = Verifying(
        of=block.text("of", ""),
        batches=int(block.value("batches", COUNT, usual.batches, 1)),
        scan=block.value("scan", TIME, usual.scan, 0.1, 60.0),
        mismatch=block.flag("mismatch", usual.mismatch),
    )
    block.finish()
    return found
