"""What a UNICORN 6 or 7 result says beside its curves: run, system, column, settings, calibration and method.

Each is XML in a .NET string in an inner archive (member ``Xml``). What is missing is left out; what is
damaged becomes a warning, because the curves can be used without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from xml.etree.ElementTree import Element

import numpy as np

from minifactory import units
from minifactory.errors import Finding, FormatError
from minifactory.records.chromatogram import Calibration, Column, Method, MethodStep, System
from minifactory.records.formats.archive import Archive, Budget
from minifactory.records.formats.markup import amount, items, parse, said, unpacked
from minifactory.records.formats.quantities import scale_of
from minifactory.units import Kind

_MOST_STEPS = 20_000
_DEEPEST = 16
_BASES = {"CV": "CV", "Volume": "volume", "Time": "time"}


@dataclass(frozen=True)
class Context:
    """What stands beside the curves."""

    name: str = ""
    software: str = ""
    started: datetime | None = None
    column: Column | None = None
    system: System | None = None
    method: Method | None = None
    calibrations: tuple[Calibration, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_context(archive: Archive, budget: Budget, warnings: list[Finding]) -> Context:
    """Everything beside the curves that can be read; damaged parts become warnings."""
    result = _root(archive, "Result.xml", budget, warnings)
    types = _root(archive, "ColumnTypeData", budget, warnings)
    system = _root(archive, "SystemData", budget, warnings)
    settings = _root(archive, "SystemSettingData", budget, warnings)
    instrument = _root(archive, "InstrumentConfigurationData", budget, warnings)
    method = _root(archive, "MethodData", budget, warnings)
    calibration = _root(archive, "CalibrationSettingData", budget, warnings)
    used = _information(result, "ColumnInformation", archive.where, warnings)
    return Context(
        name=said(result, "Name"),
        software=f"UNICORN {result.get('UNICORNVersion', '')}".strip() if result is not None else "",
        started=moment(result, "Created"),
        column=_column(types, used),
        system=_system(result, system, settings, instrument, archive.where, warnings),
        method=_method(method, result) if method is not None else None,
        calibrations=_calibrations(calibration),
        metadata=_metadata(result),
    )


def moment(element: Element | None, path: str) -> datetime | None:
    """The time at `path`, with the offset from UTC that the file gives beside it, or None."""
    try:
        local = datetime.fromisoformat(said(element, path))
        minutes = amount(element, f"{path}UtcOffsetMinutes")
        return local if minutes is None else local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    except (ValueError, OverflowError):
        return None


def _root(archive: Archive, name: str, budget: Budget, warnings: list[Finding]) -> Element | None:
    """The root of a member, which is XML or an archive with XML in it; None when it is missing or damaged."""
    if name not in archive:
        return None
    where = f"{archive.where}/{name}"
    try:
        content = archive.read(name)
        if content.startswith(b"PK"):
            inner = Archive(content, where, budget)
            content = inner.read("Xml" if "Xml" in inner else (inner.names or ("Xml",))[-1])
        return parse(content, where)
    except FormatError as trouble:
        for item in trouble.findings:
            remedy = "The curves are read without it."
            warnings.append(Finding(item.where, item.found, item.expected, remedy, "warning"))
        return None


def _information(result: Element | None, kind: str, where: str, warnings: list[Finding]) -> Element | None:
    if result is None:
        return None
    for element in result.iterfind("ResultRunInformation"):
        if element.get("RunInformationType") == kind:
            return _guarded(element, "RunInformation", where, warnings)
    return None


def _guarded(element: Element | None, path: str, where: str, warnings: list[Finding]) -> Element | None:
    try:
        return unpacked(element, path, f"{where}/{path}")
    except FormatError as trouble:
        item = trouble.findings[0]
        warnings.append(Finding(item.where, item.found, item.expected, "It is left out.", "warning"))
        return None


def _si(element: Element | None, path: str, unit_path: str, kind: Kind) -> float | None:
    value = amount(element, path)
    scale = scale_of(said(element, unit_path), kind)
    return value * scale.factor if value is not None and scale is not None and np.isfinite(value) else None


def _column(types: Element | None, used: Element | None) -> Column | None:
    """The column that was used, with what its type says."""
    name = said(used, "column/name")
    volume = _si(used, "column/volume", "column/volumeUnit", units.VOLUME)
    listed = list(types.iterfind("ColumnType")) if types is not None else []
    kind = next((item for item in listed if said(item, "Name") == name), listed[0] if listed else None)
    if kind is None:
        return Column(name=name, volume_m3=volume) if name or volume else None
    diameter = _si(kind, "Hardware/Diameter", "Hardware/DiameterUnit", units.LENGTH)
    height = _si(kind, "BedHeight", "BedHeightUnit", units.LENGTH)
    if volume is None and diameter and height:
        volume = np.pi / 4.0 * diameter**2 * height
    particle = "Media/AverageParticleDiameter"
    return Column(
        name=name or said(kind, "Name"),
        volume_m3=volume,
        diameter_m=diameter,
        bed_height_m=height,
        total_liquid_m3=_si(kind, "TotalLiquidVolume", "ColumnVolumeUnitName", units.VOLUME),
        particle_diameter_m=_si(kind, particle, f"{particle}Unit", units.LENGTH),
        medium=said(kind, "Media/Name"),
        technique=said(kind, "Media/TechniqueName"),
        article=said(kind, "ArticleNumber"),
        default_flow=_si(kind, "DefaultFlowrate", "ColumnFlowrateUnit", units.FLOW),
        max_flow=_si(kind, "MaxFlowrate", "ColumnFlowrateUnit", units.FLOW),
        max_pressure_pa=_si(
            kind, "Hardware/PreColumnPressure", "Hardware/PreColumnPressureUnit", units.PRESSURE
        ),
        max_delta_pressure_pa=_si(kind, "DeltaColumnPressure", "DeltaColumnPressureUnit", units.PRESSURE),
    )


def _system(
    result: Element | None,
    data: Element | None,
    settings: Element | None,
    instrument: Element | None,
    where: str,
    warnings: list[Finding],
) -> System | None:
    """The equipment: name, type, modules that were enabled, mixer, flow cell and settings."""
    if result is None and data is None and instrument is None:
        return None
    system = data.find("System") if data is not None else None
    found: dict[str, str] = {}
    for label, path in (("mixer", "MixerInformation"), ("UV cell", "UVInformation")):
        for key, value in items(_guarded(system, path, where, warnings)).items():
            found[f"{label}: {key}"] = value
    found.update(_settings(settings))
    description = system.find("InstrumentConfiguration") if system is not None else None
    enabled = system.iterfind("EnabledComponents/EnabledComponent") if system is not None else ()
    return System(
        name=said(result, "SystemName") or said(system, "Name"),
        type=said(result, "SystemTypeName"),
        configuration=said(instrument, "Description")
        or (description.get("Description", "") if description is not None else ""),
        version=said(instrument, "Version"),
        firmware=f"{said(instrument, 'FirmwareName')} {said(instrument, 'FirmwareVersion')}".strip(),
        components=tuple(said(item, "Name") for item in enabled if said(item, "IsEnabled") == "true"),
        settings=found,
    )


def _settings(root: Element | None) -> dict[str, str]:
    """System settings, ``instruction: parameter`` to value."""
    found: dict[str, str] = {}
    for instruction in root.iterfind("InstructionGroup/Instructions") if root is not None else ():
        name = said(instruction, "Instruction")
        for parameter in instruction.iterfind("Parameters/Parameter"):
            key, _, value = (parameter.text or "").partition("\t")
            found[f"{name}: {key.strip()}"] = value.strip()
    return found


def _calibrations(root: Element | None) -> tuple[Calibration, ...]:
    found = []
    for item in root.iterfind("CalibrationSetting") if root is not None else ():
        points = item.iterfind("CalibrationPointSettings/CalibrationPointSetting")
        constants = item.iterfind("CalibrationConstantSettings/CalibrationConstantSetting")
        found.append(
            Calibration(
                sensor=said(item, "CalibrationName"),
                date=moment(item, "CalibrationDate"),
                operator=said(item, "Operator"),
                references=tuple(f"{said(p, 'ReferenceValue')} {said(p, 'Unit')}".strip() for p in points),
                constants={said(c, "ConstantDescription"): said(c, "ConstantValue") for c in constants},
            )
        )
    return tuple(found)


def _variables(result: Element | None) -> dict[str, str]:
    """The method's variables with the values of this run."""
    found: dict[str, str] = {}
    for item in result.iterfind("ResultSearchCriterias/ResultSearchCriteria") if result is not None else ():
        if said(item, "Name") == "VariableValue":
            unit = said(item, "ExtraDisplayInformation").strip("{}")
            found[said(item, "Keyword1")] = f"{said(item, 'Keyword2')} {unit}".strip()
    return found


def _metadata(result: Element | None) -> dict[str, str]:
    tags = {"batch": "BatchId", "folder": "FolderPath", "state": "ResultState", "operator": "CreatedBy"}
    notes = {
        "run note": "ResultDocumentation/RunNote",
        "evaluation note": "ResultDocumentation/EvaluationNote",
    }
    found = {label: said(result, path) for label, path in {**tags, **notes}.items()}
    return {label: value for label, value in found.items() if value}


def _method(root: Element, result: Element | None) -> Method:
    """The programmed method: blocks expanded from the main block in the order in which they are called."""
    blocks = {said(block, "BlockName"): block for block in root.iterfind("Blocks/Block")}
    main = next((block for block in blocks.values() if said(block, "IsMainBlock") == "true"), None)
    steps: list[MethodStep] = []
    if main is not None:
        for step in _steps(main, blocks, 0, "CV"):
            steps.append(step)
            if len(steps) >= _MOST_STEPS:
                break
    return Method(said(root, "Description"), tuple(steps), _variables(result))


def _steps(block: Element, blocks: Mapping[str, Element], depth: int, base: str) -> Iterator[MethodStep]:
    for item in block.iterfind("BlockInstructions/BlockInstruction"):
        name = said(item, "ReadableName")
        position = amount(item, "BreakPointValue")
        parameters, called = _parameters(item)
        if name == "Base":
            base = _BASES.get(parameters.get("Base", ""), base)
        variable = said(item, "BreakPointVariable")
        if variable:
            parameters["breakpoint variable"] = variable
        if name != "Block" or called not in blocks:
            values = " ".join(value for key, value in parameters.items() if key != "breakpoint variable")
            yield MethodStep("instruction", f"{name} {values}".strip(), depth, position, base, parameters)
            continue
        inner = blocks[called]
        phase = said(inner, "MethodPhase/PhaseName")
        title = f"{called} ({phase})" if phase and phase.lower() != called.lower() else called
        yield MethodStep("phase" if phase else "block", title, depth, position, base)
        if depth < _DEEPEST:
            yield from _steps(inner, blocks, depth + 1, base)


def _parameters(item: Element) -> tuple[dict[str, str], str]:
    """The visible parameters of an instruction, value with unit, and the name of a called block."""
    found: dict[str, str] = {}
    called = ""
    for parameter in item.iter():
        if not parameter.tag.endswith("CommandParameter") and parameter.tag != "StrategyParameter":
            continue
        called = said(parameter, "CalledBlockName") or called
        name = said(parameter, "ParameterName") or said(parameter, "GenericCommandParameterName")
        value = said(parameter, "ParameterReadableValue")
        if name and value and said(parameter, "IsHidden") != "true":
            found[name] = f"{value} {said(parameter, 'ParameterUnit')}".strip()
    return found, called
