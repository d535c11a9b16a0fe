"""`engine config dump|check`: what the settings are, what they may be, what they cost."""

import click

from engine.cli.options import config_option, load_config, profile_option, set_option, write


@click.group()
def config() -> None:
    """Show and check the configuration."""


@config.command()
@profile_option
@config_option
@set_option
def dump(config_path: str | None, settings: tuple[str, ...], profile: str | None) -> None:
    """Print the whole configuration as TOML, each setting with its range."""
    from engine.config import dump as dump_config

    write(dump_config(load_config(config_path, settings, profile)))


@config.command(name="check")
@profile_option
@config_option
@set_option
def check_config(config_path: str | None, settings: tuple[str, ...], profile: str | None) -> None:
    """Check the configuration and print the shared memory that a run will take."""
    loaded = load_config(config_path, settings, profile)
    from engine.pipeline import private_bytes, shape_of, sizes

    workers = loaded.workers
    found = sizes(loaded, workers, arena=True)
    waiting = sizes(loaded, workers, arena=True, parquet=True)["recorder"] - found["recorder"]
    shape = shape_of(loaded, workers)
    lines = [f"{kind:12}{size:>16,} bytes" for kind, size in found.items()]
    lines.append(f"{'all':12}{sum(found.values()):>16,} bytes for {workers} worker(s)")
    private = private_bytes(loaded)
    lines.append(f"{private:,} bytes more, private, at most: taken by the classifier as hosts come")
    lines.append(f"{shape.bytes_per_flow:.1f} bytes of table for each of flow.max_flows")
    lines.append(f"{waiting:,} bytes more of the recorder with --flows parquet")
    lines.append("(the arena only when standard input or a compressed file is read)")
    write("\n".join(lines) + "\n")
