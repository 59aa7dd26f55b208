"""Amounts that pass an outlet are integrals of the solution, not of its output."""

from __future__ import annotations

import numpy as np

from tests.engine.verification import linear_lrmp


def test_amount_that_passed_is_the_integral() -> None:
    network = linear_lrmp((8, 3, 1))
    run = network.run(np.array([0.0, 1500.0]), 1e-8)
    # The file's area up to 1500 s is 9.9999747 of the 10 s pulse.
    np.testing.assert_allclose(run.passed[-1, 0, 0], 9.9999747 * 5.75e-4 * 0.37, rtol=1e-7)
