"""Traffic in which hosts matter: few addresses of all kinds, services, scans, beacons, long gaps.

A gene is one action, as in traffic.py; Hypothesis draws genes and drops them when it shrinks,
random_host_run() takes them from a seed. Frames are raw IP, whole but for the payload of long
packets: what can be wrong with packets is drawn elsewhere.
"""

import random
from collections.abc import Callable

from hypothesis import strategies as st

from engine.config import PANE_NS, SECOND_NS, Config, with_settings
from engine.reference import Settings
from tests.property import frames as f
from tests.property.capture_files import FORMATS, Frame
from tests.property.dice import GENE_BYTES, Dice
from tests.property.payloads import dns, http, tls
from tests.property.strategies import RunInput, gene_lists, worlds

RAW = 101
START_NS = 1_700_000_400 * SECOND_NS  # A cell of every window begins here.
INSIDE = tuple(bytes((10, 0, 0, number)) for number in range(1, 7))
OUTSIDE = (*(bytes((8, 8, number, 8)) for number in range(4)), b"\xf0\0\0\1")
NO_HOSTS = (b"\xe0\0\0\xfb", b"\xff" * 4, bytes(4))
INSIDE_6 = tuple(bytes.fromhex("fd00") + bytes(13) + bytes((number,)) for number in (1, 2))
OUTSIDE_6 = (bytes.fromhex("20010db8") + bytes(12), bytes.fromhex("ff02") + bytes(13) + b"\1")
TCP_PORTS = (445, 22, 80, 139, 3389, 443, 8080, 135, 5900, 21, 9999, 81, 5985, 25, 3306, 88)
UDP_PORTS = (123, 53, 137, 5353, 9999, 443, 445, 22)
FLAGS = (f.ACK, 0, f.SYN | f.FIN, f.FIN, f.FIN | f.ACK, f.RST, f.SYN, f.PSH | f.ACK)
GAPS_S = (5, 10, 15, 30, 60, 75, 150, 300, 1350)
HOST_LIMITS = {
    "host.max_hosts": (256, 256, 256, 16, 24),
    "host.max_pairs": (256, 256, 16),
    "host.rows": (4096, 4096, 16, 40),
    "host.home_networks": (
        *(Config().host.home_networks,) * 3,
        ("10.0.0.0/30", "8.8.0.0/17"),
        ("0.0.0.0/0", "fd00::1/128"),
        (),
    ),
    "flow.idle_timeout": ("120 s", "5 s", "30 s", "1000 s"),
    "flow.active_timeout": ("1800 s", "1800 s", "60 s"),
    "flow.tcp_linger": ("5 s", "20 s"),
}


class HostWeaver:
    """Frames so far, and the time of the next."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.now = START_NS
        self.port = 40_000  # Of the next flow's initiator.

    def act(self, gene: int) -> None:
        """Add what a gene stands for."""
        dice = Dice(gene)
        action = dice.of(_ACTIONS)
        self.wait(dice)
        action(self, dice)

    def wait(self, dice: Dice) -> None:
        """Let time pass: often little, often to the end of a pane or cell, at times for long."""
        kind = dice.below(32)
        if kind < 20:
            self.now += (1_000_000, 0, 300_000_000, SECOND_NS)[kind % 4]
        elif kind < 24:
            self.now += -self.now % PANE_NS + dice.of((0, 1, -1))
        elif kind < 31:
            step = dice.of(GAPS_S) * SECOND_NS
            self.now += -self.now % step if dice.below(2) else step
            self.now += dice.of((0, 0, 1, -1))
        elif dice.one_in(3):
            self.now += dice.of((3600, 7200, 3595, 86_400)) * SECOND_NS

    def send(self, packet: bytes) -> None:
        """Put an IP packet on the link; what its length says beyond its bytes is not captured."""
        length = int.from_bytes(packet[2:4], "big")
        if packet[0] >> 4 == 6:
            length = 40 + int.from_bytes(packet[4:6], "big")
        self.frames.append(Frame(self.now, RAW, packet, length))

    def segment(self, way: tuple, flags: int, payload: bytes = b"", size: int = 0) -> None:
        """Send a TCP segment with this payload, or one of `size` bytes that are not captured."""
        ends, ports = way
        segment = f.tcp(ports, flags, payload)
        if size and len(ends[0]) == 4:
            self.send(f.ipv4(segment, f.TCP, ends, length=20 + len(segment) + size))
        else:
            self.send(f.ip(segment, f.TCP, ends))

    def ports(self, service: int, dice: Dice) -> f.Ports:
        """Return ports to a service, mostly of a new flow."""
        if not dice.one_in(4):
            self.port += 1
        return self.port, service


def _ends(dice: Dice) -> f.Addresses:
    """Return initiator and responder of one version."""
    if dice.one_in(6):
        here = dice.of((*INSIDE_6, *INSIDE_6, *OUTSIDE_6))
        return here, dice.of((*INSIDE_6, *OUTSIDE_6))
    here = dice.of((*(INSIDE[0],) * 8, *INSIDE, *OUTSIDE, *NO_HOSTS))
    return here, dice.of((*INSIDE, *INSIDE, *OUTSIDE, *NO_HOSTS))


def _back(way: tuple) -> tuple:
    ends, ports = way
    return ends[::-1], ports[::-1]


def _session(weaver: HostWeaver, dice: Dice) -> None:
    """A TCP connection to a service: answered, refused or not, with payload, ended in many ways."""
    way = _ends(dice), weaver.ports(dice.of(TCP_PORTS), dice)
    begun = weaver.now
    weaver.segment(way, f.SYN)
    answer = dice.below(8)
    if answer < 2:
        if answer:
            weaver.segment(_back(way), f.RST | f.ACK)
        return
    weaver.segment(_back(way), f.SYN | f.ACK)
    if not dice.one_in(4):
        weaver.segment(way, f.ACK)
    weaver.segment(way, f.PSH | f.ACK, dice.of((b"", http(dice), tls(dice), b"user x")))
    for _ in range(dice.of((0, 1, 2, 4, 20))):
        side = way if dice.below(2) else _back(way)
        weaver.segment(side, f.PSH | f.ACK, size=dice.of((10, 1400, 100, 40_000)))
        if dice.one_in(4):
            weaver.wait(dice)
    if dice.one_in(2):
        weaver.now += dice.of((10, 10, 5, 30)) * SECOND_NS - (weaver.now - begun) % SECOND_NS
    ends = dice.of(((0, f.FIN), (1, f.FIN), (1, f.RST), (0, f.RST), (0, 0)))
    if ends[1]:
        weaver.segment(_back(way) if ends[0] else way, ends[1] | f.ACK)
    if ends[1] == f.FIN and not dice.one_in(3):
        weaver.segment(way if ends[0] else _back(way), f.FIN | f.ACK)
    if dice.one_in(3):  # The same ports once more.
        weaver.wait(Dice(dice.below(4) * len(GAPS_S)))
        weaver.segment(way, f.SYN)


def _scan(weaver: HostWeaver, dice: Dice) -> None:
    """SYNs to many ports of a host, or to many hosts."""
    here, there = _ends(dice)
    across = dice.below(2)
    answer = dice.of((0, 0, f.RST | f.ACK, f.SYN | f.ACK))
    first = dice.below(60_000)
    for number in range(dice.of((2, 3, 5, 9, 40))):
        peer = there[:-1] + bytes((number + first & 0xFF,)) if across else there
        way = (here, peer), weaver.ports(445 if across else 1 + number + first, Dice(0))
        weaver.segment(way, f.SYN)
        if answer and number % 3:
            weaver.segment(_back(way), answer)
        weaver.now += dice.of((0, 1_000_000))


def _datagrams(weaver: HostWeaver, dice: Dice) -> None:
    """UDP to a service, answered or not, and more by the answers than by what was asked."""
    way = _ends(dice), weaver.ports(dice.of(UDP_PORTS), dice)
    size = dice.of((0, 10, 90, 500, 1400))
    for _ in range(dice.of((1, 2, 5))):
        weaver.send(f.ip(f.udp(way[1], bytes(10)), f.UDP, way[0]))
        for _ in range(dice.of((0, 0, 1, 3))):
            weaver.send(f.ip(f.udp(way[1][::-1], bytes(size)), f.UDP, way[0][::-1]))
        if dice.one_in(3):
            weaver.wait(dice)


def _names(weaver: HostWeaver, dice: Dice) -> None:
    """DNS: queries of many names below few parents, answers, failures; or drawn messages."""
    ends = _ends(dice)
    ports = weaver.ports(53, dice)
    if dice.one_in(3):
        messages = [dns(dice)]
    else:
        parent = dice.of((b"\7example\3com\0", b"\4zone\4test\0", b"\0"))
        labels = [bytes((4,)) + b"%04d" % dice.below(100) for _ in range(dice.of((1, 2, 12)))]
        head = b"\0\1\1\0\0\1" + bytes(6)
        messages = [head + label + parent + b"\0\1\0\1" for label in labels]
    for message in messages:
        weaver.send(f.ip(f.udp(ports, message), f.UDP, ends))
        code = dice.of((0, 0x80, 0x80, 0x83))
        if code:
            answer = message[:2] + b"\x81" + bytes((code,)) + message[4:]
            weaver.send(f.ip(f.udp(ports[::-1], answer), f.UDP, ends[::-1]))


def _beacon(weaver: HostWeaver, dice: Dice) -> None:
    """Flows to one service at one interval, with panes of silence between them."""
    ends, service = _ends(dice), dice.of((443, 53, 8443))
    step = dice.of((5, 10, 60, 3, 300)) * SECOND_NS
    jitter = dice.of((0, 0, 1, SECOND_NS))
    for number in range(dice.of((5, 6, 10, 12))):
        way = ends, weaver.ports(service, Dice(0))
        weaver.segment(way, f.SYN)
        if number % 2:
            weaver.segment(_back(way), f.SYN | f.ACK)
            weaver.segment(way, f.ACK)
        weaver.now += step + (jitter if number % 3 else 0)


def _flood(weaver: HostWeaver, dice: Dice) -> None:
    """Packets of any flags to one host, from many."""
    here, there = _ends(dice)
    flags = dice.of(FLAGS)
    for number in range(dice.of((2, 5, 30))):
        sender = here[:-2] + bytes((dice.below(2), number)) if dice.one_in(2) else here
        way = (sender, there), weaver.ports(80, Dice(number % 2 * 3))
        weaver.segment(way, flags, bytes(dice.of((0, 60, 300))))
        if dice.one_in(3):
            weaver.segment(_back(way), dice.of(FLAGS))


def _upload(weaver: HostWeaver, dice: Dice) -> None:
    """More than 1 MiB, or nearly, in few packets."""
    way = _ends(dice), weaver.ports(dice.of((443, 445)), dice)
    weaver.segment(way, f.SYN)
    for _ in range(dice.of((17, 16, 2))):
        weaver.segment(way, f.ACK, size=65_000)
    if dice.one_in(2):
        weaver.segment(_back(way), f.RST)


def _other(weaver: HostWeaver, dice: Dice) -> None:
    """ICMP and protocols without ports."""
    ends = _ends(dice)
    if dice.below(2):
        kind = 8 if len(ends[0]) == 4 else 128
        protocol = f.ICMP if len(ends[0]) == 4 else f.ICMP6
        weaver.send(f.ip(f.icmp(kind, 0, bytes(56)), protocol, ends))
        if dice.below(2):
            weaver.send(f.ip(f.icmp(kind - 8 or 129, 0, bytes(56)), protocol, ends[::-1]))
    else:
        weaver.send(f.ip(dice.octets(40), dice.of((50, 47, 89)), ends))


_ACTIONS: tuple[Callable[[HostWeaver, Dice], None], ...] = (
    *(_session,) * 6,
    *(_scan,) * 2,
    *(_datagrams,) * 2,
    *(_names,) * 2,
    *(_beacon,) * 2,
    _flood,
    _upload,
    _other,
)


def _host_run(genes: list[int], world: int) -> RunInput:
    dice = Dice(world)
    chosen = {name: dice.of(choices) for name, choices in HOST_LIMITS.items()}
    settings = Settings(with_settings(Config(), chosen), separate=dice.one_in(4))
    weaver = HostWeaver()
    for gene in genes:
        weaver.act(gene)
    cut = len(weaver.frames) // 2 if dice.one_in(2) else 0
    piles = [pile for pile in (weaver.frames[:cut], weaver.frames[cut:]) if pile]
    contents = [(f"{number}", FORMATS["pcapng"](pile)) for number, pile in enumerate(piles)]
    return RunInput(contents or [("0", FORMATS["pcapng"]([]))], settings)


@st.composite
def host_runs(draw, most: int = 80) -> RunInput:
    """Draw what a run takes: a capture or two of up to `most` actions, and settings."""
    return _host_run(draw(gene_lists(most)), draw(worlds))


def random_host_run(seed: int, size: int) -> RunInput:
    """Return what a run takes, `size` actions long, from a seed."""
    source = random.Random(f"hosts {seed}")
    world = source.getrandbits(320)
    return _host_run([source.getrandbits(8 * GENE_BYTES) for _ in range(size)], world)
