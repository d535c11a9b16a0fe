"""What Zeek would say of a connection: states, letters, stream bytes (SEMANTICS.rst, "Connection
state"). A flow has one for its life; a part that continues another begins its letters anew.
"""

from collections import Counter

from engine.reference.events import Connection
from engine.reference.internet import ACK, FIN, RST, SYN, TCP, UDP, Layer
from engine.reference.tallies import Tally

INACTIVE, SYN_SENT, SYN_ACK_SENT, PARTIAL, ESTABLISHED, CLOSED, RESET = (
    *("inactive", "syn_sent", "syn_ack_sent", "partial"),
    *("established", "closed", "reset"),
)
LETTERS_MAX = 36
TENS = frozenset(10**k for k in range(10))
JUMP_MAX = 1 << 20
TOTAL_MAX = 1 << 62
_SIZE = 1 << 32


def _after(here: int, there: int) -> int:
    """Return how far one sequence number is ahead of another: at least -2**31, below 2**31."""
    ahead = (here - there) % _SIZE
    return ahead if ahead < _SIZE // 2 else ahead - _SIZE


class Side:
    """One end of a TCP connection, by what it sent and what of it was acknowledged."""

    def __init__(self) -> None:
        self.state = self.was = INACTIVE
        self.start = 0
        self.sent = self.acked = 0  # Counted from start.
        self.done = self.fin = False
        self.seen: set[str] = set()
        self.last: dict[str, int] = {}
        self.counted: Counter = Counter()

    def enter(self, state: str) -> None:
        """Change the state."""
        if state != self.state:
            self.was, self.state = self.state, state

    def begin(self, start: int, sent: int) -> None:
        """Count from another sequence number on."""
        self.start, self.sent, self.acked = start % _SIZE, sent, 0

    def split(self) -> None:
        """Begin anew what a continuing part begins anew."""
        moved = max(self.sent, self.acked, 1) - 1
        self.start = (self.start + moved) % _SIZE
        self.sent, self.acked = self.sent - moved, self.acked - moved
        self.seen.clear()
        self.counted.clear()

    def stream_bytes(self, peer: "Side") -> int:
        """Return how much of its stream was seen, or acknowledged."""
        aborted = (self.state, self.was, peer.state) == (RESET, SYN_SENT, INACTIVE)
        if aborted and self.acked not in (0, 1):
            return 0
        return max(0, max(self.sent, self.acked) - 1 - self.fin)


class Tracked:
    """The state of a flow's connection."""

    def __init__(self, turned: bool, time: int) -> None:
        self._sides = Side(), Side()  # Initiator, responder.
        self._letters = "^" if turned else ""
        self._active = time

    def split(self) -> None:
        """Go on in a part that continues."""
        self._letters = ""
        for side in self._sides:
            side.split()

    def take(self, layer: Layer, forward: bool, time: int) -> None:
        """Take a packet of TCP."""
        if not all(side.done for side in self._sides):
            self._active = time
        if layer.window is None:
            return
        side, peer = self._sides if forward else self._sides[::-1]
        flags, sequence = layer.flags, layer.sequence
        size = layer.payload_length
        room = bool(flags & SYN) + bool(flags & FIN) + (0 if flags & RST else size)
        self._set_start(side, flags, sequence, room)
        self._tell(side, flags, (sequence - side.start) % _SIZE, size)
        if layer.window == 0 and not flags & RST and peer.state != CLOSED and side.state != RESET:
            self._count(side, "W")
        side.fin |= bool(flags & FIN)
        if flags & ACK:
            self._acknowledge(peer, flags, layer.acknowledgment)
        self._advance(side, flags, (sequence + room) % _SIZE, size)
        if self._change(side, peer, flags, size):
            side.done = True

    def said(self, protocol: int, tally: Tally, begun_forward: bool) -> Connection:
        """Return what a record of a part says; `begun_forward`: the initiator sent its first."""
        if protocol == TCP:
            fwd, bwd = self._sides
            streams = fwd.stream_bytes(bwd), bwd.stream_bytes(fwd)
            lasting = max(0, self._active - tally.first)
            return Connection(self._state(streams), self._letters, *streams, lasting)
        state, letters = "OTH", ""
        if protocol == UDP:
            both = tally.forward.lengths.count > 0, tally.backward.lengths.count > 0
            state = {(True, True): "SF", (True, False): "S0", (False, True): "SHR"}[both]
            letters = {"SF": "Dd" if begun_forward else "dD", "S0": "D", "SHR": "d"}[state]
        streams = tally.forward.payload_bytes, tally.backward.payload_bytes
        return Connection(state, letters, *streams, tally.last - tally.first)

    def _add(self, side: Side, letter: str) -> None:
        if len(self._letters) < LETTERS_MAX:
            self._letters += letter if side is self._sides[0] else letter.lower()

    def _once(self, side: Side, letter: str) -> None:
        if letter not in side.seen:
            side.seen.add(letter)
            self._add(side, letter)

    def _count(self, side: Side, letter: str) -> None:
        side.counted[letter] += 1
        if side.counted[letter] in TENS:
            self._add(side, letter)

    def _set_start(self, side: Side, flags: int, sequence: int, room: int) -> None:
        if side.state == INACTIVE:
            if flags & SYN:
                side.begin(sequence, room)
            else:
                side.begin(sequence - 1, 1)
        elif flags & SYN:
            again = {
                SYN_SENT: sequence != side.start,
                SYN_ACK_SENT: sequence != side.start,
                ESTABLISHED: True,
                PARTIAL: True,
                RESET: side.was == INACTIVE,
            }
            if again.get(side.state):
                side.begin(sequence, room)

    def _tell(self, side: Side, flags: int, place: int, size: int) -> None:
        """Add the letter of a packet's flags; `place` is its sequence number from the start."""
        control = flags & (SYN | FIN | RST)
        if control not in (0, SYN, FIN, RST):
            self._once(side, "I" if flags & FIN and flags & RST else "Q")
        elif control:
            kind = {SYN: "S", FIN: "F", RST: "R"}[control]
            if kind == "F":
                place = (place + size) % _SIZE
            letter = "H" if kind == "S" and flags & ACK else kind
            if side.last.get(kind) != place or kind not in side.seen:
                self._add(side, letter)
            side.seen.add(kind)
            side.last[kind] = place
        elif size:
            self._once(side, "D")
        elif flags & ACK:
            self._once(side, "A")

    def _acknowledge(self, peer: Side, flags: int, number: int) -> None:
        if peer.state == INACTIVE:
            peer.begin(number - 1, 0)
        elif not flags & RST:
            ahead = _after(number, peer.start + peer.acked)
            if ahead > 0 and (number or ahead <= JUMP_MAX):
                peer.acked = min(peer.acked + ahead, TOTAL_MAX)

    def _advance(self, side: Side, flags: int, end: int, size: int) -> None:
        ahead = _after(end, side.start + side.sent)
        if flags & (SYN | RST) and abs(ahead) > JUMP_MAX:
            return
        if flags & FIN and side.sent == 1:
            side.sent = min(side.sent + ahead % _SIZE, TOTAL_MAX)
        elif side.state == RESET:
            return
        elif ahead > 0:
            side.sent = min(side.sent + ahead, TOTAL_MAX)
        elif size:
            self._count(side, "T")

    def _change(self, side: Side, peer: Side, flags: int, size: int) -> bool:
        """Change the states; return whether the side is done."""
        ends = bool(flags & (FIN | RST))
        established = side.state in (ESTABLISHED, PARTIAL)
        if side.state == INACTIVE:
            self._rouse(side, peer, flags, size)
        elif established:
            lone = side.state == PARTIAL and peer.state == INACTIVE
            if lone and flags & SYN and not flags & ACK:
                side.enter(SYN_SENT)
            if flags & FIN and not flags & RST and (peer.state, peer.was) == (RESET, CLOSED):
                peer.enter(CLOSED)
        elif side.state == CLOSED:
            ends = bool(flags & RST) and peer.state != CLOSED
            if ends:
                side.enter(RESET)
            return ends
        elif side.state == RESET:
            return False
        if flags & FIN and not (established and flags & RST):
            side.enter(CLOSED)
        if flags & RST:
            side.enter(RESET)
        return ends

    def _rouse(self, side: Side, peer: Side, flags: int, size: int) -> None:
        initiates = side is self._sides[0]
        if flags & SYN and initiates:
            side.enter(SYN_ACK_SENT if flags & ACK else SYN_SENT)
        elif flags & SYN:
            if peer.state == SYN_SENT or (peer.state == SYN_ACK_SENT and not flags & ACK):
                peer.enter(ESTABLISHED)
            side.enter(ESTABLISHED)
        elif flags & (FIN | RST) or (not initiates and size == 0 and peer.state == SYN_SENT):
            return
        elif flags & ACK and peer.state == ESTABLISHED:
            side.enter(ESTABLISHED)
        else:
            side.enter(PARTIAL)

    def _state(self, streams: tuple[int, int]) -> str:
        fwd, bwd = (side.state for side in self._sides)
        idle = INACTIVE, PARTIAL
        if bwd == RESET:
            if fwd in (SYN_SENT, SYN_ACK_SENT) or (fwd == RESET and streams == (0, 0)):
                return "REJ"
            return "RSTRH" if fwd in idle else "RSTR"
        if fwd == RESET:
            if bwd not in idle:
                return "RSTO"
            return "RSTOS0" if self._is_half_open() else "OTH"
        if fwd == CLOSED:
            if bwd == CLOSED:
                return "SF"
            return "SH" if bwd in idle else "S2"
        if bwd == CLOSED:
            return "SHR" if fwd in idle else "S3"
        if (fwd, bwd) == (SYN_SENT, INACTIVE):
            return "S0"
        return "S1" if fwd == bwd == ESTABLISHED else "OTH"

    def _is_half_open(self) -> bool:
        """Return whether the letters are those of a SYN that was taken back."""
        letters = self._letters.removeprefix("^")
        between = letters[1 : letters.find("R")]
        return letters[:1] == "S" and "R" in letters and not set(between) & set("HAFGIQ")
