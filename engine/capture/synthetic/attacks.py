"""What goes wrong in the office: scan, brute force, flood, beacon, collection, exfiltration."""

from engine.capture.synthetic.conversation import CLIENT, SERVER, Conversation, Route
from engine.capture.synthetic.frames import ACK, RST, SYN, Host, Segment, Tape, host
from engine.capture.synthetic.messages import (
    SMB_CLOSE,
    SMB_CREATE,
    SMB_NEGOTIATE,
    SMB_READ,
    SMB_SESSION,
    SMB_TREE,
    SSH_CLIENT_LISTS,
    SSH_SERVER_LISTS,
    smb,
    ssh_key_exchange,
    tls_client_hello,
    tls_data,
    tls_finished,
    tls_server_hello,
)
from engine.capture.synthetic.office import Office, outside

SCANNER = host("10.20.1.66", 66)
GUESSER = outside("203.0.113.45", 14)
BEACON_DESK, BEACON_SERVER = 12, outside("198.51.100.200", 11)
EXFILTRATION_DESK, EXFILTRATION_SERVER = 7, outside("203.0.113.99", 12)
FLOOD_NETWORK = "198.18.0.0/15"  # RFC 2544: nobody's, so a spoofed source is known as one.
FLOOD_PACKETS = 12_000
_FLOOD_US = 12e6
_SCAN_WINDOW = 1_024
_SCAN_OPTIONS = bytes.fromhex("020405b4")
_PORTS_OPEN = {22, 25, 80, 143, 445, 587}
_PROBE_GAP_US = 2_500
_LOGINS = 60
_READ_BYTES = 65_536


def _probe(tape: Tape, target: Host, port: int, start_us: float, answer: int) -> None:
    """Send a SYN as scanners make them; `answer` holds the flags that come back, 0 for silence."""
    ours = 40_000 + tape.dice.randrange(20_000)
    first, theirs = tape.dice.getrandbits(32), tape.dice.getrandbits(32)
    probe = Segment(ours, port, first, 0, SYN, _SCAN_WINDOW, _SCAN_OPTIONS)
    tape.add_tcp(start_us, SCANNER, target, probe)
    if not answer:
        tape.add_tcp(start_us + 1e6, SCANNER, target, probe)  # Nothing came: once more.
        return
    opened = answer == SYN | ACK
    options, window = (_SCAN_OPTIONS, 64_240) if opened else (b"", 0)
    back = Segment(port, ours, theirs if opened else 0, first + 1, answer, window, options)
    tape.add_tcp(start_us + 180, target, SCANNER, back)
    if opened:
        tape.add_tcp(start_us + 260, SCANNER, target, Segment(ours, port, first + 1, 0, RST, 0))


def scan(tape: Tape, office: Office, start_us: float) -> None:
    """Look for file servers in two networks, then for open ports of each server found."""
    servers = (office.files, office.mail, office.intranet, office.shell, office.resolver)
    known = {found.address: found for found in (*servers, *office.clients)}
    for network in ("10.20.0", "10.20.1"):
        for number in range(1, 255):
            address = f"{network}.{number}"
            target = known.get(address) or host(address, number)
            answer = RST | ACK if address in known else 0
            if target is office.files or target.stack == "windows":
                answer = SYN | ACK
            if target.address != SCANNER.address:
                _probe(tape, target, 445, start_us, answer)
            start_us += _PROBE_GAP_US * tape.dice.uniform(0.8, 1.2)
    for target in servers[:3]:
        ports = list(range(1, 701))
        tape.dice.shuffle(ports)
        for port in ports:
            _probe(tape, target, port, start_us, SYN | ACK if port in _PORTS_OPEN else RST | ACK)
            start_us += _PROBE_GAP_US * tape.dice.uniform(0.8, 1.2)


def brute_force(tape: Tape, office: Office, start_us: float) -> None:
    """Try passwords by SSH, four connections at a time, three passwords each."""
    route = Route(14_000, 90, 120)
    free_us = [start_us + 150_000 * number for number in range(4)]
    for _ in range(_LOGINS):
        lane = free_us.index(min(free_us))
        talk = Conversation(tape, GUESSER, office.shell, 22, free_us[lane], route).open()
        talk.say(SERVER, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 9_000)
        talk.say(CLIENT, b"SSH-2.0-libssh2_1.10.0\r\n", 300)
        talk.say(CLIENT, ssh_key_exchange(tape.dice, SSH_CLIENT_LISTS), 700)
        talk.say(SERVER, ssh_key_exchange(tape.dice, SSH_SERVER_LISTS), 600)
        talk.say(CLIENT, tape.dice.randbytes(48), 2_000)
        talk.say(SERVER, tape.dice.randbytes(452), 4_000)
        for size in (16, 44, 60):
            talk.say(CLIENT, tape.dice.randbytes(size), 1_000)
            if size != 16:
                talk.say(SERVER, tape.dice.randbytes(44), 900)
        for _ in range(3):
            talk.say(CLIENT, tape.dice.randbytes(148), 3_000)
            talk.say(SERVER, tape.dice.randbytes(52), tape.dice.uniform(900_000, 1_400_000))
        talk.close(tape.dice.choice((CLIENT, SERVER)), 1_000)
        free_us[lane] = talk.now_us + tape.dice.uniform(20_000, 90_000)


def flood(tape: Tape, office: Office, start_us: float) -> None:
    """Send SYNs from made-up addresses to the web server, which answers as long as it can."""
    dice = tape.dice
    for number in range(FLOOD_PACKETS):
        time_us = start_us + _FLOOD_US * (number + dice.random()) / FLOOD_PACKETS
        source = outside(f"198.{dice.randint(18, 19)}.{dice.randrange(256)}.{dice.randrange(256)}")
        port, first = dice.randint(1_024, 65_535), dice.getrandbits(32)
        tape.add_tcp(time_us, source, office.intranet, Segment(port, 80, first, 0, SYN, 512))
        if dice.random() < 0.4:
            fields = (80, port, dice.getrandbits(32), first + 1, SYN | ACK, 64_240, _SCAN_OPTIONS)
            tape.add_tcp(time_us + 200, office.intranet, source, Segment(*fields))


def beacon(
    tape: Tape,
    office: Office,
    start_us: float,
    end_us: float,
    gap_us: float = 5e6,
    jitter: float = 0.01,
) -> None:
    """Ask a server outside for orders every five seconds, without naming it.

    `jitter`: the largest part of a gap that it is longer or shorter by.
    """
    route = Route(80, 22_000, 120)
    while start_us < end_us:
        client = office.clients[BEACON_DESK]
        talk = Conversation(tape, client, BEACON_SERVER, 443, start_us, route).open()
        talk.say(CLIENT, tls_client_hello(tape.dice, None))
        talk.say(SERVER, tls_server_hello(tape.dice, 1_210), 900)
        talk.say(CLIENT, tls_finished(tape.dice), 700)
        talk.say(CLIENT, tls_data(tape.dice, 212), 300)
        talk.say(SERVER, tls_data(tape.dice, 134), 1_500)
        talk.close(CLIENT, 400)
        start_us += gap_us * tape.dice.uniform(1 - jitter, 1 + jitter)


def collect(
    tape: Tape,
    office: Office,
    start_us: float,
    desks: tuple[int, ...] = (0, 2, 4, 6, 8, 10),
    size: int = 1_500_000,
) -> None:
    """Read what colleagues share, `size` bytes of each desk, to be sent away later."""
    route = Route(60, 90, 25)
    client = office.clients[EXFILTRATION_DESK]
    for desk in desks:
        talk = Conversation(tape, client, office.clients[desk], 445, start_us, route).open()
        for command, asked, answered in (
            (SMB_NEGOTIATE, 110, 190),
            (SMB_SESSION, 95, 260),
            (SMB_SESSION, 520, 30),
            (SMB_TREE, 60, 16),
            (SMB_CREATE, 180, 150),
        ):
            talk.say(CLIENT, smb(command, asked, False), 400)
            talk.say(SERVER, smb(command, answered, True), 700)
        for _ in range(size // _READ_BYTES):
            talk.say(CLIENT, smb(SMB_READ, 49, False), 900)
            talk.say(SERVER, smb(SMB_READ, 16, True, tape.dice.randbytes(_READ_BYTES)), 1_500)
        talk.say(CLIENT, smb(SMB_CLOSE, 24, False), 300)
        talk.say(SERVER, smb(SMB_CLOSE, 60, True), 300)
        talk.close(CLIENT, 20_000)
        start_us = talk.now_us + tape.dice.uniform(500_000, 1_500_000)


def exfiltrate(tape: Tape, office: Office, start_us: float, size: int = 9_000_000) -> None:
    """Send nine megabytes to a server outside in one connection."""
    route = Route(80, 18_000, 900)
    client = office.clients[EXFILTRATION_DESK]
    talk = Conversation(tape, client, EXFILTRATION_SERVER, 443, start_us, route).open()
    talk.say(CLIENT, tls_client_hello(tape.dice, "files.drop.example"))
    talk.say(SERVER, tls_server_hello(tape.dice, 2_900), 1_500)
    talk.say(CLIENT, tls_finished(tape.dice), 900)
    for _ in range(size // 300_000):
        talk.say(CLIENT, tls_data(tape.dice, 300_000), 2_000)
        talk.say(SERVER, tls_data(tape.dice, 90), 4_000)
    talk.close(CLIENT)
