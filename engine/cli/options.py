"""Options that several verbs take."""

import click

from engine import config
from engine.recorder.files import write_standard_output

config_option = click.option(
    "-c", "--config", "config_path", metavar="FILE", help="Settings, TOML (engine config dump)."
)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override one setting."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def load_config(config_path: str | None, settings: tuple[str, ...]) -> config.Config:
    """Return the configuration that the options ask for."""
    return config.load(config_path, settings)


def write(text: str) -> None:
    """Write a verb's result to standard output."""
    write_standard_output(text)
