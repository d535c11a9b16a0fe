"""Flow records as Zeek's conn.log: tab-separated with its header lines, or one JSON object a line.

Fields, types and order are Zeek's; conn_state, history and stream bytes are those of SEMANTICS.rst,
"Connection state", which flow.history must be on for. What we do not know is unset, "-", and left
out of JSON: service (ours is by port, no protocol was confirmed), local_orig and local_resp,
missed_bytes (streams are not put together), tunnel_parents.
"""

import datetime
from typing import NamedTuple

from engine.features.services import TCP_PROTOCOL, UDP_PROTOCOL
from engine.layouts import CONNECTION_STATES, ROW
from engine.recorder.columns import COLUMNS, TEXT, Column
from engine.recorder.fields import choice, fields, json_content
from engine.recorder.template import Field
from engine.rings.plan import RunPlan

UNSET = "-"
ICMP_PROTOCOLS = (1, 58)


class Entry(NamedTuple):
    """A field of conn.log. `place` "" is never known; `when` is the condition that it is."""

    name: str
    kind: str
    place: str = ""
    when: str = ""


ENTRIES = (
    Entry("ts", "time", "<seconds.start>"),
    Entry("uid", "string", "<uid>"),
    Entry("id.orig_h", "addr", "<initiator>"),
    Entry("id.orig_p", "port", "<initiator_port>"),
    Entry("id.resp_h", "addr", "<responder>"),
    Entry("id.resp_p", "port", "<responder_port>"),
    Entry("proto", "enum", "<zeek.proto>"),
    Entry("service", "string"),
    Entry("duration", "interval", "<seconds.lasting>", "is.lasting"),
    Entry("orig_bytes", "count", "<fwd_stream>", "is.lasting"),
    Entry("resp_bytes", "count", "<bwd_stream>", "is.lasting"),
    Entry("conn_state", "string", "<zeek.conn_state>", "is.told"),
    Entry("local_orig", "bool"),
    Entry("local_resp", "bool"),
    Entry("missed_bytes", "count"),
    Entry("history", "string", "<letters>", "is.lettered"),
    Entry("orig_pkts", "count", "<fwd_packets>"),
    Entry("orig_ip_bytes", "count", "<fwd_bytes>"),
    Entry("resp_pkts", "count", "<bwd_packets>"),
    Entry("resp_ip_bytes", "count", "<bwd_bytes>"),
    Entry("tunnel_parents", "set[string]"),
    Entry("ip_proto", "count", "<protocol>"),
    Entry("community_id", "string", "<community_id>"),
)
_NUMBERS = ("time", "port", "interval", "count")


def _cell(entry: Entry) -> str:
    if not entry.place:
        return UNSET
    if not entry.when:
        return entry.place
    return f"<?{entry.when}>{entry.place}<.><!{entry.when}>{UNSET}<.>"


def _member(entry: Entry) -> str:
    quote = "" if entry.kind in _NUMBERS else '"'
    text = f',"{entry.name}":{quote}{entry.place}{quote}'
    return f"<?{entry.when}>{text}<.>" if entry.when else text


ZEEK_RECORD = "\t".join(map(_cell, ENTRIES)) + "\n"
ZEEK_JSON_RECORD = "{" + "".join(_member(e) for e in ENTRIES if e.place).removeprefix(",") + "}\n"


def _transport(number: int) -> str:
    known = {TCP_PROTOCOL: "tcp", UDP_PROTOCOL: "udp", **dict.fromkeys(ICMP_PROTOCOLS, "icmp")}
    return known.get(number, "unknown_transport")


def zeek_fields(plan: RunPlan) -> dict[str, Field]:
    """Return what the places of both templates stand for in this run."""
    protocol = next(column for column in COLUMNS if column.name == "protocol")
    place = ROW.index("history_0"), ROW.shift("history_0", "state"), ROW.mask("history_0", "state")
    state = Column("conn_state", TEXT, *place)
    named = fields(plan.sources, plan.labels, json_content)
    protocols = tuple(_transport(number) for number in range(256))
    return named | {
        "zeek.proto": choice(protocol, protocols, str.encode),
        "zeek.conn_state": choice(state, (UNSET, *CONNECTION_STATES), str.encode),
    }


def _moment(now_ns: int) -> str:
    seconds = datetime.datetime.fromtimestamp(now_ns // 10**9, datetime.UTC)
    return seconds.strftime("%Y-%m-%d-%H-%M-%S")


def zeek_header(now_ns: int) -> bytes:
    """Return the lines before the first record."""
    lines = (
        "#separator \\x09",
        "#set_separator\t,",
        "#empty_field\t(empty)",
        f"#unset_field\t{UNSET}",
        "#path\tconn",
        f"#open\t{_moment(now_ns)}",
        "\t".join(("#fields", *(entry.name for entry in ENTRIES))),
        "\t".join(("#types", *(entry.kind for entry in ENTRIES))),
    )
    return "".join(f"{line}\n" for line in lines).encode()


def zeek_footer(now_ns: int) -> bytes:
    """Return the line behind the last record."""
    return f"#close\t{_moment(now_ns)}\n".encode()
