"""Parameters from runs: the sequence an engineer follows, with uncertainty (see docs/calibration.md)."""
