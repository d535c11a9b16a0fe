"""`engine shm list|clean`: the engine's shared memory on this machine."""

import click

from engine.cli.options import json_option, write


@click.group()
def shm() -> None:
    """List or remove shared memory of dead runs."""


@shm.command(name="list")
@json_option
def list_segments(as_json: bool) -> None:
    """List segments: live, or stale and to be removed."""
    from dataclasses import asdict

    import msgspec

    from engine.rings.segment import find_segments

    found = find_segments()
    if as_json:
        rows = [asdict(segment) for segment in found]
        write(msgspec.json.format(msgspec.json.encode({"segments": rows})).decode() + "\n")
        return
    for segment in found:
        state = "live" if segment.live else "stale"
        write(f"{state:6}{segment.size_bytes:>14,}  pid {segment.owner_pid:<8} {segment.name}\n")
    write(f"{len(found)} segments, {sum(not s.live for s in found)} of them stale\n")


@shm.command()
def clean() -> None:
    """Remove the segments of dead runs; never those of a live one."""
    from engine.rings.segment import find_segments

    removed = [segment for segment in find_segments(remove_stale=True) if not segment.live]
    size = sum(segment.size_bytes for segment in removed)
    write(f"removed {len(removed)} stale segments, {size:,} bytes\n")
