from __future__ import annotations

import pytest

from minifactory.errors import InputError
from minifactory.orbit.alarms import Alarms, Change
from minifactory.records.documents import AlarmStage, Priority


def alarms() -> tuple[Alarms, list[Change]]:
    told: list[Change] = []
    return Alarms(told.append), told


def test_an_alarm_is_raised_once_and_stays_until_gone_and_acknowledged() -> None:
    listed, told = alarms()
    assert listed.set("Pressure", Priority.HIGH, "too high", 1.0)
    assert not listed.set("Pressure", Priority.HIGH, "too high", 2.0)
    listed.clear("Pressure")
    assert [item.name for item in listed.active()] == ["Pressure"]
    listed.acknowledge("Pressure", "anna", "filter changed")
    assert listed.active() == ()
    assert [item.stage for item in told] == [AlarmStage.RAISED, AlarmStage.CLEARED, AlarmStage.ACKNOWLEDGED]
    assert (told[-1].actor, told[-1].note) == ("anna", "filter changed")


def test_acknowledged_first_it_goes_when_its_cause_goes() -> None:
    listed, _ = alarms()
    listed.set("Air", Priority.HIGH, "air", 1.0)
    listed.acknowledge("Air", "anna")
    assert listed.active()[0].acknowledged
    listed.acknowledge("Air", "bo")
    listed.clear("Air")
    assert listed.active() == ()


def test_the_first_of_a_series_is_marked() -> None:
    listed, told = alarms()
    listed.set("Air", Priority.HIGH, "air", 1.0)
    listed.set("Pressure", Priority.HIGH, "too high", 2.0)
    assert [item.first_out for item in told] == [True, False]
    listed.clear("Air")
    listed.clear("Pressure")
    listed.set("Pressure", Priority.HIGH, "too high", 9.0)
    assert told[-1].first_out
    assert told[-1].occurrence == 2


def test_the_first_of_a_series_is_known_until_all_of_it_is_gone() -> None:
    listed, _ = alarms()
    listed.set("Air", Priority.HIGH, "air", 1.0)
    listed.set("Pressure", Priority.HIGH, "too high", 2.0)
    listed.clear("Air")
    assert listed.first_out is not None
    assert listed.first_out.name == "Air"
    listed.clear("Pressure")
    assert listed.first_out is None


def test_a_warning_takes_no_mark_and_leaves_with_its_cause() -> None:
    listed, told = alarms()
    listed.set("Level low feed", Priority.LOW, "10 min left", 1.0)
    listed.set("Pressure", Priority.HIGH, "too high", 2.0)
    assert [item.first_out for item in told] == [False, True]
    listed.clear("Level low feed")
    assert [item.name for item in listed.active()] == ["Pressure"]
    assert told[-1].stage is AlarmStage.CLEARED


def test_a_shelved_alarm_is_hidden_until_its_time_and_still_known() -> None:
    listed, told = alarms()
    listed.set("pH", Priority.LOW, "pH drifts", 1.0)
    listed.shelve("pH", 100.0, "anna", "known")
    assert listed.active() == ()
    assert listed.present("pH")
    listed.expire(99.0)
    assert listed.active() == ()
    listed.expire(100.0)
    assert [item.name for item in listed.active()] == ["pH"]
    assert told[-1].stage is AlarmStage.UNSHELVED


def test_an_unknown_alarm_names_the_closest() -> None:
    listed, _ = alarms()
    listed.set("Pressure", Priority.HIGH, "too high", 1.0)
    with pytest.raises(InputError, match='Did you mean "Pressure"'):
        listed.acknowledge("Presure", "anna")
