"""An ordinary office: sixteen people at their desks, four servers, the web outside.

Every function plays one thing somebody does, from `start_us` on, onto the tape. Sizes and pauses
are drawn from skewed distributions: most are small, a few are large.
"""

import math
from dataclasses import dataclass

from engine.capture.synthetic.conversation import CLIENT, SERVER, Conversation, Route
from engine.capture.synthetic.frames import Host, Tape, arp_frames, host
from engine.capture.synthetic.messages import (
    SMB_CLOSE,
    SMB_CREATE,
    SMB_NEGOTIATE,
    SMB_READ,
    SMB_SESSION,
    SMB_TREE,
    SMB_WRITE,
    dns_answer,
    dns_query,
    http_request,
    http_response,
    smb,
    text,
    tls_client_hello,
    tls_data,
    tls_finished,
    tls_server_hello,
)

ROUTER = 0x20000001
_A, _AAAA = 1, 28
_LAN = Route(60, 90, 13)
_KIND = ("linux", "windows")
_WORDS = ("weather", "news", "maps", "tickets", "library", "museum", "recipes", "trains")
_SITE_HOSTS = ("www", "static", "images", "api")


@dataclass(frozen=True, slots=True)
class Site:
    """A host on the web, under its name."""

    name: str
    server: Host
    server6: Host | None
    route: Route


@dataclass(frozen=True, slots=True)
class Office:
    """Who is there. `clients6` are the same clients under their IPv6 addresses."""

    clients: tuple[Host, ...]
    clients6: tuple[Host, ...]
    resolver: Host
    files: Host
    mail: Host
    intranet: Host
    shell: Host
    sites: tuple[Site, ...]
    upstream: Host  # The resolver that ours asks.
    peers: tuple[Host, ...]  # Mail servers outside.


def outside(address: str, distance: int = 9, stack: str = "linux") -> Host:
    """Return a host behind the router."""
    return host(address, ROUTER, stack, distance)


def build(tape: Tape) -> Office:
    """Return the office; how far its web sites are is drawn."""
    desks = range(11, 27)
    kinds = [_KIND[desk % 2] for desk in desks]
    clients = [host(f"10.20.1.{d}", d, kind) for d, kind in zip(desks, kinds, strict=True)]
    clients6 = [host(f"2001:db8:20:1::{d}", d, kind) for d, kind in zip(desks, kinds, strict=True)]
    sites = []
    for number in range(len(_WORDS) * len(_SITE_HOSTS)):
        name = f"{_SITE_HOSTS[number % 4]}.{_WORDS[number // 4]}.example"
        server6 = outside(f"2001:db8:80::{number + 10:x}") if number % 3 == 0 else None
        route = Route(80, 1_500 + 30_000 * tape.dice.random() ** 2, 120)
        sites.append(Site(name, outside(f"198.51.100.{number + 10}"), server6, route))
    return Office(
        tuple(clients),
        tuple(clients6),
        resolver=host("10.20.0.53", 0x1053),
        files=host("10.20.0.20", 0x1020, "windows"),
        mail=host("10.20.0.25", 0x1025),
        intranet=host("10.20.0.80", 0x1080),
        shell=host("10.20.0.22", 0x1022),
        sites=tuple(sites),
        upstream=outside("192.0.2.53"),
        peers=tuple(outside(f"192.0.2.{number}") for number in (101, 102, 103)),
    )


def _size(tape: Tape, median: float, most: int) -> int:
    """Return a size in bytes around `median`, sometimes ten times as large."""
    return max(1, min(most, int(median * math.exp(tape.dice.gauss(0, 1.1)))))


def resolve(
    tape: Tape, office: Office, client: Host, name: str, start_us: float, kind: int = _A
) -> float:
    """Ask our resolver for a name, as it asks upstream now and then; return when it is known."""
    number, port = tape.dice.getrandbits(16), tape.dice.randint(49_152, 65_535)
    query = dns_query(number, name, kind)
    answer = dns_answer(number, name, kind, _addresses(office, name, kind))
    tape.add_udp(start_us, client, office.resolver, (port, 53), query)
    known_us = start_us + tape.dice.uniform(150, 400)
    if tape.dice.random() < 0.3:
        port_up = tape.dice.randint(1_024, 65_535)
        asked_us = known_us
        known_us += tape.dice.uniform(8_000, 30_000)
        tape.add_udp(asked_us, office.resolver, office.upstream, (port_up, 53), query)
        tape.add_udp(known_us - 80, office.upstream, office.resolver, (53, port_up), answer)
    tape.add_udp(known_us, office.resolver, client, (53, port), answer)
    return known_us


def _addresses(office: Office, name: str, kind: int) -> tuple[str, ...] | None:
    """Return what the name resolves to; None if there is no such name."""
    for site in office.sites:
        if site.name == name:
            server = site.server if kind == _A else site.server6
            return (server.address,) if server else ()
    return None if name.endswith(".invalid") else (office.intranet.address,)


def visit(tape: Tape, office: Office, desk: int, start_us: float) -> None:
    """Look at a page: names, then connections to the page's hosts, each with a few requests."""
    dice = tape.dice
    first = dice.randrange(len(_WORDS)) * len(_SITE_HOSTS)
    for number in range(dice.randint(1, len(_SITE_HOSTS))):
        site = office.sites[first + number]
        begin_us = start_us + number * dice.uniform(20_000, 90_000)
        known_us = resolve(tape, office, office.clients[desk], site.name, begin_us)
        known_us = max(
            known_us, resolve(tape, office, office.clients[desk], site.name, begin_us + 90, _AAAA)
        )
        new = site.server6 is not None and desk % 4 == 0
        client = (office.clients6 if new else office.clients)[desk]
        server = site.server6 if new else site.server
        for _ in range(dice.choice((1, 1, 1, 2))):
            begin_us = known_us + dice.uniform(300, 3_000)
            if dice.random() < 0.15:
                talk = Conversation(tape, client, server, 80, begin_us, site.route).open()
                _browse(tape, talk, site.name)
            else:
                talk = Conversation(tape, client, server, 443, begin_us, site.route).open()
                _browse_tls(tape, talk, site.name)


def intranet(tape: Tape, office: Office, desk: int, start_us: float) -> None:
    """Look at a page of our own server, without TLS."""
    client = office.clients[desk]
    known_us = resolve(tape, office, client, "intranet.office.example", start_us)
    talk = Conversation(tape, client, office.intranet, 80, known_us + 500, _LAN).open()
    _browse(tape, talk, "intranet.office.example")


def _browse(tape: Tape, talk: Conversation, name: str) -> None:
    for _ in range(tape.dice.randint(1, 6)):
        request = http_request(name, f"/{tape.dice.getrandbits(40):x}.html", _size(tape, 60, 900))
        talk.say(CLIENT, request, tape.dice.expovariate(1 / 300_000))
        talk.say(SERVER, http_response(_size(tape, 4_500, 150_000)), tape.dice.uniform(900, 9_000))
    talk.close(tape.dice.choice((CLIENT, SERVER)), tape.dice.expovariate(1 / 2_000_000))


def _browse_tls(tape: Tape, talk: Conversation, name: str) -> None:
    dice = tape.dice
    talk.say(CLIENT, tls_client_hello(dice, name))
    talk.say(SERVER, tls_server_hello(dice, dice.randint(2_400, 4_800)), dice.uniform(300, 4_000))
    talk.say(CLIENT, tls_finished(dice), 900)
    for number in range(dice.randint(1, 7)):
        pause_us = 500 if number == 0 else dice.expovariate(1 / 600_000)
        talk.say(CLIENT, tls_data(dice, _size(tape, 400, 3_000)), pause_us)
        answer = tls_data(dice, _size(tape, 4_500, 150_000))
        talk.say(SERVER, answer, dice.uniform(2_000, 60_000))
    if dice.random() < 0.8:  # The others stay open.
        side = dice.choice((CLIENT, CLIENT, SERVER))
        talk.say(side, tls_data(dice, 19), dice.expovariate(1 / 3_000_000)).close(side, 100)


def share(tape: Tape, office: Office, desk: int, start_us: float) -> None:
    """Log in to the file server and read and write a few files."""
    dice = tape.dice
    talk = Conversation(tape, office.clients[desk], office.files, 445, start_us, _LAN).open()
    for command, asked, answered in (
        (SMB_NEGOTIATE, 110, 190),
        (SMB_SESSION, 95, 260),
        (SMB_SESSION, 520, 30),
        (SMB_TREE, 60, 16),
    ):
        talk.say(CLIENT, smb(command, asked, False), 400)
        talk.say(SERVER, smb(command, answered, True), 700)
    for _ in range(dice.randint(2, 9)):
        talk.say(CLIENT, smb(SMB_CREATE, 180, False), dice.expovariate(1 / 1_500_000))
        talk.say(SERVER, smb(SMB_CREATE, 150, True), 500)
        _transfer(tape, talk, _size(tape, 24_000, 400_000), dice.random() < 0.25)
        talk.say(CLIENT, smb(SMB_CLOSE, 24, False), 300)
        talk.say(SERVER, smb(SMB_CLOSE, 60, True), 300)
    if dice.random() < 0.5:
        talk.close(CLIENT, dice.expovariate(1 / 2_000_000))


def _transfer(tape: Tape, talk: Conversation, size: int, upload: bool) -> None:
    """Read or write a file in pieces of at most 64 KiB."""
    for begin in range(0, size, 65_536):
        content = tape.dice.randbytes(min(65_536, size - begin))
        command = SMB_WRITE if upload else SMB_READ
        talk.say(CLIENT, smb(command, 49, False, content if upload else b""), 300)
        talk.say(SERVER, smb(command, 16, True, b"" if upload else content), 600)


def _dialogue(tape: Tape, talk: Conversation, lines: tuple[tuple[int, str], ...]) -> None:
    for side, line in lines:
        talk.say(side, line.encode() + b"\r\n", tape.dice.uniform(400, 6_000))


def receive_mail(tape: Tape, office: Office, start_us: float) -> None:
    """Let a mail server outside deliver one message by SMTP."""
    route = Route(12_000, 90, 130)
    sender = tape.dice.choice(office.peers)
    _smtp(tape, Conversation(tape, sender, office.mail, 25, start_us, route))


def send_mail(tape: Tape, office: Office, desk: int, start_us: float) -> None:
    """Submit one message to our mail server by SMTP."""
    _smtp(tape, Conversation(tape, office.clients[desk], office.mail, 587, start_us, _LAN))


def _smtp(tape: Tape, talk: Conversation) -> None:
    talk.open()
    lines = (
        (SERVER, "220 mail.office.example ESMTP ready"),
        (CLIENT, "EHLO sender.example"),
        (SERVER, "250-mail.office.example\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250 8BITMIME"),
        (CLIENT, "MAIL FROM:<ada@sender.example>"),
        (SERVER, "250 2.1.0 Ok"),
        (CLIENT, "RCPT TO:<grace@office.example>"),
        (SERVER, "250 2.1.5 Ok"),
        (CLIENT, "DATA"),
        (SERVER, "354 End data with <CR><LF>.<CR><LF>"),
    )
    _dialogue(tape, talk, lines)
    talk.say(CLIENT, text(_size(tape, 9_000, 150_000)) + b"\r\n.\r\n", 3_000)
    lines = ((SERVER, "250 2.0.0 Ok: queued"), (CLIENT, "QUIT"), (SERVER, "221 2.0.0 Bye"))
    _dialogue(tape, talk, lines)
    talk.close(SERVER)


def read_mail(tape: Tape, office: Office, desk: int, start_us: float) -> None:
    """Look for new mail by IMAP and fetch what is there."""
    talk = Conversation(tape, office.clients[desk], office.mail, 143, start_us, _LAN).open()
    lines = (
        (SERVER, "* OK [CAPABILITY IMAP4rev1 IDLE] mail.office.example ready"),
        (CLIENT, "a1 LOGIN grace secret"),
        (SERVER, "a1 OK Logged in"),
        (CLIENT, "a2 SELECT INBOX"),
        (SERVER, "* 172 EXISTS\r\n* 1 RECENT\r\n* OK [UIDVALIDITY 17]\r\na2 OK Select completed"),
    )
    _dialogue(tape, talk, lines)
    for number in range(tape.dice.randint(0, 4)):
        _dialogue(tape, talk, ((CLIENT, f"b{number} FETCH {170 + number} (BODY[])"),))
        talk.say(SERVER, text(_size(tape, 9_000, 150_000)) + b")\r\nb OK Fetch completed\r\n", 900)
    _dialogue(tape, talk, ((CLIENT, "z LOGOUT"), (SERVER, "* BYE Logging out\r\nz OK Logout")))
    talk.close(SERVER)


def _times(tape: Tape, mean_us: float, end_us: float):
    """Yield times of things that happen at random, `mean_us` apart."""
    time_us = tape.dice.expovariate(1 / mean_us)
    while time_us < end_us:
        yield time_us
        time_us += tape.dice.expovariate(1 / mean_us)


def work(tape: Tape, office: Office, end_us: float) -> None:
    """Play the whole office's ordinary traffic."""
    gateway = host("10.20.1.1", ROUTER)
    for desk, client in enumerate(office.clients):
        for start_us in _times(tape, 40e6, end_us):
            for number, frame in enumerate(arp_frames(client, gateway)):
                tape.add(start_us + 200 * number, frame)
        for start_us in _times(tape, 8e6, end_us):
            visit(tape, office, desk, start_us)
        for act, mean_us in ((intranet, 40e6), (share, 45e6), (read_mail, 40e6), (send_mail, 90e6)):
            for start_us in _times(tape, mean_us, end_us):
                act(tape, office, desk, start_us)
        for start_us in _times(tape, 30e6, end_us):
            resolve(tape, office, client, "printer.invalid", start_us)
    for start_us in _times(tape, 5e6, end_us):
        receive_mail(tape, office, start_us)
