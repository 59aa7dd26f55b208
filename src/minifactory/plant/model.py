"""The nouns of a plant: species, materials, vessels, skids with their devices and connections, columns.

Everything is frozen and in SI units. A skid is a graph: devices have ports, connections join ports, and the
position of a valve says which of its ports are joined inside it. Flow paths, hold-up volumes, tags and the
digital factory are all derived from this graph (:mod:`minifactory.plant.flowpath`,
:mod:`minifactory.plant.tagging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from minifactory.plant.parameters import ParameterSet


class Role(Enum):
    """What a species is to the process."""

    STRONG_ION = "strong ion"
    WEAK_ACID = "weak acid"
    PRODUCT = "product"
    IMPURITY = "impurity"
    TRACER = "tracer"
    VIRUS = "virus"

    @property
    def is_protein(self) -> bool:
        """True for product and impurities."""
        return self in (Role.PRODUCT, Role.IMPURITY)


@dataclass(frozen=True)
class Species:
    """A dissolved substance that the digital factory follows.

    Parameters
    ----------
    name : str
        As used in compositions.
    role : Role
        What it is to the process.
    molar_mass : float
        kg/mol.
    charge : int
        Charge number of the fully dissociated form (strong ions: the ion's; weak acids: 0, see `pka`).
    pka : tuple of float
        Thermodynamic pKa values at 25 degC of a weak acid, ascending; empty otherwise.
    acid_charge : int
        Charge number of the fully protonated weak acid.
    molar_conductivity : tuple of float
        Limiting molar conductivity in S m2/mol of the ion, or of each deprotonation stage of a weak acid
        (one entry per charged stage).
    extinction : Mapping of float to float
        Wavelength in m -> decadic molar extinction in AU m2/mol.
    enthalpy : tuple of float
        Enthalpies of ionisation in J/mol, one per pKa: how the pKa values move with temperature; empty: not.
    """

    name: str
    role: Role
    molar_mass: float
    charge: int = 0
    pka: tuple[float, ...] = ()
    acid_charge: int = 0
    molar_conductivity: tuple[float, ...] = ()
    extinction: Mapping[float, float] = field(default_factory=dict)
    enthalpy: tuple[float, ...] = ()


@dataclass(frozen=True)
class Material:
    """A liquid: a named composition.

    `composition` maps species name to mol/m3 (total of all protonation stages for weak acids); `viscosity` is
    in Pa s; `stated` keeps what its source says of it (``pH``, ``conductivity`` in S/m), for checks.
    """

    name: str
    composition: Mapping[str, float]
    viscosity: float = 1.0e-3
    description: str = ""
    stated: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Vessel:
    """A bottle, bag or waste drum: its capacity and start volume (m3) and what it holds at the start."""

    name: str
    capacity: float
    volume: float
    material: str | None = None
    purpose: str = "buffer"
    minimum: float = 0.0


@dataclass(frozen=True)
class LevelSensor:
    """Reads how much `vessel` holds: a level probe, or a balance set to show volume.

    Parameters
    ----------
    name, vessel : str
        The tag is ``name.Volume``.
    capacity, deviation : float
        Of the vessel, and the standard deviation of a reading, m3.
    every : float
        s between two corrections of the estimate.
    """

    name: str
    vessel: str
    capacity: float
    deviation: float
    every: float

    @property
    def tag(self) -> str:
        """What the equipment calls the reading."""
        return f"{self.name}.Volume"


class DeviceKind(Enum):
    """What a device does to the liquid."""

    VALVE = "valve"
    PUMP = "pump"
    TUBING = "tubing"
    MIXER = "mixer"
    JUNCTION = "junction"
    COLUMN = "column"
    UV_CELL = "uv cell"
    CONDUCTIVITY_CELL = "conductivity cell"
    PH_CELL = "pH cell"
    PRESSURE_SENSOR = "pressure sensor"
    AIR_SENSOR = "air sensor"
    RESTRICTOR = "flow restrictor"
    REACTOR = "reactor"
    TANK = "tank"
    SUPERLOOP = "superloop"
    FILTER = "filter"
    MEMBRANE = "membrane"
    MAKE_UP = "make-up line"


REACTING = frozenset({DeviceKind.REACTOR, DeviceKind.TANK})
"""Kinds of device in which something may react."""


@dataclass(frozen=True)
class Device:
    """One part of a skid, with named ports.

    Parameters
    ----------
    name : str
        As the system's own control software calls it, e.g. ``InjectionValve``.
    kind : DeviceKind
        What it does.
    ports : tuple of str
        Names of its ports.
    volume : float
        Liquid volume in m3 (tubing, mixer, cell; of one path through a valve).
    positions : Mapping of str to tuple of (port, port)
        Valves: position name -> pairs of ports that are joined, each in direction of flow.
    values : Mapping of str to float
        Further numbers in SI units by name: ``inner_diameter``, ``length``, ``max_flow``, ``max_pressure``,
        ``ramp_rate`` (m3/s2), ``switch_time`` (s), ``path_length``, ``noise``, ``drift`` (SI unit of the
        signal per s), ``saturation``, ``averaging_time``, ``restriction`` (Pa) and so on; the table is
        :data:`minifactory.plant.device_values.DEVICE_VALUES`.
    words : Mapping of str to str
        What the device states in words: :data:`minifactory.plant.device_values.DEVICE_CHOICES`.
    """

    name: str
    kind: DeviceKind
    ports: tuple[str, ...]
    volume: float = 0.0
    positions: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str, default: float) -> float:
        """A further number, or `default` (SI)."""
        return self.values.get(name, default)


@dataclass(frozen=True, order=True)
class Port:
    """A port of a device, or (with an empty `port`) a vessel."""

    owner: str
    port: str = ""

    def __str__(self) -> str:
        return f"{self.owner}.{self.port}" if self.port else self.owner


@dataclass(frozen=True)
class Column:
    """A packed column as a device of a skid; it stands between the two ports of its column device.

    `bed_height`, `inner_diameter` and `particle_diameter` in m; `max_pressure` of the hardware and
    `max_bed_pressure` over the packed bed in Pa; `max_flow_velocity` superficial in m/s. `place` names where
    the column is connected and `positions` the valve positions (valve -> position) that put it in line.
    Porosities, isotherm and transport coefficients are parameters (``C1.interstitial_porosity`` ...).
    `components` names the species that play a part in the binding model (argument -> species, ``counter_ion``
    among them), `modulators` those that modulate it; `particle_sizes` are diameters (m) and volume fractions,
    empty for one size.
    """

    name: str
    skid: str
    hardware: str
    resin: str
    inner_diameter: float
    bed_height: float
    particle_diameter: float
    bed_model: str = "LRMP"
    binding_model: str = "SMA"
    counter_ion: str | None = None
    components: Mapping[str, str] = field(default_factory=dict)
    modulators: tuple[str, ...] = ()
    particle_sizes: tuple[tuple[float, float], ...] = ()
    max_pressure: float = 3.0e5
    max_flow_velocity: float = float("inf")
    max_bed_pressure: float = float("inf")
    place: str = ""
    positions: Mapping[str, str] = field(default_factory=dict)

    @property
    def area(self) -> float:
        """Cross-section in m2."""
        return 0.7853981633974483 * self.inner_diameter**2

    @property
    def volume(self) -> float:
        """Column volume (CV) in m3."""
        return self.area * self.bed_height


REACTIONS = ("alarm", "hold", "pause", "stop", "abort")
"""What a controller can be told to do when something fails, from mild to strong."""


@dataclass(frozen=True)
class OnFailure:
    """What the controller of a skid is to do when something fails: words of :data:`REACTIONS`; empty: the
    controller's own choice.

    `link`: nothing can be read; `stale`: a tag that is needed cannot; `unconfirmed`: a set-point or
    instruction is not obeyed; `empty`, `full`: of vessels; `unsupervised`: the controller itself stood still;
    `tags`: instead of `stale`, for tags that are watched at all times.
    """

    link: str = ""
    stale: str = ""
    unconfirmed: str = ""
    empty: str = ""
    full: str = ""
    unsupervised: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Skid:
    """One piece of equipment with one controller.

    Two pumps share the set-points ``System.Flow.SP`` and ``Gradient.PercentB.SP``. A connection goes from
    one port to another in the usual direction of flow; vessels are ports without a port name. `bypass` maps
    valves to the positions that lead past all columns; `max_pressure` in Pa; `filled_with` names the material
    that stands in lines and columns at the start (None: that of the first vessel connected), `contents` what
    single devices hold instead (device -> material), such as a sample loop; `on_failure` what its controller
    is to do when something fails; `level_sensors` read vessels.
    """

    name: str
    system: str
    devices: Mapping[str, Device]
    connections: tuple[tuple[Port, Port], ...]
    max_pressure: float
    description: str = ""
    bypass: Mapping[str, str] = field(default_factory=dict)
    filled_with: str | None = None
    contents: Mapping[str, str] = field(default_factory=dict)
    on_failure: OnFailure = field(default_factory=OnFailure)
    level_sensors: tuple[LevelSensor, ...] = ()

    def of_kind(self, kind: DeviceKind) -> tuple[Device, ...]:
        """The devices of one kind, in the order of the description."""
        return tuple(device for device in self.devices.values() if device.kind is kind)


@dataclass(frozen=True)
class Number:
    """A number of the description in SI units, the text it was read from, its source and its place."""

    path: str
    value: float
    text: str
    source: str
    where: str

    @property
    def assumed(self) -> bool:
        """Whether the description itself marks it as assumed."""
        return self.source.strip().lower().startswith("assumed")


@dataclass(frozen=True)
class Plant:
    """The whole description of the equipment and what flows through it.

    `connections` are lines from one skid to another; the owners of their ports are ``skid.Device``.
    """

    name: str
    species: Mapping[str, Species]
    materials: Mapping[str, Material]
    vessels: Mapping[str, Vessel]
    skids: Mapping[str, Skid]
    columns: Mapping[str, Column]
    parameters: ParameterSet
    numbers: Mapping[str, Number] = field(default_factory=dict)
    temperature: float = 298.15
    connections: tuple[tuple[Port, Port], ...] = ()

    @property
    def assumed(self) -> tuple[Number, ...]:
        """The numbers of factory, parameters and catalogue in use that are marked as assumed, by path."""
        return tuple(self.numbers[path] for path in sorted(self.numbers) if self.numbers[path].assumed)

    def skid_of(self, column: str) -> Skid:
        """The skid that carries `column`."""
        return self.skids[self.columns[column].skid]
