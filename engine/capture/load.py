"""Load capture's kernels: they have signatures, so importing them compiles or loads them."""

from engine.capture import read


def load_kernels() -> None:
    """Return once every kernel that capture calls is ready."""
    for kernel in (read.read_batch, read.find_first, read.tell_end, read.remove_first):
        assert getattr(kernel, "signatures", True), f"{kernel} has no signature"
