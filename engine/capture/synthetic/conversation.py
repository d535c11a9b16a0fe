"""A TCP connection between two well-behaved hosts, packet by packet, as a tap between them sees it.

What is kept from the real thing is what a flow meter measures: segments and who acknowledges them
when, windows that double while data flows, delayed acknowledgements, options, round trips.
"""

import struct
from dataclasses import dataclass

from engine.capture.synthetic.frames import ACK, FIN, PSH, SYN, Host, Segment, Tape

CLIENT, SERVER = 0, 1
_MSS_BYTES = 1_460
_WINDOW_SEGMENTS, _WINDOW_SEGMENTS_MAX = 10, 64  # RFC 6928; what a switch's buffer takes.
_DELAYED_ACK_US = 40_000
_WINDOWS = {"linux": (64_240, 65_160, 502), "windows": (64_240, 65_535, 1_026)}
_EPHEMERAL = {"linux": (32_768, 60_999), "windows": (49_152, 65_535)}
_OPTIONS_WINDOWS = bytes.fromhex("020405b40103030801010402")  # MSS, window scale, SACK.


@dataclass(frozen=True, slots=True)
class Route:
    """Times from the tap to either end, and between the segments of a burst, in us."""

    client_us: float
    server_us: float
    segment_us: float


class Conversation:
    """One connection. Each call goes on where the last one ended; `now_us` is that time."""

    def __init__(
        self, tape: Tape, client: Host, server: Host, port: int, start_us: float, route: Route
    ) -> None:
        self.now_us = start_us
        self.client_port = tape.dice.randint(*_EPHEMERAL[client.stack])
        self._tape = tape
        self._ends = (client, server)
        self._ports = (self.client_port, port)
        self._delay_us = (route.client_us, route.server_us)
        self._route = route
        self._speaker = CLIENT
        self._next = [tape.dice.getrandbits(32), tape.dice.getrandbits(32)]
        self._latest_us = [start_us, start_us]
        self._owed_us: list[float | None] = [None, None]
        self._window = [_WINDOW_SEGMENTS, _WINDOW_SEGMENTS]
        self._stamps = client.stack == server.stack == "linux"
        self._stamp_base = (tape.dice.getrandbits(31), tape.dice.getrandbits(31))
        self._stamp_echo = [0, 0]

    def open(self) -> "Conversation":
        """Shake hands."""
        self._emit(CLIENT, self.now_us, SYN)
        self._turn(SERVER, 0)
        self._emit(SERVER, self.now_us, SYN | ACK)
        self._turn(CLIENT, 0)
        self._emit(CLIENT, self.now_us, ACK)
        return self

    def say(self, side: int, message: bytes, after_us: float = 200) -> "Conversation":
        """Let `side` send a message `after_us` of thought; the other end acknowledges."""
        self._turn(side, after_us)
        size = _MSS_BYTES - (12 if self._stamps else 0)
        pieces = [message[at : at + size] for at in range(0, len(message), size)]
        time_us, in_window, unacknowledged = self.now_us, 0, 0
        for number, piece in enumerate(pieces):
            last = number == len(pieces) - 1
            self._emit(side, time_us, ACK | (PSH if last else 0), piece)
            in_window += 1
            unacknowledged += 1
            window_ends = in_window == self._window[side] and not last
            if unacknowledged == 2 or window_ends:
                acknowledged_us = self._acknowledge(1 - side, time_us)
                unacknowledged = 0
            self.now_us = time_us
            time_us += self._route.segment_us * self._tape.dice.uniform(0.8, 1.6)
            if window_ends:
                time_us = max(time_us, acknowledged_us + 2 * self._delay_us[side])
                in_window = 0
                self._window[side] = min(2 * self._window[side], _WINDOW_SEGMENTS_MAX)
        if unacknowledged:
            arrival_us = self.now_us + 2 * self._delay_us[1 - side]
            self._owed_us[1 - side] = arrival_us + _DELAYED_ACK_US
        return self

    def close(self, side: int, after_us: float = 500) -> "Conversation":
        """End it properly, `side` first."""
        self._turn(side, after_us)
        self._emit(side, self.now_us, FIN | ACK)
        self._turn(1 - side, 100)
        self._emit(1 - side, self.now_us, FIN | ACK)
        self._turn(side, 0)
        self._emit(side, self.now_us, ACK)
        return self

    def _turn(self, side: int, after_us: float) -> None:
        """Move to the time at which the next words of `side` pass the tap."""
        travel_us = 2 * self._delay_us[side] if side != self._speaker else 0
        self._speaker = side
        self.now_us += travel_us + after_us * self._tape.dice.uniform(0.9, 1.2)
        for end in (CLIENT, SERVER):
            due_us = self._owed_us[end]
            if due_us is not None and due_us < self.now_us:
                self._emit(end, due_us, ACK)

    def _acknowledge(self, side: int, arrived_us: float) -> float:
        """Let `side` acknowledge what passed the tap at `arrived_us`; return when it does."""
        time_us = arrived_us + 2 * self._delay_us[side] + self._tape.dice.uniform(10, 60)
        self._emit(side, time_us, ACK)
        return time_us

    def _emit(self, side: int, time_us: float, flags: int, payload: bytes = b"") -> None:
        time_us = max(time_us, self._latest_us[side] + 1)
        self._latest_us[side] = time_us
        self._owed_us[side] = None  # Whatever it sends acknowledges.
        windows = _WINDOWS[self._ends[side].stack]
        segment = Segment(
            self._ports[side],
            self._ports[1 - side],
            self._next[side],
            self._next[1 - side] if flags & ACK else 0,
            flags,
            windows[side] if flags & SYN else windows[2],
            self._options(side, time_us, flags),
            payload,
        )
        self._next[side] += len(payload) + (1 if flags & (SYN | FIN) else 0)
        self._tape.add_tcp(time_us, self._ends[side], self._ends[1 - side], segment)

    def _options(self, side: int, time_us: float, flags: int) -> bytes:
        if not self._stamps:
            return _OPTIONS_WINDOWS if flags & SYN else b""
        stamp = (self._stamp_base[side] + int(time_us / 1000)) & 0xFFFFFFFF
        stamps = struct.pack(">BBII", 8, 10, stamp, self._stamp_echo[side])
        self._stamp_echo[1 - side] = stamp
        if flags & SYN:
            return bytes.fromhex("020405b40402") + stamps + bytes.fromhex("01030307")
        return b"\x01\x01" + stamps
