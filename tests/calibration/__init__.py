"""Tests of what comes from measured data."""
