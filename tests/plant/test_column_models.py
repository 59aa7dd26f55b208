"""Every bed and binding model is reachable from factory.yaml and parameters.yaml, and a plug-in as well."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minifactory.errors import InputError
from minifactory.plant import bindings
from minifactory.plant.bindings import BUILT_IN, plug_in_class
from minifactory.plant.load import load_plant
from minifactory.plant.requirements import missing_parameters
from minifactory.twin import binding as models
from minifactory.twin import transport
from minifactory.twin.binding.equilibrium import equilibrium
from minifactory.twin.columns import packed_bed
from minifactory.twin.engine import Bed, BedModel
from minifactory.twin.online import skid_flowsheet

Change = Callable[[str, str, str], Path]
# What stands beside `binding:`, for the column, and for each of the two proteins.
SMA_COLUMN = "ionic_capacity: {value: 0.215 M, per: column}\n  reference_concentration: 100 mM\n"
WRITTEN: dict[str, tuple[str, str, str]] = {
    "linear": ("", "", "henry: 3, k_kin: 0.5 1/s"),
    "langmuir": ("", "", "affinity: 0.8 L/mmol, q_max: {value: 12 mM, per: solid}"),
    "anti-langmuir": ("", "", "affinity: 0.1 L/mmol, q_max: {value: 12 mM, per: solid}, helps: 1"),
    "bi-langmuir": (
        "",
        "",
        """affinity: 0.8 L/mmol, q_max: {value: 12 mM, per: solid}, affinity_2: 3 L/mmol,
        q_max_2: {value: 2 mM, per: particle}, k_kin: 1 1/s, k_kin_2: 0.1 1/s""",
    ),
    "freundlich": ("", "", "freundlich_k: 3, freundlich_n: 2"),
    "modulated-langmuir": (
        "modulators: [sodium, acetate]",
        "sodium: {reference: 100 mM}\n  acetate: {reference: 20 mM}\n",
        """affinity: 0.8 L/mmol, q_max: {value: 12 mM, per: solid}, sodium: {beta: 1.5},
        acetate: {gamma: -2 L/mol}""",
    ),
    "HIC": (
        "salt: sodium",
        "hic_beta_0: 0.05\n  hic_beta_1: 2 L/mol\n  water_activity: 0.2\n",
        "k_eq: 4, ligands: 2, q_max: {value: 12 mM, per: solid}",
    ),
    "HIC-bound": (
        "salt: sodium",
        "hic_beta_0: 0.05\n  hic_beta_1: 2 L/mol\n",
        "k_eq: 4, ligands: 2, q_max: {value: 12 mM, per: solid}",
    ),
    "SMA": ("counter_ion: sodium", SMA_COLUMN, "nu: 5, k_eq: 0.3, sigma: 40, k_kin: 10 1/s"),
    "GIEX": ("counter_ion: sodium", SMA_COLUMN, "ln_k: -3, nu: 5, sigma: 40, salting: 1 L/mol"),
    "GIEX-pH": (
        "counter_ion: sodium",
        SMA_COLUMN + "  ph_reference: 5.1\n",
        "ln_k: -3, ln_k_ph: -0.8, nu: 5, nu_ph: -0.6, sigma: 40",
    ),
    "multi-state-SMA": (
        "counter_ion: sodium",
        SMA_COLUMN,
        """nu: 4, nu_2: 5, k_eq: 0.2, k_eq_2: 0.1, sigma: 10, sigma_2: 14, k_kin: 0.2 1/s,
        k_kin_2: 0.05 1/s, conversion_2: 0.05 1/s""",
    ),
    "breakthrough": (
        "salt: sodium",
        "load_residence_time: 2 min\n  release_concentration: 400 mM\n",
        "load_half: {value: 0.2 mM, per: column}, load_spread: 0.08 mM, release_time: 1 min",
    ),
    "CPA": (
        "salt: sodium",
        "surface_area: 5.9e8 1/m\n  debye_length: 4 nm\n",
        "ln_k: 20, repulsion: 12, hydrodynamic_radius: 4.5 nm",
    ),
    "CPA-pH": (
        "",
        "surface_area: 5.9e8 1/m\n  debye_length: 4 nm\n",
        """ln_k: 39.9, ln_k_slope: -28.5 L/mmol, repulsion: 8.8, repulsion_power: -0.1,
        hydrodynamic_radius: 4.5 nm""",
    ),
}
TRANSPORT = "film_coefficient: 4e-6 m/s"
MORE = "pore_diffusivity: 6e-12 m^2/s, transfer_coefficient: 0.1 1/s"


def _case(changed: Change, binding: str, keys: str, column: str, protein: str, bed: str = "LRMP") -> Path:
    """The documented example with another binding and bed model."""
    changed(
        "factory.yaml", "    binding: SMA\n    counter_ion: sodium\n", f"    binding: {binding}\n    {keys}\n"
    )
    changed("factory.yaml", "    bed_model: LRMP\n", f"    bed_model: {bed}\n")
    text = changed("factory.yaml", "name:", "name:") / "parameters.yaml"
    text.write_text(
        "source: assumed\nC1:\n  interstitial_porosity: 0.33\n  particle_porosity: 0.85\n"
        f"  total_porosity: 0.9\n  dispersivity: 0.3 mm\n{column and '  ' + column}"
        "  ions: {film_coefficient: 5e-5 m/s, pore_diffusivity: 6e-10 m^2/s, transfer_coefficient: 5 1/s}\n"
        f"  product: {{{TRANSPORT}, {MORE}, {protein}}}\n"
        f"  variant: {{{TRANSPORT}, {MORE}, {protein}}}\n",
        encoding="utf-8",
    )
    return text.parent


def _bed(case: Path) -> tuple[Bed, tuple[str, ...]]:
    plant = load_plant(case)
    assert list(missing_parameters(plant)) == []
    species = tuple(plant.species.values())
    return packed_bed(plant.columns["C1"], species, plant.parameters, 4), tuple(plant.species)


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_every_binding_model_can_be_written(kind: bindings.BindingKind, changed: Change) -> None:
    bed, components = _bed(_case(changed, kind.name, *WRITTEN[kind.name]))
    assert type(bed.binding).__name__ == kind.model
    compiled = bed.binding.compile(components)
    bound = {components[int(np.argmax(column))] for column in compiled.stoichiometry.T}
    assert bound == {"product", "variant"}
    assert compiled.kinetic.any() == ("k_kin" in WRITTEN[kind.name][2] or kind.name == "breakthrough")
    c = np.array([{"sodium": 150.0, "pH": 5.1}.get(name, 0.5) for name in components])
    held = equilibrium(compiled, c) if not kind.ph else None
    assert held is None or np.all(held > 0.0)


def test_numbers_arrive_where_they_belong(changed: Change) -> None:
    sma, _ = _bed(_case(changed, "SMA", *WRITTEN["SMA"]))
    assert isinstance(sma.binding, models.StericMassAction)
    # 0.215 mol per L of column: (1 - 0.33) (1 - 0.85) of it is solid
    assert sma.binding.capacity == pytest.approx(215.0 / 0.67 / 0.15)
    assert sma.binding.reference == pytest.approx(100.0)
    assert sma.binding.k_kin == pytest.approx({"product": 0.1, "variant": 0.1})


def test_states_sites_and_modulators_arrive(changed: Change) -> None:
    bed, _ = _bed(_case(changed, "multi-state-SMA", *WRITTEN["multi-state-SMA"]))
    assert isinstance(bed.binding, models.MultiStateSMA)
    assert bed.binding.charge["product"] == (4.0, 5.0)
    assert bed.binding.k_kin["product"] == (5.0, 20.0)
    assert bed.binding.conversion["product"] == (0.05,)


def test_modulators_arrive(changed: Change) -> None:
    bed, _ = _bed(_case(changed, "modulated-langmuir", *WRITTEN["modulated-langmuir"]))
    assert isinstance(bed.binding, models.ModulatedLangmuir)
    assert bed.binding.reference == pytest.approx({"sodium": 100.0, "acetate": 20.0})
    assert bed.binding.beta is not None
    assert bed.binding.gamma is not None
    assert bed.binding.beta["product", "sodium"] == 1.5
    assert bed.binding.gamma["variant", "acetate"] == pytest.approx(-2e-3)


@pytest.mark.parametrize("model", list(BedModel), ids=lambda model: model.name)
def test_every_bed_model_can_be_written(model: BedModel, changed: Change) -> None:
    keys, column, protein = WRITTEN["langmuir"]
    bed, _ = _bed(_case(changed, "langmuir", keys, column, protein, model.name))
    assert bed.model is model
    assert bed.interstitial_porosity == (0.33 if model.porous else 0.9)


def test_several_particle_sizes(changed: Change) -> None:
    case = _case(changed, "langmuir", *WRITTEN["langmuir"])
    changed(
        "factory.yaml", "    bed_height:",
        "    particle_diameters: [60 um, 120 um]\n    particle_fractions: [40 %, 60 %]\n    bed_height:",
    )  # fmt: skip
    bed, _ = _bed(case)
    assert [size.radius for size in bed.particle_sizes] == pytest.approx([30e-6, 60e-6])
    assert [size.fraction for size in bed.particle_sizes] == pytest.approx([0.4, 0.6])
    assert load_plant(case).columns["C1"].particle_diameter == pytest.approx(
        1.0 / (0.4 / 60e-6 + 0.6 / 120e-6)
    )


def test_linear_driving_force(changed: Change) -> None:
    keys, column, protein = WRITTEN["langmuir"]
    bed, _ = _bed(_case(changed, "langmuir", keys, column, protein + ", ldf_coefficient: 0.2 1/s"))
    assert isinstance(bed.binding, models.LinearDrivingForce)
    assert bed.binding.coefficient == {"product": 0.2, "variant": 0.2}


def test_film_and_dispersion_by_correlation(changed: Change) -> None:
    keys, column, protein = WRITTEN["langmuir"]
    case = _case(changed, "langmuir", keys, column + "design_velocity: 150 cm/h\n", protein)
    text = (case / "parameters.yaml").read_text(encoding="utf-8")
    text = text.replace(TRANSPORT, "free_diffusivity: 4e-11 m^2/s").replace("  dispersivity: 0.3 mm\n", "")
    text = text.replace("ions: {", "ions: {dispersivity: 0.3 mm, ")
    (case / "parameters.yaml").write_text(text, encoding="utf-8")
    bed, _ = _bed(case)
    diameter, velocity = load_plant(case).columns["C1"].particle_diameter, 1.5 / 3600.0
    assert isinstance(bed.film_coefficient, dict)
    assert isinstance(bed.axial_dispersion, dict)
    assert isinstance(bed.dispersivity, dict)
    film = transport.wilson_geankoplis(velocity, diameter, 0.33, 4e-11)
    assert bed.film_coefficient["product"] == pytest.approx(film)
    assert bed.film_coefficient["sodium"] == 5e-5
    spread = transport.rastegar_gu(velocity / 0.33, diameter, 0.33, 4e-11)
    total = bed.axial_dispersion["product"] + bed.dispersivity["product"] * velocity / 0.33
    assert total == pytest.approx(spread)


def test_a_film_by_correlation_needs_a_velocity(changed: Change) -> None:
    case = _case(changed, "langmuir", *WRITTEN["langmuir"])
    text = (case / "parameters.yaml").read_text(encoding="utf-8")
    text = text.replace(TRANSPORT, "free_diffusivity: 4e-11 m^2/s")
    (case / "parameters.yaml").write_text(text, encoding="utf-8")
    assert any(
        '"C1.design_velocity" is not stated' in str(each) for each in missing_parameters(load_plant(case))
    )


def test_what_a_model_lacks_is_named(changed: Change) -> None:
    case = _case(changed, "HIC", "salt: sodium", "", "k_eq: 4, ligands: 2")
    found = "\n".join(str(each) for each in missing_parameters(load_plant(case)))
    for path in ("C1.hic_beta_0", "C1.product.q_max", "C1.variant.q_max"):
        assert f'"{path}" is not stated' in found


def test_ph_is_stated_or_computed(changed: Change) -> None:
    """The pH that travels with the liquid: 5.1 as stated; that of 1 M NaOH by the charge balance."""
    case = _case(changed, "CPA-pH", *WRITTEN["CPA-pH"])
    sheet = skid_flowsheet(load_plant(case), "akta1")
    at = [item.name for item in sheet.species].index("pH")
    values = dict(zip(sheet.network.inlets, sheet.inlet_concentrations[:, at], strict=True))
    by_name = {inlet.name: value for inlet, value in values.items()}
    assert by_name["buffer_a"] == 5.1
    assert by_name["caustic"] == pytest.approx(14.0, abs=0.3)


def test_an_unknown_binding_names_the_closest(changed: Change) -> None:
    case = _case(changed, "langmuire", *WRITTEN["langmuir"])
    with pytest.raises(InputError, match=r'"langmuire" is not a choice.*Did you mean "langmuir"'):
        load_plant(case)


PLUG_IN = '''
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from minifactory.twin.binding import BindingLaw, lay_out


def rate(p, c, q, f):
    for b in range(q.shape[0]):
        x = c[int(p[1 + 3 * b])]
        f[b] = p[2 + 3 * b] * (p[3 + 3 * b] * x * (1.0 + p[0] * x) - q[b])


@dataclass(frozen=True)
class Curved:
    """q = slope c (1 + bend c)."""

    slope: Mapping[str, float]
    speed: Mapping[str, float]
    bend: float
    salt: str = ""

    def compile(self, components):
        p = [self.bend]
        for name in self.slope:
            p += [list(components).index(name), self.speed[name], self.slope[name]]
        names = list(self.slope)
        return lay_out(BindingLaw("curved", rate), components, np.array(p), names, np.ones(len(names)))
'''


def test_a_plug_in_can_be_written(
    changed: Change, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("site")
    (folder / "curved_isotherm.py").write_text(PLUG_IN, encoding="utf-8")
    info = folder / "curved_isotherm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: curved-isotherm\nVersion: 1.0\n", "utf-8")
    entry = "[minifactory.binding]\ncurved = curved_isotherm:Curved\n"
    (info / "entry_points.txt").write_text(entry, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    try:
        bed, components = _bed(_case(changed, "curved", "", "bend: 0.02\n", "slope: 3, speed: 0.1"))
        assert isinstance(bed.binding, plug_in_class("curved"))
        compiled = bed.binding.compile(components)
        assert compiled.parameters.tolist()[0] == 0.02
        missing = _case_without(changed, "slope: 3, speed: 0.1", "slope: 3")
        found = "\n".join(str(each) for each in missing_parameters(load_plant(missing)))
        assert '"C1.product.speed" is not stated' in found
    finally:
        sys.modules.pop("curved_isotherm", None)
        bindings._described.cache_clear()


def _case_without(changed: Change, old: str, new: str) -> Path:
    changed("parameters.yaml", old, new)
    return changed("parameters.yaml", old, new)
