"""Instruments that find races in numba kernels; README.rst says how to point them at yours."""
