"""What a mutant is put to: the model checker, then tests; which of it, and in which order.

Kernels run as plain Python first: that takes seconds, and the model checker runs them so anyway.
What only compiled code shows (the intrinsics, the compiler's fences) is compiled, of few kernels.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In front of a protocol of the zoo, or of a scenario; any other suite is pytest's arguments.
WEAVE = "weave "
EXECUTIONS = 400  # Of each way to choose, of a protocol; and where it is more:
MORE = {"watermark": 4000}
COMPILED = "compiled"  # Words of a suite that needs the compiler.

# The model checker's protocols that call a file's functions; cheapest first.
PROTOCOLS = {
    "rings/spsc.py": ("ring", "watermark", "merge"),
    "rings/journal.py": ("journal",),
    "rings/lifecycle.py": ("life",),
    "rings/statistics.py": ("lines",),
    "flows/consume.py": ("watermark",),
    "flows/emit.py": ("tests.race.weave_events:EVENTS",),
    "flows/pools.py": ("rows",),
    "flows/snapshot.py": ("rows",),
    "classifier/transaction.py": ("commit",),
}
_FLOWS = "tests/unit/flows/test_"
_MAIN = "tests/unit/worker/test_main.py"
_SMALL = "tests/property/test_small_rings.py -k smallest"
# Against the plain twin, field by field: drawn runs, and directed ones but the longest.
_DRAWN = "tests/property/test_worker.py -k events_are_those"
_DIRECTED = "tests/property/test_worker.py -k 'directed and not bytes'"
_ORDER = _FLOWS + "store_order.py"
_RECOVERY, _KILLED = _FLOWS + "recovery.py", _FLOWS + "killed.py"
_TELLING = _FLOWS + "killed_telling.py"
_LIMITS, _VIEW = _FLOWS + "limits.py", _FLOWS + "reader_view.py"
# Suites of a file beside the tests that have its name, which come first.
SUITES = {
    "memory/kept.py": ("tests/unit/memory/test_store_order.py",),
    "memory/region.py": ("tests/unit/memory/test_kept.py",),
    "rings/mapping.py": (),
    "rings/private.py": ("tests/unit/rings/test_ring.py",),
    "flows/clock.py": (_DRAWN, _DIRECTED),
    "flows/consume.py": (_ORDER, _MAIN, _DRAWN, _RECOVERY, _KILLED, _SMALL),
    "flows/deadlines.py": (_LIMITS, _DRAWN, _RECOVERY, _DIRECTED, _FLOWS + "tops.py"),
    "flows/emit.py": (_FLOWS + "room.py", _DRAWN, _MAIN, _RECOVERY, _SMALL),
    "flows/panes.py": (
        _ORDER,
        _FLOWS + "pane_entries.py",
        _FLOWS + "pane_list.py",
        _DRAWN,
        _RECOVERY,
        _KILLED,
    ),
    "flows/pools.py": (
        *(_ORDER, _LIMITS, _VIEW),
        *(_FLOWS + "snapshot.py", _FLOWS + "pressure.py", _RECOVERY, _KILLED),
    ),
    "flows/pressure.py": (_FLOWS + "pressure_limits.py", _FLOWS + "tops.py", _DRAWN),
    "flows/recover.py": (_LIMITS, _VIEW, _RECOVERY, _KILLED),
    "flows/rewrite.py": (_ORDER, _FLOWS + "pane_list.py", _TELLING, _RECOVERY, _KILLED),
    "flows/shard.py": (_DRAWN,),
    "flows/slots.py": (_DRAWN, _FLOWS + "pressure.py", _FLOWS + "table.py"),
    "flows/snapshot.py": (_FLOWS + "snapshot_steps.py",),
    "flows/sorting.py": (_DRAWN,),
    "flows/spill.py": (_FLOWS + "tops.py",),
    "flows/stop.py": (_LIMITS, _DRAWN, _RECOVERY, _TELLING),
    "flows/update.py": (_RECOVERY, _VIEW, _DRAWN, _KILLED),
}
# And where a layer's files are not named above, or besides.
OTHERS = {
    "memory": (),
    "rings": ("tests/unit/rings/test_store_order.py",),
    "flows": (_RECOVERY, _DRAWN, _KILLED),
    "classifier": (),
    "recorder": ("tests/unit/recorder/test_commit.py",),
}
# Suites of compiled code, without what tests share: that would compile all kernels there are.
COMPILED_SUITES = {
    "rings/spsc.py": ("tests/unit/rings/test_spsc.py --noconftest -m compiled",),
    "rings/journal.py": ("tests/unit/rings/test_journal.py --noconftest -m compiled",),
}


def suites_of(file: str) -> list[str]:
    """Return the suites for a file below engine/, cheapest first; those of Python."""
    layer, _, name = file.partition("/")
    own = f"tests/unit/{layer}/test_{name}"
    found = [WEAVE + protocol for protocol in PROTOCOLS.get(file, ())]
    found += [own] if (ROOT / own).is_file() else []
    found += SUITES.get(file, OTHERS[layer])
    found += OTHERS[layer] if layer == "rings" else ()
    return list(dict.fromkeys(found))


def compiled_suites_of(file: str) -> list[str]:
    """Return the suites for a file that are compiled, each in a process that has compiled nothing.

    All of engine/memory: what an intrinsic's definition does is seen in compiled code alone.
    """
    layer, _, name = file.partition("/")
    own = f"tests/unit/{layer}/test_{name}"
    if layer == "memory":
        return [f"{own} --noconftest"] if (ROOT / own).is_file() else []
    return list(COMPILED_SUITES.get(file, ()))
