"""The happens-before race detector: two accesses, one of them plain, one a write, in no order.

Each role has a vector clock; its own entry grows whenever it publishes (a release). Of each cell
are kept the last plain write and each role's last plain read, atomic write and atomic read: number
of the role, its own clock then, and the site. An access is ordered after another one if its role's
clock has reached the other's. As every race is reported, the last of each kind is enough.
"""

from stress.races.weave.cells import Cell, ViolationError
from stress.races.weave.sites import Site, place_of

_WORDS = {
    (False, False): "plain read",
    (False, True): "plain write",
    (True, False): "atomic read",
    (True, True): "atomic write",
}


class DataRaceError(ViolationError):
    """A race: `sites` are those of the later and of the earlier access.

    `later` is the later access, at which the execution ended: role, what, word.
    """

    def __init__(self, text: str, sites: tuple[Site, Site], later: tuple[str, str, str]) -> None:
        super().__init__("data race", text)
        self.sites = sites
        self.later = later


def join(clock: list[int], other: list[int]) -> None:
    """Raise each entry of a clock to that of another."""
    for number, at in enumerate(other):
        if at > clock[number]:
            clock[number] = at


class Detector:
    """Judges each access of an execution. `names` are the roles' names by number."""

    def __init__(self, names: list[str]) -> None:
        self._names = names

    def read(self, role, cell: Cell, is_atomic: bool, site: Site) -> None:
        """Note a read; DataRaceError if it has one."""
        clock, me = role.clock, role.number
        write = cell.plain_write
        if write is not None and write[1] > clock[write[0]] and write[0] != me:
            self._race(role, cell, site, (is_atomic, False), (False, True), write)
        if is_atomic:
            cell.atomic_reads[me] = (me, clock[me], site)
            return
        for write in cell.atomic_writes.values():
            if write[1] > clock[write[0]] and write[0] != me:
                self._race(role, cell, site, (False, False), (True, True), write)
        cell.plain_reads[me] = (me, clock[me], site)

    def write(self, role, cell: Cell, is_atomic: bool, site: Site) -> None:
        """Note a write; DataRaceError if it has one."""
        clock, me = role.clock, role.number
        kind = (is_atomic, True)
        write = cell.plain_write
        if write is not None and write[1] > clock[write[0]] and write[0] != me:
            self._race(role, cell, site, kind, (False, True), write)
        for read in cell.plain_reads.values():
            if read[1] > clock[read[0]] and read[0] != me:
                self._race(role, cell, site, kind, (False, False), read)
        if is_atomic:
            cell.atomic_writes[me] = (me, clock[me], site)
            return
        for write in cell.atomic_writes.values():
            if write[1] > clock[write[0]] and write[0] != me:
                self._race(role, cell, site, kind, (True, True), write)
        for read in cell.atomic_reads.values():
            if read[1] > clock[read[0]] and read[0] != me:
                self._race(role, cell, site, kind, (True, False), read)
        cell.plain_write = (me, clock[me], site)

    def _race(self, role, cell: Cell, site: Site, kind, other_kind, other) -> None:
        text = (
            f"{_WORDS[kind]} of {cell.name} by {role.name} at {place_of(site)} and"
            f" {_WORDS[other_kind]} by {self._names[other[0]]} at {place_of(other[2])}"
            " are in no order"
        )
        what = f"{'store' if kind[1] else 'load'} {'atomic' if kind[0] else 'plain'}"
        raise DataRaceError(text, (site, other[2]), (role.name, what, cell.name))
