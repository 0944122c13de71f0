"""Slips for a school's learners and a list for its staff, made from its last delivered zip. No engine.

They name exactly the learners in the school's transfer file. They are made on request (`uln slips`), because slips for a
hundred thousand learners would slow every run. The same request makes the same bytes.
"""

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from schemas.cycles import cycle_by_id
from schemas.texts.catalogue import Language
from tasks.io.data_root.data_root import DataRoot, write_each
from tasks.io.data_root.reference import privacy_notice, schools
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.io.school.ctf_reader import read_ctf
from tasks.io.school.slips_pdf import beside, write_pdf


@dataclass
class Slips:
    """The slips that were made.

    Attributes:
        learners: number of learners with a slip, by school.
        files: paths below the data root.
        gone: schools whose delivered zip is missing or has changed.
    """

    learners: dict[str, int] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def make_slips(data: str, cycle_id: str, la: list[str] | None = None, school: list[str] | None = None) -> Slips:
    """Make the slips and lists of a cycle's schools: all, or those of the authorities `la` and the schools `school`.

    Raises:
        ConfigurationFault: `reference/privacy_notice.toml` is wrong.
        ServiceFault: a run has locked the data root.
        OSError: a file could not be written.
    """
    root, cycle = DataRoot(Path(data)), cycle_by_id(cycle_id)
    notice = privacy_notice(root.reference)
    titles: dict[Language, str] = {"cy": cycle.title_cy, "en": cycle.title_en}
    register = schools(root.reference)
    names = dict(zip(register["school_number"], register["school_name"], strict=True))
    slips = Slips()
    with one_run_at_a_time(data):
        columns = ["school_number", "la_code", "path", "sha256", "number"]
        rows = Lake.of(root).read("deliveries", columns, cycle=cycle_id)
        # Leave out authorities' workbooks, which are under the authority's code.
        wanted = rows["school_number"] != rows["la_code"]
        if la or school:
            wanted &= rows["la_code"].isin(la or []) | rows["school_number"].isin(school or [])
        newest = rows[wanted].sort_values("number").drop_duplicates("school_number", keep="last")
        for delivery in newest.sort_values("school_number").to_dict("records"):
            number, path = str(delivery["school_number"]), root.path / str(delivery["path"])
            content = path.read_bytes() if path.is_file() else b""
            if hashlib.sha256(content).hexdigest() != delivery["sha256"]:
                slips.gone.append(number)
                continue
            learners = _in_file(content)
            if learners.empty:
                continue
            about = f"{names.get(number, '')} ({number})".strip()
            pdfs = {
                pdf: write_pdf(kind, learners, school=about, cycle=titles, notice=notice)
                for kind, pdf in beside(path).items()
            }
            for fault in write_each(pdfs).values():
                raise fault
            slips.learners[number] = len(learners)
            slips.files += [pdf.relative_to(root.path).as_posix() for pdf in pdfs]
    return slips


def _in_file(content: bytes) -> pd.DataFrame:
    """Return the learners of the transfer file in a school's zip: upn, uln, surname, forename."""
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        files = [read_ctf(bundle.read(name)) for name in bundle.namelist() if name.endswith(".xml")]
    columns = {"upn": "UPN", "uln": "UniqueLearnerNumber", "surname": "Surname", "forename": "Forename"}
    return pd.DataFrame({c: files[0].texts(e) if files else [] for c, e in columns.items()}, dtype="str")
