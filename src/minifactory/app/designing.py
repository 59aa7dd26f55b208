"""Studies of a case: opened, spread over workers, reported, and what they recommend written as a new case."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from minifactory.app.case import Case
from minifactory.app.cluster import DaskCluster
from minifactory.app.recommended import write_case
from minifactory.app.workers import LocalProcesses
from minifactory.campaign.targets import Targets
from minifactory.design.candidates import content_hash
from minifactory.design.description import RECIPE, Description
from minifactory.design.executor import Executor, InThisProcess
from minifactory.design.ledger import Ledger, table_of
from minifactory.design.mesh import fitted
from minifactory.design.pages.page import Page, write
from minifactory.design.reading import NEED_SAMPLES, load_study, plain_study, without_varied
from minifactory.design.search import Limit, Variable
from minifactory.design.study import KINDS, Study
from minifactory.design.uncertainty import candidates_at, deviates
from minifactory.design.whole_case import WholeCase
from minifactory.errors import Finding, InputError, did_you_mean
from minifactory.plant.load import FACTORY, PARAMETERS

Progress = Callable[[str, float], None]
STUDIES = "studies"
ROUNDS = 3
"""Searches with larger reserves, until the limits are met with the confidence asked for."""
ONLY = {
    "indices": ("robustness",),
    "evaluations": ("optimise", "sequence"),
    "batches": ("verify",),
    "of": ("verify",),
}
"""Options -> kinds of study that read them."""
ON_SEVERAL_SKIDS = ("optimise", "robustness", "design-space", "experiment", "verify")
"""Kinds of study that ask for whole runs only, on however many skids."""


@dataclass(frozen=True)
class Choices:
    """What the command line says on top of the study: None and empty leave the study's own."""

    samples: int | None = None
    indices: int | None = None
    seed: int | None = None
    evaluations: int | None = None
    workers: int | None = None
    cluster: str = ""
    output: Path | None = None
    batches: int | None = None
    of: str | None = None


@dataclass(frozen=True)
class Designed:
    """What came of a study.

    Parameters
    ----------
    study : Study
    page : Page
    report : Path
        HTML.
    case : Path or None
        The recommended case, when there is one.
    simulated, recalled : int
        Candidates that were simulated, and that were known from before.
    seconds : float
        Wall time.
    executor : str
    """

    study: Study
    page: Page
    report: Path
    case: Path | None
    simulated: int
    recalled: int
    seconds: float
    executor: str

    @property
    def exit_code(self) -> int:
        """0 done, 1 what was asked for is not reached."""
        return 0 if self.page.good else 1

    def as_dict(self) -> dict[str, Any]:
        """One JSON document."""
        return {
            "study": self.study.name,
            "kind": self.study.kind,
            "seed": self.study.seed,
            "verdict": self.page.verdict,
            "good": self.page.good,
            "lines": list(self.page.lines),
            **self.page.document,
            "simulated": self.simulated,
            "recalled": self.recalled,
            "seconds": self.seconds,
            "executor": self.executor,
            "report": str(self.report),
            "case": None if self.case is None else str(self.case),
        }


@dataclass
class Desk:
    """Everything a study works with.

    `recommended` is set by studies that recommend another description, `files` (name -> text) and `limits` by
    those after which other files of the case and other limits hold.
    """

    case: Case
    study: Study
    description: Description
    ledger: Ledger
    progress: Progress
    folder: Path
    output: Path | None = None
    recommended: Description | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[Limit, ...] | None = None
    notes: dict[str, str] = field(default_factory=dict)

    def problem(self) -> WholeCase:
        """The case as a problem, on a mesh that is fine enough for what the study asks."""
        figures = {item.figure for item in self.study.limits}
        figures |= {item.figure for item in self.study.objectives}
        figures = figures or {"yield", "purity"}
        raw = WholeCase(self.description, prices=self.study.prices)
        extreme = candidates_at(self.study.factors, 2.0 * deviates(1, len(self.study.factors), 11))
        parameters = [one for one in extreme if all(map(self.description.is_parameter, one))]
        self.progress("choosing the mesh", 0.0)
        problem, moved = fitted(raw, sorted(figures), [{}, *parameters])
        self.notes["mesh"] = f"{problem.elements} elements per bed"
        self.notes["mesh error"] = f"{moved:.1e} of the figures asked for, against twice as many elements"
        return problem

    def where(self, block: str) -> str:
        """A block of the study, for findings about what it says."""
        return f"study {self.study.name} {block}"

    @property
    def title(self) -> str:
        """Of the report."""
        return f"{self.case.name}: {self.study.name}"

    def provenance(self, problem: WholeCase | None = None) -> dict[str, str]:
        """Where the numbers come from."""
        found = {
            "study": f"{self.study.name} ({self.study.kind})",
            "software": f"MiniFactory {version('minifactory')}",
            "seed": str(self.study.seed),
            "executor": self.ledger.executor.name,
            "description": self.description.fingerprint,
            **{f"sha256 {name}": value for name, value in self.case.hashes.items()},
            **self.notes,
        }
        if problem is not None:
            reason = problem.unfrozen()
            found["samples"] = f"closed loop ({reason})" if reason else "along one frozen course per design"
        return found


def limits_of(targets: Targets) -> tuple[Limit, ...]:
    """The targets of a case as limits."""
    return tuple(
        Limit(one.figure, one.at_least, one.limit, one.kind, one.confidence, one.where)
        for one in targets.targets
    )


def description_of(case: Case) -> Description:
    """The description of an opened case."""
    texts = {
        name: (case.folder / name).read_text(encoding="utf-8-sig") for name in (FACTORY, RECIPE, PARAMETERS)
    }
    return Description(texts, case.bound.skid, case.targets.product, case.targets.pool)


def open_study(case: Case, name: str) -> tuple[Study, Description]:
    """The study called `name`: a file, a file of the case's folder ``studies``, or a kind of study.

    Raises
    ------
    InputError
        There is none, or its faults.
    """
    description = description_of(case)
    limits = limits_of(case.targets)
    variables = tuple(
        Variable(one.reference, one.lower, one.upper, one.kind) for one in case.targets.adjustables
    )
    for path in (Path(name), case.folder / STUDIES / f"{name}.yaml"):
        if path.suffix == ".yaml" and path.is_file():
            return load_study(path, description, limits, variables)
    if name in KINDS:
        return plain_study(name, description, limits, variables)
    own = [path.stem for path in (case.folder / STUDIES).glob("*.yaml")]
    raise InputError(
        Finding(
            f"study {name}",
            f"neither a file, nor in {case.folder / STUDIES}, nor a kind of study",
            "",
            did_you_mean(name, [*KINDS, *own]),
        )
    )


def prepared(case: Case, name: str, choices: Choices) -> tuple[Study, Description]:
    """The study `name` of `case` as it is to be run, and the description that it varies.

    Raises
    ------
    InputError
        A study that makes no sense, with everything that is wrong.
    """
    study, description = open_study(case, name)
    study = _chosen(without_varied(study), choices)
    _refuse_unready(study, choices)
    _refuse_several(case, study)
    if study.verifying.of:
        open_study(case, study.verifying.of)
    return study, description


def design(
    case: Case, name: str, choices: Choices, folder: Path, progress: Progress | None = None
) -> Designed:
    """What comes of the study `name` of `case`; report, results and candidates lie below `folder`.

    Raises
    ------
    InputError
        A study that makes no sense, with everything that is wrong.
    TargetError
        Nothing meets the limits; says which exclude each other.
    EnvironmentFault
        Workers that die, a cluster that does not answer, a folder that cannot be written.
    """
    from minifactory.app.studies import STUDY

    begun = time.monotonic()
    study, description = prepared(case, name, choices)
    executor: Executor
    cluster = DaskCluster(choices.cluster) if choices.cluster else None
    if cluster is not None:
        executor = cluster
    else:
        executor = InThisProcess() if choices.workers == 1 else LocalProcesses(choices.workers)
    place = folder / f"design-{case.name}-{study.name}-{_stamp(description, study)}"
    ledger = Ledger(folder / "candidates", executor)
    desk = Desk(
        case, study, description, ledger, progress or (lambda _what, _part: None), place, choices.output
    )
    try:
        page = STUDY[study.kind](desk)
    finally:
        if cluster is not None:
            cluster.close()
    recommended = None
    if desk.recommended is not None:
        recommended = write_case(
            case, desk.recommended, choices.output or place / "case", study.name, desk.files
        )
    seconds = time.monotonic() - begun
    provenance = {
        **page.provenance,
        "simulated": f"{ledger.computed} candidates, {ledger.recalled} known from before",
        "time": f"{seconds:.1f} s",
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    report = write(replace(page, provenance=provenance), place / "report.html")
    return Designed(
        study, page, report, recommended, ledger.computed, ledger.recalled, seconds, ledger.executor.name
    )


def _chosen(study: Study, choices: Choices) -> Study:
    changed: dict[str, Any] = {}
    if choices.samples is not None:
        changed["samples"] = choices.samples
    if choices.indices is not None:
        changed["indices"] = choices.indices
    if choices.seed is not None:
        changed |= {"seed": choices.seed, "effort": replace(study.effort, seed=choices.seed)}
    if choices.evaluations is not None:
        effort = changed.get("effort", study.effort)
        changed["effort"] = replace(effort, evaluations=choices.evaluations)
    asked = {name: getattr(choices, name) for name in ("batches", "of") if getattr(choices, name) is not None}
    changed["verifying"] = replace(study.verifying, **asked)
    _refuse_foreign(study, choices)
    return replace(study, **changed)


def _refuse_foreign(study: Study, choices: Choices) -> None:
    """InputError for options that a study of this kind would pass over in silence."""
    findings = [
        Finding(
            f"--{option}",
            f"for the study {study.name} of kind {study.kind}",
            f"a study of kind {' or '.join(kinds)}",
            f"To verify what it recommends: verify --of {study.name}." if kinds == ("verify",) else "",
        )
        for option, kinds in ONLY.items()
        if getattr(choices, option) is not None and study.kind not in kinds
    ]
    if findings:
        raise InputError(findings)


def _refuse_unready(study: Study, choices: Choices) -> None:
    if choices.output is not None and choices.output.exists():
        raise InputError(
            Finding(
                str(choices.output), "is there already", "a folder that is to be made", "Name another one."
            )
        )
    if study.kind in NEED_SAMPLES and not study.samples:
        raise InputError(
            Finding("samples", f"0 for a study of kind {study.kind}", "at least 1", "E.g. --samples 200.")
        )
    if study.indices is not None and study.indices & (study.indices - 1):
        raise InputError(
            Finding("indices", f"{study.indices}", "a power of two (or 0 for none)", "E.g. 64 or 128.")
        )


def _refuse_several(case: Case, study: Study) -> None:
    if len(case.bounds) > 1 and study.kind not in ON_SEVERAL_SKIDS:
        raise InputError(
            Finding(
                f"study {study.name}",
                f"of kind {study.kind}, for a recipe on {len(case.bounds)} skids ({', '.join(case.bounds)})",
                f"one skid, or a study of kind {', '.join(ON_SEVERAL_SKIDS)}",
            )
        )


def _stamp(description: Description, study: Study) -> str:
    return content_hash(description.fingerprint, repr(study))[:8]


def keep(folder: Path, candidates: Any, evaluations: Any, name: str = "candidates") -> None:
    """Write candidates and figures of a study as one Parquet table beside its report."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table_of(candidates, evaluations), folder / f"{name}.parquet")
