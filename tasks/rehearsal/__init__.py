"""Synthetic Wales and a stand-in for the LRS, only for rehearsals and tests; the service does not import it.

Belongs here: invented learners in real schools, planted faults with the outcome that each must have, and an LRS that sees
only its outbox. Does not belong here: anything that a real census needs. The stand-in never reads the service's lake or the
truth of a rehearsal.

`synthetic_people`: the learners; `synthetic_wales`: the planted faults; `known_before`: learners whom the LRS already
knows; `synthetic_returns`: the files. To plant a new kind of fault: a row in `synthetic_wales.PLANTED`; its truth and its
test come with it. To add names: `names.toml`. To add an answer of the stand-in: `lrs_stand_in._judge`.
"""
