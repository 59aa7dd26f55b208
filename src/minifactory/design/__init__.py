"""Virtual design: columns, loads, gradients, cuts and schedules, with the probability stated."""
