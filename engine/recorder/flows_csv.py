"""Flow records as CSV: our own columns, one line a record.

Floats are the shortest text that reads back as the same float32; what is not valid is empty. No
cell holds a line end, and none begins like a formula (escape.py).
"""

from engine.features.catalogue import NAMES
from engine.recorder.columns import COLUMNS, HEADER
from engine.recorder.fields import csv_cell, features, fields
from engine.recorder.template import Field
from engine.rings.plan import RunPlan


def _cell(name: str, scored: bool) -> str:
    return f"<?is.scored><{name}><.>" if scored else f"<{name}>"


CSV_RECORD = ",".join(_cell(column.name, column.scored) for column in COLUMNS) + ",<vector>\n"


def csv_header() -> bytes:
    """Return the first line."""
    return ",".join(HEADER).encode() + b"\n"


def csv_fields(plan: RunPlan) -> dict[str, Field]:
    """Return what the places of CSV_RECORD stand for in this run."""
    vector = features((b"",) * len(NAMES), every=True, point=False)
    seed = plan.config.recorder.community_id_seed
    return fields(plan.sources, plan.labels, csv_cell, seed) | {"vector": vector}
