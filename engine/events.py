"""Every counter and every log line of the engine, with what it means.

Counters are single-writer words in shared memory (layouts.STATISTICS), summed by readers. Nothing
logs per packet; what happens per packet is counted. Names here are the names in run.json, in
`engine stats` and in Prometheus (engine_<stage>_<name>_total).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter of one kind of process."""

    name: str
    meaning: str


# A packet read is in exactly one of: refused_*, filtered, dropped_*, or on its way to a worker.
MALFORMED = ("cut", "short", "ip_version", "length", "tcp_offset", "depth", "time", "checksum")
REFUSED = (
    "refused_non_ip",
    "refused_unsupported_link",
    "refused_fragment_orphan",
    *(f"refused_malformed_{reason}" for reason in MALFORMED),
)
DROPPED = ("dropped_ring", "dropped_arena")

CAPTURE = (
    Counter("read", "packets read from the sources"),
    Counter("bytes", "captured bytes of the packets read"),
    Counter("refused_non_ip", "no IP packet in the frame"),
    Counter("refused_unsupported_link", "link type that is not read"),
    Counter("refused_fragment_orphan", "later fragment whose first fragment is not known"),
    Counter("refused_malformed_cut", "a needed header lies beyond the captured bytes"),
    Counter("refused_malformed_short", "a needed header lies beyond the packet"),
    Counter("refused_malformed_ip_version", "version nibble contradicts what was announced"),
    Counter("refused_malformed_length", "an impossible length of packet or headers"),
    Counter("refused_malformed_tcp_offset", "TCP data offset below 20 or beyond the packet"),
    Counter("refused_malformed_depth", "too many tags or nested tunnels"),
    Counter("refused_malformed_time", "stamp outside the range of the clock"),
    Counter("refused_malformed_checksum", "a wrong checksum (packet.checksums = verify)"),
    Counter("filtered", "packets that the filter does not match"),
    Counter("dropped_ring", "live only: packets for a worker whose ring was full"),
    Counter("dropped_arena", "live only: packets for which the frame arena was full"),
    Counter("published", "packets sent to workers"),
    Counter("layers", "inner layers sent to workers (packet.decapsulate = all)"),
    Counter("layers_unreadable", "inner layers that are unreadable or too deep"),
    Counter("control", "ticks, steps and ends sent to workers"),
    Counter("time_regressions", "packets up to 1 s older than their source's clock"),
    Counter("time_steps", "corrections of a source's clock"),
    Counter("tcp_header_cut", "packets whose TCP flags or window were not captured"),
    Counter("fragment_evicted", "fragment entries thrown out before their 30 s"),
    Counter("sources", "sources read to their end"),
    Counter("sources_damaged", "sources with damage"),
    Counter("waits", "times that a full ring or arena made capture wait"),
)
WORKER = (
    Counter("accepted", "packets applied to a flow"),
    Counter("layers", "inner layers applied to a flow"),
    Counter("control", "ticks, steps and ends taken"),
    Counter("flows", "flows begun"),
    Counter("parts", "flow parts begun"),
    Counter("finals_idle", "parts ended by silence"),
    Counter("finals_active", "parts split by age"),
    Counter("finals_end", "parts ended after a TCP end"),
    Counter("finals_forced", "parts ended by the stop"),
    Counter("finals_evicted", "parts ended because the table was full (lack_of_resources)"),
    Counter("early", "early records made"),
    Counter("deltas", "deltas made"),
    Counter("facts", "DNS facts made"),
    Counter("evicted_row", "evictions for want of a row"),
    Counter("evicted_cold", "evictions for want of a cold block"),
    Counter("deadlines_moved", "deadlines looked at before they were due"),
    Counter("waits", "times that a full event ring made the worker wait"),
)
CLASSIFIER = (
    Counter("finals", "final records merged"),
    Counter("early", "early records merged"),
    Counter("deltas", "deltas merged"),
    Counter("facts", "facts merged"),
    Counter("final_packets", "packets in final records"),
    Counter("final_bytes", "bytes in final records"),
    Counter("scored", "records scored by the gate"),
    Counter("scored_full", "records that the gate did not clear"),
    Counter("alerts", "alerts made"),
    Counter("rows", "rows sent to the recorder"),
    Counter("waits", "times that a full row ring made the classifier wait"),
    Counter("hosts_made", "hosts made"),
    Counter("hosts_forgotten", "hosts forgotten for want of places"),
    Counter("host_refused", "deltas, remainders and facts of hosts without a place, by part"),
    Counter("pairs_forgotten", "pairs forgotten for want of places"),
    Counter("pairs_refused", "starts of pairs without a place"),
    Counter("starts_left_out", "starts of remainders beyond those of a pane"),
    Counter("host_rows", "rows of hosts made, by part"),
    Counter("host_rows_joined", "records that took a host's row, by part"),
    Counter("host_rows_none", "records without one: the part was not touched in the pane"),
    Counter("host_rows_gone", "records without one: it may have been given up"),
    Counter("hosts_listed", "hosts at the end of their source, sent to the recorder"),
)
RECORDER = (
    Counter("rows", "rows taken"),
    Counter("flows_written", "flow records written"),
    Counter("alerts_written", "alerts written"),
    Counter("bytes_written", "bytes written"),
    Counter("rows_lost", "rows taken that an output could not take"),
    Counter("hosts_written", "hosts written"),
)
COUNTERS = {
    "capture": CAPTURE,
    "worker": WORKER,
    "classifier": CLASSIFIER,
    "recorder": RECORDER,
}
COUNTERS_MAX = 48  # Words kept per process; more would need a longer layout.
assert max(len(counters) for counters in COUNTERS.values()) <= COUNTERS_MAX


def counter_index(stage: str, name: str) -> int:
    """Return the word of counter `name` within the counters of a process of `stage`."""
    return [counter.name for counter in COUNTERS[stage]].index(name)


@dataclass(frozen=True, slots=True)
class Report:
    """One kind of line that a stage sends to the supervisor. `text` is what a person reads.

    "replaced" is written by the supervisor, behind what the dead process has told.
    """

    fields: tuple[str, ...]
    text: str


REPORTS = {
    "ready": Report((), "{process} is ready"),
    "recovered": Report(("packets",), "{process} took {packets} packets of a dead one back"),
    "replaced": Report(
        ("pid", "signal", "hung", "time_ns"),
        "{process} (pid {pid}) ended by {signal}; it is replaced",
    ),
    "failed": Report(("error", "exit_code"), "{process}: {error}"),
    "damage": Report(
        ("source", "path", "offset", "reason"),
        "{path}: {reason}, at byte {offset}; what stands before it was read",
    ),
    "step": Report(
        ("source", "path", "offset", "before_ns", "after_ns"),
        "{path}: the clock steps by more than 1 s at byte {offset}",
    ),
    "source": Report(
        ("source", "path", "packets", "bytes", "link_types", "unsupported_links", "grown_bytes"),
        "{path}: {packets} packets",
    ),
    "suppressed": Report(("kind", "count"), "{count} more {kind} reports were left out"),
    "finished": Report(("summary",), "{process} is done"),
}
DAMAGE_REPORTS_MAX = 1000  # Of a run; the rest is counted.
STEP_REPORTS_MAX = 100  # Likewise.
