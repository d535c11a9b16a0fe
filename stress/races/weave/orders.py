"""Memory orders of accesses as numbers, and what each does to an access."""

PLAIN, RELAXED, ACQUIRE, RELEASE, ACQ_REL, SEQUENTIAL = range(6)
NAMES = ("plain", "relaxed", "acquire", "release", "acq_rel", "seq_cst")
ACQUIRES = (False, False, True, False, True, True)
RELEASES = (False, False, False, True, True, True)
