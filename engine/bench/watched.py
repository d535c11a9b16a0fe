"""Run one command on given cores and say what it and all its descendants cost.

A program of its own (standard library only): the kernel adds the CPU time of a child to its parent
when the parent waits for it. This process adopts what its descendants leave behind, so nothing that
the command started is left out. It reads a JSON object from standard input:

    {"command": [...], "cores": [...], "limit_s": seconds, "stdout_bytes_max": count}

and writes one to standard output: Watched of measure.py. It ends with all that it started, whatever
happens: on TERM, on the limit, when its own parent dies.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
STDERR_BYTES_MAX = 4096
LEAVE_S = 5.0  # Given to what was adopted, after the command has ended.
_POLL_S = 0.002


def _die(number: int, frame: object) -> None:
    """End the group: the command, what it started, and this process."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGKILL)


def _tail(file, count: int) -> str:
    """Return the last `count` bytes of a file as text."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - count))
    return file.read().decode("utf-8", "replace")


def _adopted_end(limit: float) -> bool:
    """Wait for adopted processes; return whether all ended before the monotonic time `limit`."""
    while time.monotonic() < limit:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(_POLL_S)
        except ChildProcessError:
            return True
    return False


def watch(task: dict) -> dict:
    """Run the command of a task and return what it cost."""
    os.sched_setaffinity(0, task["cores"])
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        began_ns, begin = time.time_ns(), time.monotonic()
        try:
            child = subprocess.Popen(
                task["command"], stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
            )
        except OSError as error:
            return {"exit_code": -1, "stderr": f"{task['command'][0]}: {error.strerror}"}
        late = False
        try:
            child.wait(task["limit_s"])
        except subprocess.TimeoutExpired:
            late = True
            child.kill()
            child.wait()
        wall_s = time.monotonic() - begin
        left_over = not _adopted_end(time.monotonic() + LEAVE_S)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "exit_code": child.returncode,
            "late": late,
            "left_over": left_over,
            "began_ns": began_ns,
            "wall_s": wall_s,
            "user_s": used.ru_utime,
            "system_s": used.ru_stime,
            "resident_bytes_max": used.ru_maxrss * 1024,
            "switches": used.ru_nvcsw + used.ru_nivcsw,
            "stdout": _tail(stdout, task["stdout_bytes_max"]),
            "stderr": _tail(stderr, STDERR_BYTES_MAX),
        }


def main() -> None:
    """Watch what standard input asks for."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getppid()
    os.setpgid(0, 0)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _die)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.getppid() != parent:
        return
    watched = watch(json.load(sys.stdin))
    sys.stdout.write(json.dumps(watched))
    sys.stdout.flush()
    if watched.get("left_over"):
        with contextlib.suppress(ProcessLookupError):
            _die(signal.SIGTERM, None)


if __name__ == "__main__":
    main()
