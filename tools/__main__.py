"""python -m tools check|generate: look at the project, or write its generated files."""

import sys

from tools.check import ROOT, check
from tools.generated import generate, write_measures

USAGE = "usage: python -m tools check|generate"


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    if arguments == ["check"]:
        return check()
    if arguments == ["generate"]:
        for name in generate(ROOT):
            print(name)
        if write_measures(ROOT):
            print("README.rst")
        return 0
    print(USAGE, file=sys.stderr)
    return 2


sys.exit(main(sys.argv[1:]))
