"""The virtual skid as a whole, in lock-step and in memory."""

from __future__ import annotations

import math
from typing import Any

import pytest

from minifactory.drivers import InMemoryBackend
from minifactory.errors import InputError
from minifactory.plant.parameters import ParameterSet
from minifactory.signals import InstructionRefused, Quality, Reading, SignalBackend, Tag, TagTable
from minifactory.skid.faults import Fault, FaultKind, parse_fault
from minifactory.skid.virtual import VirtualSkid
from tests.skid.plug_flow import ML_MIN, PlugFlow, parameters, skid, table

OWNER = "orbit"


class Rig(InMemoryBackend):
    """A virtual skid in memory, both as its controller and as the laboratory see it."""

    def __init__(self, virtual: VirtualSkid) -> None:
        super().__init__(virtual)
        self.virtual = virtual

    def __getattr__(self, name: str) -> Any:
        return getattr(self.virtual, name)


def rig(seed: int = 1, process: PlugFlow | None = None, given: ParameterSet | None = None) -> Rig:
    return Rig(VirtualSkid(table(), skid(), process or PlugFlow(), given or parameters(), seed))


def run(backend: SignalBackend, times: list[float]) -> list[dict[str, Reading]]:
    """A gradient over 20 mL at 10 mL/min, read at `times`."""
    backend.write({"System.Flow.SP": 10 * ML_MIN, "OutletValve.SP": 1.0})
    backend.call("Gradient", {"percent_b": 100.0, "volume": 20e-6}, 1, OWNER)
    images = []
    for time in times:
        backend.advance(time)
        images.append(dict(backend.read()))
    return images


def test_every_readable_tag_is_read_and_good_at_the_start() -> None:
    backend = rig()
    image = backend.read()
    assert list(image) == [tag.name for tag in table().readable]
    assert all(reading.good and reading.time == 0.0 for reading in image.values())
    assert image["UV1.Wavelength"].value == 280e-9
    assert image["System.State"].value == 0.0


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    times = [float(at) for at in range(1, 200)]
    assert run(rig(7), times) == run(rig(7), times)
    assert run(rig(7), times) != run(rig(8), times)


def test_one_long_advance_equals_many_short_ones() -> None:
    one = run(rig(7), [10.0, 150.0])
    ten = run(rig(7), [float(at) for at in range(1, 151)])
    assert one[0] == ten[9]
    assert one[1] == ten[149]


def test_earlier_times_change_nothing() -> None:
    backend = rig()
    backend.advance(10.0)
    image = backend.read()
    backend.advance(5.0)
    assert backend.now() == 10.0
    assert backend.read() == image


def test_conductivity_follows_the_gradient_after_the_dead_volume() -> None:
    backend = rig(given=parameters(Cond__noise=0.0, Cond__relative_noise=0.0, Cond__lag=0.0))
    images = run(backend, [float(at) for at in range(1, 160)])
    for image in images:
        pumped = image["System.Volume"].value
        begin = _begin_of_gradient(images)
        part = min(max((pumped - 2e-6 - begin) / 20e-6, 0.0), 1.0)
        # The tag shows what the pumps mean to deliver; chords of the starting ramp are all that differs.
        assert image["Cond.Signal"].value == pytest.approx(0.2 + part * 9.8, abs=2e-3)


def _begin_of_gradient(images: list[dict[str, Reading]]) -> float:
    image = images[60]
    return image["System.Volume"].value - image["Gradient.PercentB"].value / 100.0 * 20e-6


def test_pump_gain_and_detector_gain_are_the_truth_that_the_controller_does_not_see() -> None:
    process = PlugFlow()
    backend = rig(process=process, given=parameters(PumpA__gain=1.03, PumpB__gain=1.03, Cond__gain=0.9))
    backend.write({"System.Flow.SP": 10 * ML_MIN})
    backend.advance(100.0)
    shown = backend.read()
    assert process.volume_a == pytest.approx(1.03 * shown["System.Volume"].value, rel=1e-9)
    assert shown["Cond.Signal"].value == pytest.approx(0.18, abs=2e-3)
    assert backend.truth.conductivity == pytest.approx(0.2)


def test_pressure_above_the_limit_trips_the_hardware() -> None:
    backend = rig(process=PlugFlow(resistance=5e12))
    backend.write({"Pressure.Limit.SP": 0.5e6})
    backend.advance(5.0)
    backend.write({"System.Flow.SP": 5 * ML_MIN})  # 0.42 MPa
    backend.advance(10.0)
    assert backend.read()["Alarm.Pressure"].value == 0.0
    backend.write({"System.Flow.SP": 10 * ML_MIN})  # 0.83 MPa
    backend.advance(13.0)
    image = backend.read()
    assert image["Alarm.Pressure"].value == 1.0
    assert image["System.State"].value == table().tag("System.State").index("Alarm")
    assert image["System.Flow"].value == 0.0
    assert backend.set_points()[0] == 0.0


def test_set_points_are_shown_as_accepted() -> None:
    backend = rig()
    backend.write({"OutletValve.SP": 3.0, "Heartbeat.SP": 17.0})
    shown = dict(zip((tag.name for tag in table().writable), backend.set_points(), strict=True))
    assert shown["OutletValve.SP"] == 3.0
    assert backend.read()["OutletValve.Position"].value == 0.0
    backend.advance(2.0)
    assert backend.read()["OutletValve.Position"].value == 3.0
    assert backend.read()["Heartbeat.Echo"].value == 17.0


def test_auto_zero_brings_the_uv_signal_to_zero() -> None:
    process = PlugFlow(product=0.0)
    process.inlets[0, 1] = 0.001
    backend = rig(process=process)
    backend.write({"System.Flow.SP": 10 * ML_MIN})
    backend.advance(60.0)
    # Stray light of 0.001 makes 0.1999 AU of 0.2 AU; noise is 3e-5 AU.
    assert backend.read()["UV1.Signal"].value == pytest.approx(0.2, abs=1e-3)
    backend.call("AutoZero", {}, 1, OWNER)
    backend.advance(62.0)
    assert backend.read()["UV1.Signal"].value == pytest.approx(0.0, abs=5 * 3e-5)
    assert backend.read()["Instruction.Completed"].value == 1.0


def test_saturated_uv_is_uncertain() -> None:
    process = PlugFlow(product=0.0)
    process.inlets[0, 1] = 0.02
    backend = rig(process=process)
    assert backend.read()["UV1.Signal"].quality is Quality.UNCERTAIN
    assert backend.read()["UV1.Signal"].value < 3.1
    assert backend.read()["Cond.Signal"].good


def test_a_tag_that_nothing_provides_is_an_error_with_its_name() -> None:
    known = table()
    strange = TagTable.of("akta1", [*known.tags.values(), Tag("Nose.Signal", known.tag("pH.Signal").kind)])
    with pytest.raises(InputError, match=r"akta1 Nose\.Signal: is a tag that nothing provides"):
        VirtualSkid(strange, skid(), PlugFlow(), parameters(), 1)


def test_faults_falsify_what_is_shown_while_they_last() -> None:
    backend = rig()
    for kind, tag in (
        (FaultKind.NAN, "pH.Signal"),
        (FaultKind.BAD, "Cond.Signal"),
        (FaultKind.FAILED, "UV1.Signal"),
        (FaultKind.FREEZE, "System.ProcessTime"),
        (FaultKind.CONSTANT, "UV2.Signal"),
    ):
        backend.inject(Fault(kind, tag, value=0.5, start=5.0, end=8.0))
    backend.advance(4.0)
    assert all(reading.good for reading in backend.read().values())
    backend.advance(7.0)
    image = backend.read()
    assert math.isnan(image["pH.Signal"].value)
    assert image["pH.Signal"].good
    assert image["Cond.Signal"].quality is Quality.BAD
    assert image["Cond.Signal"].value == pytest.approx(0.2, abs=0.01)
    assert math.isnan(image["UV1.Signal"].value)
    assert image["UV1.Signal"].quality is Quality.BAD
    assert image["System.ProcessTime"] == Reading(4.0, 7.0)
    assert image["UV2.Signal"] == Reading(0.5, 7.0)
    backend.advance(8.0)
    assert all(reading.good for reading in backend.read().values())
    assert backend.read()["System.ProcessTime"].value == 8.0


def test_a_frozen_skid_shows_old_readings_with_their_old_time() -> None:
    backend = rig()
    backend.advance(5.0)
    image = backend.read()
    backend.inject(Fault(FaultKind.FREEZE, start=6.0))
    backend.advance(20.0)
    assert backend.read() == image
    backend.clear_faults()
    backend.advance(21.0)
    assert backend.read()["System.ProcessTime"].time == 21.0


def test_a_pressure_spike_trips_the_hardware() -> None:
    backend = rig()
    backend.write({"System.Flow.SP": 10 * ML_MIN})
    backend.inject(parse_fault("pressure=11 MPa@10 s+2 s", table()))
    backend.advance(9.0)
    assert backend.read()["Alarm.Pressure"].value == 0.0
    backend.advance(10.0)
    assert backend.read()["Alarm.Pressure"].value == 1.0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("freeze@10 min", Fault(FaultKind.FREEZE, start=600.0)),
        ("nan:pH.Signal@60 s+10 s", Fault(FaultKind.NAN, "pH.Signal", start=60.0, end=70.0)),
        ("constant:UV1.Signal=50 mAU@0 s", Fault(FaultKind.CONSTANT, "UV1.Signal", 0.05)),
        ("constant:OutletValve.Position=F2@0 s", Fault(FaultKind.CONSTANT, "OutletValve.Position", 1.0)),
    ],
)
def test_faults_are_read_from_text(text: str, fault: Fault) -> None:
    assert parse_fault(text, table()) == fault


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a fault"),
        ("frieze@10 s", 'Did you mean "freeze"'),
        ("nan@10 s", "names no tag"),
        ("nan:pH.Signl@10 s", 'Did you mean "pH.Signal"'),
        ("nan:OutletValve.SP@10 s", "is a set-point"),
        ("nan:pH.Signal@10", "has no unit"),
        ("constant:UV1.Signal@10 s", "nothing is not a quantity"),
        ("pressure:UV1.Signal=1 MPa@10 s", "takes no tag"),
    ],
)
def test_wrong_faults_are_refused_with_reasons(text: str, reason: str) -> None:
    with pytest.raises(InputError) as refusal:
        parse_fault(text, table())
    assert reason in str(refusal.value)


def test_buttons_of_the_equipment_hold_go_on_and_end() -> None:
    backend = rig()
    choices = backend.table.tag("System.State").choices
    for text in ("hold@30 s+30 s", "pause@90 s+30 s", "end@150 s"):
        backend.inject(parse_fault(text, backend.table))
    backend.write({"System.Flow.SP": 10 * ML_MIN, "OutletValve.SP": 1.0})
    backend.call("Gradient", {"percent_b": 100.0, "volume": 50e-6}, 1, OWNER)
    seen = {}
    for time in range(1, 181):
        backend.advance(float(time))
        image = backend.read()
        seen[time] = (
            choices[int(image["System.State"].value)],
            image["System.Flow"].value,
            image["Gradient.PercentB"].value,
        )
    assert [seen[time][0] for time in (20, 50, 80, 110, 140, 170)] == [
        *("Running", "Held", "Running", "Paused", "Running", "Ended")
    ]
    assert seen[50][1] == pytest.approx(10 * ML_MIN, rel=0.05)
    assert seen[35][2] == seen[80][2] > seen[20][2]  # the gradient stands where hold found it
    assert seen[115][1] == seen[170][1] == 0.0
    with pytest.raises(InstructionRefused, match="ended at the equipment"):
        backend.write({"System.Flow.SP": 5 * ML_MIN})
    backend.call("ClearAlarm", {}, 2, OWNER)
    backend.advance(190.0)
    backend.write({"System.Flow.SP": 5 * ML_MIN})
    backend.advance(200.0)
    assert backend.read()["System.Flow"].value > 0.0


def test_buttons_take_no_tag() -> None:
    with pytest.raises(InputError, match="hold takes no tag"):
        parse_fault("hold:UV1.Signal@3 s", table())
