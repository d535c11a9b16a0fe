"""Which addresses are hosts, and which of these are internal (SEMANTICS.rst, "Hosts", "Who")."""

from collections.abc import Iterable
from ipaddress import ip_network

from engine.reference.host_panes import EXTERNAL, INTERNAL, NO_HOST

_NONE = ("224.0.0.0/4", "ff00::/8", "255.255.255.255/32", "0.0.0.0/32", "::/128")


class Homes:
    """Tells hosts from other addresses, and those of the home networks from the rest."""

    def __init__(self, home_networks: Iterable[str]) -> None:
        self._none = [_prefix(network) for network in _NONE]
        self._home = [_prefix(network) for network in home_networks]
        self._known: dict[bytes, str] = {}

    def kind(self, address: bytes) -> str:
        """Return INTERNAL, EXTERNAL or NO_HOST."""
        if address not in self._known:
            self._known[address] = self._judge(address)
        return self._known[address]

    def _judge(self, address: bytes) -> str:
        if any(_lies_in(address, network) for network in self._none):
            return NO_HOST
        return INTERNAL if any(_lies_in(address, network) for network in self._home) else EXTERNAL


def _prefix(network: str) -> tuple[bytes, int]:
    parsed = ip_network(network)
    return parsed.network_address.packed, parsed.prefixlen


def _lies_in(address: bytes, network: tuple[bytes, int]) -> bool:
    first, bits = network
    if len(first) != len(address):
        return False
    rest = 8 * len(address) - bits
    return int.from_bytes(address, "big") >> rest == int.from_bytes(first, "big") >> rest
