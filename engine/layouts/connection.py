"""What a worker keeps of a flow's connection where flow.history asks for it (SEMANTICS.rst,
"Connection state"): in the place of the flow's row, beside the table's other regions.
"""

from engine.memory.layout import RECORD_LINE_BYTES, Field, Layout, Line, Word

SIDE_STATES = (
    *("inactive", "syn_sent", "syn_ack_sent", "partial"),
    *("established", "closed", "reset"),
)


def _word(name: str, unit: str, doc: str, *fields: Field) -> Word:
    return Word(name, unit, "record", doc, fields)


def _side(side: str, who: str) -> tuple:
    return (
        _word(
            f"{side}_side",
            "-",
            f"{who}: state, and what was told of it",
            Field("start", 32, "sequence number that the others are counted from"),
            Field("state", 3, "SIDE_STATES"),
            Field("was", 3, "the state before it"),
            Field("done", 1, "1: it has closed"),
            Field("fin", 1, "1: it has sent a FIN"),
            Field("seen", 7, "letters told: S or H, F, R, D, A, I, Q"),
        ),
        _word(f"{side}_sent", "bytes", "sequence space sent, from start"),
        _word(f"{side}_acked", "bytes", "sequence space acknowledged, from start"),
        _word(
            f"{side}_last",
            "-",
            "sequence numbers from start",
            Field("syn", 32, "of the last SYN"),
            Field("fin", 32, "of the last FIN"),
        ),
        _word(
            f"{side}_last_rst", "-", "one more", Field("rst", 32, "sequence number of the last RST")
        ),
        _word(
            f"{side}_counts",
            "packets",
            "what is told at powers of ten; at most 2^31 - 1",
            Field("repeated", 32, "data packets that bring nothing new"),
            Field("zero_window", 32, "with window 0"),
        ),
    )


CONNECTION = Layout(
    "connection",
    "The connection of a live flow, with flow.history. Zeros where the protocol is not TCP.",
    (
        Line(
            "worker",
            (
                *_side("fwd", "initiator"),
                _word("active_ns", "ns", "last packet before both sides had closed"),
                _word("letters_0", "-", "12 letters of 5 bits, the oldest uppermost"),
            ),
        ),
        Line(
            "worker",
            (
                *_side("bwd", "responder"),
                _word("letters_1", "-", "12 more letters"),
                _word("letters_2", "-", "12 more letters"),
            ),
        ),
    ),
    RECORD_LINE_BYTES,
)
