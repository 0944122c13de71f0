"""What things are called and look like: tables, cycles, codes, and the PLASC, LRS and CTF layouts.

Belongs here: data files (TOML, CSV, XSD) and the loaders that check them; enums and table schemas.
Does not belong here: anything that reads a pupil's data, knows Prefect, or imports another room.
To add a cycle, a layout or a code: edit the data file; the loader lists every fault it finds at once.
"""
