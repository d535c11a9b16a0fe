"""What property tests draw: frames, capture files, whole runs with their settings.

`runs()` draws what a run takes: named capture files and settings. `random_run(seed, size)` makes
the same without Hypothesis, for long tests. Both end in engine.reference.run_bytes().
"""

import random
from typing import NamedTuple

from hypothesis import strategies as st

from engine.config import (
    FURTHER_TUNNELS,
    PANE_NS,
    PORT_PROTOCOLS,
    SECOND_NS,
    TUNNELS,
    Config,
    with_settings,
)
from engine.reference import Settings
from tests.property.capture_files import COMPRESSIONS, EXACT_FORMATS, FORMATS, Frame, in_pieces
from tests.property.dice import GENE_BYTES, Dice
from tests.property.frames import LINKS
from tests.property.traffic import Weaver, woven

GENE = 1 << (8 * GENE_BYTES)
MINUTE_NS = 60 * SECOND_NS
LIMITS_NS = {
    "flow.idle_timeout": [
        *[120 * SECOND_NS] * 4,
        *(PANE_NS, PANE_NS + 1, 7 * SECOND_NS, 2000 * SECOND_NS, 0, 0),
    ],
    "flow.active_timeout": [
        *[1800 * SECOND_NS] * 3,
        *(PANE_NS, 61 * SECOND_NS, 300 * SECOND_NS, 1 << 44, (1 << 44) - 1, 0),
    ],
    "flow.tcp_linger": [PANE_NS, PANE_NS + 1, 20 * SECOND_NS],
}


COMPARISON_CHOICES = {
    "flow.initiator": ("first",),
    "flow.length": ("frame", "captured", "layer", "payload"),
    "flow.icmp": ("zero",),
    "flow.vlan_in_key": ("inner", "all", "off"),
    "packet.fragments": ("skip",),
    "packet.cut": ("skip",),
    "packet.short_transport": ("zero",),
    "packet.checksums": ("verify",),
    "packet.overlong": ("keep",),
    "packet.clock": ("hold",),
}


class RunInput(NamedTuple):
    """What a run takes."""

    contents: list[tuple[str, bytes]]  # Names and bytes of capture files.
    settings: Settings


def settings_of(dice: Dice) -> Settings:
    """Return settings; gene 0 has the defaults."""
    chosen: dict[str, object] = {}
    for name, choices in LIMITS_NS.items():
        limit = dice.of(choices)
        chosen[name] = f"{limit} ns" if limit else "off"
    chosen["flow.tcp_end"] = not dice.one_in(6)
    chosen["packet.decapsulate"] = dice.of(("outer", "inner", "all", "all", "udp"))
    if dice.one_in(4):
        kinds = (*TUNNELS, *FURTHER_TUNNELS)
        chosen["packet.tunnels"] = [kind for kind in kinds if dice.below(2)]
    if dice.one_in(2):
        chosen |= _comparison_settings(dice)
    chosen["packet.inner_not_ip"] = dice.aside().aside().of(("outer", "drop"))
    chosen["flow.history"] = dice.aside().one_in(2)
    return Settings(with_settings(Config(), chosen), separate=dice.one_in(4))


def _comparison_settings(dice: Dice) -> dict[str, object]:
    """Return settings that other programs are compared with, each in a third of the runs."""
    chosen = {
        name: dice.of(choices) for name, choices in COMPARISON_CHOICES.items() if dice.one_in(3)
    }
    for name in ("tcp", "udp", "icmp", "other"):
        if dice.one_in(3):
            limit = dice.of((PANE_NS, 30 * SECOND_NS, 0, "same"))
            chosen[f"flow.idle_timeout_{name}"] = f"{limit} ns" if limit != "same" else limit
            if not limit:
                chosen[f"flow.idle_timeout_{name}"] = "off"
    if dice.one_in(3):
        chosen["flow.port_protocols"] = [name for name in PORT_PROTOCOLS if dice.below(2)]
    return chosen


def sources_from(frames: list[Frame], dice: Dice) -> list[tuple[str, bytes]]:
    """Return capture files that hold these frames: one or several, of any format, some damaged."""
    count = dice.of((1, 1, 1, 2, 3))
    piles: list[list[Frame]] = [[] for _ in range(count)]
    turn = dice.of((1, 3, 50))
    for number, frame in enumerate(frames):
        piles[number // turn % count].append(frame)
    return [_file(number, pile, dice) for number, pile in enumerate(piles)]


def _file(number: int, frames: list[Frame], dice: Dice) -> tuple[str, bytes]:
    form = dice.of(tuple(FORMATS) if dice.one_in(3) else EXACT_FORMATS)
    content = FORMATS[form](frames)
    name = dice.of(("b", "a", "é", "B")) + str(number)
    if dice.one_in(12):
        content = _damaged(content, dice)
    if dice.one_in(8):
        suffix = dice.of((".gz", ".zst", ".xz"))
        content, name = in_pieces(content, COMPRESSIONS[suffix], dice.of((1, 2))), name + suffix
        if dice.one_in(3):
            content = _damaged(content, dice)
    return name, content


def _damaged(content: bytes, dice: Dice) -> bytes:
    at = dice.below(len(content) + 1)
    change = dice.below(4)
    if change == 0:
        return content[:at]
    if change == 1:
        return content[:at] + dice.octets(1 + dice.below(20)) + content[at:]
    if change == 2:
        return content + dice.of((b"\0", b"\0\0\0\0", b"x", content[:9]))
    return content[:at] + bytes((dice.below(256),)) + content[at + 1 :]


def _run_input(genes: list[int], world: int) -> RunInput:
    dice = Dice(world)
    link_type = dice.of((*(1,) * len(LINKS), *LINKS))
    calm = dice.one_in(2)
    chosen = settings_of(dice)
    frames = woven(genes, Weaver(chosen.config, link_type, calm))
    return RunInput(sources_from(frames, dice), chosen)


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "little")


genes = st.binary(min_size=GENE_BYTES, max_size=GENE_BYTES).map(_number)
worlds = st.binary(min_size=40, max_size=40).map(_number)


@st.composite
def gene_lists(draw, most: int = 120) -> list[int]:
    """Draw actions; long lists are as likely as short ones."""
    least = draw(st.sampled_from((0, most // 8, most // 3, most * 3 // 4)))
    return draw(st.lists(genes, min_size=least, max_size=most))


@st.composite
def runs(draw, most: int = 120) -> RunInput:
    """Draw what a run takes: capture files of up to `most` actions, and settings."""
    return _run_input(draw(gene_lists(most)), draw(worlds))


@st.composite
def frame_lists(draw, most: int = 60) -> list[Frame]:
    """Draw frames alone, of any link type."""
    link_type = draw(st.sampled_from((*(1,) * len(LINKS), *LINKS)))
    return woven(draw(gene_lists(most)), Weaver(Config(), link_type))


run_settings = worlds.map(lambda world: settings_of(Dice(world)))


def random_run(seed: int, size: int) -> RunInput:
    """Return what a run takes, `size` actions long, from a seed: as runs() draws it, but fast."""
    source = random.Random(seed)
    world = source.getrandbits(320)
    return _run_input([source.getrandbits(8 * GENE_BYTES) for _ in range(size)], world)


def random_capture(seed: int, size: int) -> bytes:
    """Return one capture file (pcapng, ns) of `size` actions from a seed."""
    source = random.Random(seed)
    drawn = [source.getrandbits(8 * GENE_BYTES) for _ in range(size)]
    return FORMATS["pcapng"](woven(drawn, Weaver(Config())))
