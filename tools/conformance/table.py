"""The table of all peers, as text and as README.rst shows it."""

TITLES = {
    "ndpi": "nDPI",
    "nfstream": "NFStream",
    "arkime": "Arkime",
    "ipfixprobe": "ipfixprobe",
    "zeek": "Zeek",
    "zeek-llc": "Zeek, one RST 1,333 times",
    "suricata-verify": "Suricata, checks",
    "community-id": "Community ID",
    "nfstream-live": "NFStream itself, training captures",
}
COLUMNS = ("peer", "captures", "records", "equal", "%", "extra", "further fields of equal records")


def cells(row: dict) -> list[str]:
    """Return the texts of a peer's line."""
    share = 100 * row["equal"] / row["records"] if row["records"] else 0.0
    numbers = [f"{row[name]:,}" for name in ("captures", "records", "equal")]
    further = [f"{name} {equal:,}/{count:,}" for name, (equal, count) in row["fields"].items()]
    return [
        TITLES[row["peer"]],
        *numbers,
        f"{int(share * 10) / 10}",
        f"{row['extra']:,}",
        ", ".join(further),
    ]


def text_table(rows: list[dict]) -> str:
    """Return the table for a terminal."""
    lines = [COLUMNS, *(cells(row) for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(COLUMNS) - 1)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0])]
            + [line[at].rjust(widths[at]) for at in range(1, len(widths))]
            + [line[-1]]
        )
        for line in lines
    )


def rst_table(rows: list[dict]) -> str:
    """Return the table as a list-table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (COLUMNS, *(cells(row) for row in rows)):
        lines += [f"   {'*' if not at else ' '} - {cell}".rstrip() for at, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
