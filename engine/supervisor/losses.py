"""What is lost when a stage dies: from the counters and rings that it leaves behind."""

from engine.pipeline import Segments
from engine.rings.statistics import Statistics, stage_of


def what_is_lost(segments: Segments, statistics: Statistics, name: str) -> str:
    """Return a sentence on the work of process `name` that will not be finished."""
    stage = stage_of(name)
    if stage == "capture":
        read = statistics.process(name).values()["read"]
        return f"{read:,} packets had been read, what follows them was not"
    if stage == "worker":
        number = int(name.partition(".")[2])
        waiting = segments.rings["packets", number].used
        live = statistics.process(name)["live"]
        return (
            f"{waiting:,} records in its packet ring and {live:,} live flows of its table "
            f"are not reported"
        )
    if stage == "classifier":
        waiting = sum(ring.used for (kind, _), ring in segments.rings.items() if kind == "events")
        return f"{waiting:,} slots of events were not merged, and what workers still hold"
    waiting = segments.rings["rows", None].used
    return f"{waiting:,} rows were not written, and what comes before them"


def what_all_lose(statistics: Statistics) -> str:
    """Return a clause on what is lost when all stages end at once."""
    live = sum(line["live"] for line in statistics.processes())
    return f"{live:,} live flows of all tables are not reported"
