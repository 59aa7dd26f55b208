"""The catalogue: complete, consistent, every number with a source, and facts spot-checked."""

from __future__ import annotations

import math

import pytest

from minifactory.errors import InputError
from minifactory.plant.catalogue.columns import all_hardware
from minifactory.plant.catalogue.files import plain, system_files
from minifactory.plant.catalogue.resins import all_resins
from minifactory.plant.catalogue.substances import all_compounds, all_species
from minifactory.plant.catalogue.systems import find_system, system_names
from minifactory.plant.document import UNSTATED
from minifactory.plant.flowpath import fixed_loops, flow_path
from minifactory.plant.model import DeviceKind, Port, Role, Skid
from minifactory.plant.tagging import tag_table

ML_MIN = 1e-6 / 60.0
SYSTEMS = system_names()


def skid_of(name: str) -> Skid:
    """A bare skid of a system with a bottle at every inlet and outlet of its valves, columns by-passed."""
    equipment = find_system(name).equipment
    links = list(equipment.connections)
    taken = {port for link in links for port in link}
    for place in equipment.places.values():
        links.append((place.top, place.bottom))
        taken |= {place.top, place.bottom}
    for device in equipment.devices.values():
        for port in device.ports:
            here = Port(device.name, port)
            if here not in taken and (device.kind is DeviceKind.VALVE or port == "in"):
                links.append((Port(f"bottle_{device.name}_{port}"), here))
    return Skid(name, name, equipment.devices, tuple(links), equipment.max_pressure, bypass=equipment.bypass)


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_number_of_a_system_has_a_source(name: str) -> None:
    system = find_system(name)
    assert [number.path for number in system.numbers.values() if number.source == UNSTATED] == []


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_a_way_from_its_inlets_to_its_outlet(name: str) -> None:
    skid = skid_of(name)
    positions = {valve.name: next(iter(valve.positions)) for valve in skid.of_kind(DeviceKind.VALVE)}
    path = flow_path(skid, {**positions, **skid.bypass})
    kinds = [skid.devices[device].kind for device in path.devices]
    for kind in (DeviceKind.MIXER, DeviceKind.UV_CELL, DeviceKind.CONDUCTIVITY_CELL, DeviceKind.RESTRICTOR):
        assert kind in kinds
    assert set(path.branches) == {"PumpA", "PumpB"}
    assert 0.1e-6 < path.delay_volume() < 20e-6
    assert fixed_loops(skid) == []


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_position_of_every_valve_joins_ports(name: str) -> None:
    skid = skid_of(name)
    for valve in skid.of_kind(DeviceKind.VALVE):
        for joints in valve.positions.values():
            ports = [port for joint in joints for port in joint]
            assert ports
            assert len(set(ports)) == len(ports), f"{valve.name} joins a port twice"
            assert set(ports) <= set(valve.ports)
        assert valve.values["switch_time"] > 0.0


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_tag_table_of_every_system_is_of_sensible_size(name: str) -> None:
    table = tag_table(skid_of(name))
    assert 35 <= len(table.tags) <= 60


@pytest.mark.parametrize(
    ("name", "flow", "pressure", "path_length"),
    [
        ("AKTAexplorer 10", 10.0, 25e6, 10e-3),
        ("AKTAexplorer 100", 100.0, 10e6, 10e-3),
        ("AKTApurifier 10", 10.0, 25e6, 10e-3),
        ("AKTApurifier 100", 100.0, 10e6, 10e-3),
        ("AKTAprime", 50.0, 1e6, 5e-3),
        ("AKTAprime plus", 50.0, 1e6, 5e-3),
        ("AKTA pure 25", 25.0, 20e6, 2e-3),
        ("AKTA pure 150", 150.0, 5e6, 2e-3),
    ],
)
def test_ranges_and_limits(name: str, flow: float, pressure: float, path_length: float) -> None:
    equipment = find_system(name).equipment
    assert equipment.system == name
    assert equipment.max_pressure == pytest.approx(pressure)
    for pump in ("PumpA", "PumpB"):
        assert equipment.devices[pump].values["max_flow"] == pytest.approx(flow * ML_MIN)
        assert equipment.devices[pump].values["max_pressure"] == pytest.approx(pressure)
    assert equipment.devices["UV"].values["path_length"] == pytest.approx(path_length)


def test_names_are_found_the_way_people_write_them() -> None:
    for text in ("ÄKTAexplorer 100", "aktaexplorer100", "AKTA explorer 100"):
        assert find_system(text).equipment.system == "AKTAexplorer 100"
    assert plain("SP Sepharose Fast Flow") in all_resins()
    with pytest.raises(InputError, match='Did you mean "AKTA pure 25"'):
        find_system("AKTA pura 25")


def test_file_names_follow_the_names_of_systems() -> None:
    assert tuple(plain(name) for name in SYSTEMS) == system_files()


def test_an_extended_system_keeps_its_own_sources() -> None:
    numbers = find_system("AKTAexplorer 10").numbers
    assert "P-903" in numbers["devices.PumpA.max_flow"].source
    assert "M-925" in numbers["devices.Mixer.volume"].source


def test_columns_are_possible() -> None:
    for hardware in all_hardware().values():
        assert 0.0 < hardware.inner_diameter < 0.2
        assert 0.0 <= hardware.min_bed_height <= hardware.max_bed_height <= 1.0
        assert 0.1e6 <= hardware.max_pressure <= 20e6
        assert hardware.source != UNSTATED


@pytest.mark.parametrize(
    ("name", "volume"),
    [
        ("HiTrap 1 mL", 0.962),
        ("HiTrap 5 mL", 5.027),
        ("HiScreen", 4.657),
        ("HiPrep 16/10", 20.1),
        ("HiPrep 26/10", 53.1),
    ],
)
def test_packed_columns_have_their_nominal_volume(name: str, volume: float) -> None:
    hardware = all_hardware()[plain(name)]
    assert hardware.fixed
    found = math.pi / 4 * hardware.inner_diameter**2 * hardware.max_bed_height
    assert found / 1e-6 == pytest.approx(volume, rel=2e-3)


def test_resins_are_possible() -> None:
    for resin in all_resins().values():
        assert 10e-6 < resin.particle_diameter < 200e-6
        assert resin.source != UNSTATED
        assert len(resin.ph_range) == 2
        assert resin.ph_range[0] < resin.ph_range[1]
        if "exchange" in resin.chemistry:
            low, high = resin.ionic_capacity
            assert 50.0 <= low < high <= 300.0, "mol per m3 of packed bed"


def test_species_are_consistent() -> None:
    for species in all_species().values():
        if species.role is Role.STRONG_ION:
            assert species.charge != 0
            assert len(species.molar_conductivity) == 1
        if species.role is Role.WEAK_ACID:
            stages = [species.acid_charge - step for step in range(len(species.pka) + 1)]
            assert len(species.molar_conductivity) == sum(charge != 0 for charge in stages)
        assert all(1e-3 < value < 0.05 for value in species.molar_conductivity), "S m2/mol"


def test_the_conductivity_of_sodium_chloride_at_infinite_dilution() -> None:
    species = all_species()
    total = species["sodium"].molar_conductivity[0] + species["chloride"].molar_conductivity[0]
    assert total == pytest.approx(126.39e-4, rel=1e-4), "CRC: 126.39 S cm2/mol"


def test_compounds_are_made_of_known_species_and_can_be_neutral() -> None:
    species = all_species()
    for name, parts in all_compounds().items():
        lowest = highest = 0.0
        for each, number in parts.items():
            known = species[each]
            weak = known.role is Role.WEAK_ACID
            lowest += number * (known.acid_charge - len(known.pka) if weak else known.charge)
            highest += number * (known.acid_charge if weak else known.charge)
        neutral_with_water = name in ("NaOH", "KOH", "HCl")
        assert lowest <= 0.0 <= highest or neutral_with_water, name
