"""What follows from the measured flow in every scan: time and volume of the phase, gradient, vessels."""

from __future__ import annotations

from collections.abc import Callable

from minifactory.orbit.conduct import Conduct
from minifactory.orbit.image import Image
from minifactory.orbit.levels import Levels
from minifactory.orbit.recorder import Recorder
from minifactory.orbit.restart import FLOWING
from minifactory.orbit.sequencer import Sequencer
from minifactory.orbit.states import METHOD_RUNS
from minifactory.orbit.timing import Now
from minifactory.orbit.words import Words
from minifactory.recipe.conditions import Sample


class Estimates:
    """Keeps the counters of the run up to date.

    Parameters
    ----------
    levels : callable
        The level estimators in force, if there are any.

    Attributes
    ----------
    sample : Sample
        What conditions see; the same object in all scans.
    passed : float
        m3 that were pumped since the scan before.
    elapsed : float
        s of process time since then.
    """

    def __init__(
        self,
        words: Words,
        image: Image,
        now: Now,
        sequencer: Sequencer,
        conduct: Conduct,
        recorder: Recorder,
        levels: Callable[[], Levels | None],
    ) -> None:
        self._words, self._image, self._sequencer = words, image, sequencer
        self._conduct, self._recorder, self._levels = conduct, recorder, levels
        self._flow = 0.0
        self.sample = Sample(time=now.process, values=image.values)
        self.passed = self.elapsed = 0.0

    def stand(self, process: float) -> None:
        """Count nothing up to `process` (s): it is not known yet what happened."""
        self.sample.time = process
        self.passed = self.elapsed = 0.0

    def elapse(self, process: float, washing: bool) -> None:
        """Count what happened up to `process` (s); while the pumps are washed it is none of the phase's."""
        elapsed, self.sample.time = process - self.sample.time, process
        words, image, state = self._words, self._image, self._sequencer.state
        flow = image.values.get(words.flow) if words.flow else None
        before, self._flow = self._flow, self._flow if flow is None else flow
        self.elapsed, self.passed = elapsed, 0.5 * (before + self._flow) * elapsed
        current, levels = self._sequencer.current, self._levels()
        if levels is None:
            return
        mixed = image.last(words.composition) if words.composition else None
        delivery = levels.elapse(process, self.passed, self._flow, mixed or 0.0, image)
        if current is None or not current.under_way:
            return
        self._recorder.collected(process, delivery)
        procedure = current.procedure
        if not washing:
            # In Held what is pumped is extra.
            mine = self.passed if state.value in FLOWING else 0.0
            procedure.phase_volume += mine
            self._conduct.gradient.elapse(mine)
            if state in METHOD_RUNS:
                procedure.phase_time += elapsed
        sample = self.sample
        sample.phase_time, sample.phase_volume = procedure.phase_time, procedure.phase_volume
        sample.phase_cv = procedure.phase_cv
