"""EVE JSON: the lines that consumers of Suricata's log take, one event each.

Keys and types outside `ml` are Suricata's own; everything of ours is inside it, so that a shipper
made for Suricata takes our lines unchanged. An alert event for every alert; a flow event for every
flow record where they are asked for; one stats event at the end.

A signature_id is 1,000,000 (the range for local use) + CRC-32 of the kind's name mod 900,000: it
stays the same when a model learns another kind.
"""

import datetime
import zlib

import msgspec

from engine.features.catalogue import NAMES, digest
from engine.recorder.columns import COLUMNS
from engine.recorder.fields import TCP_FLAGS, choice, features, fields, json_content, top
from engine.recorder.template import Field, literal
from engine.rings.plan import RunPlan

SIGNATURE_BASE, SIGNATURE_COUNT = 1_000_000, 900_000
GENERATOR = 1  # As if of Suricata's own rules; consumers group by it.
REVISION = 1

_HEAD = (
    '{"timestamp":"<eve.time>","flow_id":<flow_id>,"event_type":"%s","src_ip":"<initiator>",'
    '<?is.ported>"src_port":<initiator_port>,<.>"dest_ip":"<responder>",'
    '<?is.ported>"dest_port":<responder_port>,<.>"proto":"<proto>","ip_v":<version>,'
    '<?is.icmp>"icmp_type":<initiator_port>,<?is.one_way>"icmp_code":<responder_port>,<.>'
    '<!is.one_way><?is.answered>"response_icmp_type":<responder_port>,<.><.><.>'
    '<?is.vlan>"vlan":[<vlan>],<.>"community_id":"<community_id>","pcap_filename":"<source>",'
)
_COUNTS = (
    '"pkts_toserver":<fwd_packets>,"pkts_toclient":<bwd_packets>,'
    '"bytes_toserver":<fwd_bytes>,"bytes_toclient":<bwd_bytes>,"start":"<eve.start>"'
)
_ALERT = (
    '"alert":{"action":"allowed","gid":<eve.gid>,<eve.signature>,"severity":<severity>,'
    '"metadata":{"tag":["ml","<label>"]}},"direction":"to_server",'
    '"flow":{' + _COUNTS + "},"
)
_FLOW = (
    '"flow":{' + _COUNTS + ',"end":"<eve.end>","age":<age>,"state":"'
    "<?is.ended>closed<.><!is.ended><?is.answered>established<.><!is.answered>new<.><.>"
    '"<?is.final>,"reason":"<eve.reason>"<.>,'
    '"alerted":<?is.alerted>true<.><!is.alerted>false<.>},'
    '<?is.tcp>"tcp":{"tcp_flags":"<tcp_flags>"'
    + "".join(f'<?is.{flag}>,"{"ecn" if flag == "ece" else flag}":true<.>' for flag in TCP_FLAGS)
    + "},<.>"
)
_VERDICT = (
    '"model":"<eve.model>","version":"<eve.model_version>","score":<score>,'
    '"threshold":<threshold>,"label":"<label>",'
)
_TOP = '"top_features":[<eve.top>]'
# An alert says what a person needs; its uid, record and sequence lead to the flow record.
_ML_ALERT = (
    '"ml":{"record":"<record>","sequence":<sequence>,"uid":"<uid>","service":"<service>",'
    '"one_way":<one_way>,"continued":<continued>,"start_ns":<start_ns>,"end_ns":<end_ns>,'
    '"first_offset":<first_offset>,' + _VERDICT + _TOP
)
_ML_FLOW = (
    '"ml":{"record":"<record>","reason":"<reason>","sequence":<sequence>,"uid":"<uid>",'
    '"service":"<service>","protocol":<protocol>,"initiator_port":<initiator_port>,'
    '"responder_port":<responder_port>,"one_way":<one_way>,"continued":<continued>,'
    '"record_time_ns":<record_time_ns>,"order_class":<order_class>,"order_rank":<order_rank>,'
    '"position_ns":<position_ns>,"position_reference":<position_reference>,'
    '"start_ns":<start_ns>,"end_ns":<end_ns>,'
    '"source_number":<source_number>,"first_offset":<first_offset>,'
    "<?is.scored>" + _VERDICT + '<.>"alert":<alert>,'
    "<?is.explained>" + _TOP + ',<.>"feature_digest":"<eve.digest>"'
)
ALERT_EVENT = (_HEAD % "alert") + _ALERT + _ML_ALERT + "}}\n"
FLOW_EVENT = (_HEAD % "flow") + _FLOW + _ML_FLOW + ',"features":{<eve.features>}}}\n'

# Suricata's words, by our reason numbers.
_REASONS = ("timeout", "timeout", "timeout", "timeout", "shutdown", "forced")
_SWITCH = ("false", "true")


def signature_id(label: str) -> int:
    """Return the number of a kind's alerts."""
    return SIGNATURE_BASE + zlib.crc32(label.encode()) % SIGNATURE_COUNT


def _signature(label: str) -> bytes:
    name = json_content(label).decode()
    return (
        f'"signature_id":{signature_id(label)},"rev":{REVISION},'
        f'"signature":"ML Defender: {name}","category":"{name}"'
    ).encode()


def eve_fields(plan: RunPlan) -> dict[str, Field]:
    """Return what the places of the two templates stand for in this run."""
    place = {column.name: column for column in COLUMNS}
    named = fields(plan.sources, plan.labels, json_content, plan.config.recorder.community_id_seed)
    for name in ("one_way", "continued", "alert"):
        named[name] = choice(place[name], _SWITCH, str.encode)
    names = tuple(json_content(name) for name in NAMES)
    return named | {
        "eve.gid": literal(str(GENERATOR).encode()),
        "eve.signature": choice(place["label"], plan.labels, _signature),
        "eve.reason": choice(place["reason"], _REASONS, str.encode),
        "eve.model": literal(json_content(plan.model)),
        "eve.model_version": literal(json_content(plan.model_version)),
        "eve.digest": literal(digest().encode()),
        "eve.top": top(
            tuple(b'{"name":"' + name + b'","value":' for name in names),
            (b',"weight":', b"}", b","),
        ),
        "eve.features": features(tuple(b'"' + name + b'":' for name in names), False, True),
    }


def stats_event(totals: dict[str, dict[str, int]], started_ns: int, now_ns: int) -> bytes:
    """Return the stats line: the run's counters by stage, the packets also as Suricata has them."""
    capture, worker = totals["capture"], totals["worker"]
    invalid = sum(value for name, value in capture.items() if "malformed" in name)
    drops = sum(value for name, value in capture.items() if name.startswith("dropped_"))
    now = datetime.datetime.fromtimestamp(now_ns // 10**9, datetime.UTC)
    event = {
        "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now_ns // 1000 % 10**6:06}+0000",
        "event_type": "stats",
        "stats": {
            "uptime": max(0, now_ns - started_ns) // 10**9,
            "capture": {"kernel_packets": capture["read"], "kernel_drops": drops, "errors": 0},
            "decoder": {"pkts": capture["read"], "bytes": capture["bytes"], "invalid": invalid},
            "flow": {"total": worker["flows"], "active": 0},
            "detect": {"alert": totals["classifier"]["alerts"]},
        },
        "ml": {"feature_digest": digest(), "counters": totals},
    }
    return msgspec.json.encode(event) + b"\n"
