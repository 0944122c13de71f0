"""The rehearsal flow: a whole cycle on synthetic learners, with a stand-in for the LRS.

It needs a data root of its own: synthetic learners must never mix with real ones.
"""

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from flows.census import census
from flows.lrs_returns import lrs_returns
from flows.run.flow_run import Counts, root_of, service_flow
from flows.run.forms import CycleId, MaybeFolder, MaybeNumber, Number, TransportName
from flows.run.progress import begin_step
from schemas.cycles import Cycle, cycle_by_id
from schemas.lrs.profiles import all_profiles
from schemas.settings.locations import locations_of
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.data_root.reference import schools
from tasks.io.lrs.settings import FILE_NAME
from tasks.rehearsal.certificates import make_certificates
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tasks.rehearsal.lrs_web_stand_in import PASSWORD, answer_jobs, serving, settings_of
from tasks.rehearsal.other_side import bring, other_side, take
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tasks.runtime.context import moment
from tasks.runtime.task import stage_task

#: Values of `via` for which the files go to folders on other machines.
_FAR = ("sftp", "s3")

#: A census run's limit, a returns run's, and time for the steps between them.
LONGEST_SECONDS = 8 * 3600


@service_flow("rehearsal", longest=LONGEST_SECONDS, run_name="rehearsal {cycle}")
def rehearsal(
    cycle: CycleId = "2012-01",
    schools_wanted: MaybeNumber = None,
    seed: Number = 1,
    data: MaybeFolder = None,
    via: TransportName = "files",
) -> dict[str, Counts]:
    """Chwarae cylch ar ddysgwyr ffug / Play a cycle on synthetic learners, with a stand-in for the LRS.

    Args:
        cycle: Y cylch / The cycle.
        schools_wanted: Faint o ysgolion; pob un os yn wag / How many schools; all if empty.
        seed: Yr un hedyn, yr un Gymru / The same seed makes the same Wales, to the byte.
        data: Gwreiddyn y data, heb ddysgwyr go iawn / The data root, without real learners.
        via: Sut y trosglwyddir: ffolderi'r gwreiddyn, gwasanaeth gwe'r LRS, SFTP neu storfa S3 / How files are handed over:
            folders of the data root, the LRS web service, SFTP or an S3 store.

    Returns:
        The counts of `made` (the synthetic returns), `census`, `stand_in` and `returns`.

    Raises:
        ServiceFault: the data root holds files that no rehearsal made, or its files go to other machines.
    """
    root = root_of(data)
    sent, answered = rehearsal_times(cycle_by_id(cycle))
    made = make_wales(data=root, cycle=cycle, schools_wanted=schools_wanted, seed=seed)
    with _transport(DataRoot(Path(root)), via):
        census_counts = cast(Counts, census(cycle=cycle, as_of=sent, data=root))  # never a State: a named cycle is due
        begin_step("LRS stand-in", cycle)
        stand_in = play_lrs(data=root, seed=seed, via=via, as_of=sent)
        returns_counts = lrs_returns(as_of=answered, data=root)
    return {"made": made, "census": census_counts, "stand_in": stand_in, "returns": returns_counts}


@contextmanager
def _transport(root: DataRoot, via: str) -> Iterator[None]:
    """Run the other side: the LRS's web service, or SFTP or S3 folders with the returns in them; nothing for files."""
    settings = root.reference / FILE_NAME
    settings.unlink(missing_ok=True)
    if via == "soap":
        certificates = make_certificates(root.path / "rehearsal" / "certificates")
        with serving(root.path, certificates) as stand_in, _environment({"ULN_LRS_PASSWORD": PASSWORD}):
            write_whole(settings, settings_of(stand_in, certificates).encode())
            yield
    elif via in _FAR:
        with other_side(root, via) as locations, _environment(locations):
            bring(root, "dewi_inbox")
            yield
    else:
        yield


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def rehearsal_times(cycle: Cycle) -> tuple[str, str]:
    """Return the ISO times of a rehearsed census and of its answers: 28 and 42 days after the cycle's census opens."""
    opened = dt.datetime.combine(cycle.census_from, dt.time(9, 15))
    return (opened + dt.timedelta(days=28)).isoformat(), (opened + dt.timedelta(days=42)).isoformat()


@stage_task("make-wales", "make-wales {cycle}")
def make_wales(data: str, cycle: str, schools_wanted: int | None, seed: int) -> Counts:
    """Write the synthetic returns, registration and opt-outs of a cycle, and return counts: schools, files."""
    root = DataRoot(Path(data))
    refuse_real_returns(root)
    register = schools()
    taking = register[register["sector_en"].isin(["Secondary", "Middle", "Special"])]
    if schools_wanted is not None:
        if not 1 <= schools_wanted <= len(taking):
            raise ConfigurationFault("--schools", [bilingual("fault.how_many_schools", most=len(taking))])
        taking = taking[taking["sector_en"] != "Special"]
        taking = taking.iloc[:: max(1, len(taking) // schools_wanted)].head(schools_wanted)
    write_whole(root.rehearsal_mark, b'{"synthetic": true}\n')
    wales = plan_wales(taking.reset_index(drop=True), cycle_by_id(cycle), seed)
    progress = begin_step("make Wales", cycle, of=len(taking))
    files = write_wales(wales, root.path, cycle_by_id(cycle), progress)
    return {"schools": len(taking), "files": len(files)}


def refuse_real_returns(root: DataRoot) -> None:
    """Refuse a data root that holds files no rehearsal made, or whose files go to other machines.

    Raises:
        ServiceFault: either is the case; its sentence says how to go on.
    """
    if locations_of(root.reference).named:
        raise ServiceFault(bilingual("fault.rehearsal_elsewhere"))
    holds = any(root.dewi_inbox.rglob("*.*")) or (root.reference / "registration.csv").exists()
    if holds and not root.rehearsal_mark.exists():
        raise ServiceFault(bilingual("fault.real_returns", root=root.path))


@stage_task("lrs-stand-in", "lrs-stand-in")
def play_lrs(data: str, seed: int, via: str = "files", as_of: str = "") -> Counts:
    """Let the stand-in answer the batches in `lrs/outbox`, or the jobs of its web service.

    Returns:
        Counts: files, rows, ulns, and learners without a ULN by `exception.<code>`.
    """
    root = DataRoot(Path(data))
    if via in _FAR:
        take(root)
    if via == "soap":
        summary = answer_jobs(root.path, moment(as_of).date(), seed)
    else:
        summary = answer_outbox(root.path, profiles=all_profiles(root.reference / "lrs"), seed=seed)
    if via in _FAR:
        bring(root, "lrs_inbox")
    without = {f"exception.{code}": n for code, n in sorted(summary.exceptions.items())}
    return {"files": summary.files, "rows": summary.rows, "ulns": summary.ulns, **without}
