"""Addresses: which are hosts, internal or external, and their fixed hashes."""

from numba import njit

from engine.layouts.hosts import HOME_NETWORK, HOSTS
from engine.memory.options import HOT, KERNEL
from engine.memory.pointers import shifted
from engine.packets.fixed_hash import hash_address

_HOME_NETWORK_WORDS = HOME_NETWORK.words

NO_HOST, INTERNAL, EXTERNAL = 0, 1, 2
_NETWORK_COUNT = HOSTS.index("network_count")
_NETWORKS_AT = HOSTS.index("networks_at")
_BROADCAST = (1 << 32) - 1
_PREFIX4 = 0xFFFF0000


@njit(**KERNEL)
def _is_special(version, high, low):
    """Return whether an address is multicast, broadcast or unspecified."""
    if version == 4:
        return low >> 28 == 14 or low == _BROADCAST or low == 0
    return (high >> 56) & 255 == 255 or high | low == 0


@njit(**KERNEL)
def kind_of(words, version, high, low):
    """Return NO_HOST, INTERNAL or EXTERNAL."""
    if _is_special(version, high, low):
        return NO_HOST
    for number in range(words[_NETWORK_COUNT]):
        network = shifted(words, words[_NETWORKS_AT] + number * _HOME_NETWORK_WORDS)
        if network[0] == version and high & network[1] == network[3]:
            if low & network[2] == network[4]:
                return INTERNAL
    return EXTERNAL


@njit(**HOT)
def fixed_address_hash(version, high, low):
    """Return the fixed hash of an address."""
    return hash_address(0, version == 6, high, low)


@njit(**HOT)
def fixed_prefix_hash(version, high, low):
    """Return the fixed hash of an address's prefix: IPv4 /16, IPv6 /32."""
    if version == 4:
        return hash_address(0, False, 0, low & _PREFIX4)
    return hash_address(0, True, high & -(1 << 32), 0)
