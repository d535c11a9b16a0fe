"""`python -m tools conformance`: the table of all peers, or the differences of one."""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from engine.bench.machine import machine
from engine.bench.record import commit, keep, results_folder
from tools.conformance import (
    arkime,
    community_id,
    ipfixprobe,
    known,
    ndpi,
    nfstream,
    nfstream_live,
    suricata,
    zeek,
)
from tools.conformance.compare import Comparison
from tools.conformance.index import data_folder
from tools.conformance.table import text_table

# In the order of the table.
COMPARISONS: dict[str, Callable[[Path], Comparison]] = {
    ndpi.PEER: ndpi.compare_all,
    nfstream.PEER: nfstream.compare_all,
    arkime.PEER: arkime.compare_all,
    ipfixprobe.PEER: ipfixprobe.compare_all,
    zeek.PEER: zeek.compare_all,
    zeek.LLC_PEER: zeek.compare_llc,
    suricata.PEER: suricata.compare_all,
    community_id.PEER: community_id.compare_all,
}


def main(arguments: list[str]) -> int:
    """Run the command; return 0 if nothing differs that is not listed with its reason."""
    parser = argparse.ArgumentParser(prog="python -m tools conformance", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data", metavar="DIR", help="test data; default: $ENGINE_TEST_DATA")
    parser.add_argument("--save", action="store_true", help="keep the table in stress/results")
    parser.add_argument("--live", action="store_true", help="compare with NFStream itself too")
    parser.add_argument(
        "--differences", metavar="PEER", choices=COMPARISONS, help="print that peer's list anew"
    )
    options = parser.parse_args(arguments)
    corpus = data_folder(options.data)
    if not (corpus / "peers" / "INDEX.tsv").is_file():
        print(f"no expected outputs at {corpus / 'peers'}", file=sys.stderr)
        return 2
    if options.differences:
        print(known.text(COMPARISONS[options.differences](corpus)), end="")
        return 0
    began = time.time()
    results = [compare(corpus) for compare in COMPARISONS.values()]
    if options.live:
        results.append(_live(corpus))
    record = as_record(results, began)
    if options.save:
        print(f"kept as {keep(results_folder(), record)}", file=sys.stderr)
    print(json.dumps(record, indent=1) if options.json else text_table(record["peers"]), end="\n")
    told = [f"{one.peer}: {line}" for one in results for line in known.disagreements(one)]
    for line in told:
        print(line, file=sys.stderr)
    return 1 if told else 0


def _live(corpus: Path) -> Comparison:
    """Return what comparing with NFStream itself finds, on every training capture."""
    python, folder = nfstream_live.interpreter(), corpus / "train"
    if python is None:
        sys.exit(nfstream_live.ABSENT)
    return nfstream_live.compare_live(python, nfstream_live.captures_below(folder), folder)


def as_record(results: list[Comparison], began: float) -> dict:
    """Return the table as it is kept: where, when and of what state it was made."""
    return {
        "kind": "conformance",
        "commit": commit(),
        "date": datetime.fromtimestamp(int(began), UTC).isoformat(),
        "command": "python -m tools conformance",
        "machine": machine(),
        "peers": [as_row(result) for result in results],
    }


def as_row(result: Comparison) -> dict:
    """Return a peer's line of the table."""
    return {
        "peer": result.peer,
        "captures": result.captures,
        "records": result.records,
        "equal": result.equal,
        "extra": result.extra,
        "fields": result.fields,
    }
