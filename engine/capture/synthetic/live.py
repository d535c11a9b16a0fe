"""Workloads that differ in one thing: how many flows are live at the same time.

An episode of 5 s in which `live` flows send 6 messages each, at random, then silence until all of
them have ended; and so on until the wanted number of flows has been. However many are live at once,
the flows, the packets, their spacing and the flow records are the same in number and kind: what
differs in cost is the table's.
"""

from pathlib import Path

import numpy as np

from engine.capture.synthetic.workloads import (
    CHUNK_ROWS,
    MESSAGES,
    PCAP_HEADER,
    draw_flows,
    small_frames,
)

MESSAGES_PER_FLOW = 6
EPISODE_S = 5
SILENCE_S = 135  # An idle timeout of 120 s, and panes.


def live_flows(path: str | Path, live: int, flows: int, seed: int = 4) -> int:
    """Write `flows` flows of 64-byte frames, `live` of them at a time; return how many packets.

    `flows` is a multiple of `live`.
    """
    assert flows % live == 0, f"{flows} flows are no episodes of {live}"
    rng = np.random.default_rng(seed)
    drawn = draw_flows(rng, np.full(flows, MESSAGES, np.int64))
    written = 0
    with Path(path).open("wb") as out:
        out.write(PCAP_HEADER)
        for chunk in _chunks(rng, live, flows):
            out.write(small_frames(rng, drawn, *chunk).data)
            written += len(chunk[0])
    return written


def _chunks(rng: np.random.Generator, live: int, flows: int):
    """Yield (flow, number of its message, time in us) in order of time, some episodes at once."""
    step = max(live, CHUNK_ROWS // MESSAGES_PER_FLOW // live * live)
    for begin in range(0, flows, step):
        flow = np.repeat(np.arange(begin, min(begin + step, flows)), MESSAGES_PER_FLOW)
        number = np.arange(len(flow)) % MESSAGES_PER_FLOW
        stamps = rng.integers(
            0, EPISODE_S * 1_000_000, (len(flow) // MESSAGES_PER_FLOW, MESSAGES_PER_FLOW)
        )
        stamps = np.sort(stamps, axis=1).reshape(-1)
        stamps += flow // live * (EPISODE_S + SILENCE_S) * 1_000_000
        order = np.argsort(stamps, kind="stable")
        for at in range(0, len(order), CHUNK_ROWS):
            part = order[at : at + CHUNK_ROWS]
            yield flow[part], number[part], stamps[part]
