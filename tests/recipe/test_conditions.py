"""Conditions: what they mean, what they refuse, and that text and syntax tree correspond."""

from __future__ import annotations

import math
import pickle
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minifactory.errors import InputError
from minifactory.recipe.conditions import Evaluator, Expression, Sample, parse_condition
from minifactory.units import ABSORBANCE, CONDUCTIVITY, FLOW, PERCENT_B, PH, PRESSURE, Kind

NAMES: dict[str, Kind | tuple[str, ...]] = {
    "UV": ABSORBANCE,
    "UV1.Signal": ABSORBANCE,
    "Cond": CONDUCTIVITY,
    "pH": PH,
    "Flow": FLOW,
    "Pressure": PRESSURE,
    "Gradient.PercentB": PERCENT_B,
    "Air.PumpA": ("No", "Yes"),
}


def condition(text: str) -> Expression:
    return parse_condition(text, NAMES, "recipe.yaml:41")


def course(text: str, values: dict[str, list[float | None]], step: float = 1.0) -> list[bool | None]:
    """The answers of a condition along equidistant scans (volume 1 mL/s, CV = 10 mL)."""
    evaluator = Evaluator(condition(text))
    answers = []
    for place in range(len(next(iter(values.values())))):
        now = place * step
        sample = Sample(
            1e4 + now, now, now * 1e-6, now / 10.0, {name: y[place] for name, y in values.items()}
        )
        fired = evaluator.update(sample)
        assert fired is (evaluator.answer is True)
        answers.append(evaluator.answer)
    return answers


def first(answers: list[bool | None]) -> int:
    return answers.index(True)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("5 CV", "cv >= 5 CV"),
        ("after 2 CV", "cv >= 2 CV"),
        ("10 min", "time >= 10 min"),
        ("20mL", "volume >= 20 mL"),
        ("UV<60 mAU and falling(UV,20 s)", "UV < 60 mAU and falling(UV, 20 s)"),
        ("((UV > 1 mAU))", "UV > 1 mAU"),
        ("(pH < 5 and pH > 4) and 5 CV", "pH < 5 and pH > 4 and cv >= 5 CV"),
        ("pH < 5 and (pH > 4 or 5 CV)", "pH < 5 and (pH > 4 or cv >= 5 CV)"),
        ("not (UV > 5 mAU)", "not UV > 5 mAU"),
        ("not (UV > 5 mAU and pH < 5)", "not (UV > 5 mAU and pH < 5)"),
        ("UV - (2 mAU - UV) < 3 mAU", "UV - (2 mAU - UV) < 3 mAU"),
        ("UV < 10 %*maximum(UV)", "UV < 10 % * maximum(UV)"),
        ("Gradient.PercentB >= 80.5 %B", "Gradient.PercentB >= 80.5 %B"),
        ("Air.PumpA == Yes", "Air.PumpA == Yes"),
        ("slope(pH, 1 min) > 0.1 1/min", "slope(pH, 1 min) > 0.1 1/min"),
        ("Flow*3 min/2 > 5 mL", "Flow * 3 min / 2 > 5 mL"),
    ],
)
def test_the_text_form_is_canonical_and_parses_to_the_same_tree(text: str, canonical: str) -> None:
    expression = condition(text)
    assert str(expression) == canonical
    assert condition(canonical) == expression
    assert expression.text == text
    assert pickle.loads(pickle.dumps(expression)) == expression


@pytest.mark.parametrize(
    ("text", "character", "says"),
    [
        ("UV < 5 mL", 4, "UV (absorbance) cannot be compared with 5 mL (volume)"),
        ("UV > 5", 4, 'Give "5" a unit of absorbance.'),
        ("UV1.Signl > 5 mAU", 1, 'Did you mean "UV1.Signal"?'),
        ("UV < 5 foo", 6, '"foo" is not a unit'),
        ("UV + 3 mL > 5 mL", 4, "cannot be added to or taken from"),
        ("UV", 1, "expected a condition (yes or no)"),
        ("5", 1, "expected a condition (yes or no)"),
        ("5 CV and", 9, "the end was found"),
        ("5 CV 6", 6, '"6" is too much'),
        ("(UV > 5 mAU", 12, 'expected ")"'),
        ("UV > 5 mAU < 6 mAU", 12, "is too much"),
        ("slop(UV, 30 s) > 1 mAU/s", 1, 'Did you mean "slope"?'),
        ("slope(UV) > 1 mAU/s", 1, "slope(UV, 30 s)"),
        ("slope(UV, 30 mS/cm) > 1 mAU/s", 11, "is not a window"),
        ("slope(UV, 0 s) > 1 mAU/s", 11, "is not a window"),
        ("slope(UV, time) > 1 mAU/s", 11, "stands for a number"),
        ("falling(UV, 20 s, 3 mAU)", 19, "expected absorbance per time"),
        ("stable(UV, 1 mS/cm, 1 s)", 12, "cannot be compared with"),
        ("peak(UV)", 1, "peak(UV, 5 mAU)"),
        ("for(UV, 10 s)", 5, "expected a condition"),
        ("after UV", 7, "after 2 CV"),
        ("Air.PumpA", 1, "Air.PumpA == Yes"),
        ("Air.PumpA == Maybe", 14, "Known: No, Yes."),
        ("Air.PumpA > Yes", 11, '"==" or "!="'),
        ("(UV > 5 mAU) + UV > 5 mAU", 1, "is yes or no"),
        ("__import__('os')", 12, "has no meaning here"),
        ("", 1, "an empty condition"),
        ("pH > 1e400", 6, "out of bounds"),
    ],
)
def test_faults_name_the_place_the_character_and_the_remedy(text: str, character: int, says: str) -> None:
    with pytest.raises(InputError) as caught:
        condition(text)
    message = str(caught.value)
    assert message.startswith("recipe.yaml:41: ")
    assert f"at character {character} of" in message
    assert says in message


@pytest.mark.parametrize(
    "text", ["(" * 500, "not " * 400, "-" * 900 + "UV > 1 mAU", "a" * 5000, "1+" * 600 + "1 > 2"]
)
def test_length_and_depth_are_bounded(text: str) -> None:
    with pytest.raises(InputError, match=r"at most 2000|more than"):
        condition(text)


def test_the_longest_chain_that_is_accepted_can_be_printed_and_answered() -> None:
    expression = condition("1" + "+1" * 198 + " > 198")
    assert condition(str(expression)) == expression
    assert Evaluator(expression).update(Sample())


def test_phase_counters_reach_their_mark_in_spite_of_rounding() -> None:
    evaluator = Evaluator(condition("3 CV"))
    total = math.fsum([0.1] * 30) - 1e-12
    assert evaluator.update(Sample(phase_cv=total))
    assert not evaluator.update(Sample(phase_cv=2.99))


def test_thresholds_logic_and_arithmetic() -> None:
    values: dict[str, float | None] = {"UV": 0.05, "pH": 5.1, "Flow": 1e-6 / 60.0, "Air.PumpA": 1.0}

    def yes(text: str) -> bool:
        return Evaluator(condition(text)).update(Sample(values=values))

    assert yes("UV == 50 mAU")
    assert yes("UV < 51 mAU and UV > 49 mAU")
    assert yes("not UV > 51 mAU")
    assert yes("UV > 51 mAU or pH < 5.2 and pH > 5")
    assert yes("Flow * 2 min > 1.99 mL and Flow * 2 min < 2.01 mL")
    assert yes("abs(pH - 6) > 0.8")
    assert yes("-pH < 0")
    assert yes("Air.PumpA == Yes")
    assert not yes("Air.PumpA != Yes")
    assert not yes("UV / (pH - pH) > 0 mAU")


def test_unknown_values_never_fire_and_decide_nothing() -> None:
    for values in ({}, {"UV": None}, {"UV": math.nan}):
        sample = Sample(values=values)
        for text in ("UV > 5 mAU", "not UV > 5 mAU", "UV <= 5 mAU", "UV != 5 mAU", "UV - UV == 0 mAU"):
            evaluator = Evaluator(condition(text))
            assert not evaluator.update(sample)
            assert evaluator.answer is None
        assert Evaluator(condition("UV > 5 mAU or 0 CV")).update(sample)
        evaluator = Evaluator(condition("UV > 5 mAU and 1 CV"))
        evaluator.update(sample)
        assert evaluator.answer is False


def test_slope_of_a_ramp_is_exact_and_needs_a_full_window() -> None:
    ramp: list[float | None] = [1e-3 * place for place in range(100)]
    answers = course("slope(UV, 30 s) > 0.99 mAU/s and slope(UV, 30 s) < 1.01 mAU/s", {"UV": ramp})
    assert answers[:30] == [None] * 30
    assert all(answers[30:])
    assert first(course("slope(UV, 20 mL) > 0.9 mAU/mL", {"UV": ramp})) == 20
    assert first(course("slope(UV, 2 CV) > 9 mAU/CV", {"UV": ramp})) == 20


def test_rising_and_falling() -> None:
    hill: list[float | None] = [math.sin(place / 200.0 * math.pi) for place in range(200)]
    rising, falling = (course(f"{word}(UV, 20 s)", {"UV": hill}) for word in ("rising", "falling"))
    assert all(rising[20:105])
    assert not any(rising[112:])
    # A centred slope lags by half the window.
    assert first(falling) == pytest.approx(110, abs=1)
    assert all(falling[111:])
    steep = course("falling(UV, 20 s, 15 mAU/s)", {"UV": hill})
    assert first(steep) > 190


def test_a_bad_value_empties_the_window() -> None:
    ramp: list[float | None] = [1e-3 * place for place in range(100)]
    ramp[50] = None
    answers = course("rising(UV, 10 s)", {"UV": ramp})
    assert all(answers[10:50])
    assert answers[50:61] == [None] * 11
    assert all(answers[61:])


def test_peak_and_valley_follow_the_turns() -> None:
    curve: list[float | None] = [
        0.1 + 0.1 * math.sin(2.0 * math.pi * place / 100.0) for place in range(300)
    ]  # maxima at 25, 125, 225; minima at 75, 175
    peak = course("peak(UV, 10 mAU)", {"UV": curve})
    valley = course("valley(UV, 10 mAU)", {"UV": curve})
    # cos(2 pi d / 100) = 0.9 at d = 7.2: the turn is seen 8 scans after the extreme.
    assert first(peak) == 25 + 8
    assert not any(peak[83:133])
    assert peak[133]
    assert first(valley) == 75 + 8
    assert not any(valley[133:183])
    flat = course("peak(UV, 10 mAU)", {"UV": [0.1 + 0.004 * (-1) ** place for place in range(100)]})
    assert not any(flat)
    assert not any(course("peak(UV, 10 mAU)", {"UV": [0.2 - 0.001 * place for place in range(150)]}))


def test_stable_waits_for_a_full_quiet_window() -> None:
    values: list[float | None] = [10.0 * math.exp(-place / 10.0) for place in range(200)]
    fired = first(course("stable(Cond, 1 mS/cm, 20 s)", {"Cond": values}))
    # 10 exp(-t/10) (exp(2) - 1) = 0.1 S/m at t = 64.6 s
    assert fired == 65
    values[100] = 5.0
    answers = course("stable(Cond, 1 mS/cm, 20 s)", {"Cond": values})
    assert not any(answers[100:121])
    assert answers[121]


def test_for_once_hysteresis_and_extremes() -> None:
    square: list[float | None] = [0.1 if place % 20 < 10 or place > 80 else 0.0 for place in range(120)]
    assert first(course("for(UV > 50 mAU, 9 s)", {"UV": square})) == 9
    assert first(course("for(UV > 50 mAU, 12 s)", {"UV": square})) == 80 + 12
    assert course("once(UV < 50 mAU)", {"UV": square}) == [False] * 10 + [True] * 110
    wave: list[float | None] = [0.055 + 0.01 * math.sin(place) for place in range(50)]
    wave[40:] = [0.02] * 10
    answers = course("above(UV, 60 mAU, 40 mAU)", {"UV": wave})
    assert answers[1:40] == [True] * 39
    assert answers[40:] == [False] * 10
    assert course("below(UV, 40 mAU, 60 mAU)", {"UV": wave})[40:] == [True] * 10
    hill: list[float | None] = [math.exp(-(((place - 50) / 10.0) ** 2)) for place in range(100)]
    # exp(-d^2) = 0.1 at d = 1.517
    assert first(course("rising(UV, 2 s) or UV < 10 % * maximum(UV)", {"UV": hill})) == 2
    assert first(course("once(UV > 500 mAU) and UV < 10 % * maximum(UV)", {"UV": hill})) == 66
    assert first(course("UV > 100 mAU + minimum(UV)", {"UV": hill})) == 35


def test_windows_are_fed_whatever_the_rest_says() -> None:
    falling: list[float | None] = [1.0 - 0.01 * place for place in range(100)]
    # UV < 500 mAU becomes true at 51; the window of falling() must be full by then.
    assert first(course("UV < 500 mAU and falling(UV, 30 s)", {"UV": falling})) == 51
    assert first(course("falling(UV, 30 s) and UV < 500 mAU", {"UV": falling})) == 51


def test_reset_forgets() -> None:
    evaluator = Evaluator(condition("once(UV > 5 mAU) and maximum(UV) > 5 mAU and for(UV < 1 mAU, 2 s)"))
    for now, uv in enumerate([0.006, 0.0, 0.0, 0.0]):
        fired = evaluator.update(Sample(time=now, values={"UV": uv}))
    assert fired
    evaluator.reset()
    assert evaluator.answer is None
    assert not evaluator.update(Sample(time=4.0, values={"UV": 0.0}))


def test_names_numbers_and_renaming() -> None:
    expression = condition("UV < 60 mAU and falling(UV1.Signal, 20 s) or 5 CV")
    assert expression.tags() == ("UV", "UV1.Signal")
    assert [item.text for item in expression.literals()] == ["60 mAU", "20 s", "5 CV"]
    bound = expression.renamed({"UV": "UV1.Signal"})
    assert bound.tags() == ("UV1.Signal",)
    changed = expression.with_literal(0, condition("UV < 70 mAU").literals()[0])
    assert str(changed) == "UV < 70 mAU and falling(UV1.Signal, 20 s) or cv >= 5 CV"


@given(st.lists(st.floats(-1.0, 1.0), min_size=25, max_size=80), st.integers(2, 20))
@settings(max_examples=60, deadline=None)
def test_the_running_slope_is_the_slope_of_the_window(ys: list[float], width: int) -> None:
    from minifactory.recipe.windows import SlopeWindow

    window = SlopeWindow(float(width))
    for place, y in enumerate(ys):
        found = window.update(1e6 + place, y)
        if place < width:
            assert found is None
            continue
        assert found is not None
        last = ys[place - width : place + 1]
        middle = width / 2.0
        expected = sum((x - middle) * z for x, z in enumerate(last)) / sum(
            (x - middle) ** 2 for x in range(width + 1)
        )
        assert found == pytest.approx(expected, abs=1e-9)


@given(st.lists(st.floats(-1.0, 1.0), min_size=5, max_size=60), st.integers(1, 8))
@settings(max_examples=60, deadline=None)
def test_the_running_range_is_the_range_of_the_window(ys: list[float], width: int) -> None:
    from minifactory.recipe.windows import RangeWindow

    window = RangeWindow(float(width))
    for place, y in enumerate(ys):
        found = window.update(float(place), y)
        last = ys[max(0, place - width) : place + 1]
        assert found == (max(last) - min(last) if place >= width else None)


def _sentences() -> st.SearchStrategy[str]:
    """Random well-formed conditions."""
    absorbance = st.recursive(
        st.sampled_from(["UV", "UV1.Signal", "5 mAU", "0.25 AU", "maximum(UV)", "abs(UV)", "-UV"]),
        lambda inner: (
            st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-"]), inner)
            | st.builds("{} * 2".format, inner)
            | st.builds("10 % * ({})".format, inner)
        ),
        max_leaves=4,
    )
    simple = st.builds(
        "{} {} {}".format, absorbance, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), absorbance
    )
    atoms = simple | st.sampled_from(
        ["5 CV", "after 20 mL", "Air.PumpA == Yes", "falling(UV, 20 s)", "peak(UV, 5 mAU)", "pH < 5.1",
         "stable(Cond, 0.1 mS/cm, 2 min)", "slope(UV, 30 s) > 0.1 mAU/s", "above(pH, 6, 5.5)"]
    )  # fmt: skip
    return st.recursive(
        atoms,
        lambda inner: (
            st.builds("({}) and ({})".format, inner, inner)
            | st.builds("({}) or {}".format, inner, inner)
            | st.builds("not ({})".format, inner)
            | st.builds("for({}, 10 s)".format, inner)
            | st.builds("once({})".format, inner)
        ),
        max_leaves=6,
    )


@given(_sentences(), st.integers(0, 2**32))
@settings(max_examples=200, deadline=None)
def test_any_condition_round_trips_and_both_forms_answer_alike(text: str, seed: int) -> None:
    expression = condition(text)
    again = condition(str(expression))
    assert again == expression
    assert str(again) == str(expression)
    one, other = Evaluator(expression), Evaluator(again)
    source = random.Random(seed)
    for now in range(40):
        values: dict[str, float | None] = {
            name: None if source.random() < 0.02 else source.uniform(-0.01, 0.01) for name in NAMES
        }
        sample = Sample(now, now, now * 1e-6, now / 10.0, values)
        assert one.update(sample) == other.update(sample)
        assert one.answer is other.answer


@given(st.text(max_size=80) | st.text(alphabet="UV<>=()+-*/ 0123456789.mAUCVandorslope,", max_size=60))
@settings(max_examples=300, deadline=None)
def test_nonsense_is_refused_in_words(text: str) -> None:
    try:
        expression = condition(text)
    except InputError as caught:
        fault: InputError | None = caught
    else:
        fault = None
        assert condition(str(expression)) == expression
    assert fault is None or str(fault).startswith("recipe.yaml:41: ")
