"""Every setting is checked where it enters; what is wrong is named with what is allowed.

Method: the table of limits itself draws values in and out of range for each setting, so that a new
one is covered when it is declared.
"""

import dataclasses
import re
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import config
from engine.config import SAME, SECOND_NS, Config, ConfigError, load, parse_value, with_settings

LIMITS = {name: (limit, default) for name, limit, default in config.limits()}
NUMBERS = sorted(
    name
    for name, (limit, _) in LIMITS.items()
    if limit.kind in ("count", "power_of_two", "duration", "size")
)
WRONG = {
    "count": ("x", "1.5", "", True, None, [1]),
    "power_of_two": ("x", "1000", True, None),
    "duration": ("x", "5 days", "1 KiB", "-5 s", True, None, [1]),
    "size": ("x", "5 s", "-1", True, None),
    "switch": ("yes", 1, "", None, []),
    "choice": ("x", 1, "", None, []),
    "choices": (["x"], 1, "ipip x", None),
    "text": (1, None, ["x"]),
    "networks": ("x", "10.0.0.1/8", "10.0.0.0/33", 1, None, [1], ["::/0"] * 65),
}
NETWORKS = ("10.0.0.0/8", "9.9.9.9/32", "2001:db8::/32", "fc00::/7", "0.0.0.0/0")


def in_units(limit, number):
    """Return a number as the setting takes it: durations are in seconds unless they say more."""
    return f"{number} ns" if limit.kind == "duration" else number


def inside(limit):
    """Return a strategy for what the limit allows."""
    if limit.kind == "power_of_two":
        powers = st.integers(limit.low.bit_length() - 1, limit.high.bit_length() - 1)
        return powers.map(lambda power: 1 << power)
    if limit.kind in ("count", "duration", "size"):
        return st.integers(limit.low, limit.high)
    return {
        "switch": st.booleans(),
        "choice": st.sampled_from(limit.choices or ("",)),
        "choices": st.sets(st.sampled_from(limit.choices or ("",))).map(sorted),
        "networks": st.lists(st.sampled_from(NETWORKS), max_size=64),
        "text": st.text(st.characters(codec="utf-8"), max_size=20),
    }[limit.kind]


@pytest.mark.parametrize("name", LIMITS)
@given(draw=st.data())
def test_value_in_range_is_taken(name, draw):
    limit, _ = LIMITS[name]
    value = draw.draw(inside(limit))
    parsed = parse_value(name, in_units(limit, value))
    if limit.kind == "choices":
        assert parsed == tuple(one for one in limit.choices if one in value)
    elif limit.kind == "networks":
        assert parsed == tuple(dict.fromkeys(value))
    else:
        assert parsed == value


@pytest.mark.parametrize("name", NUMBERS)
@given(beyond=st.integers(1, 1 << 70))
def test_number_out_of_range_is_refused_with_name_and_range(name, beyond):
    limit, _ = LIMITS[name]
    for number in (limit.high + beyond, limit.low - beyond):
        with pytest.raises(ConfigError, match=re.escape(name)) as refusal:
            parse_value(name, in_units(limit, number))
        if number >= 0:
            assert " to " in str(refusal.value)


@pytest.mark.parametrize("name", LIMITS)
def test_value_of_another_kind_is_refused_with_its_name(name):
    limit, _ = LIMITS[name]
    for value in WRONG[limit.kind]:
        with pytest.raises(ConfigError, match=re.escape(name)):
            parse_value(name, value)


@pytest.mark.parametrize("name", LIMITS)
def test_default_is_a_value_that_is_allowed(name):
    limit, default = LIMITS[name]
    written = "off" if limit.off and not default else in_units(limit, default)
    if limit.same and default == SAME:
        written = "same"
    assert parse_value(name, written) == default


@pytest.mark.parametrize(
    ("written", "ns"),
    [
        (120, 120 * SECOND_NS),
        ("120", 120 * SECOND_NS),
        ("120 s", 120 * SECOND_NS),
        ("2min", 120 * SECOND_NS),
        ("5000 ms", 5 * SECOND_NS),
        ("5.000000001 s", 5 * SECOND_NS + 1),
        ("0.5 h", 1800 * SECOND_NS),
        (7.25, 7_250_000_000),
        ("off", 0),
    ],
)
def test_duration_is_read_exactly(written, ns):
    assert parse_value("flow.idle_timeout", written) == ns


@pytest.mark.parametrize(
    ("written", "size"),
    [("64 MiB", 1 << 26), ("1GiB", 1 << 30), ("524288", 1 << 19), (1 << 20, 1 << 20)],
)
def test_size_is_read_exactly(written, size):
    assert parse_value("capture.arena_bytes", written) == size


def test_off_is_refused_where_it_is_not_allowed():
    with pytest.raises(ConfigError, match=r"flow\.tcp_linger"):
        parse_value("flow.tcp_linger", "off")


@pytest.mark.parametrize("name", ["flow.max_flow", "flow", "", "flows.idle", "flow.max_flows.x"])
def test_unknown_setting_is_named(name):
    with pytest.raises(ConfigError, match="unknown setting") as refusal:
        parse_value(name, 1)
    assert repr(name) in str(refusal.value)
    assert "known:" in str(refusal.value)


def test_power_of_two_is_suggested():
    with pytest.raises(ConfigError, match="use 1024"):
        parse_value("ring.packet_capacity", 1000)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"capture.arena_bytes": 3 << 20}, "power of two"),
        ({"capture.arena_bytes": 1 << 20, "capture.stream_buffer_bytes": 1 << 20}, "twice"),
        ({"flow.max_flows": 100, "engine.workers": 2}, "at least 64"),
        ({"flow.max_flows": 1 << 26, "engine.workers": 2}, "at most"),
        ({"hash.key": "12"}, "32 hex digits"),
        ({"hash.key": "g" * 32}, "32 hex digits"),
    ],
)
def test_impossible_relation_is_refused(settings, named):
    with pytest.raises(ConfigError, match=named):
        with_settings(Config(), settings)


@pytest.mark.parametrize(
    ("active", "idle", "wide"),
    [
        ("1800 s", "120 s", False),
        ("off", "120 s", True),
        ("1800 s", "off", True),
        (f"{(1 << 44) - 1} ns", "120 s", True),  # Squares of 88 bits.
        (f"{(1 << 42) - 1} ns", "120 s", False),
        (f"{1 << 42} ns", "120 s", True),  # 2**84 exactly is too much.
        (f"{1 << 41} ns", f"{1 << 43} ns", True),
        (f"{1 << 41} ns", f"{(1 << 43) - 1} ns", False),
    ],
)
def test_wide_is_what_the_definition_says(active, idle, wide):
    settings = {"flow.active_timeout": active, "flow.idle_timeout": idle}
    assert with_settings(Config(), settings).wide == wide


def drawn_settings():
    """Return a strategy for settings that each are allowed; together they may not be."""
    return st.fixed_dictionaries(
        {},
        optional={
            name: inside(limit).map(lambda value, limit=limit: in_units(limit, value))
            for name, (limit, _) in LIMITS.items()
        },
    )


@given(settings=drawn_settings())
def test_dump_is_read_back_to_the_same_configuration(settings, tmp_path_factory):
    try:
        written = with_settings(Config(), settings)
    except ConfigError:
        return  # What the relations forbid is never dumped.
    path = tmp_path_factory.getbasetemp() / "dump.toml"
    path.write_text(config.dump(written), encoding="utf-8")
    assert load(str(path)) == written


def test_dump_names_every_setting_with_its_meaning():
    dumped = config.dump(Config())
    tree = tomllib.loads(dumped)
    named = [f"{section}.{key}" for section, keys in tree.items() for key in keys]
    assert named == list(LIMITS)
    for limit, _ in LIMITS.values():
        assert limit.meaning in dumped


def test_flatten_has_every_setting_in_order():
    assert list(config.flatten(Config())) == list(LIMITS)


def test_override_beats_the_file(tmp_path):
    path = tmp_path / "engine.toml"
    path.write_text("[flow]\nmax_flows = 1000\nidle_timeout = '60 s'\n")
    taken = load(str(path), ("flow.max_flows = 2000", "engine.workers=1"))
    assert taken.flow.max_flows == 2000
    assert taken.flow.idle_timeout == 60 * SECOND_NS
    assert taken.workers == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("flow = 1\n", "unknown setting 'flow'"),
        ("[flow]\nmax = 1\n", "unknown setting 'flow.max'"),
        ("[flow\n", "is not TOML"),
        ("[flow]\nmax_flows = [1]\n", r"flow\.max_flows"),
        ("\xff", "is not TOML"),
    ],
)
def test_broken_file_is_refused(tmp_path, text, named):
    path = tmp_path / "engine.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=named):
        load(str(path))


def test_missing_file_and_half_an_override_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot read"):
        load(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigError, match=r"section\.key=value"):
        load(None, ("flow.max_flows",))


def test_configuration_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().flow.max_flows = 1


def test_hash_key_is_the_one_set_or_a_new_one():
    fixed = with_settings(Config(), {"hash.key": "00000000000000010000000000000002"})
    assert fixed.hash_key() == (1, 2)
    first, second = Config().hash_key(), Config().hash_key()
    assert first != second
    assert all(0 <= half < 1 << 64 for half in (*first, *second))


def test_workers_are_as_set_or_two_less_than_the_cores():
    assert with_settings(Config(), {"engine.workers": 3}).workers == 3
    assert Config().workers >= 1
