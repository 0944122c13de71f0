"""What may be wrong with a data root and the machine it lies on, and what to do about each; for `uln doctor`. Reads only.

Belongs here: checks that need no engine; those of server and schedule are `flows.services.doctor`'s. Each yields what
it found, one `CheckResult` at least, so that a reader sees what was looked at. To add a check: a function in `CHECKS`, its
sentences `doctor.<check>.<case>` and, where it is not well, `doctor.<check>.<case>_do` in `texts.csv`, a test in which
it fails.
"""

import datetime as dt
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from expectations.rule_catalogue import all_rules
from schemas.codes.quarantine_reasons import all_reasons
from schemas.codes.return_codes import all_return_codes
from schemas.codes.service_codes import service_codes
from schemas.ctf.versions import all_versions
from schemas.cycles import all_cycles
from schemas.lrs.profiles import SOAP, all_profiles
from schemas.plasc.layouts import all_layouts
from schemas.settings.exceptions import exception_terms
from schemas.settings.locations import LAKE, locations_of
from schemas.settings.retention import all_retention
from schemas.settings.watching import how_watched
from schemas.states import BatchShown, BatchState
from schemas.tables import TABLES
from schemas.texts.catalogue import Bilingual, all_texts, bilingual, sentence_of
from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.file_system import file_system_of, is_shared
from tasks.io.data_root.reference import opt_outs, privacy_notice, registration, schools
from tasks.io.lake.lake import Lake
from tasks.io.lake.location import place_of
from tasks.io.lake.maintenance import damage, try_out
from tasks.io.lake.migration import older_tables
from tasks.io.lrs.settings import lrs_service
from tasks.io.remote.folders import access_proven, keeps_what_stands
from tasks.io.remote.open import open_folder
from tasks.ledger.lrs_jobs import failed_jobs
from tasks.reports.batches import batches_waiting
from tasks.runtime.error_boundary import is_transient
from tasks.steps.lrs_calls import job_list, learner_service


class Level(StrEnum):
    """How a check ended; a fault makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        check: its word.
        level: how it ended.
        what: one sentence; references and counts.
        action: what to do about it; None where nothing is to be done.
    """

    check: str
    level: Level
    what: Bilingual
    action: Bilingual | None = None

    def as_json(self) -> dict[str, str]:
        """The same for programs."""
        told = {"check": self.check, "level": self.level.value, "what_cy": self.what.cy, "what_en": self.what.en}
        return told if self.action is None else told | {"action_cy": self.action.cy, "action_en": self.action.en}


def check_result(check: str, level: Level, case: str, **places: object) -> CheckResult:
    """What a check found, in the sentences of its case."""
    key = f"doctor.{check}.{case}"
    return CheckResult(
        check, level, bilingual(key, **places), None if level is Level.OK else bilingual(f"{key}_do", **places)
    )


def run_checks(data: str, day: dt.date) -> Iterator[CheckResult]:
    """Every check that needs no engine, in order; those of the lake only where there is a data root.

    Args:
        data: the data root.
        day: from which the age of batches counts.
    """
    root = DataRoot(Path(data))
    yield from _versions()
    yield from _folders(root)
    if root.path.is_dir():
        lake_serves, told = _store(root)
        yield from told
        for check in CHECKS:
            if lake_serves or check not in _OF_THE_LAKE:
                yield from check(root, day)


def _versions() -> Iterator[CheckResult]:
    """The interpreter and the packages are those that the project asks for."""
    wrong = [] if sys.version_info >= (3, 11) else [f"Python {sys.version_info.major}.{sys.version_info.minor}"]
    try:
        wanted = [Requirement(one) for one in requires("uln-service-wales") or ()]
    except PackageNotFoundError:
        yield check_result("versions", Level.WARNING, "not_installed")
        return
    for one in wanted:
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            try:
                there = version(one.name)
            except PackageNotFoundError:
                there = ""
            if not there or not one.specifier.contains(there, prereleases=True):
                wrong.append(f"{one.name} {there or '-'} ({one.specifier})")
    if wrong:
        yield check_result("versions", Level.FAULT, "wrong", packages=", ".join(wrong))
    else:
        yield check_result("versions", Level.OK, "fit", number=len(wanted))


def _folders(root: DataRoot) -> Iterator[CheckResult]:
    """The folders are there and may be used by this account."""
    if not root.path.is_dir():
        yield check_result("folders", Level.FAULT, "no_root", root=root.path)
        return
    places = (root.reference, root.dewi_inbox, root.lrs_inbox, root.dewi_outbox, root.lrs_outbox, root.lake)
    missing = [place for place in places if not place.exists()]
    closed = [
        place for place in places if place.exists() and not (place.is_dir() and os.access(place, os.R_OK | os.X_OK))
    ]
    closed += [place for place in places[3:] if place.is_dir() and not os.access(place, os.W_OK)]
    if missing:
        yield check_result("folders", Level.WARNING, "missing", places=_named(root, missing))
    if closed:
        yield check_result("folders", Level.FAULT, "closed", places=_named(root, closed))
    if not missing and not closed:
        yield check_result("folders", Level.OK, "fit", root=root.path)


def _named(root: DataRoot, places: list[Path]) -> str:
    return ", ".join(sorted({place.relative_to(root.path).as_posix() for place in places}))


def _configuration(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Every file that a person may edit can be read, the project's own and the data root's."""
    own = root.reference
    codes = own / "return_codes.csv"
    loaders: tuple[Callable[[], Any], ...] = (
        *(all_texts, all_cycles, all_layouts, all_versions, all_reasons, all_rules),
        *(lambda: registration(own), lambda: opt_outs(own), lambda: schools(own), lambda: privacy_notice(own)),
        *(lambda: all_profiles(own / "lrs"), lambda: all_return_codes(codes if codes.exists() else None)),
        *(lambda: exception_terms(own / "exceptions.toml"), lambda: all_retention(own / "retention.toml")),
        *(lambda: root.access, lambda: how_watched(own / "watching.toml")),
        *(lambda: lrs_service(own), lambda: service_codes(own), lambda: locations_of(own), lambda: place_of(root)),
    )
    sound = True
    for load in loaders:
        try:
            load()
        except (ConfigurationFault, OSError) as fault:
            sound = False
            told = sentence_of(fault) if isinstance(fault, ConfigurationFault) else type(fault).__name__
            yield check_result("configuration", Level.FAULT, "wrong", fault=told)
    if not (own / "registration.csv").exists():
        sound = False
        yield check_result("configuration", Level.WARNING, "no_registration")
    if sound:
        yield check_result("configuration", Level.OK, "fit", number=len(loaders))


def _rights(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Nobody may enter who is not let in."""
    try:
        places = root.open_places()
    except ConfigurationFault:
        return  # told with the configuration
    if places:
        yield check_result("rights", Level.WARNING, "open", places=", ".join(places))
    else:
        yield check_result("rights", Level.OK, "fit")


def _free_space(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """There is room for what a run writes."""
    try:
        bounds = how_watched(root.reference / "watching.toml").free_space
    except ConfigurationFault:
        return
    free = shutil.disk_usage(root.path).free / 2**30
    level = Level.FAULT if free < bounds.fault_below_gib else Level.OK
    level = Level.WARNING if level is Level.OK and free < bounds.warn_below_gib else level
    yield check_result("free_space", level, "fit" if level is Level.OK else "little", gib=f"{free:.1f}")


def _evidence(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """No run has met what nobody foresaw."""
    others = ("warning-", "workers", _LOST)
    kept = [path for path in root.path.glob("reports/*/faults/*") if not path.name.startswith(others)]
    if kept:
        newest = max(kept, key=lambda path: (path.stat().st_mtime_ns, path.name))
        yield check_result(
            "evidence", Level.WARNING, "kept", number=len(kept), newest=newest.relative_to(root.path).as_posix()
        )
    else:
        yield check_result("evidence", Level.OK, "none")


#: How the evidence begins that a run leaves which has lost its cluster (`tasks.runtime.dask_executor`).
_LOST = "machines-lost-"


def _machines(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """No run has lost its cluster and gone on alone."""
    lost = list((root.reports("process") / "faults").glob(f"{_LOST}*"))
    if lost:
        newest = max(lost, key=lambda path: (path.stat().st_mtime_ns, path.name))
        where = newest.relative_to(root.path).as_posix()
        yield check_result("machines", Level.WARNING, "lost", number=len(lost), newest=where)
    else:
        yield check_result("machines", Level.OK, "none")


def _locks(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """One run at a time rests on a lock; that it holds between machines which share the storage, one of them cannot see."""
    kind = file_system_of(root.path)
    if is_shared(kind):
        yield check_result("locks", Level.WARNING, "shared", kind=kind, lock=root.lake / ".run.lock")
    else:
        yield check_result("locks", Level.OK, "fit", kind=kind or "-")


def _store(root: DataRoot) -> tuple[bool, list[CheckResult]]:
    """Whether the lake can be looked at; and of one that is no folder, whether it is reached and loses no commit."""
    try:
        way, lake = locations_of(root.reference).lake, Lake.of(root)
    except ConfigurationFault:
        return False, []  # told with the configuration
    if way is None or lake.place.folder is not None:
        return True, []
    place = lake.place.address
    try:
        try_out(lake)
    except Exception as error:  # noqa: BLE001 - whatever either library says of a store
        return False, [check_result("store", Level.FAULT, "away" if is_transient(error) else "refuses", place=place)]
    # The lake's library looks before it commits: only a put that is made blindly shows what the store does with it.
    try:
        with open_folder(way) as there:
            keeps = keeps_what_stands(there)
    except ServiceFault as fault:
        return True, [check_result("store", Level.WARNING, "unproven", place=place, told=fault.args[0])]
    return keeps, [
        check_result("store", Level.OK, "fit", place=place)
        if keeps
        else check_result("store", Level.FAULT, "loses", place=place)
    ]


def _lake(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Each table opens, its files are there, and what one table says of another is so."""
    lake = Lake.of(root)
    damaged = [(name, what) for name in TABLES if (what := damage(lake, name)) is not None]
    for name, what in damaged:
        yield check_result("lake", Level.FAULT, what, table=name)
    if damaged:
        return
    disagreeing = list(_disagreeing(lake))
    yield from disagreeing
    older = older_tables(lake)
    if older:
        yield check_result("lake", Level.OK, "older", tables=", ".join(older))
    elif not disagreeing:
        yield check_result("lake", Level.OK, "fit", number=sum(v >= 0 for v in lake.versions().values()))


def _disagreeing(lake: Lake) -> Iterator[CheckResult]:
    """Where the ledger's tables do not agree, by the transaction ids that commits carry.

    The ids: `tasks.stages.collect`, `tasks.stages.merge`.
    """
    taken = lake.read("received", ["sha256"], kind="lrs_result", status="accepted")["sha256"]
    collected = lake.committed("lrs_returns", [f"collect/{one}" for one in taken])
    if len(collected) < len(taken):
        yield check_result("lake", Level.FAULT, "answers", number=len(taken) - len(collected))
    merging = {f"merge/{sha256}/{n}" for sha256, n in lake.sizes("lrs_returns", "sha256", tied="Y").items()}
    unmerged = merging - lake.committed("learners", merging)
    if unmerged:
        yield check_result("lake", Level.WARNING, "unmerged", number=len(unmerged))
    batches = lake.read("batches", ["batch_ref", "rows"])
    there = lake.sizes("batch_rows", "batch_ref")
    wrong = [ref for ref, n in zip(batches["batch_ref"], batches["rows"], strict=True) if there.get(ref, 0) != n]
    if wrong:
        yield check_result("lake", Level.FAULT, "batch_rows", number=len(wrong), first=wrong[0])


_MOST_NAMED = 5


def _batches(root: DataRoot, day: dt.date) -> Iterator[CheckResult]:
    """No batch waits for a person."""
    if any(damage(Lake.of(root), name) for name in ("batches", "lrs_returns")):
        return  # told with the lake
    waiting = batches_waiting(str(root.path), day).frame
    for case, state in (("unconfirmed", BatchShown.SENT_UNCONFIRMED), ("stuck", BatchShown.STUCK)):
        own = waiting[waiting["state"] == state.value]
        if len(own):
            named = ", ".join(own["batch_ref"].head(_MOST_NAMED)) + (", .." if len(own) > _MOST_NAMED else "")
            oldest = int(own["age"].max())
            yield check_result("batches", Level.WARNING, case, number=len(own), batches=named, days=oldest)
    if waiting.empty:
        yield check_result("batches", Level.OK, "none")


#: How long a batch for the web service may be READY before a person is told.
_MAY_WAIT = dt.timedelta(days=1)


def _lrs_web_service(root: DataRoot, day: dt.date) -> Iterator[CheckResult]:
    """The LRS web service can be reached, where it is used; no learner and no password is sent. Its jobs go well.

    And batches go: where each night's run finds the LRS closed, none of them fails and none hands anything over.
    """
    try:
        settings, codes = lrs_service(root.reference), service_codes(root.reference)
    except ConfigurationFault:
        return  # told with the configuration
    if not settings.can_call:
        yield check_result("lrs_service", Level.OK, "none")
        return
    away = learner_service(settings).reached()
    if away is None:
        yield check_result("lrs_service", Level.OK, "fit")
    else:
        yield check_result("lrs_service", Level.FAULT, "away", told=codes[away].told)
    if any(damage(Lake.of(root), name) for name in ("lrs_jobs", "batches")):
        return
    failed = list(failed_jobs(root, Lake.of(root))["job_ref"])
    if failed:
        yield check_result("lrs_service", Level.WARNING, "failed", number=len(failed), jobs=job_list(failed))
    ready = Lake.of(root).read("batches", ["built_at"], state=BatchState.READY.value, format=SOAP)["built_at"].str[:10]
    old = ready[ready < (day - _MAY_WAIT).isoformat()]
    if len(old):
        yield check_result("lrs_service", Level.WARNING, "waits", number=len(old), since=old.min())


def _ways(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Each folder on another machine can be used; nothing is handed over."""
    try:
        every = locations_of(root.reference).named
    except ConfigurationFault:
        return  # told with the configuration
    named = {name: way for name, way in every.items() if name != LAKE}
    if not named:
        yield check_result("ways", Level.OK, "none")
    for name, way in named.items():
        try:
            number = access_proven(way, writes=name.endswith("_outbox"))
        except ServiceFault as fault:
            yield check_result("ways", Level.FAULT, "shut", way=name, told=fault.args[0])
        else:
            yield check_result("ways", Level.OK, "fit", way=name, place=way.shown, number=number)


_OF_THE_LAKE = (_lake, _batches, _lrs_web_service)
CHECKS = (_configuration, _rights, _free_space, _evidence, _machines, _locks, _lake, _batches, _lrs_web_service, _ways)
