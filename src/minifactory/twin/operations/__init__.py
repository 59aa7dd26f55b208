"""Unit operations beside columns, each with equation, source and validity; see docs/plant-models.md."""
