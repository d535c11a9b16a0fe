"""engine, with workers whose flow table is memory of their own: the defect that began it all.

`python -m stress.zoo.private_table run ...` takes the words of `engine`. The switch is this file: a
twin of the worker's module by one edit, put in its place before stages are forked. The product has
none.
"""

from engine.cli import main
from engine.worker import main as worker
from stress.zoo.twins import Edit, twin_of

MODULE = "engine.worker.main"
EDIT = Edit(MODULE, "Worker(plan, line, table.words,", "Worker(plan, line, table.words.copy(),")


if __name__ == "__main__":
    worker.main = twin_of(MODULE, ("main",), EDIT).main
    main()
