"""hosts.jsonl: a line for every host that a source had at its end, with its newest rows.

Times are those of the corrected clock; a part's `..._until` is the end of the pane of its row, not
there where it has none. Features are those of both rows, as far as they are valid.
"""

import numpy as np

from engine.features.catalogue import NAMES
from engine.hosts.listing import EXTERNAL_BIT, INITIATOR_ROW_BIT, RESPONDER_ROW_BIT
from engine.layouts import ROW
from engine.recorder.fields import features, fields, json_content
from engine.recorder.files import OutputFile
from engine.recorder.held import Held
from engine.recorder.instructions import EQUAL, TIME, WHEN
from engine.recorder.ledger import BATCH_ROWS
from engine.recorder.template import Field, Renderer
from engine.recorder.text import ISO_TIME, TIME_BYTES_MAX
from engine.rings.plan import RunPlan

HOSTS = "hosts.jsonl"
HOST_LINE = (
    '{"source_number":<source_number>,"source":"<source>","address":"<initiator>",'
    '"internal":<?is.external>false<.><!is.external>true<.>,"known_since":"<known_since>",'
    '"seen_until":"<seen_until>"<?has.initiator>,"initiator_until":"<initiator_until>"<.>'
    '<?has.responder>,"responder_until":"<responder_until>"<.>,"features":{<vector>}}\n'
)
_FLAGS = ROW.index("sequence")
_TIMES = {
    "known_since": "first_ns",
    "seen_until": "last_ns",
    "initiator_until": "start_ns",
    "responder_until": "end_ns",
}


def _flag(bit: int) -> Field:
    return Field(WHEN, (1, EQUAL, _FLAGS, 0, bit, 0))


def _time(word: str) -> Field:
    at = ROW.index(word)
    return Field(TIME, (at, ISO_TIME, at, at), TIME_BYTES_MAX)


def host_fields(plan: RunPlan) -> dict[str, Field]:
    """Return what the places of HOST_LINE stand for in this run."""
    prefixes = tuple(b'"' + json_content(name) + b'":' for name in NAMES)
    return fields(plan.sources, plan.labels, json_content) | {
        **{name: _time(word) for name, word in _TIMES.items()},
        "is.external": _flag(EXTERNAL_BIT),
        "has.initiator": _flag(INITIATOR_ROW_BIT),
        "has.responder": _flag(RESPONDER_ROW_BIT),
        "vector": features(prefixes, every=False, point=True),
    }


class HostsOutput:
    """The file; what was written is safe."""

    shows = "hosts"

    def __init__(self, plan: RunPlan, file: OutputFile, held: Held) -> None:
        self.sink = file
        self.safe = held
        self._renderer = Renderer(HOST_LINE, host_fields(plan), BATCH_ROWS)

    def take(self, rows: np.ndarray) -> None:
        """Write rows that are hosts."""
        self.sink.write(self._renderer.render(rows).content)
        self.safe.add_hosts(len(rows))

    @property
    def held(self) -> Held:
        """Return what was written."""
        return self.safe

    def finish(self) -> None:
        """Do nothing: a line is whole."""

    def settle(self) -> None:
        """Bring everything to the disk."""
        self.sink.settle()

    def appear(self) -> None:
        """Take the file's own name."""
        self.sink.appear()

    def abandon(self) -> None:
        """Leave a .partial."""
        if not self.sink.abandon():
            self.safe = Held()
