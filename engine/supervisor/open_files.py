"""How many files a run will have open, and that it may.

A merged run has all its captures open, each mapped in capture and in every worker; the usual limit
is 1,024. A file that could not be opened for that would look like a damaged one.
"""

import resource

from engine.errors import ConfigError
from engine.rings.plan import RunPlan

EACH_WORKER = 12  # Three segments of two descriptors each, the ends of a pipe; and some to spare.
OTHERS = 100


def allow_open_files(plan: RunPlan) -> None:
    """Raise this process's limit, which its children inherit; ConfigError if it is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    sources = 1 if plan.separate else len(plan.files)
    wanted = sources + EACH_WORKER * plan.workers + OTHERS
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise ConfigError(
            f"{sources:,} sources merged by {plan.workers} workers need {wanted:,} open files, "
            f"{hard:,} are allowed: raise that limit (ulimit -n), lower engine.workers, or read "
            f"the sources one by one (--separate)"
        )
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
