"""Control structures: how shared memory is recognised, how processes talk, what they say of
themselves. Lines of 128 bytes, one writer each.
"""

from engine.events import COUNTERS_MAX
from engine.memory.layout import Layout, Line, Word

SEGMENT = Layout(
    "segment",
    "First line of every shared-memory segment. The magic is written last, with release.",
    (
        Line(
            "creator",
            (
                Word("magic", "-", "release", "SEGMENT_MAGIC once everything else is written"),
                Word("fingerprint", "-", "fixed", "hash of the engine's sources"),
                Word("kind", "-", "fixed", "what the segment holds: SEGMENT_KINDS"),
                Word("number", "-", "fixed", "which of its kind: the worker's number"),
                Word("bytes", "bytes", "fixed", "size of the whole segment"),
                Word("owner", "pid", "fixed", "process that made it and will unlink it"),
                Word("created_ns", "ns", "fixed", "wall clock when it was made"),
            ),
        ),
    ),
)
SEGMENT_MAGIC = 0x4D4C2D4446443031
SEGMENT_KINDS = ("statistics", "packets", "events", "rows", "table", "arena", "hosts", "recorder")

# A sequence is the count of slots ever published (or consumed). It only grows and is never masked
# in memory, so "full" (tail - head == capacity) and "empty" (tail == head) cannot be confused.
RING = Layout(
    "ring",
    "A single-producer single-consumer ring; its slots follow.",
    (
        Line(
            "creator",
            (
                Word("state", "-", "release", "life cycle, see rings/lifecycle.py"),
                Word("capacity", "slots", "fixed", "a power of two"),
                Word("slot_bytes", "bytes", "fixed", "size of a slot"),
            ),
        ),
        Line(
            "producer",
            (
                Word("tail", "sequence", "release", "slots published; next slot to write"),
                Word("head_seen", "sequence", "private", "head as last loaded; a lower bound"),
                Word(
                    "control_published", "records", "relaxed", "packets: control records among them"
                ),
                Word(
                    "watermark_lock", "sequence", "release", "events: odd while the two are written"
                ),
                Word("watermark_time", "ns", "relaxed", "events: time of the promised position"),
                Word("watermark_reference", "-", "relaxed", "events: its frame reference"),
            ),
        ),
        Line(
            "consumer",
            (
                Word("head", "sequence", "release", "slots consumed; next slot to read"),
                Word("tail_seen", "sequence", "private", "tail as last loaded; a lower bound"),
                Word(
                    "control_consumed", "records", "relaxed", "packets: control records among them"
                ),
            ),
        ),
    ),
)

STATISTICS = Layout(
    "statistics",
    "The run's own line; then two lines and the counters of each process (PROCESS).",
    (
        Line(
            "supervisor",
            (
                Word("processes", "-", "fixed", "how many PROCESS records follow"),
                Word("workers", "-", "fixed", "how many of them are workers"),
                Word("stop", "-", "release", "0 run, 1 drain, 2 leave at once"),
                Word("phase", "-", "relaxed", "0 starting, 1 running, 2 ended"),
                Word("started_ns", "ns", "fixed", "wall clock at start"),
                Word("sources", "-", "fixed", "how many sources the run reads"),
                Word("source_bytes", "bytes", "fixed", "their size, where it is known"),
            ),
        ),
    ),
)
RUN, DRAIN, LEAVE = 0, 1, 2
PROCESS = Layout(
    "process",
    "One process of the run: its state and its counters, whose names are in events.py.",
    (
        Line(
            "process",
            (
                Word("pid", "pid", "release", "0 until it runs"),
                Word("state", "-", "release", "PROCESS_STATES"),
                Word("heartbeat_ns", "ns", "relaxed", "monotonic clock of its last step"),
                Word("cpu_ns", "ns", "relaxed", "CPU time of the process so far"),
                Word("start_cpu_ns", "ns", "relaxed", "CPU time until it was ready"),
                Word("time_ns", "ns", "relaxed", "corrected clock of what it last handled"),
                Word("live", "flows", "relaxed", "worker: live flows"),
                Word("progress", "bytes", "relaxed", "capture: bytes of the sources behind it"),
            ),
        ),
        *(
            Line("process", (Word(f"counters_{k}", "-", "relaxed", "events.py", count=16),))
            for k in range(COUNTERS_MAX // 16)
        ),
    ),
)
JOURNAL = Layout(
    "journal",
    "What a process has changed since its last commit, in a region of its words; entries follow: "
    "old words, then a word of where they were << 12 | how many.",
    (
        Line(
            "process",
            (
                Word("used", "words", "private", "of the entries; 0: all is committed"),
                Word("capacity", "words", "fixed", "for entries"),
            ),
        ),
    ),
    64,
)
PROCESS_STATES = ("absent", "starting", "running", "draining", "done")
ABSENT, STARTING, RUNNING, DRAINING, DONE = range(5)
