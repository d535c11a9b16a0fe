"""What two workers send of a drawn run, for classifier.py: `python -m stress.deaths.events FILE`.

In a process of its own: capture and workers are no part of what is instrumented there.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from engine.config import with_settings
from engine.offline import events_of
from tests.property.host_traffic import random_host_run

WORKERS, SEED, ACTIONS = 2, 14, 9
SETTINGS = {
    "flow.max_flows": 128,
    "flow.idle_timeout": "30 s",
    "host.max_hosts": 24,
    "host.max_pairs": 16,
    "host.rows": 40,
    "ring.event_capacity": 4096,
    "capture.arena_bytes": 1 << 18,
    "capture.stream_buffer_bytes": 1 << 16,
}
HASH_KEY = (5, 6)


def write_events(path: str) -> None:
    """Write the slots of each worker's events, one behind the other."""
    contents, chosen = random_host_run(SEED, ACTIONS)
    config = with_settings(chosen.config, SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in contents:
            (Path(folder) / name).write_bytes(content)
        paths = [str(Path(folder) / name) for name, _ in contents]
        events, _ = events_of(paths, config, WORKERS, hash_key=HASH_KEY, separate=False)
    slots = [np.concatenate([np.zeros(0, np.int64), *of_worker]) for of_worker in events]
    np.savez(path, *slots)


if __name__ == "__main__":
    write_events(sys.argv[1])
