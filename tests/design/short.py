"""A polishing step of 20 min on a short bed, whose recipe asks for something; with studies of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

CEX = Path(__file__).parents[2] / "cases" / "cex-polish"
SHORT = """\
name: short
version: "1"
inputs:
  amount: {ask: How much feed?, sets: [cex.all.load.until]}
procedure:
  cex:
    skid: akta1
    column: C1
    start: {inlet_a: equilibration, inlet_b: elution, set: {Pressure.Limit: 0.5 MPa, UV1.Wavelength: 280 nm}}
    safe: {outlet: waste}
    operations:
      all:
        phases:
          equilibrate: {kind: equilibrate, column: C1, flow: 6 mL/min, until: 1 CV}
          load: {kind: load, inlet_a: feed, flow: 4 mL/min, outlet: flow_through_1, until: 12 mL}
          wash: {kind: wash, inlet_a: equilibration, flow: 6 mL/min, outlet: waste, until: 2 CV}
          elute:
            kind: elute
            gradient: {to: 100 %B, over: 6 CV}
            until: 8 CV
            watch:
              pool_start: {when: "UV > 20 mAU and rising(UV, 30 s)", outlet: pool}
              pool_end: {when: "once(UV > 40 mAU) and UV < 20 mAU and falling(UV, 1 min)", outlet: waste}
"""
TARGETS = """\
product: product
pool: pool
targets: {yield: ">= 80 %", purity: ">= 95.5 %", pool_volume: "<= 25 mL"}
adjust:
  cex.all.load.until: {from: 8 mL, to: 14 mL}
"""
STUDIES = {
    "best": """\
kind: optimise
objectives: [maximise output]
samples: 0
search: {population: 4, evaluations: 4, polish: 0}
""",
    "most": """\
kind: optimise
vary:
  cex.all.load.until: {from: 6 mL, to: 18 mL}
  cex.all.elute.gradient.over: {from: 4 CV, to: 8 CV}
  cex.all.elute.watch.pool_end.when.2: {from: 8 mAU, to: 40 mAU}
objectives: [maximise output]
constraints:
  yield: {limit: ">= 82 %", confidence: 80 %}
  purity: {limit: ">= 95.5 %", confidence: 80 %}
uncertain:
  feed.product.strength: uniform 10 %
  cex.all.load.flow: normal 2 %
samples: 200
search: {population: 10, evaluations: 60, polish: 24}
""",
    "tolerances": """\
kind: verify
samples: 4
verify: {batches: 1}
uncertain:
  cex.all.load.flow: normal 5 %
  materials.feed.composition.product: normal 5 %
""",
}


def made(folder: Path) -> Path:
    """The case, written to `folder`."""
    (folder / "studies").mkdir(parents=True)
    factory = (CEX / "factory.yaml").read_text(encoding="utf-8")
    shortened = factory.replace("value: 25 cm, source", "value: 5 cm, source")
    (folder / "factory.yaml").write_text(shortened, encoding="utf-8")
    shutil.copy2(CEX / "parameters.yaml", folder)
    (folder / "recipe.yaml").write_text(SHORT, encoding="utf-8")
    (folder / "targets.yaml").write_text(TARGETS, encoding="utf-8")
    for name, text in STUDIES.items():
        (folder / "studies" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder
