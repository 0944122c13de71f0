"""Synthetic Wales and a stand-in for the LRS: for rehearsals and tests alone; the service does not import it.

Belongs here: invented learners in real schools with the faults planted among them, the truth of what was planted and
what must become of it, and an LRS that sees only its outbox. Does not belong here: anything a real census needs, and
any reading of the service's lake or of the truth by the stand-in.

Who the learners are: `synthetic_people`; what is planted among them: `synthetic_wales`; whom the LRS knows from before,
and why: `known_before`; the files: `synthetic_returns`.
To plant a new kind of fault: a row in `synthetic_wales.PLANTED`; its truth and its test come with it. New names:
`names.toml`. To teach the stand-in a new answer: `lrs_stand_in._judge`.
"""
