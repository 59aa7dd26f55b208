"""The blocks of a study file that one kind of study asks for."""

from __future__ import annotations

from collections.abc import Collection

from minifactory.design.description import Description
from minifactory.design.figures import Prices
from minifactory.design.optimisation import Effort
from minifactory.design.study import Bed, Collected, Demand, Scaling, Sequencing, Verifying
from minifactory.errors import InputError, did_you_mean
from minifactory.plant.catalogue.columns import all_hardware
from minifactory.plant.catalogue.files import plain
from minifactory.plant.catalogue.systems import system_names
from minifactory.plant.document import Reader
from minifactory.units import FRACTION, LENGTH, MASS, MASS_CONCENTRATION, NUMBER, TIME, Kind, parse

PRICE_VOLUME = Kind("price per volume", "1/m^3", "1/L", 0.0)
PRICE_MASS = Kind("price per mass", "1/kg", "1/g", 0.0)
PRICE_TIME = Kind("price per time", "1/s", "1/h", 0.0)
EFFORT = Effort(population=20, evaluations=240, polish=80)
"""Of a search over a whole case, whose candidates take tenths of a second each."""
RULES = ("residence time", "velocity")


def effort(top: Reader, seed: int) -> Effort:
    """How hard to search: ``search: {population, evaluations, polish}``."""
    block, usual = top.section("search"), EFFORT
    found = Effort(
        population=block.count("population", usual.population, 4, 4096),
        evaluations=block.count("evaluations", usual.evaluations, 4),
        polish=block.count("polish", usual.polish),
        seed=seed,
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
        cycles=block.count("resin_cycles", 1, 1),
        buffers=buffers,
        buffer=_price(block, "buffer", PRICE_VOLUME, currency),
        feed=_price(block, "feed", PRICE_MASS, currency),
        hour=_price(block, "time", PRICE_TIME, currency),
    )
    if not {"resin", "buffer", "buffers", "feed", "time"} & set(block.keys):
        block.fail("nothing costs anything", 'at least one price, e.g. "time: 200 EUR/h"')
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
                fractions=block.count("fractions", 1, 1, 4),
            )
        )
        block.finish()
    return found


def scaling(top: Reader, description: Description) -> Scaling:
    """To which column: ``scale: {hardware, bed_height, ..., columns: {COLUMN: {hardware, bed_height}}}``."""
    block = top.section("scale")
    others, known = {}, description.plant.columns
    for item in block.members("columns"):
        if item.name not in known:
            item.fail(f'no column "{item.name}"', remedy=did_you_mean(item.name, known))
        others[item.name] = _bed(item)
        if others[item.name] == Bed():
            item.fail("no column to scale to", 'e.g. "hardware: XK 26/40"')
        item.finish()
    main = _bed(block)
    found = Scaling(
        hardware=main.hardware,
        bed_height=main.bed_height,
        column=block.text("column", ""),
        system=_catalogued(block, "system", system_names(), "system"),
        rule=block.choice("rule", RULES, RULES[0]),
        others=others,
    )
    block.finish()
    return found


def _bed(block: Reader) -> Bed:
    height = block.quantity("bed_height", LENGTH, required=False)
    hardware = _catalogued(block, "hardware", _hardware(), "column")
    return Bed(hardware, None if height is None else height.value)


def _catalogued(block: Reader, key: str, known: Collection[str], what: str) -> str:
    """The name at `key` of something in the catalogue; empty when nothing is stated."""
    name = block.text(key, "")
    if name:
        _refuse_uncatalogued(block, key, name, known, what)
    return name


def _refuse_uncatalogued(block: Reader, key: str, name: str, known: Collection[str], what: str) -> None:
    if plain(name) not in {plain(one) for one in known}:
        block.fail(f'"{name}" is no {what} of the catalogue', remedy=did_you_mean(name, known), key=key)


def _hardware() -> list[str]:
    """The columns of the catalogue, as people write them."""
    return [one.name for one in all_hardware().values()]


def demand(top: Reader) -> Demand:
    """What is to be made: ``demand: {product, batches, ...}``."""
    block, usual = top.section("demand"), Demand()
    found = Demand(
        product=block.value("product", MASS, usual.product),
        batches=block.count("batches", usual.batches, 1),
        skids=block.count("skids", usual.skids, 1),
        changeover=block.value("changeover", TIME, usual.changeover),
        analyses=block.count("analyses", usual.analyses),
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
        columns[name] = tuple(inside.texts(name, required=True))
        for hardware in columns[name]:
            _refuse_uncatalogued(inside, name, hardware, _hardware(), "column")
    inside.finish()
    block.finish()
    return Sequencing(columns)


def verifying(top: Reader) -> Verifying:
    """What is executed: ``verify: {of, batches, scan, mismatch}``."""
    block, usual = top.section("verify"), Verifying()
    found = Verifying(
        of=block.text("of", ""),
        batches=block.count("batches", usual.batches, 1),
        scan=block.value("scan", TIME, usual.scan, 0.1, 60.0),
        mismatch=block.flag("mismatch", usual.mismatch),
    )
    block.finish()
    return found
