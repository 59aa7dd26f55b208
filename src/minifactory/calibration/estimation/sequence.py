"""The whole sequence: each run tells what it can, in the order in which an engineer asks.

    by-pass pulses -> lines    pulses -> porosities, dispersion, mass transfer, plate heights
    gradients, breakthroughs, fractions -> detectors, retention, isotherm and transport by the full curves

What one step found is where the next begins.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from minifactory.calibration.estimation.calibrated import Calibration
from minifactory.calibration.estimation.candidates import free_parameter, parsed
from minifactory.calibration.estimation.column_step import column_step
from minifactory.calibration.estimation.data import Data, DataKind, kind_of
from minifactory.calibration.estimation.inverse_step import inverse_step
from minifactory.calibration.estimation.lines_step import lines_step
from minifactory.calibration.estimation.options import Options
from minifactory.calibration.estimation.other_values import with_parameters
from minifactory.calibration.estimation.result import Step
from minifactory.calibration.estimation.rivals import AS_IT_IS, Rival, compare, generated
from minifactory.calibration.estimation.space import Free
from minifactory.calibration.estimation.variants import Split, split
from minifactory.errors import Finding, InputError
from minifactory.plant.model import Plant
from minifactory.plant.parameter_file import known_parameters
from minifactory.records.run import Run
from minifactory.twin.online import skid_flowsheet

Progress = Callable[[str, float], None]

APART = ("k_eq", "strength")
"""What tells variants of a protein apart."""


def calibrate(
    plant: Plant,
    skid: str,
    column: str,
    data: Sequence[Data],
    *,
    estimate: Sequence[str] = (),
    hold: Sequence[str] = (),
    planned: Run | None = None,
    options: Options | None = None,
    rivals: Sequence[Rival] | None = None,
    progress: Progress | None = None,
) -> Calibration:
    """The parameters of `column` on `skid` that `data` tell, with their uncertainty.

    Parameters
    ----------
    plant : Plant
        The description; its parameters are start values and, where measured, priors.
    data : sequence of Data
        From :func:`~minifactory.calibration.estimation.data.from_file` or ``from_run``.
    estimate : sequence of str
        Paths (with bounds: ``C1.product.nu=2..12``) to estimate from full curves instead of those chosen
        automatically.
    hold : sequence of str
        Paths that are not estimated.
    planned : Run, optional
        The predicted run of the case's recipe: the course of data that do not tell theirs.
    options : Options, optional
    rivals : sequence of Rival, optional
        Explanations of the full curves that are compared; empty: those of :func:`rivals.generated`.
    progress : callable (what, fraction), optional

    Raises
    ------
    InputError
        Data or paths that cannot be used; all findings at once.
    SolverError
        The model cannot be simulated at any start value.
    """
    began = time.perf_counter()
    chosen = options or Options()
    say = progress or (lambda _what, _part: None)
    free = _requested(plant, estimate, hold)
    sheet = skid_flowsheet(plant, skid, plant.parameters, 4)
    kinds: dict[DataKind, list[Data]] = {}
    for item in _distinct(data):
        kinds.setdefault(kind_of(item), []).append(item)
    steps: list[Step] = []
    values: dict[str, float] = {}
    lines = None
    if DataKind.BYPASS_PULSE in kinds:
        lines = lines_step(kinds[DataKind.BYPASS_PULSE], sheet, plant.columns[column], chosen, say)
        steps.append(lines)
    if DataKind.PULSE in kinds:
        step = column_step(
            kinds[DataKind.PULSE], sheet, plant.columns[column], plant.parameters, chosen, say, lines
        )
        steps.append(step)
    known = known_parameters(plant.columns, plant.species, plant.skids, plant.materials)
    tracer = {e.path: e.value for s in steps for e in s.estimates if e.trusted and e.path not in known}
    values |= {e.path: e.value for s in steps for e in s.estimates if e.trusted and e.path in known}
    comparison = None
    rest = [d for k in (DataKind.GRADIENT, DataKind.BREAKTHROUGH, DataKind.OTHER) for d in kinds.get(k, ())]
    if rivals is not None and not rest:
        found = "no gradient, breakthrough or other full curve among the data"
        raise InputError(
            Finding("--rivals", found, "a run that the rivals explain", "Add one, or leave --rivals.")
        )
    if rest:
        known_values = _within(plant, values)

        def fitted(rival: Rival) -> tuple[Step, Split]:
            made = split(plant, rival.variants)
            parameters = with_parameters(made.plant, {**known_values, **rival.hold})
            step = inverse_step(
                rest,
                made.plant,
                skid_flowsheet(made.plant, skid, parameters, 4),
                plant.columns[column],
                parameters,
                chosen,
                say,
                free=_of_variants(made, free),
                held=(*hold, *rival.hold),
                planned=planned,
                tracer=tracer,
                split=made if rival.variants else None,
            )
            return step, made

        own, made = fitted(Rival(AS_IT_IS))
        steps.append(own)
        if rivals is not None:
            wanted = list(rivals) or generated(plant, plant.columns[column])
            comparison = compare(
                wanted,
                lambda rival: (own, made) if _is_plain(rival) else fitted(rival),
                known_values,
                chosen.seed,
            )
    sources = {item.name: item.sha256 for item in data}
    sources |= {name: digest for item in data for name, digest in item.tables.items()}
    return Calibration(tuple(steps), sources, time.perf_counter() - began, comparison)


def _of_variants(made: Split, free: Sequence[Free]) -> list[Free]:
    """`free`, and of variants what tells them apart, where it is free of their protein."""
    found = list(free)
    for item in free:
        parts = item.path.split(".")
        if len(parts) == 3 and parts[2] in APART and parts[1] in made.members:
            for name in made.members[parts[1]][1:]:
                found.append(free_parameter(made.plant, ".".join((parts[0], name, parts[2]))))
    return found


def _is_plain(rival: Rival) -> bool:
    """Whether a rival is the case as it is."""
    return not rival.variants and not rival.hold


def _requested(plant: Plant, estimate: Sequence[str], hold: Sequence[str]) -> list[Free]:
    findings: list[Finding] = []
    free = []
    for text in estimate:
        try:
            free.append(parsed(plant, text))
        except InputError as fault:
            findings += fault.findings
    known = known_parameters(plant.columns, plant.species, plant.skids, plant.materials)
    findings += [Finding("--hold", f'no parameter "{path}"') for path in hold if path not in known]
    if findings:
        raise InputError(findings)
    return free


def _within(plant: Plant, values: Mapping[str, float]) -> dict[str, float]:
    """`values` inside the bounds that the case states."""
    out = {}
    for path, value in values.items():
        stated = plant.parameters.parameters.get(path)
        out[path] = value if stated is None else min(max(value, stated.lower), stated.upper)
    return out


def _distinct(data: Sequence[Data]) -> list[Data]:
    """Each run once.

    Raises
    ------
    InputError
        None given, or the same run twice: it would count double.
    """
    if not data:
        raise InputError(Finding("calibrate", "no data", "at least one run"))
    seen: dict[str, str] = {}
    findings = []
    for item in data:
        if item.sha256 in seen:
            findings.append(
                Finding(
                    item.name, f"is the same run as {seen[item.sha256]}", "each run once", "Leave one out."
                )
            )
        seen.setdefault(item.sha256, item.name)
    if findings:
        raise InputError(findings)
    return list(data)
