"""What the office's machines do by themselves: ask for the time, report home, back up; and a call.

Ordinary traffic that looks a little like what goes wrong: clocks and reports are as regular as a
beacon, a backup sends as much outside as an exfiltration, a call sends all the time.
"""

import struct

from engine.capture.synthetic.conversation import CLIENT, SERVER, Conversation, Route
from engine.capture.synthetic.frames import Host, Tape
from engine.capture.synthetic.messages import (
    tls_client_hello,
    tls_data,
    tls_finished,
    tls_server_hello,
)
from engine.capture.synthetic.office import Office, outside

CLOCK = outside("192.0.2.123", 10)
VENDOR = outside("203.0.113.70", 13)
BACKUP_DESK, BACKUP_SERVER = 3, outside("203.0.113.50", 11)
CALL_DESK, CALL_SERVER = 9, outside("203.0.113.60", 8)
_CLOCK_GAP_US = 16e6  # 2⁴ s: the shortest poll of RFC 5905.
_REPORT_GAP_US = 10e6
_BACKUP_CONNECTIONS, _BACKUP_BYTES = 4, 2_500_000  # Each.
_CALL_US, _CALL_GAP_US = 40e6, 20_000
_NTP_ERA_S = 2_208_988_800  # From 1900 to 1970.
_STAMP_S = 1_700_000_000


def _regular(tape: Tape, gap_us: float, end_us: float, jitter: float):
    """Yield times `gap_us` apart, each off by up to that share of it."""
    time_us = gap_us * tape.dice.random()
    while time_us < end_us:
        yield time_us
        time_us += gap_us * tape.dice.uniform(1 - jitter, 1 + jitter)


def _ntp(time_us: float, server: bool) -> bytes:
    """Return an NTP message (RFC 5905, 7.3), sent at that time."""
    seconds, micros = divmod(int(time_us), 1_000_000)
    sent = struct.pack(">II", _STAMP_S + _NTP_ERA_S + seconds, (micros << 32) // 1_000_000)
    head = bytes((0x24, 2, 4, 0xE8) if server else (0x23, 0, 4, 0))
    return head + bytes(36) + sent


def set_clock(tape: Tape, client: Host, end_us: float) -> None:
    """Ask a time server outside every 16 seconds."""
    for start_us in _regular(tape, _CLOCK_GAP_US, end_us, 0.01):
        port = tape.dice.randint(32_768, 60_999)
        tape.add_udp(start_us, client, CLOCK, (port, 123), _ntp(start_us, False))
        answer_us = start_us + tape.dice.uniform(11_000, 13_000)
        tape.add_udp(answer_us, CLOCK, client, (123, port), _ntp(answer_us, True))


def report(tape: Tape, client: Host, end_us: float) -> None:
    """Tell the vendor of some software how it is used, every ten seconds."""
    route = Route(80, 19_000, 120)
    for start_us in _regular(tape, _REPORT_GAP_US, end_us, 0.02):
        talk = Conversation(tape, client, VENDOR, 443, start_us, route).open()
        talk.say(CLIENT, tls_client_hello(tape.dice, "telemetry.vendor.example"))
        talk.say(SERVER, tls_server_hello(tape.dice, 3_100), 1_100)
        talk.say(CLIENT, tls_finished(tape.dice), 800)
        talk.say(CLIENT, tls_data(tape.dice, tape.dice.randint(900, 4_000)), 400)
        talk.say(SERVER, tls_data(tape.dice, 310), 6_000)
        talk.close(CLIENT, 500)


def back_up(tape: Tape, office: Office, start_us: float) -> None:
    """Send ten megabytes of one desk to a backup outside, over four connections in turn."""
    route = Route(80, 16_000, 500)
    for _ in range(_BACKUP_CONNECTIONS):
        client = office.clients[BACKUP_DESK]
        talk = Conversation(tape, client, BACKUP_SERVER, 443, start_us, route).open()
        talk.say(CLIENT, tls_client_hello(tape.dice, "store.backup.example"))
        talk.say(SERVER, tls_server_hello(tape.dice, 3_400), 1_300)
        talk.say(CLIENT, tls_finished(tape.dice), 900)
        for _ in range(_BACKUP_BYTES // 250_000):
            talk.say(CLIENT, tls_data(tape.dice, 250_000), 30_000)
            talk.say(SERVER, tls_data(tape.dice, 180), 9_000)
        talk.close(CLIENT)
        start_us = talk.now_us + 400_000


def call(tape: Tape, office: Office, start_us: float) -> None:
    """Hold a video call of forty seconds through a relay: 50 messages a second each way."""
    dice, client = tape.dice, office.clients[CALL_DESK]
    ports = (dice.randint(50_000, 59_999), 3_478)
    identifiers = dice.getrandbits(32), dice.getrandbits(32)
    for number in range(int(_CALL_US / _CALL_GAP_US)):
        for side, identifier in enumerate(identifiers):
            picture = dice.random() < 0.7
            head = struct.pack(
                ">BBHII", 0x80, 96 if picture else 111, number, number * 1_800, identifier
            )
            content = head + dice.randbytes(dice.randint(500, 1_100) if picture else 120)
            time_us = start_us + (number + side / 2) * _CALL_GAP_US + dice.uniform(0, 9_000)
            if side == CLIENT:
                tape.add_udp(time_us, client, CALL_SERVER, ports, content)
            else:
                tape.add_udp(time_us, CALL_SERVER, client, ports[::-1], content)


def run(tape: Tape, office: Office, end_us: float) -> None:
    """Play all of it: every clock, the reports of each second desk, one backup, one call."""
    for desk, client in enumerate(office.clients):
        set_clock(tape, client, end_us)
        if desk % 2:
            report(tape, client, end_us)
    call(tape, office, 8e6)
    back_up(tape, office, 20e6)
