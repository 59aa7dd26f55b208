"""The report of a study: one HTML page with plots that needs nothing else, and the same as JSON."""
