"""How one measuring channel turns a true value into what it shows: gain, offset, lag, drift, noise, range.

A lag of time constant tau answers an input that is linear between two samples exactly:

    y1 = x1 - m tau + (y0 - x0 + m tau) exp(-dt / tau),   m = (x1 - x0) / dt
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from minifactory.plant.model import Device
from minifactory.plant.parameters import ParameterSet


@dataclass(frozen=True)
class Channel:
    """The characteristics of one channel, in the SI unit of what it measures.

    Parameters
    ----------
    gain, offset : float
        Shown = gain * true + offset.
    drift : float
        Change of the shown value per s.
    known_drift : float
        The same as far as parameters state it: then predictions have it, too.
    noise : float
        Standard deviation of independent samples.
    relative_noise : float
        The same, as a fraction of the shown value; both add in squares.
    lag : float
        Time constant in s of the first-order answer.
    lower, upper : float
        Measuring range; values beyond are shown as the limit, with quality Uncertain.
    """

    gain: float = 1.0
    offset: float = 0.0
    drift: float = 0.0
    known_drift: float = 0.0
    noise: float = 0.0
    relative_noise: float = 0.0
    lag: float = 0.0
    lower: float = -math.inf
    upper: float = math.inf

    def disturbance(self, shown: float, time: float, normal: float) -> float:
        """Drift since the start (`time` in s) and noise of standard normal deviate `normal`, at `shown`."""
        spread = math.hypot(self.noise, self.relative_noise * shown)
        return self.drift * time + spread * normal


def channel(
    parameters: ParameterSet, paths: Sequence[str], device: Device | None, default: Channel, prefix: str = ""
) -> Channel:
    """The channel of a detector: stated parameters go before device values, those before `default`.

    Parameters
    ----------
    parameters : ParameterSet
        May state every member of :class:`Channel` under one of `paths`, and ``saturation`` for its upper end.
    paths : sequence of str
        E.g. ``akta1.UV1``, ``akta1.UV``; the first that states a member decides.
    device : Device or None
        Its values ``noise``, ``drift``, ``saturation``, ``response_time`` (to 95 % of a step, three time
        constants) and ``averaging_time`` (twice the time constant) are used.
    default : Channel
        For what is stated nowhere.
    prefix : str
        Put before the names of device values, for a second quantity of one device (``temperature_noise``).
    """
    values = {} if device is None else device.values

    def stated(name: str, otherwise: float) -> float:
        found = (f"{path}.{name}" for path in paths if f"{path}.{name}" in parameters)
        return parameters.get_or(next(found, ""), otherwise)

    lag = default.lag
    if f"{prefix}response_time" in values:
        lag = values[f"{prefix}response_time"] / 3.0
    elif f"{prefix}averaging_time" in values:
        lag = values[f"{prefix}averaging_time"] / 2.0
    return Channel(
        gain=stated("gain", default.gain),
        offset=stated("offset", default.offset),
        drift=stated("drift", values.get(f"{prefix}drift", default.drift)),
        known_drift=stated("drift", 0.0),
        noise=stated("noise", values.get(f"{prefix}noise", default.noise)),
        relative_noise=stated("relative_noise", default.relative_noise),
        lag=stated("lag", lag),
        lower=default.lower,
        upper=stated("saturation", values.get(f"{prefix}saturation", default.upper)),
    )


def lagged(shown: float, before: float, now: float, duration: float, lag: float) -> float:
    """The answer of a first-order lag after `duration` (s) in which its input went from `before` to `now`.

    `shown` is the answer at the beginning, `lag` the time constant in s.
    """
    if lag <= 0.0:
        return now
    if duration <= 0.0:
        return shown
    trail = (now - before) / duration * lag
    return now - trail + (shown - before + trail) * math.exp(-duration / lag)
