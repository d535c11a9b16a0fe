"""What other programs say about the same captures, beside what the engine says under their profile.

`python -m tools conformance` and tests/conformance use it; the engine does not.
"""
