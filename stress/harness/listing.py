"""python -m stress list: every scenario, and what may come of it."""

import click

from stress.harness.scenarios import SCENARIOS


def listed() -> str:
    """Return the scenarios with their outcomes, for people."""
    lines = []
    for scenario in SCENARIOS.values():
        lines.append(f"{scenario.name}: {scenario.title}")
        lines += [f"    {o.grade:11} {o.name:15} {o.meaning}" for o in scenario.outcomes]
    return "\n".join(lines)


@click.command(name="list")
def command() -> None:
    """Show every scenario with its outcomes, as they are named before a run."""
    print(listed())
