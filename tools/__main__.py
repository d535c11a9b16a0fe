"""python -m tools check|generate|conformance: look at the project, write its generated files, or
compare the engine with other programs' expected outputs."""

import sys

from engine.errors import ModelError
from tools.check import ROOT, check
from tools.generated import generate, write_conformance, write_measures, write_mutation, write_zoo

USAGE = "usage: python -m tools check|generate|conformance"


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    if arguments == ["check"]:
        return check()
    if arguments == ["generate"]:
        for name in generate(ROOT):
            print(name)
        if write_conformance(ROOT):
            print("README.rst")
        if write_zoo(ROOT) | write_mutation(ROOT):
            print("stress/README.rst")
        try:
            if write_measures(ROOT):
                print("README.rst")
        except ModelError as error:  # Of another catalogue, until it is trained anew.
            print(f"README.rst keeps the measures that stand there: {error}", file=sys.stderr)
        return 0
    if arguments[:1] == ["conformance"]:
        from tools.conformance.command import main as conformance  # Loads kernels.

        return conformance(arguments[1:])
    print(USAGE, file=sys.stderr)
    return 2


sys.exit(main(sys.argv[1:]))
