"""Planted bugs that the comparison of engine and twin must find: one line each, in one module.

`python -m tests.property.canaries NAME` runs the engine with that bug planted, on what is said to
find it, without the JIT (a changed kernel would take longer to compile than to be found), and says
after how many examples it was found; exit 1 if it was not. Without a name: all of them, as a table.
"""

import importlib.abc
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.property.host_canaries import HOST_CANARIES
from tests.property.keep_canaries import KEEP_CANARIES
from tests.property.resume_canaries import RESUME_CANARIES

MACHINES_MAX = 100  # Walks of the table's machine.
DRAWN_MAX = 600  # Random runs of 20 actions, then of 60, in turn.
DEATHS_MAX = 200  # Random runs of 20 actions, then of 60, whose captures die.
HOSTS_MAX = 60  # Random host runs, likewise.


class Canary(NamedTuple):
    """A bug: in which module which text becomes which.

    `by` finds it: drawn runs, drawn host runs, the machine of the table or a worker that dies
    (tests/unit/flows), drawn runs whose captures die, or a directed run.
    """

    module: str
    right: str
    wrong: str
    by: str = "drawn"


_FIRE, _DEADLINES, _COUNT = "engine.flows.clock", "engine.flows.deadlines", "engine.flows.count"
_UPDATE, _EMIT, _PANES = "engine.flows.update", "engine.flows.emit", "engine.flows.panes"
_ACTIVITY, _MARKS = "engine.features.activity", "engine.flows.marks"
_SLOTS, _POOLS = "engine.flows.slots", "engine.flows.pools"
_CONNECTION, _SAID = "engine.flows.connection", "engine.flows.conn_state"
_LAYERS, _METERING = "engine.packets.layers", "engine.packets.metering"
_IP, _TUNNELS, _CLOCK = "engine.packets.ip", "engine.packets.tunnels", "engine.capture.clock"
_PAYLOAD, _SPILL = "engine.flows.payload", "engine.flows.spill"

CANARIES = {
    # Limits, each missed by one ns.
    "idle period at 5 s": Canary(_ACTIVITY, "gap > ACTIVITY_T", "gap >= ACTIVITY_T"),
    "subflow at 1 s": Canary(_COUNT, "gap > SUBFLOW_T", "gap >= SUBFLOW_T"),
    "bulk over at 1 s": Canary(_COUNT, "since > BULK_GAP_NS", "since >= BULK_GAP_NS"),
    "early record after 60 s": Canary(_COUNT, "offset >= EARLY_AGE", "offset > EARLY_AGE"),
    "split at active timeout": Canary(_UPDATE, "ACTIVE_NS], age)", "ACTIVE_NS], age + 1)"),
    "deadline fires at its time": Canary(_FIRE, "deadline >= now:", "deadline > now:"),
    "pane ends behind its time": Canary(
        _FIRE, "min(deadline, end - 1) + 1", "min(deadline, end) + 1"
    ),
    "ended at 2^44 ns": Canary(
        _UPDATE, "age > table[AGE_MASK] and", "age - 1 > table[AGE_MASK] and", "ended, 2^44 ns"
    ),
    "age beyond 2^63 ns": Canary(
        _UPDATE,
        "unsigned_less(table[ACTIVE_NS], age)",
        "age > table[ACTIVE_NS]",
        "2^63 ns, timeouts off",
    ),
    "stop at the pane's begin": Canary(
        "engine.flows.stop", "(last_time // PANE_NS + 1)", "-(-last_time // PANE_NS)"
    ),
    "bulk of 3": Canary("engine.features.bulk", "PACKETS_MIN = 4", "PACKETS_MIN = 3"),
    "early record at 9": Canary(_COUNT, "EARLY_BASE - 1) <<", "EARLY_BASE) <<"),
    "windows of 255 bytes": Canary(_PAYLOAD, "captured, BYTES_MAX", "captured, BYTES_MAX - 1"),
    "nine data packets": Canary("engine.features.payload", "PACKETS_MAX = 8", "PACKETS_MAX = 9"),
    "upload above 1 MiB": Canary(
        _MARKS, "fwd_bytes >= UPLOAD_BYTES", "fwd_bytes > UPLOAD_BYTES", "upload of 1 MiB"
    ),
    # Sums.
    "carry lost": Canary(
        "engine.memory.wide", "signed(total >> 64)", "np.int64(high)", "gaps of 119 s"
    ),
    "squares kept when wide": Canary(
        "engine.features.moments", "if age_mask != places", "if age_mask == 1 + places", "drawn"
    ),
    "rare flags spilled once": Canary(
        _SPILL,
        "(table, line, side)[flag] += top",
        "(table, line, side)[flag] = top",
        "flags spilled",
    ),
    "PSH not spilled": Canary(_SPILL, "+ flag - RARE] += top", "+ flag - RARE] += 0", "every flag"),
    "spilled bytes lost": Canary(_SPILL, "+ half] += SPILLED", "+ half] += 0", "bytes spilled"),
    "active run in progress left out": Canary(
        _ACTIVITY, "run = totals.duration - (", "run = 0 * ("
    ),
    "bulk in progress left out": Canary("engine.features.bulk", "if running:", "if packets < 0:"),
    "duration in us": Canary(
        "engine.features.rate", "(totals.duration)", "(totals.duration // 1000 * 1000)"
    ),
    # Order.
    "ties of deadlines": Canary(
        "engine.flows.sorting", "_REFERENCE] > other_line", "_REFERENCE] < other_line"
    ),
    "deadline before the pane's end": Canary(
        _DEADLINES, "deadline // PANE_NS", "(deadline - 1) // PANE_NS"
    ),
    "linger not filed": Canary(
        _UPDATE, "packet.time + table[LINGER_NS]", "idle_deadline(table, key, packet.time)"
    ),
    # Deltas and marks.
    "delta not cleared": Canary(_PANES, "&= ~places.IN_PANE", "&= ~0"),
    "remainder of an older pane": Canary(
        _EMIT, "if line[places.FLOW_KEY] & places.IN_PANE:", "if line[places.FLOW_KEY]:"
    ),
    "marks sent again": Canary(_MARKS, "return marks & ~sent", "return marks"),
    "handshake by the responder": Canary(_UPDATE, "stage == 2 and forward and", "stage == 2 and"),
    "refused after payload": Canary(_UPDATE, "state |= places.ANSWERED_PAYLOAD", "state |= 0"),
    "first end of the other side": Canary(_MARKS, "(first == 2) ==", "(first == 1) =="),
    # Parts.
    "sequence kept after a split": Canary(_UPDATE, "(1 << places.SEQUENCE_SHIFT) - 1", "-1"),
    "nibbles lost by a split": Canary(_UPDATE, "= nibbles", "= (0, 0, 0)"),
    "handshake lost by a split": Canary(_UPDATE, "| 3 << places.HANDSHAKE_SHIFT", ""),
    "initiator of a SYN-ACK": Canary(_UPDATE, "initiator = 1 - initiator", "initiator = initiator"),
    "window of the SYN only": Canary(
        _COUNT, "= packet.window <<", "= (packet.window if packet.flags & 2 else 0) <<"
    ),
    "TCP ends when told not to": Canary(_UPDATE, "if over and table[TCP_END] and", "if over and"),
    "step at its own time": Canary(
        "engine.flows.steps", "entry[_TIME] <= time", "entry[_TIME] < time"
    ),
    # Connections, with flow.history.
    "repeated payload untold": Canary(_CONNECTION, "return payload > 0", "return payload > 9"),
    "SYN keeps the start": Canary(
        _CONNECTION, "    _set_start(side, sequence, room)\n\n\n", "    pass\n\n\n"
    ),
    "answer to a SYN is partial": Canary(
        _CONNECTION, "if number == 1 and payload", "if 0 and payload"
    ),
    "RST of the closed forgotten": Canary(
        _CONNECTION,
        "_enter(side, RESET)\n        return True\n    if state == IN",
        "return True\n    if state == IN",
    ),
    "FIN after a reset": Canary(_CONNECTION, "_enter(peer, CLOSED)", "pass"),
    "letters kept by a split": Canary(
        _CONNECTION,
        "connection[LETTERS_2] = 0, 0, 0",
        "connection[LETTERS_2] = connection[LETTERS_0], 0, 0",
    ),
    "tenth repetition untold": Canary(
        _CONNECTION, "TENS = tuple(10**k", "TENS = tuple(9**k", "powers of ten"
    ),
    "stream counts the FIN": Canary(_SAID, "np.int64(side[0] & FIN_SENT != 0)", "0"),
    "active after both closed": Canary(_CONNECTION, "peer[0] & _DONE == 0", "peer[0] & 0 == 0"),
    "turned for no reason": Canary(_CONNECTION, "connection[LETTERS_0] = TURNED", "pass"),
    # Payload.
    "names above 60 characters": Canary(
        "engine.packets.dns", "dotted + count > NAME_MAX", "dotted + count > 60"
    ),
    "host of an answer": Canary(_PAYLOAD, "if response else SOURCE_HIGH", "if 0 else SOURCE_HIGH"),
    "server name unread": Canary(
        "engine.packets.greetings", "_SERVER_NAME = 22, 1, 0", "_SERVER_NAME = 22, 1, 9"
    ),
    # Settings for comparison.
    "VLANs folded by 4 bits": Canary("engine.packets.link", "_FOLD_BITS = 5", "_FOLD_BITS = 4"),
    "layers from the frame's begin": Canary(_LAYERS, " - outside[INSIDE_AT]", " - 0"),
    "payload looked for elsewhere": Canary(
        "engine.capture.send", "line[PAYLOAD_AT]", "line[HEADER_AT] + headers"
    ),
    "no length, so no packet": Canary(_METERING, "if length else 1", "if length else 0"),
    "ICMP types still one-way": Canary(_METERING, "(_PORTS | 1 << MARK_SHIFT)", "_PORTS"),
    "carriers of GRE metered": Canary(_LAYERS, "line[PROTOCOL] != UDP:", "line[PROTOCOL] == -1:"),
    "tunnels of no packet dropped": Canary(_LAYERS, "fate != NO_DATA and ", ""),
    "inner packets dropped in all": Canary(_LAYERS, "if not every and fate", "if fate"),
    "first layer marked inner": Canary(_LAYERS, "if kept else 0", "if k else 0"),
    "overlong IPv6 packet refused": Canary(
        _IP, "if at + length > limit and line[DEMANDED]", "if length > 1 << 20 and line[DEMANDED]"
    ),
    "clock steps that holds": Canary(_CLOCK, "elif not holds and ", "elif "),
    "acknowledgement of GRE 1": Canary(_TUNNELS, "(4 if bits & 0x80 else 0)\n    if", "0\n    if"),
    "FabricPath of 14 bytes": Canary(_TUNNELS, "ETHERNET, 16, wire", "ETHERNET, 14, wire"),
    "ports of half a TCP header": Canary(
        "engine.packets.ip", "begin + _bytes_min(protocol) > end", "begin + 4 > end"
    ),
    "checksum without its carry": Canary(
        "engine.packets.checksums", "+ (total >> 16)", "+ 0 * (total >> 16)"
    ),
    "timeouts of TCP for all": Canary(
        _DEADLINES, "TIMEOUTS_AT] + protocol_of(key)", "TIMEOUTS_AT] + 6"
    ),
    "SYN-ACK turned all the same": Canary(_UPDATE, "SYNACK_TURNS] != 0", "SYNACK_TURNS] >= 0"),
    # The table: what no event shows until much later.
    "index not closed behind a row": Canary(
        _SLOTS, "from_home >= from_gap", "from_home < 0", "table"
    ),
    "index not closed around its end": Canary(
        _SLOTS, "from_home += slots", "from_home += 0", "table"
    ),
    "blocks lost by a split": Canary(
        _UPDATE, "give_cold_blocks(table, line)\n    _begin_row", "_begin_row", "table"
    ),
    "blocks given twice": Canary(
        _POOLS, "line[places.COLD_FLOW] = 0", "line[places.RUN] = 0", "table"
    ),
    "second spill block lost": Canary(
        _POOLS, "_give_block(table, block_at(table, block)[places.SPILL_MORE])", "pass", "table"
    ),
    "block given as it was": Canary(_POOLS, "range(1, places.BLOCK_WORDS)", "range(2, 3)", "table"),
    "free row keeps its start": Canary(
        _POOLS, "line[places.START] = places.TIME_MAX", "pass", "table"
    ),
    "names counted twice": Canary(
        _DEADLINES, "table[counts + before] -= 1", "table[counts + before] -= 0", "table"
    ),
    "evicts from the latest pane": Canary(
        _DEADLINES,
        "range(1, AHEAD_MAX + 1):\n                ahead_name",
        "range(AHEAD_MAX, 0, -1):\n                ahead_name",
        "table",
    ),
    "row left changing": Canary(
        _UPDATE,
        "        note_connection(shard, row, line, packet, at)\n    mark_settled(line)",
        "        note_connection(shard, row, line, packet, at)",
        "table",
    ),
    "room for one record": Canary(_UPDATE, "2 * RECORD_SLOTS + 1 ", "1 ", "table"),
    "pane list keeps what was sent": Canary(
        _PANES, "    table[PANE_COUNT] = 0\n    table[PANE_PHASE]", "    table[PANE_PHASE]", "table"
    ),
    "pane list beyond its place": Canary(
        "engine.flows.consume", "        want_dropped(table)\n", "", "table"
    ),
    "due list unsorted": Canary(
        _DEADLINES, "    sort_entries(table, due, kept,", "    sort_entries(table, due, 0,", "table"
    ),
}
CANARIES |= {name: Canary(*(*what, "hosts")[:4]) for name, what in HOST_CANARIES.items()}
CANARIES |= {name: Canary(*what, "deaths") for name, what in RESUME_CANARIES.items()}
CANARIES |= {name: Canary(*what, "dying") for name, what in KEEP_CANARIES.items()}


class _Planter(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Finds one module and loads it with its bug."""

    def __init__(self, canary: Canary) -> None:
        self._canary = canary
        self._path = str(Path(*canary.module.split(".")).with_suffix(".py").resolve())

    def find_spec(self, name, path, target=None):
        """Return a spec for the module that is to be changed."""
        if name != self._canary.module:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def get_filename(self, name):
        """Return the path of the right source."""
        return self._path

    def get_data(self, path):
        """Return the changed source."""
        source = Path(self._path).read_text(encoding="utf-8")
        assert self._canary.right in source, f"{path} has no {self._canary.right!r} any more"
        return source.replace(self._canary.right, self._canary.wrong).encode()

    def set_data(self, *_):
        """Keep no compiled file of it."""


def first_difference(by: str) -> str | None:
    """Run examples until engine and twin differ; return after how many and how; None: never."""
    from tests.property import directed, host_directed
    from tests.property.host_traffic import random_host_run
    from tests.property.side_by_side import Way, assert_engine_equals_twin
    from tests.property.strategies import random_run

    if by == "table":
        return _break_table()
    if by == "deaths":
        return _break_resume()
    if by == "dying":
        return _break_dying()
    makers = {"drawn": (random_run, DRAWN_MAX), "hosts": (random_host_run, HOSTS_MAX)}
    one = directed.DIRECTED | host_directed.DIRECTED
    make, count = makers.get(by) or (lambda *_: one[by](), 1)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            size = (20, 20, 60)[number % 3]
            drawn = make(number, size)
            try:
                assert_engine_equals_twin(*drawn, Way(), Path(folder))
            except Exception as error:  # A kernel may also fail on what it should not have met.
                what = str(error).split("\n")[0].partition(": ")[2] or type(error).__name__
                place = f", {number + 1}" if by in makers else ""
                return f"{by}{place}: {what[:80]}"
    return None


def _break_table() -> str | None:
    """Let the machine of the table run, without shrinking what it finds."""
    from hypothesis import HealthCheck, Phase, settings
    from hypothesis.stateful import run_state_machine_as_test

    from tests.unit.flows.test_table import TableMachine

    chosen = settings(
        max_examples=MACHINES_MAX,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(TableMachine, settings=chosen)
    except Exception as error:
        return f"table: {str(error).partition(chr(10))[0][:80] or type(error).__name__}"
    return None


def _break_resume() -> str | None:
    """Have captures die in random runs until one is not as if none had."""
    from tests.property.strategies import random_run
    from tests.property.test_resume import die_and_compare, drain_and_compare, layered_run

    with tempfile.TemporaryDirectory() as folder:
        for seed in range(DEATHS_MAX):
            drawn = layered_run() if seed % 4 == 3 else random_run(seed, (20, 20, 60)[seed % 3])
            try:
                die_and_compare(Path(folder), drawn, seed)
                drain_and_compare(Path(folder), drawn, seed)
            except Exception as error:  # Or the rings of a replacement are beyond use.
                what = str(error).partition("\n")[0] or type(error).__name__
                return f"deaths, {seed + 1}: {what[:80]}"
    return None


def _break_dying() -> str | None:
    """Let a worker die before each of its commits, in runs that come to everything."""
    from tests.unit.flows.test_recovery import ROWS, WAYS, DyingShard, everything

    for way, changed in WAYS.items():
        try:
            DyingShard(ROWS, **changed).send(*everything(100))
        except Exception as error:
            return f"dying: {way}: {str(error).partition(chr(10))[0][:80] or type(error).__name__}"
    return None


def find(name: str) -> subprocess.CompletedProcess:
    """Run this module on a canary, in a process of its own."""
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore"}
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-m", "tests.property.canaries", name],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Look for one canary, or for all of them."""
    if len(sys.argv) == 1:
        done = {name: find(name) for name in CANARIES}
        for name, process in done.items():
            print(f"{name:34} {process.stdout.strip() or process.stderr[-200:]}")
        return sum(process.returncode for process in done.values())
    if os.environ.get("NUMBA_DISABLE_JIT") != "1":  # Or the bug would stay in the kernel cache.
        process = find(sys.argv[1])
        print(process.stdout.strip() or process.stderr[-200:])
        return process.returncode
    canary = CANARIES[sys.argv[1]]
    sys.meta_path.insert(0, _Planter(canary))
    found = first_difference(canary.by)
    print(found or "not found")
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
