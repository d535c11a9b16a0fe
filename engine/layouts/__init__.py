"""Every byte the engine's processes share. Nothing is shared that is not here.

Reading order: control (how shared memory is recognised, how two processes talk), records (what they
pass), table (a worker's flows, which only that worker writes), windows and hosts (what the
classifier keeps of hosts). `engine layout` prints these tables; LAYOUTS.rst is that output, and a
test fails when the two differ.
"""

from engine.layouts.blocks import *  # noqa: F403
from engine.layouts.connection import *  # noqa: F403
from engine.layouts.control import *  # noqa: F403
from engine.layouts.hosts import *  # noqa: F403
from engine.layouts.recorder import *  # noqa: F403
from engine.layouts.records import *  # noqa: F403
from engine.layouts.table import *  # noqa: F403
from engine.layouts.windows import *  # noqa: F403
