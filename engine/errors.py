"""The world's faults, each with the exit code that `engine` ends with.

A message says what, the limit, the value, and what to do: "ring.packet_capacity must be a power of
two from 2 to 4194304, is 1000; use 1024". A malformed packet is not an error: it is counted.
"""


class EngineError(Exception):
    """A fault that ends the run. `exit_code` is what the command line returns."""

    exit_code = 1


class ConfigError(EngineError):
    """A setting, option or file name that cannot be used."""

    exit_code = 2


class CaptureError(EngineError):
    """A source that cannot be read at all."""


class SegmentError(EngineError):
    """Shared memory that cannot be made, attached or trusted."""


class LayoutMismatchError(SegmentError):
    """A segment that another version of the engine made."""


class ModelError(EngineError):
    """A model file that cannot be used."""

    exit_code = 2


class OutputError(EngineError):
    """A file or stream that cannot be written."""


class ProcessError(EngineError):
    """A process of the engine died or stopped answering."""

    exit_code = 4
