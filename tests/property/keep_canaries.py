"""Words that a batch changes without keeping them: a worker that dies must show each of them.

What a name, a module, a text and what becomes of it are: canaries.py. A line that is kept twice,
by two that change it, is none: without one of the two it is still kept.
"""

_UPDATE, _PANES = "engine.flows.update", "engine.flows.panes"
_POOLS, _DEADLINES = "engine.flows.pools", "engine.flows.deadlines"
_KEEP_BYTE = "    keep_words(table, table, table[BYTES_AT] + (row >> 3), 1)\n"

KEEP_CANARIES = {
    "flow line not kept": (
        _UPDATE,
        "        keep_line(table, line, 0)\n        keep_line(table, direction_line",
        "        keep_line(table, direction_line",
    ),
    "direction line not kept": (
        _UPDATE,
        "        keep_line(table, direction_line(line, side), 0)\n",
        "",
    ),
    "row that splits not kept": (_UPDATE, "    keep_row(table, row)\n", ""),
    "addresses not kept": (
        _UPDATE,
        "        keep_words(table, kept, 0, places.ADDRESS_WORDS)\n",
        "",
    ),
    "row used again not kept": (_POOLS, "        keep_row(table, row)\n", ""),
    "row that ends not kept": (
        "engine.flows.finish",
        "    keep_line(table, row_at(table, row), 0)\n",
        "",
    ),
    "side line of a delta not kept": (
        "engine.flows.emit",
        "    keep_side_line(table, line)\n    spills",
        "    spills",
    ),
    "flow line of a delta not kept": (
        _PANES,
        "            keep_line(table, line, 0)\n            emit_delta",
        "            emit_delta",
    ),
    "side line of payload not kept": (
        "engine.flows.payload",
        "        keep_side_line(shard.table, line)\n",
        "",
    ),
    "block given back not kept": (
        _POOLS,
        "    keep_line(table, line, 0)\n    for word in range(1,",
        "    for word in range(1,",
    ),
    "block in use not kept": (
        _POOLS,
        "        keep_line(table, block_at(table, block), 0)\n    return",
        "        pass\n    return",
    ),
    "reference to a block not kept": (_POOLS, "        keep_words(table, line, word, 1)\n", ""),
    "bytes not kept": (_DEADLINES, _KEEP_BYTE, ""),
    "connection not kept": (
        "engine.flows.connection",
        "    keep_words(table, connection, 0, CONNECTION_WORDS)\n    responder",
        "    responder",
    ),
    "clock step not kept": (
        "engine.flows.steps",
        "    keep_words(table, entry, 0, STEP_WORDS)\n",
        "",
    ),
    "counters and control words not kept": (
        "engine.flows.consume",
        "    begin(shard.table)\n",
        "",
    ),
}
