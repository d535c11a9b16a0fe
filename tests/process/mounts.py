"""A mount namespace with a /dev/shm and a disk of given sizes: nobody else sees or fills them."""

import subprocess
from pathlib import Path

HANG_S = 90
LARGE, DISK = "1g", "1400k"
_SCRIPT = """
mount -t tmpfs -o size=$1 tmpfs /dev/shm && mkdir -p "$3" && mount -t tmpfs -o size=$2 tmpfs "$3" &&
echo ready && exec sleep infinity
"""
_WAYS = (("--mount",), ("--mount", "--user", "--map-root-user"))


class NotPermittedError(Exception):
    """This machine lets us make no mount namespace."""


class Mounts:
    """A namespace in which /dev/shm and a disk are new and of given sizes."""

    def __init__(self, shared_memory: str, disk: Path, disk_size: str = DISK) -> None:
        """`disk` is where the disk is mounted."""
        for way in _WAYS:
            words = ["unshare", *way, "sh", "-c", _SCRIPT, "sh", shared_memory, disk_size]
            self._keeper = subprocess.Popen(
                [*words, str(disk)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            if self._keeper.stdout.readline() == "ready\n":
                break
            self.close()
        else:
            raise NotPermittedError("mount namespaces are not permitted here")
        user = ("--user", "--preserve-credentials") if "--user" in way else ()
        self.enter = ("nsenter", "--target", str(self._keeper.pid), "--mount", *user)

    def inside(self, path: Path) -> Path:
        """Return the way from outside to a path as it is inside."""
        return Path(f"/proc/{self._keeper.pid}/root") / path.relative_to("/")

    @property
    def segments(self) -> set[str]:
        """Return what is in its /dev/shm."""
        return {path.name for path in self.inside(Path("/dev/shm")).iterdir()}

    def close(self) -> None:
        """End the namespace with all that is in it."""
        self._keeper.kill()
        self._keeper.stdout.close()
        self._keeper.wait(HANG_S)
