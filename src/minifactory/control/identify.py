"""Gain matrices by steps of the settings, on a model or on the skid itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Response = Callable[[NDArray[np.float64]], Sequence[float]]


def gain_matrix(response: Response, settings: Sequence[float], steps: Sequence[float]) -> NDArray[np.float64]:
    """d(response)/d(settings) by central differences, shape (outputs, settings).

    Parameters
    ----------
    response : callable
        Outputs (SI) at settings (SI); called twice per setting.
    settings : sequence of float
        Where.
    steps : sequence of float
        Step of each setting to either side; large against the noise, small against curvature.
    """
    centre = np.array(settings, dtype=float)
    columns = []
    for place, step in enumerate(steps):
        shift = np.zeros_like(centre)
        shift[place] = step
        up = np.asarray(response(centre + shift), dtype=float)
        down = np.asarray(response(centre - shift), dtype=float)
        columns.append((up - down) / (2.0 * step))
    return np.stack(columns, axis=1)
