"""The documented example: what is loaded is what stands there, completed from the catalogue."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from minifactory.plant.load import load_plant
from minifactory.plant.model import DeviceKind, Plant, Port, Role

ML = 1e-6


def test_the_column_is_completed_from_the_catalogue(plant: Plant) -> None:
    column = plant.columns["C1"]
    assert column.volume / ML == pytest.approx(50.27, rel=1e-4)
    assert column.inner_diameter == pytest.approx(0.016)
    assert column.particle_diameter == pytest.approx(90e-6)
    assert column.max_pressure == pytest.approx(0.5e6)
    assert column.positions == {"ColumnPosition": "Position2"}
    assert plant.skid_of("C1").name == "akta1"
    assert plant.numbers["columns.C1.inner_diameter"].source.startswith("GE Healthcare")
    assert plant.numbers["columns.C1.bed_height"].text == "25 cm"


def test_the_column_stands_between_its_two_ports(plant: Plant) -> None:
    links = plant.skids["akta1"].connections
    chain = [
        "ColumnPosition.2_top",
        "C1TubingTop.in",
        "C1.in",
        "C1TubingBottom.in",
        "ColumnPosition.2_bottom",
    ]
    here = Port("ColumnPosition", "2_top")
    for name in chain[1:]:
        there = next(stop for start, stop in links if start == here)
        assert str(there) == name
        here = Port(there.owner, "out")


def test_overrides_change_only_what_they_name(plant: Plant) -> None:
    skid = plant.skids["akta1"]
    line = skid.devices["BufferLineA1"]
    assert line.volume == pytest.approx(10 * ML)
    assert line.values["inner_diameter"] == pytest.approx(2.9e-3)
    assert line.values["length"] == pytest.approx(10 * ML / (math.pi / 4 * 2.9e-3**2))
    assert skid.max_pressure == pytest.approx(0.5e6)
    assert skid.devices["PumpA"].values["max_flow"] == pytest.approx(100 * ML / 60)


def test_a_new_device_is_spliced_into_its_line(plant: Plant) -> None:
    links = plant.skids["akta1"].connections
    assert (Port("LineOutlet", "out"), Port("LineFraction", "in")) in links
    assert (Port("LineFraction", "out"), Port("OutletValve", "in")) in links
    assert (Port("LineOutlet", "out"), Port("OutletValve", "in")) not in links


def test_compounds_are_resolved_and_summed(plant: Plant) -> None:
    composition = plant.materials["buffer_b"].composition
    assert composition == pytest.approx({"acetate": 20.0, "sodium": 181.0, "chloride": 167.0})
    assert plant.materials["caustic"].composition == pytest.approx({"sodium": 1000.0})


def test_mass_concentrations_use_the_molar_mass(plant: Plant) -> None:
    assert plant.materials["feed"].composition["product"] == pytest.approx(4.5 / 150.0)
    assert plant.materials["feed"].viscosity == pytest.approx(1.05e-3)


def test_only_species_that_occur_are_followed(plant: Plant) -> None:
    assert set(plant.species) == {"sodium", "chloride", "acetate", "product", "variant"}
    assert plant.species["product"].role is Role.PRODUCT
    # 1.4 L/(g cm) = 140 m2/kg, times 150 kg/mol
    assert plant.species["product"].extinction == pytest.approx({280e-9: 140.0 * 150.0})


def test_vessels_are_connected_in_the_direction_of_flow(plant: Plant) -> None:
    links = plant.skids["akta1"].connections
    assert (Port("buffer_a"), Port("BufferValveA1", "A11")) in links
    assert (Port("OutletValve", "F2"), Port("pool")) in links
    assert (Port("InjectionValve", "waste"), Port("waste")) in links, "an open drain goes to the waste vessel"


def test_parameters_are_si_with_source_and_uncertainty(plant: Plant) -> None:
    parameters = plant.parameters
    porosity = parameters.parameters["C1.interstitial_porosity"]
    assert (porosity.value, porosity.lower, porosity.upper) == pytest.approx((0.33, 0.28, 0.42))
    assert porosity.source == "typical of agarose beds"
    assert porosity.uncertainty is not None
    assert porosity.uncertainty.relative
    assert porosity.where.startswith("parameters.yaml:5")
    assert parameters["C1.product.k_kin"] == pytest.approx(10.0)
    assert parameters["C1.ions.film_coefficient"] == pytest.approx(5e-5)
    assert parameters["akta1.Latency.nominal"] == pytest.approx(0.5)


def test_a_capacity_per_column_is_kept_per_solid(plant: Plant) -> None:
    solid = (1 - 0.33) * (1 - 0.85)
    assert plant.parameters["C1.ionic_capacity"] == pytest.approx(215.0 / solid)


def test_defaults_are_there_without_being_stated(plant: Plant) -> None:
    assert plant.parameters["akta1.PumpB.gain"] == 1.0
    assert plant.parameters["buffer_a.strength"] == 1.0
    assert plant.parameters.parameters["akta1.UV2.gain"].source == "by definition"
    assert plant.parameters.first(("C1.sodium.pore_accessibility", "C1.ions.pore_accessibility"), 0.5) == 1.0


def test_what_is_assumed_can_be_listed(plant: Plant) -> None:
    assumed = {number.path for number in plant.assumed}
    assert "C1.product.nu" in assumed
    assert "skids.akta1.devices.LineUV.length" in assumed
    assert "columns.C1.bed_height" not in assumed
    assert "C1.interstitial_porosity" not in assumed


def test_every_system_has_its_sensors(plant: Plant) -> None:
    kinds = {device.kind for device in plant.skids["akta1"].devices.values()}
    assert {DeviceKind.UV_CELL, DeviceKind.CONDUCTIVITY_CELL, DeviceKind.PH_CELL} <= kinds


def test_loading_again_is_fast(case: Path) -> None:
    load_plant(case)
    start = time.process_time()
    load_plant(case)
    assert time.process_time() - start < 0.15, "CPU time of a warm load, some 5 ms when measured"
