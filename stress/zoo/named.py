"""Scenarios of the zoo by name, for every instrument: `stress.zoo.named:ring_tail_relaxed`.

A bug's name is its twin; `shipped_ring` and the like are the protocols with the shipped code.
`..._many` are the same with more records, for instruments that run the machine's own code.
"""

from stress.races.scenario import Scenario
from stress.zoo.bugs import BUGS
from stress.zoo.scenarios import PROTOCOLS, planted, shipped

SHIPPED, MANY = "shipped_", "_many"
RECORDS = 200  # Of those with many.
_BY_NAME = {bug.name: bug for bug in BUGS}


def shipped_name(protocol: str) -> str:
    """Return the name of a protocol's scenario with the shipped code."""
    return SHIPPED + protocol.replace(" ", "_")


def __getattr__(name: str) -> Scenario:
    known = name.removesuffix(MANY)
    protocols = {shipped_name(protocol): protocol for protocol in PROTOCOLS}
    if known in _BY_NAME:
        bug = _BY_NAME[known]
        make, protocol = planted(bug), bug.protocol
    elif known in protocols:
        protocol = protocols[known]
        make = shipped(protocol)
    else:
        raise AttributeError(name)
    return make(RECORDS if name != known else PROTOCOLS[protocol][1])
