"""Tests. unit/ mirrors engine/; property/ compares with the twin; README.rst says the rest."""
