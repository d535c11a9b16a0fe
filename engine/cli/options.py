"""Options that several verbs take."""

import click

from engine import config
from engine.profiles import PROFILES, profile_settings
from engine.recorder.files import write_standard_output

config_option = click.option(
    "-c", "--config", "config_path", metavar="FILE", help="Settings, TOML (engine config dump)."
)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override one setting."
)
profile_option = click.option(
    "--profile",
    type=click.Choice(tuple(PROFILES)),
    help="Settings that make flows comparable with those of another program; -c and --set go over.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def load_config(
    config_path: str | None, settings: tuple[str, ...], profile: str | None = None
) -> config.Config:
    """Return the configuration that the options ask for."""
    return config.load(config_path, settings, profile_settings(profile))


def write(text: str) -> None:
    """Write a verb's result to standard output."""
    write_standard_output(text)
