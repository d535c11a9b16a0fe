"""Traffic out of genes: few endpoints, many packets, hostile timing, everything cut and broken.

A gene is one action: a packet, a session, a look-up, fragments, a tunnel, garbage. Hypothesis draws
genes and drops them again when it shrinks; random_capture() takes them from a seed. Gene 0 is the
plainest action at the plainest time.
"""

from collections.abc import Callable, Iterable

from engine.config import PANE_NS, SECOND_NS, Config
from tests.property import frames as f
from tests.property.capture_files import Frame
from tests.property.dice import Dice
from tests.property.payloads import dns, http, tls
from tests.property.tunnels import WRAPPERS

TIME_MAX = (1 << 63) - (1 << 60)  # The clock takes nothing later.
START_NS = 1_700_000_000 * SECOND_NS
V4 = (b"\x0a\0\0\1", b"\x0a\0\0\2", b"\x0a\0\0\3", b"\x08\x08\x08\x08")
V6 = (
    f.TEREDO[:15] + b"\1",
    f.TEREDO[:15] + b"\2",
    bytes(10) + b"\xff\xff" + V4[0],
    bytes.fromhex("fe80") + bytes(13) + b"\1",
)
PORTS = (80, 40000, 443, 53, 445, 0, 4789, 65535)
FAVOURITES = (((V4[0], V4[1]), (40000, 80)),) * 3 + (((V6[0], V6[1]), (40000, 443)),)
FLAGS = (0x10, 0x18, 0x02, 0x12, 0x11, 0x04, 0x14, 0x01, 0x00, 0x03, 0x06, 0x29, 0xC2, 0x19, 0xFF)


class Weaver:
    """Frames so far, and the time of the next.

    A calm weaver keeps to few flows, whose gaps seldom reach the timeouts; its clock never jumps.
    """

    def __init__(self, config: Config, link_type: int = 1, calm: bool = False) -> None:
        self.frames: list[Frame] = []
        self.calm = calm
        self._link_type = link_type
        self.now = START_NS
        self._back: int | None = None
        self.sent: dict[tuple, int] = {}  # Next sequence number by sender and receiver.
        flow = config.flow
        often = (SECOND_NS, PANE_NS, SECOND_NS, PANE_NS, PANE_NS, 2 * PANE_NS)
        seldom = (60 * SECOND_NS, 30 * SECOND_NS, flow.tcp_linger)
        ends = (flow.idle_timeout, flow.active_timeout)
        self._limits = (*often * 4, *seldom, *ends) if calm else (*often, *seldom, *ends)

    def act(self, gene: int) -> None:
        """Add what a gene stands for."""
        dice = Dice(gene)
        action = dice.of(_CALM_ACTIONS if self.calm else _ACTIONS)
        self.wait(dice)
        action(self, dice)

    def wait(self, dice: Dice) -> None:
        """Let time pass: often little, often exactly to a limit."""
        if self._back is not None:
            self.now, self._back = self._back, None
        kind = dice.below(24)
        if kind < 19:
            self.now += (1_000_000, 0, 1, 200_000_000)[kind % 4]
        elif kind < 21:
            self.now += dice.of(self._limits) + dice.of((0, 1, -1))
        elif kind == 21:
            self.now += -self.now % PANE_NS + dice.of((0, 1, -1))
        elif kind == 22:
            self.now += dice.below(4 * SECOND_NS)
        elif not self.calm and dice.one_in(4):
            self._jump(dice)

    def _jump(self, dice: Dice) -> None:
        near = (-500_000_000, -SECOND_NS, -SECOND_NS - 1, -100 * SECOND_NS, 3600 * SECOND_NS)
        far = (0, TIME_MAX, TIME_MAX + 1, (1 << 63) - 1, 1 << 63, START_NS, -(1 << 63))
        if dice.below(2) == 0:
            self.now += dice.of(near)
        else:
            self._back = self.now  # For one frame only.
            self.now = dice.of(far)

    def numbers(self, way: tuple, flags: int, payload: int, dice: Dice) -> dict[str, int]:
        """Return sequence and acknowledgment of a segment: mostly what a peer would send."""
        ends, ports = way
        due = self.sent.get(way, 1000)
        acknowledged = self.sent.get((ends[::-1], ports[::-1]), 1000)
        sequence = due + dice.of((0, 0, 0, 0, -payload, -1, 1000, 1 << 20, 1 << 31, (1 << 31) - 1))
        acknowledged += dice.of((0, 0, 0, 0, -1, 1, 1460, (1 << 20) + 1, 1 << 31, -acknowledged))
        if dice.one_in(24):
            sequence = dice.of((0, 1, (1 << 32) - 1, dice.below(1 << 32)))
        space = payload + bool(flags & f.SYN) + bool(flags & f.FIN)
        self.sent[way] = (sequence + space) % (1 << 32)
        return {"sequence": sequence % (1 << 32), "acknowledgment": acknowledged % (1 << 32)}

    def send(self, packet: bytes, dice: Dice) -> None:
        """Put an IP packet on the link, sometimes cut, padded or damaged."""
        link_type = self._link_type
        if dice.one_in(3):
            packet = f.checked(packet)
        if not self.calm and dice.one_in(16):
            link_type = dice.of(tuple(f.LINKS))
        frame = f.LINKS[link_type](packet, dice)
        length = len(frame)
        if dice.one_in(64 if self.calm else 8):
            frame, length = _changed(frame, dice)
        self.frames.append(Frame(self.now, link_type, frame, length))


def _changed(frame: bytes, dice: Dice) -> tuple[bytes, int]:
    """Return a frame otherwise than it was, and the length it claims to have had."""
    kind = dice.below(6)
    if kind == 0:  # Snap length.
        return frame[: dice.below(len(frame) + 1)], len(frame)
    if kind == 1:  # Padded.
        return frame + bytes(dice.below(40)), len(frame)
    if kind == 2:  # Cut on the wire.
        short = frame[: dice.below(len(frame) + 1)]
        return short, len(short)
    if kind == 3:  # The original length makes no sense.
        return frame, dice.of((0, 1, 1 << 20, (1 << 32) - 1))
    octets = bytearray(frame)
    for _ in range(1 + dice.below(2)):
        octets[dice.below(min(len(octets), 80))] = dice.below(256)
    return bytes(octets), len(octets)


def _way(weaver: Weaver, dice: Dice) -> tuple[f.Addresses, f.Ports]:
    """Return addresses and ports of a packet: mostly of one of two flows, either way."""
    if dice.below(32) < (31 if weaver.calm else 24):
        ends, ports = dice.of(FAVOURITES)
    else:
        pool = V6 if dice.one_in(3) else V4
        ends = pool[dice.below(2)], dice.of(pool)
        ports = dice.of((40000, 40001)), dice.of(PORTS)
    return (ends, ports) if dice.below(2) == 0 else (ends[::-1], ports[::-1])


def _ends(weaver: Weaver, dice: Dice) -> f.Addresses:
    return _way(weaver, dice)[0]


def _payload(dice: Dice) -> bytes:
    kind = dice.below(6)
    if kind < 3:
        return dice.octets((0, 1, 100)[kind])
    return (http, tls, dns)[kind - 3](dice)


def _segment(weaver: Weaver, dice: Dice) -> None:
    """One TCP segment of one of few connections."""
    ends, ports = _way(weaver, dice)
    flags = dice.of(FLAGS)
    fields = {"window": dice.below(1 << 16)}
    numbers = dice.aside()
    if numbers.one_in(6):
        fields["window"] = 0
    if dice.one_in(8):
        fields["words"] = dice.below(16)
    payload = _payload(dice)
    fields |= weaver.numbers((ends, ports), flags, len(payload), numbers)
    weaver.send(f.ip(f.tcp(ports, flags, payload, **fields), f.TCP, ends), dice)


def _datagram(weaver: Weaver, dice: Dice) -> None:
    ends, ports = _way(weaver, dice)
    weaver.send(f.ip(f.udp(ports, _payload(dice)), f.UDP, ends), dice)


def _session(weaver: Weaver, dice: Dice) -> None:
    """A TCP connection from SYN to FIN, some segments left out, doubled or out of order."""
    here, ports = _way(weaver, dice)
    there, back = here[::-1], ports[::-1]
    first = dice.of((b"", http(dice), tls(dice)))
    steps = [(0, f.SYN), (1, f.SYN | f.ACK), (0, f.ACK), (0, f.PSH | f.ACK), (1, f.PSH | f.ACK)]
    steps += dice.of(([(0, f.FIN | f.ACK), (1, f.FIN | f.ACK), (0, f.ACK)], [(1, f.RST)], []))
    for _ in range(dice.below(3)):
        at, kind = dice.below(len(steps)), dice.below(3)
        if kind == 0:
            del steps[at]
        elif kind == 1:
            steps.insert(at, steps[at])
        else:
            steps.append(steps.pop(at))
    for side, flags in steps:
        payload = first if flags & f.PSH and side == 0 else b"x" * 30 if flags & f.PSH else b""
        way = (there, back) if side else (here, ports)
        numbers = weaver.numbers(way, flags, len(payload), dice.aside())
        segment = f.tcp(way[1], flags, payload, **numbers)
        weaver.send(f.ip(segment, f.TCP, there if side else here), dice)
        weaver.wait(dice)


def _bulk(weaver: Weaver, dice: Dice) -> None:
    """Data packets of one side, 1 to 70 of them, with gaps around one second."""
    ends, ports = _way(weaver, dice)
    size = dice.of((1400, 1, 20_000))
    answered = dice.one_in(4)
    for k in range(dice.of((4, 3, 5, 9, 70))):
        pair = (ends[::-1], ports[::-1]) if answered and k % 4 == 3 else (ends, ports)
        numbers = weaver.numbers(pair, f.ACK, size, Dice(0))
        weaver.send(f.ip(f.tcp(pair[1], f.ACK, bytes(size), **numbers), f.TCP, pair[0]), Dice(0))
        weaver.now += dice.of((0, SECOND_NS, SECOND_NS + 1, 1))


def _look_up(weaver: Weaver, dice: Dice) -> None:
    ends, port = _ends(weaver, dice), dice.of((40000, 40001, 53))
    message = dns(dice)
    weaver.send(f.ip(f.udp((port, 53), message), f.UDP, ends), dice)
    if not dice.one_in(3):
        weaver.wait(dice)
        answer = message[:2] + dice.of((b"\x81\x80", b"\x81\x83")) + message[4:]
        weaver.send(f.ip(f.udp((53, port), answer), f.UDP, ends[::-1]), dice)


def _icmp(weaver: Weaver, dice: Dice) -> None:
    ends = _ends(weaver, dice)
    kinds = (
        (8, 0, 3, 11, 13, 14, 9, 10, 17, 18) if len(ends[0]) == 4 else (128, 129, 135, 136, 1, 133)
    )
    protocol = f.ICMP if len(ends[0]) == 4 else f.ICMP6
    message = f.icmp(dice.of(kinds), dice.below(3), dice.octets(dice.of((0, 56))))
    weaver.send(f.ip(message, protocol, ends), dice)


def _other(weaver: Weaver, dice: Dice) -> None:
    """Protocols that are rarely seen, and headers that go on and on."""
    ends, ports = _way(weaver, dice)
    transports = (
        (f.SCTP, f.sctp(ports, b"chunk")),
        (f.DCCP, f.dccp(ports, dice.of((3, 6, 0, 255)))),
        (f.UDP_LITE, f.udp(ports, b"lite")),
        (50, dice.octets(40)),
        (dice.below(256), dice.octets(dice.of((0, 8, 40)))),
    )
    protocol, transport = dice.of(transports)
    if len(ends[0]) == 4:
        options = bytes(4 * dice.below(11))
        weaver.send(f.ipv4(transport, protocol, ends, options=options), dice)
        return
    headers = (
        (0, b"\0" + bytes(6)),
        (60, b"\1" + bytes(14)),
        (43, b"\0" + bytes(6)),
        (51, b"\4" + bytes(22)),
        (135, b"\0" + bytes(6)),
        (60, b"\xff" + bytes(2046)),
        f.fragment_header(1, 0, False),
    )
    chain = [dice.of(headers) for _ in range(dice.below(5))]
    weaver.send(f.extended(transport, protocol, ends, chain), dice)


def _fragments(weaver: Weaver, dice: Dice) -> None:
    """A datagram in pieces: in order, out of order, overlapping, without the first."""
    ends, ports = _way(weaver, dice)
    identification = dice.below(3)
    whole = dice.of(
        (
            f.udp(ports, dice.octets(60)),
            f.tcp(ports, f.ACK, dice.octets(48)),
            f.icmp(8, 0, dice.octets(56)),
            f.udp(ports, b"")[:3],
        )
    )
    protocol = dice.of((f.UDP, f.TCP, f.ICMP))
    cuts = dice.of(((0, 3, 5), (5, 0, 3), (3, 5), (0, 3, 3, 1), (0, 0, 2), (0,)))
    for units in cuts:
        more = units != max(cuts)
        piece = whole[units * 8 : (units + dice.of((2, 3, 1))) * 8]
        if len(ends[0]) == 4:
            mark = units | (f.MORE_FRAGMENTS if more or not units else 0)
            fields = {"identification": identification, "fragment": mark}
            weaver.send(f.ipv4(piece, protocol, ends, **fields), dice)
        else:
            chain = [f.fragment_header(identification, units, more or not units)]
            if dice.one_in(3):
                chain.insert(0, (0, b"\0" + bytes(6)))
            weaver.send(f.extended(piece, protocol, ends, chain), dice)
        weaver.wait(dice)


def _tunnel(weaver: Weaver, dice: Dice) -> None:
    """A packet inside one to six others."""
    ends, ports = _way(weaver, dice)
    packet = f.ip(f.udp(ports, _payload(dice)), f.UDP, ends)
    if dice.one_in(8):
        packet = f.ipv4(packet[20:], f.UDP, _ends_v4(dice), fragment=dice.of((0x2000, 3)))
    for _ in range(dice.of((1, 2, 1, 3, 4, 5, 6))):
        packet = dice.of(WRAPPERS)(packet, _ends(weaver, dice), dice)
    weaver.send(packet, dice)


def _ends_v4(dice: Dice) -> f.Addresses:
    return V4[dice.below(2)], V4[2 + dice.below(2)]


def _lengths(weaver: Weaver, dice: Dice) -> None:
    """IP lengths that are 0 or wrong."""
    ends, ports = _way(weaver, dice)
    inside = f.tcp(ports, f.ACK, dice.octets(30))
    length = dice.of((0, 0, 1, 19, 20, 40, 41, 0xFFFF))
    protocol = dice.of((f.TCP, f.UDP, 0, 58, 44))
    if len(ends[0]) == 4:
        words = dice.of((5, 5, 0, 4, 15))
        weaver.send(f.ipv4(inside, protocol, ends, length=length, words=words), dice)
    else:
        weaver.send(f.ipv6(inside, protocol, ends, length=length), dice)


def _garbage(weaver: Weaver, dice: Dice) -> None:
    octets = dice.octets(dice.of((0, 1, 14, 20, 33, 60, 200)))
    link_type = dice.of(tuple(f.LINKS))
    weaver.frames.append(Frame(weaver.now, link_type, octets, len(octets)))


_ACTIONS: tuple[Callable[[Weaver, Dice], None], ...] = (
    *(_segment,) * 10,
    *(_datagram,) * 4,
    *(_session,) * 3,
    *(_look_up,) * 2,
    *(_tunnel,) * 3,
    *(_fragments,) * 2,
    *(_icmp,) * 2,
    _bulk,
    _other,
    _lengths,
    _garbage,
)


_CALM_ACTIONS = (*(_segment,) * 12, *(_datagram,) * 4, _session, _look_up, _bulk, _fragments)


def woven(genes: Iterable[int], weaver: Weaver) -> list[Frame]:
    """Return the frames that genes stand for."""
    for gene in genes:
        weaver.act(gene)
    return weaver.frames
