"""What a feature is: one row of the catalogue."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the vector. The row is the definition; code obeys it, and the digest is of it.

    `name` is the column in every output and model. `cicflowmeter` and `nfstream` name the columns
    of those programs that mean the same, separated by "; ", with the difference in parentheses.
    """

    name: str  # [fwd_|bwd_]quantity_statistic
    group: str
    scope: str  # "flow", or whose window and how long
    unit: str
    definition: str
    valid_when: str
    cicflowmeter: str = ""
    nfstream: str = ""
