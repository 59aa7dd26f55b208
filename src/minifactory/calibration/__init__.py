"""From measured data to the digital factory: a case from a result file, parameters from runs."""
