"""Which model parameters exist, what each means, its unit and its bounds: one table.

The path of a parameter says what it belongs to: ``C1.interstitial_porosity`` (a column), ``C1.product.nu`` (a
species in a column; ``ions`` and ``proteins`` stand for all of their kind that have no value of their own),
``akta1.PumpA.gain`` (a device), ``akta1.UV1.gain`` (a signal), ``akta1.volume_factor`` (a skid),
``buffer_a.strength`` (a material), ``feed.product.strength`` (a species of a material).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from minifactory.plant.device_values import (
    ABSORBANCE_DRIFT,
    CONDUCTIVITY_DRIFT,
    PH_DRIFT,
    PRESSURE_DRIFT,
    TEMPERATURE_DIFFERENCE,
)
from minifactory.plant.model import DeviceKind
from minifactory.units import (
    ABSORBANCE,
    CONCENTRATION,
    CONDUCTIVITY,
    DIFFUSIVITY,
    FLOW,
    LENGTH,
    MASS_CONCENTRATION,
    NUMBER,
    PH,
    POSITIVE,
    PRESSURE,
    RATE,
    TEMPERATURE,
    TIME,
    VELOCITY,
    VOLUME,
    Kind,
)

PLAIN_FRACTION = Kind("fraction", "", "", 0.0, 1.0, bare=True)
FILM = Kind("film coefficient", "m/s", "m/s", 0.0, 1.0)
AFFINITY = Kind("affinity", "m^3/mol", "L/mol", 0.0)
SIGNED_AFFINITY = Kind("change per concentration", "m^3/mol", "L/mol")
SECOND_ORDER = Kind("rate of second order", "m^3/(mol*s)", "L/(mol*s)", 0.0)
BLOCKING_BY_MASS = Kind("area per mass", "m^2/kg", "m^2/g", 0.0)
FLUX = Kind("flux", "m/s", "L/(m^2*h)", 0.0)
OSMOTIC = Kind("osmotic pressure per concentration", "Pa*m^3/kg", "Pa*L/g", 0.0)
SURFACE_PER_VOLUME = Kind("surface per volume", "1/m", "1/m", 0.0)
OFFSET_PRESSURE = Kind("pressure difference", "Pa", "MPa", -1e7, 1e7)
TEMPERATURE_DRIFT = Kind("temperature drift", "K/s", "K/h")
OFFSET_PH = Kind("pH difference", "", "", -14.0, 14.0, bare=True)
OFFSET_CONDUCTIVITY = Kind("conductivity difference", "S/m", "mS/cm", -200.0, 200.0)

GROUPS = ("ions", "proteins")
"""Names that stand for all strong ions and weak acids, or all proteins, of a column."""


@dataclass(frozen=True)
class ParameterKind:
    """What one parameter is.

    Parameters
    ----------
    kind : Kind
        Its quantity; values are kept in the kind's SI unit.
    meaning : str
        One line for people; capacities say per what volume.
    lower, upper : float
        Physical bounds (SI).
    default : float or None
        The value (SI) when the file is silent; None: it has none and models decide what to do without.
    per_volume : bool
        A capacity: the file must say ``per: solid``, ``per: particle`` or ``per: column``; kept per solid.
    wider : str
        Path of the parameter that holds instead when this one is not stated (all wavelengths of a UV cell).
    """

    kind: Kind
    meaning: str
    lower: float = -math.inf
    upper: float = math.inf
    default: float | None = None
    per_volume: bool = False
    wider: str = ""


_PUMP_GAIN = ParameterKind(POSITIVE, "true flow divided by the shown one", 0.5, 2.0, 1.0)
_GAIN = ParameterKind(POSITIVE, "reading divided by the true value", 0.1, 10.0, 1.0)
_VOLUME_FACTOR = ParameterKind(POSITIVE, "true volume divided by the stated one", 0.1, 10.0, 1.0)
_PERMEABILITY_FACTOR = ParameterKind(
    POSITIVE, "true permeability divided by the stated one", 0.01, 100.0, 1.0
)
_DISPERSION = ParameterKind(
    DIFFUSIVITY, "axial dispersion in the tube; by Aris and Taylor when not stated", 0.0
)


def _channel(signal: Kind, drift: Kind, offset: Kind | None = None) -> dict[str, ParameterKind]:
    """The parameters of one measured signal; noise, drift and saturation override those of the device."""
    return {
        "gain": _GAIN,
        "offset": ParameterKind(offset or signal, "reading at a true value of zero", default=0.0),
        "drift": ParameterKind(drift, "change of the reading with time"),
        "noise": ParameterKind(replace(signal, lower=0.0), "standard deviation of the reading"),
        "relative_noise": ParameterKind(
            PLAIN_FRACTION, "standard deviation, as a fraction of the reading", 0.0, 1.0
        ),
        "lag": ParameterKind(TIME, "time constant of the first-order answer", 0.0),
        "saturation": ParameterKind(signal, "upper end of the measuring range"),
    }


COLUMN: Mapping[str, ParameterKind] = {
    "interstitial_porosity": ParameterKind(
        PLAIN_FRACTION, "liquid between the particles per column volume", 0.1, 0.9
    ),
    "particle_porosity": ParameterKind(PLAIN_FRACTION, "liquid in the pores per particle volume", 0.01, 0.99),
    "total_porosity": ParameterKind(
        PLAIN_FRACTION, "liquid per column volume, for models without pores", 0.1, 0.99
    ),
    "axial_dispersion": ParameterKind(DIFFUSIVITY, "axial dispersion coefficient, whatever the flow", 0.0),
    "dispersivity": ParameterKind(LENGTH, "axial dispersion divided by interstitial velocity", 0.0, 1.0),
    "ionic_capacity": ParameterKind(
        CONCENTRATION, "charges of the resin per solid volume", 0.0, 1e5, per_volume=True
    ),
    "reference_concentration": ParameterKind(
        CONCENTRATION, "counter-ion concentration to which rate constants refer", 1e-6, 1e5
    ),
    "ph_reference": ParameterKind(PH, "pH to which constants of a binding model refer"),
    "hic_beta_0": ParameterKind(POSITIVE, "ordered water molecules per ligand without salt (HIC)", 0.0, 1e4),
    "hic_beta_1": ParameterKind(SIGNED_AFFINITY, "its change with salt (HIC)"),
    "water_activity": ParameterKind(PLAIN_FRACTION, "activity of the water set free (HIC)", 1e-6, 0.999),
    "surface_area": ParameterKind(SURFACE_PER_VOLUME, "adsorbing surface per solid volume (CPA)", 1e3, 1e12),
    "debye_length": ParameterKind(LENGTH, "range of the repulsion (CPA); 0: from the salt", 0.0, 1e-6),
    "neighbours": ParameterKind(POSITIVE, "neighbours of a bound molecule (CPA); 6 when silent", 1.0, 12.0),
    "design_velocity": ParameterKind(
        VELOCITY, "superficial velocity at which correlations give film and dispersion", 1e-9
    ),
    "kozeny_constant": ParameterKind(
        POSITIVE, "constant of the Kozeny-Carman equation for the packed bed", 50.0, 1000.0, 180.0
    ),
}
"""Parameters of a packed column."""

COLUMN_SPECIES: Mapping[str, ParameterKind] = {
    "nu": ParameterKind(POSITIVE, "characteristic charge (SMA)", 0.0, 100.0),
    "nu_2": ParameterKind(POSITIVE, "characteristic charge of the second bound state", 0.0, 100.0),
    "nu_3": ParameterKind(POSITIVE, "characteristic charge of the third bound state", 0.0, 100.0),
    "nu_ph": ParameterKind(NUMBER, "change of the charge per pH (GIEX)"),
    "nu_ph2": ParameterKind(NUMBER, "change of the charge per pH squared (GIEX)"),
    "sigma": ParameterKind(POSITIVE, "steric factor (SMA): charges covered but not bound", 0.0, 1e4),
    "sigma_2": ParameterKind(POSITIVE, "steric factor of the second bound state", 0.0, 1e4),
    "sigma_3": ParameterKind(POSITIVE, "steric factor of the third bound state", 0.0, 1e4),
    "k_eq": ParameterKind(
        POSITIVE, "equilibrium constant, dimensionless (SMA) or solid over liquid (HIC)", 0.0
    ),
    "k_eq_2": ParameterKind(POSITIVE, "equilibrium constant of the second bound state", 0.0),
    "k_eq_3": ParameterKind(POSITIVE, "equilibrium constant of the third bound state", 0.0),
    "conversion_2": ParameterKind(RATE, "rate from the first to the second bound state", 0.0),
    "conversion_3": ParameterKind(RATE, "rate from the second to the third bound state", 0.0),
    "ln_k": ParameterKind(NUMBER, "logarithm of the equilibrium constant (GIEX, CPA)", -600.0, 600.0),
    "ln_k_ph": ParameterKind(NUMBER, "its change per pH (GIEX)"),
    "ln_k_ph2": ParameterKind(NUMBER, "its change per pH squared (GIEX)"),
    "ln_k_slope": ParameterKind(SIGNED_AFFINITY, "exponent of ln_k per concentration of H+ (CPA)"),
    "salting": ParameterKind(SIGNED_AFFINITY, "change of ln_k with the counter-ion (GIEX)"),
    "crowding": ParameterKind(SIGNED_AFFINITY, "change of ln_k with the species itself (GIEX)"),
    "repulsion": ParameterKind(POSITIVE, "strength of the repulsion between bound molecules (CPA)", 0.0),
    "repulsion_power": ParameterKind(NUMBER, "power of it in the concentration of H+ (CPA)"),
    "hydrodynamic_radius": ParameterKind(LENGTH, "radius of the molecule (CPA)", 1e-11, 1e-6),
    "ligands": ParameterKind(POSITIVE, "ligands that take part in binding (HIC)", 0.0, 1e3),
    "freundlich_k": ParameterKind(POSITIVE, "constant of Freundlich, mol/m3 of solid at 1 mol/m3", 0.0),
    "freundlich_n": ParameterKind(POSITIVE, "exponent n of Freundlich, c^(1/n)", 1.0, 100.0),
    "helps": ParameterKind(POSITIVE, "1: bound molecules make room (anti-Langmuir)", 0.0, 1.0),
    "reference": ParameterKind(CONCENTRATION, "reference concentration of a modulator", 1e-9, 1e5),
    "k_kin_2": ParameterKind(RATE, "kinetic constant of desorption, second site or state", 0.0),
    "k_kin_3": ParameterKind(RATE, "kinetic constant of desorption, third state", 0.0),
    "affinity_2": ParameterKind(AFFINITY, "Langmuir constant of the second kind of site", 0.0),
    "q_max_2": ParameterKind(
        CONCENTRATION, "capacity of the second kind of site per solid volume", 0.0, 1e5, per_volume=True
    ),
    "ldf_coefficient": ParameterKind(RATE, "linear driving force in the solid, to an explicit isotherm", 0.0),
    "transfer_coefficient": ParameterKind(
        RATE, "linear driving force in the liquid per solid volume (TDM)", 0.0
    ),
    "k_kin": ParameterKind(RATE, "kinetic constant of desorption; equilibrium at once when not stated", 0.0),
    "henry": ParameterKind(POSITIVE, "linear isotherm: bound per solid volume over dissolved", 0.0),
    "affinity": ParameterKind(AFFINITY, "Langmuir constant", 0.0),
    "q_max": ParameterKind(CONCENTRATION, "binding capacity per solid volume", 0.0, 1e5, per_volume=True),
    "pore_accessibility": ParameterKind(
        PLAIN_FRACTION, "part of the pore volume that the species enters", 0.0, 1.0
    ),
    "film_coefficient": ParameterKind(FILM, "film mass transfer coefficient", 0.0),
    "pore_diffusivity": ParameterKind(DIFFUSIVITY, "diffusion coefficient in the pores", 0.0),
    "surface_diffusivity": ParameterKind(DIFFUSIVITY, "diffusion coefficient of the bound molecules", 0.0),
    "free_diffusivity": ParameterKind(DIFFUSIVITY, "diffusion coefficient in free solution", 0.0),
    "axial_dispersion": ParameterKind(DIFFUSIVITY, "axial dispersion coefficient of this species", 0.0),
    "dispersivity": ParameterKind(LENGTH, "axial dispersion divided by interstitial velocity", 0.0, 1.0),
}
"""Parameters of a species in a packed column."""

COLUMN_MODULATOR: Mapping[str, ParameterKind] = {
    "gamma": ParameterKind(SIGNED_AFFINITY, "hydrophobic effect of a modulator on the strength"),
    "beta": ParameterKind(NUMBER, "ion-exchange power of a modulator"),
}
"""Parameters of a species and a modulator in a packed column."""

SKID: Mapping[str, ParameterKind] = {
    "volume_factor": _VOLUME_FACTOR,
    "temperature": ParameterKind(TEMPERATURE, "temperature of the liquid", 273.15, 373.15),
    "Latency.nominal": ParameterKind(TIME, "from an instruction to its effect", 0.0, 60.0),
    "Latency.spread": ParameterKind(TIME, "half width of the spread of the latency", 0.0, 60.0),
    "PumpWash.duration": ParameterKind(TIME, "duration of a pump wash", 0.0, 3600.0),
    "PumpWash.flow": ParameterKind(FLOW, "flow during a pump wash", 0.0),
    "Heartbeat.timeout": ParameterKind(TIME, "how long the heartbeat may stand still", 0.1, 3600.0),
}
"""Parameters of a whole skid and of its control."""

SIGNALS: Mapping[str, Mapping[str, ParameterKind]] = {
    "UV": {
        **_channel(ABSORBANCE, ABSORBANCE_DRIFT),
        "path_length": ParameterKind(LENGTH, "optical path length", 1e-5, 0.1),
        "stray_light": ParameterKind(
            PLAIN_FRACTION, "fraction of the light that passes by the liquid", 0.0, 0.1
        ),
    },
    "Cond": _channel(CONDUCTIVITY, CONDUCTIVITY_DRIFT, OFFSET_CONDUCTIVITY),
    "Cond.Temperature": _channel(TEMPERATURE, TEMPERATURE_DRIFT, TEMPERATURE_DIFFERENCE),
    "pH": _channel(PH, PH_DRIFT, OFFSET_PH),
    "Pressure": _channel(PRESSURE, PRESSURE_DRIFT, OFFSET_PRESSURE),
    "Pressure.Delta": _channel(PRESSURE, PRESSURE_DRIFT, OFFSET_PRESSURE),
    "Level": {"gain": _GAIN, "noise": ParameterKind(VOLUME, "standard deviation of the reading", 0.0)},
}
"""Parameters of the measured signals of a skid; ``UV`` stands for every channel (``UV1``, ``UV2`` ...)
and, under the name of the cell, for all of its channels; ``Level`` for every level sensor, by its name."""

DEVICE: Mapping[DeviceKind, Mapping[str, ParameterKind]] = {
    DeviceKind.PUMP: {"gain": _PUMP_GAIN},
    DeviceKind.VALVE: {"volume_factor": _VOLUME_FACTOR},
    DeviceKind.TUBING: {"volume_factor": _VOLUME_FACTOR, "axial_dispersion": _DISPERSION},
    DeviceKind.MIXER: {"volume_factor": _VOLUME_FACTOR},
    DeviceKind.RESTRICTOR: {"gain": _GAIN},
    DeviceKind.REACTOR: {
        "volume_factor": _VOLUME_FACTOR,
        "peclet": ParameterKind(POSITIVE, "flow times length over dispersion (Bodenstein number)", 1e-3, 1e5),
    },
    DeviceKind.TANK: {"volume_factor": _VOLUME_FACTOR},
    DeviceKind.SUPERLOOP: {"volume_factor": _VOLUME_FACTOR},
    DeviceKind.FILTER: {
        "volume_factor": _VOLUME_FACTOR,
        "permeability_factor": _PERMEABILITY_FACTOR,
        "blocking": ParameterKind(
            SURFACE_PER_VOLUME, "how far any liquid blocks it, per volume and area; 0 when silent", 0.0, 1e6
        ),
    },
    DeviceKind.MEMBRANE: {
        "volume_factor": _VOLUME_FACTOR,
        "permeability_factor": _PERMEABILITY_FACTOR,
        "mass_transfer": ParameterKind(FLUX, "mass transfer along the membrane; no limit when silent", 1e-12),
        "cross_flow": ParameterKind(FLOW, "feed at which the mass transfer is the one stated", 1e-15),
        "cross_flow_power": ParameterKind(POSITIVE, "power of the feed that it follows", 0.0, 2.0),
        "gel_concentration": ParameterKind(
            MASS_CONCENTRATION, "protein at the membrane at which the flux ends", 1e-9
        ),
        "osmotic_pressure": ParameterKind(OSMOTIC, "osmotic pressure of protein; 0 when silent", 0.0),
    },
    DeviceKind.MAKE_UP: {"volume_factor": _VOLUME_FACTOR},
}
"""Parameters of the other devices of a skid, by kind."""

REACTING_VIRUS: Mapping[str, ParameterKind] = {
    "inactivation_rate": ParameterKind(RATE, "rate of inactivation, first order", 0.0, 1e3),
}
"""Parameters of a virus in a device in which something reacts."""

REACTING_PROTEIN: Mapping[str, ParameterKind] = {
    "precipitation_rate": ParameterKind(
        RATE, "rate at which what is beyond its solubility falls out", 0.0, 1e3
    ),
    "cohn_beta": ParameterKind(NUMBER, "log10 of the solubility in mol/m3 without salt", -20.0, 20.0),
    "salting_out": ParameterKind(AFFINITY, "decades of solubility per ionic strength", 0.0, 1.0),
}
"""Parameters of a protein in such a device."""

REACTING_PROTEINS: Mapping[str, ParameterKind] = {
    "folding_rate": ParameterKind(
        RATE, "rate at which the first turns into the second, first order", 0.0, 1e3
    ),
    "aggregation_rate": ParameterKind(
        SECOND_ORDER, "rate at which the first turns into the second, second order", 0.0, 1e9
    ),
}
"""Parameters of two proteins in such a device, from one to the other."""

FILTER_SPECIES: Mapping[str, ParameterKind] = {
    "blocking": ParameterKind(
        BLOCKING_BY_MASS, "how far it blocks the filter, per mass and area; 0 when silent", 0.0, 1e9
    ),
    "log_reduction": ParameterKind(POSITIVE, "decades that the filter holds back; 0 when silent", 0.0, 12.0),
}
"""Parameters of a protein, a virus or a tracer in a filter."""

MEMBRANE_SPECIES: Mapping[str, ParameterKind] = {
    "sieving": ParameterKind(
        PLAIN_FRACTION, "concentration in the permeate over that at the membrane's feed side", 0.0, 1.0
    ),
}
"""Parameters of a species at a membrane."""

MATERIAL: Mapping[str, ParameterKind] = {
    "strength": ParameterKind(POSITIVE, "true concentrations divided by the stated ones", 0.01, 100.0, 1.0),
}
"""Parameters of a material."""

MATERIAL_SPECIES: Mapping[str, ParameterKind] = {
    "strength": ParameterKind(
        POSITIVE,
        "true concentration divided by the stated one; that of the material when not stated",
        0.01,
        100.0,
    ),
}
"""Parameters of one species of a material."""
