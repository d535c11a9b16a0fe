"""Goal: what the table of ranges counts is flows, each once, and of attacks only what is one.

Method: a few records of known flows; the attacks drawn without the engine. That the engine finds
them is no matter here: the table says it.
"""

import numpy as np

from engine.capture import synthetic
from engine.capture.synthetic import attacks, office
from engine.capture.synthetic.frames import Tape
from tools.training import ranges

BEACON = {"initiator": "10.20.1.23", "responder": "198.51.100.200", "responder_port": 443}
CLOCK = {"initiator": "10.20.1.23", "responder": "192.0.2.123", "responder_port": 123}


def test_flow_counts_once_whichever_of_its_records_is_found():
    records = [BEACON | {"first_offset": at} for at in (1, 1, 2)] + [CLOCK | {"first_offset": 3}]
    assert ranges._count(records, np.asarray([True, False, False, False])) == (1, 2, 0)
    assert ranges._count(records, np.asarray([True, True, True, True])) == (2, 2, 1)


def test_every_variant_is_another_and_has_its_attack():
    names = [what for what, *_ in ranges.variants()]
    assert len(set(names)) == len(names)
    for what, seconds, play in ranges.variants():
        tape = Tape(1)
        play(tape, office.build(tape), seconds * 1e6)
        server = {"b": attacks.BEACON_SERVER, "e": attacks.EXFILTRATION_SERVER}[what[0]]
        assert any(server.address in str(_addresses(frame)) for frame in _frames(tape))


def _frames(tape):
    return [frame for _, _, frame in tape._frames]


def _addresses(frame):
    return [".".join(map(str, frame[at : at + 4])) for at in (26, 30)]


def test_truth_knows_what_the_variants_play():
    assert synthetic.kind_of(*BEACON.values()).kind == "beacon"
    assert synthetic.kind_of(*CLOCK.values()).kind == "clock"
