"""What capture tells the supervisor about its sources: bounded, however broken they are."""

from collections.abc import Callable

from engine.events import DAMAGE_REPORTS_MAX, STEP_REPORTS_MAX
from engine.rings.plan import SourceFile

# What a person reads behind the name of a damage (SEMANTICS.rst, "Capture files").
MEANINGS = {
    "no_capture": "this is not a capture file",
    "cut": "the file ends in the middle of a record",
    "version": "a version of the format that is not known",
    "record_length": "a packet longer than 262,144 bytes",
    "block_length": "an impossible length of a block",
    "block_trailer": "the two lengths of a block differ",
    "block_content": "the content of a block does not fit its length",
    "interface": "a packet of an interface that is not described, or too many interfaces",
    "compression": "the compressed data is broken or ends too early",
    "trailing": "bytes behind the compressed data",
}
_LIMITS = {"damage": DAMAGE_REPORTS_MAX, "step": STEP_REPORTS_MAX}


class Findings:
    """Sends reports; leaves out what is too much of one kind, and says at the end how much."""

    def __init__(self, files: tuple[SourceFile, ...], send: Callable[..., None]) -> None:
        self._files = files
        self._send = send
        self._sent = dict.fromkeys(_LIMITS, 0)
        self.first_damage = ""

    def tell(self, kind: str, number: int, **values) -> None:
        """Report something about source `number`."""
        path = self._files[number].path
        if kind in _LIMITS:
            self._sent[kind] += 1
            if self._sent[kind] > _LIMITS[kind]:
                return
        self._send(kind, source=number, path=path, **values)

    def tell_damage(self, number: int, offset: int, reason: str) -> None:
        """Report a damage; the name of a reason comes first, then what it means."""
        meaning = MEANINGS.get(reason)
        text = f"{reason}: {meaning}" if meaning else reason
        if not self.first_damage:
            self.first_damage = f"{self._files[number].path!r}: {text}"
        self.tell("damage", number, offset=offset, reason=text)

    def finish(self, steps: int) -> None:
        """Say how much was left out; `steps` is how many clock steps there were in all."""
        self._sent["step"] = max(self._sent["step"], steps)
        for kind, limit in _LIMITS.items():
            if self._sent[kind] > limit:
                self._send("suppressed", kind=kind, count=self._sent[kind] - limit)
