"""The flow records of a run: when, who with whom, for what; and what ordinary ones look like.

Read once through with the recorder's own reader; only finals count, which cover every packet once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.errors import EngineError
from engine.recorder.read_back import Block, BrokenOutputError, flow_files, read_blocks
from engine.report.alerts import Alerts
from engine.report.ranges import Sample
from engine.report.tally import Tally
from engine.report.timeline import Timeline

PACKETS, BYTES, FLOWS = range(3)  # Amounts of the timeline.
# Columns of hosts and services.
SENT, RECEIVED, BEGUN, TAKEN = range(4)
OF_BYTES, OF_PACKETS, OF_FLOWS = range(3)


@dataclass(slots=True)
class Flows:
    """What the flow records say. `file` is empty when the run wrote none that can be read."""

    sample: Sample
    file: str = ""
    count: int = 0
    packets: int = 0
    bytes: int = 0
    timeline: Timeline = field(default_factory=lambda: Timeline(3))
    hosts: Tally = field(default_factory=lambda: Tally(5, by=4))  # The last: bytes both ways.
    services: Tally = field(default_factory=lambda: Tally(3))
    fault: str = ""


def read_flows(folder: Path, written: list[str], alerts: Alerts, features: tuple) -> Flows:
    """Read the flow records of a run's folder, with these features of ordinary ones.

    `written`: names of the files in which the run says that flow records are.
    """
    found = Flows(Sample(features))
    files = [path for path in flow_files(folder) if path.name in written and path.is_file()]
    for path in files[:1]:
        found.file = path.name
        try:
            for block in read_blocks(path, features):
                _take(found, block, alerts)
        except BrokenOutputError as error:
            found.fault = str(error)
        except (EngineError, ImportError, MemoryError, ValueError) as error:
            found.fault = f"{path.name} cannot be read: {error}"
    missing = sorted(name for name in written if not (folder / name).is_file())
    if missing and not found.fault:
        found.fault = f"{', '.join(missing)} is missing"
    return found


def _take(found: Flows, block: Block, alerts: Alerts) -> None:
    columns = block.columns
    final = columns["record"] == "final"
    if not final.any():
        return
    of = {name: column[final] for name, column in columns.items()}
    packets = of["fwd_packets"] + of["bwd_packets"]
    size = of["fwd_bytes"] + of["bwd_bytes"]
    found.count += len(packets)
    found.packets += int(packets.sum())
    found.bytes += int(size.sum())
    begun = np.where(of["continued"], 0, 1)
    found.timeline.add(of["start_ns"], of["end_ns"], packets, size, np.zeros(len(packets)))
    none = np.zeros(len(packets))
    found.timeline.add(of["start_ns"], of["start_ns"], none, none, begun)
    _count_ends(found, of, packets, size)
    ordinary = ~of["alert"] & ~np.isin(of["flow_id"], alerts.flows)
    ordinary &= ~(of["score"] >= of["threshold"])  # NaN: not scored.
    found.sample.add(block.vector[:, final][:, ordinary], block.valid[:, final][:, ordinary])


def _count_ends(found: Flows, of: dict[str, np.ndarray], packets, size) -> None:
    for row in _rows(of, packets, size):
        initiator, responder, service, counted, forward, backward, begun = row
        total = forward + backward
        found.hosts.add(initiator, forward, backward, begun, 0, total)
        if responder != initiator:
            found.hosts.add(responder, backward, forward, 0, begun, total)
        found.services.add(service, total, counted, begun)


def _rows(of: dict[str, np.ndarray], packets: np.ndarray, size: np.ndarray) -> Iterator[tuple]:
    services = zip(
        of["protocol"].tolist(), of["responder_port"].tolist(), of["service"].tolist(), strict=True
    )
    return zip(
        of["initiator"].tolist(),
        of["responder"].tolist(),
        services,
        packets.tolist(),
        of["fwd_bytes"].tolist(),
        of["bwd_bytes"].tolist(),
        np.where(of["continued"], 0, 1).tolist(),
        strict=True,
    )
