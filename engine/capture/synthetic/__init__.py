"""Captures of the engine's own: a demo in which everything is known, and workloads to measure with.

Nothing here was ever on a wire. Same arguments, same bytes (for one version of Python and numpy).
"""

import functools
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from engine.capture.synthetic import attacks, chores, office
from engine.capture.synthetic.frames import Tape
from engine.capture.synthetic.workloads import big_flows, many_flows

__all__ = ("DEMO_TRUTH", "Truth", "big_flows", "demo", "kind_of", "many_flows")

DEMO_S = 95
_SEED = 20_260_101


@dataclass(frozen=True, slots=True)
class Truth:
    """Flows of one kind: who began them, to whom, on which responder port (None: any)."""

    kind: str
    initiators: str
    responders: str
    port: int | None
    attack: bool = False


_CLIENTS = "10.20.1.0/24"
_CLIENTS6 = "2001:db8:20::/48"
_BEACON_CLIENT = f"10.20.1.{11 + attacks.BEACON_DESK}/32"
_UPLOAD_CLIENT = f"10.20.1.{11 + attacks.EXFILTRATION_DESK}/32"
_BACKUP_CLIENT = f"10.20.1.{11 + chores.BACKUP_DESK}/32"
_CALL_CLIENT = f"10.20.1.{11 + chores.CALL_DESK}/32"

# The first row that a flow matches says what it is; every flow of the demo matches one.
DEMO_TRUTH = (
    Truth("scan", attacks.SCANNER.address + "/32", "10.20.0.0/16", None, attack=True),
    Truth("brute force", attacks.GUESSER.address + "/32", "10.20.0.22/32", 22, attack=True),
    Truth("flood", attacks.FLOOD_NETWORK, "10.20.0.80/32", 80, attack=True),
    Truth("beacon", _BEACON_CLIENT, attacks.BEACON_SERVER.address + "/32", 443, attack=True),
    Truth("collection", _UPLOAD_CLIENT, "10.20.1.0/24", 445, attack=True),
    Truth(
        "exfiltration",
        _UPLOAD_CLIENT,
        attacks.EXFILTRATION_SERVER.address + "/32",
        443,
        attack=True,
    ),
    Truth("web", _CLIENTS, "198.51.100.0/24", 80),
    Truth("web", _CLIENTS, "198.51.100.0/24", 443),
    Truth("web", _CLIENTS6, "2001:db8:80::/48", 80),
    Truth("web", _CLIENTS6, "2001:db8:80::/48", 443),
    Truth("web", _CLIENTS, "10.20.0.80/32", 80),
    Truth("dns", "10.20.0.0/16", "10.20.0.53/32", 53),
    Truth("dns", "10.20.0.53/32", "192.0.2.53/32", 53),
    Truth("smb", _CLIENTS, "10.20.0.20/32", 445),
    Truth("mail", "192.0.2.0/24", "10.20.0.25/32", 25),
    Truth("mail", _CLIENTS, "10.20.0.25/32", 143),
    Truth("mail", _CLIENTS, "10.20.0.25/32", 587),
    Truth("clock", _CLIENTS, chores.CLOCK.address + "/32", 123),
    Truth("reports", _CLIENTS, chores.VENDOR.address + "/32", 443),
    Truth("backup", _BACKUP_CLIENT, chores.BACKUP_SERVER.address + "/32", 443),
    Truth("call", _CALL_CLIENT, chores.CALL_SERVER.address + "/32", 3478),
)


def kind_of(initiator: str, responder: str, responder_port: int) -> Truth | None:
    """Return the row of DEMO_TRUTH for a flow of the demo; None for a flow that is not its."""
    ends = ipaddress.ip_address(initiator), ipaddress.ip_address(responder)
    for truth in DEMO_TRUTH:
        port_fits = truth.port is None or truth.port == responder_port
        if port_fits and ends[0] in _network(truth.initiators):
            if ends[1] in _network(truth.responders):
                return truth
    return None


_network = functools.cache(ipaddress.ip_network)


def demo(path: str | Path) -> int:
    """Write 95 s of an ordinary office in which six things go wrong; return how many packets.

    Web, DNS, SMB and mail of sixteen people, clocks, reports, a backup and a call; a scan from 15 s
    on, an SSH brute force from 25 s, a collection from colleagues' shares from 30 s and its
    exfiltration from 45 s, a SYN flood from 70 s, and a beacon all the time.
    """
    tape = Tape(_SEED)
    place = office.build(tape)
    end_us = DEMO_S * 1_000_000
    office.work(tape, place, end_us)
    attacks.beacon(tape, place, 1.5e6, end_us)
    attacks.scan(tape, place, 15e6)
    attacks.brute_force(tape, place, 25e6)
    attacks.exfiltrate(tape, place, 45e6)
    attacks.flood(tape, place, 70e6)
    attacks.collect(tape, place, 30e6)
    chores.run(tape, place, end_us)
    return tape.write(path, end_us)
