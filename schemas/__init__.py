"""The names and forms of things: tables, cycles, codes, settings, texts, and the PLASC, LRS and CTF layouts.

`cycles.toml` which year groups go when · `tables.py` columns of the lake · `views.py` columns that people see · `states.py`
words for states · folders `codes`, `texts`, `settings`, `plasc`, `lrs`, `ctf`: data files beside the loaders that check them.
Does not belong here: anything that reads a pupil's data, knows Prefect, or imports another room.
To add a cycle, a layout or a code: edit the data file; the loader lists every fault in it at once.

Importing this package turns off telemetry, and the memory reserves of Arrow and the lake's library. All other rooms import
it first, because these libraries read their settings once, when they are imported.
"""

import os

for _name, _value in {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
    # The lake's library has its own allocator; it must give unused memory back at once.
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0",
    # Arrow's allocator would keep the memory of a large table; the C library's gives it back (`runtime.memory`).
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}.items():
    os.environ.setdefault(_name, _value)
