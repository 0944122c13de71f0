"""Checks of a data root and its machine, each with what to do about a fault; for `uln doctor`. They change no data.

Belongs here: checks without the engine; those of server and schedule are in `flows.services.doctor`. Each check yields at
least one `CheckResult`, so that a reader sees what was checked. To add a check: a function in `CHECKS`, its sentences
`doctor.<check>.<case>` and, for a fault or warning, `doctor.<check>.<case>_do` in `texts.csv`, and a test in which it fails.
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
from schemas.settings.locations import LAKE, locations_of
from schemas.settings.terms import all_retention, exception_terms, how_watched
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
from tasks.io.remote.folders import access_proven, refuses_overwrite
from tasks.io.remote.open import open_folder
from tasks.ledger.lrs_jobs import failed_jobs
from tasks.reports.batches import batches_waiting
from tasks.runtime.error_boundary import is_transient
from tasks.steps.lrs_calls import job_list, learner_service


class Level(StrEnum):
    """Level of a check's result; a fault makes the exit code 1."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class CheckResult:
    """Result of a check.

    Attributes:
        check: the check's word.
        level: ok, warning or fault.
        what: one sentence, with references and counts.
        action: what to do about it; None if nothing is to be done.
    """

    check: str
    level: Level
    what: Bilingual
    action: Bilingual | None = None

    def as_json(self) -> dict[str, str]:
        """Return the result for programs; no action, no `action_cy` and `action_en`."""
        result = {"check": self.check, "level": self.level.value, "what_cy": self.what.cy, "what_en": self.what.en}
        return result if self.action is None else result | {"action_cy": self.action.cy, "action_en": self.action.en}


def check_result(check: str, level: Level, case: str, **places: object) -> CheckResult:
    """Return a check's result, in the sentences of its case."""
    key = f"doctor.{check}.{case}"
    return CheckResult(
        check, level, bilingual(key, **places), None if level is Level.OK else bilingual(f"{key}_do", **places)
    )


def run_checks(data: str, day: dt.date) -> Iterator[CheckResult]:
    """Yield the results of all checks without the engine, in order.

    Most checks need an existing data root; those of the lake also need a lake that can be reached. The age of batches counts
    up to `day`.
    """
    root = DataRoot(Path(data))
    yield from _versions()
    yield from _folders(root)
    if root.path.is_dir():
        lake_serves, results = _store(root)
        yield from results
        for check in CHECKS:
            if lake_serves or check not in _OF_THE_LAKE:
                yield from check(root, day)


def _versions() -> Iterator[CheckResult]:
    wrong = [] if sys.version_info >= (3, 11) else [f"Python {sys.version_info.major}.{sys.version_info.minor}"]
    try:
        wanted = [Requirement(line) for line in requires("uln-service-wales") or ()]
    except PackageNotFoundError:
        yield check_result("versions", Level.WARNING, "not_installed")
        return
    for package in wanted:
        if package.marker is None or package.marker.evaluate({"extra": ""}):
            try:
                installed = version(package.name)
            except PackageNotFoundError:
                installed = ""
            if not installed or not package.specifier.contains(installed, prereleases=True):
                wrong.append(f"{package.name} {installed or '-'} ({package.specifier})")
    if wrong:
        yield check_result("versions", Level.FAULT, "wrong", packages=", ".join(wrong))
    else:
        yield check_result("versions", Level.OK, "fit", number=len(wanted))


def _folders(root: DataRoot) -> Iterator[CheckResult]:
    """Check that the folders exist and this account may use them."""
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
        yield check_result("folders", Level.WARNING, "missing", places=_relative(root, missing))
    if closed:
        yield check_result("folders", Level.FAULT, "closed", places=_relative(root, closed))
    if not missing and not closed:
        yield check_result("folders", Level.OK, "fit", root=root.path)


def _relative(root: DataRoot, places: list[Path]) -> str:
    return ", ".join(sorted({place.relative_to(root.path).as_posix() for place in places}))


def _configuration(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that every file a person may edit can be read, the project's and the data root's."""
    reference = root.reference
    loaders: tuple[Callable[[], Any], ...] = (
        *(all_texts, all_cycles, all_layouts, all_versions, all_reasons, all_rules),
        *(
            lambda: registration(reference),
            lambda: opt_outs(reference),
            lambda: schools(reference),
            lambda: privacy_notice(reference),
        ),
        *(lambda: all_profiles(reference / "lrs"), lambda: all_return_codes(reference)),
        *(lambda: exception_terms(reference / "exceptions.toml"), lambda: all_retention(reference / "retention.toml")),
        *(lambda: root.access, lambda: how_watched(reference / "watching.toml")),
        *(
            lambda: lrs_service(reference),
            lambda: service_codes(reference),
            lambda: locations_of(reference),
            lambda: place_of(root),
        ),
    )
    sound = True
    for load in loaders:
        try:
            load()
        except (ConfigurationFault, OSError) as fault:
            sound = False
            message = sentence_of(fault) if isinstance(fault, ConfigurationFault) else type(fault).__name__
            yield check_result("configuration", Level.FAULT, "wrong", fault=message)
    if not (reference / "registration.csv").exists():
        sound = False
        yield check_result("configuration", Level.WARNING, "no_registration")
    if sound:
        yield check_result("configuration", Level.OK, "fit", number=len(loaders))


def _rights(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that no folder is open to accounts without access."""
    try:
        places = root.open_places()
    except ConfigurationFault:
        return  # reported by `_configuration`
    if places:
        yield check_result("rights", Level.WARNING, "open", places=", ".join(places))
    else:
        yield check_result("rights", Level.OK, "fit")


def _free_space(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    try:
        bounds = how_watched(root.reference / "watching.toml").free_space
    except ConfigurationFault:
        return
    free = shutil.disk_usage(root.path).free / 2**30
    level = Level.FAULT if free < bounds.fault_below_gib else Level.OK
    level = Level.WARNING if level is Level.OK and free < bounds.warn_below_gib else level
    yield check_result("free_space", level, "fit" if level is Level.OK else "little", gib=f"{free:.1f}")


def _evidence(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that no run has left evidence of an unforeseen fault."""
    others = ("warning-", "workers", _LOST)
    kept = [path for path in root.path.glob("reports/*/faults/*") if not path.name.startswith(others)]
    if kept:
        newest = max(kept, key=lambda path: (path.stat().st_mtime_ns, path.name))
        yield check_result(
            "evidence", Level.WARNING, "kept", number=len(kept), newest=newest.relative_to(root.path).as_posix()
        )
    else:
        yield check_result("evidence", Level.OK, "none")


#: First part of the name of the evidence that a run leaves when it loses its cluster (`tasks.runtime.dask_executor`).
_LOST = "machines-lost-"


def _machines(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    lost = list((root.reports("process") / "faults").glob(f"{_LOST}*"))
    if lost:
        newest = max(lost, key=lambda path: (path.stat().st_mtime_ns, path.name))
        where = newest.relative_to(root.path).as_posix()
        yield check_result("machines", Level.WARNING, "lost", number=len(lost), newest=where)
    else:
        yield check_result("machines", Level.OK, "none")


def _locks(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that the run lock is reliable: on shared storage one machine cannot see whether it holds between machines."""
    kind = file_system_of(root.path)
    if is_shared(kind):
        yield check_result("locks", Level.WARNING, "shared", kind=kind, lock=root.lake / ".run.lock")
    else:
        yield check_result("locks", Level.OK, "fit", kind=kind or "-")


def _store(root: DataRoot) -> tuple[bool, list[CheckResult]]:
    """Return whether the lake can be checked; and for a lake in a store, whether it is reached and loses no commit."""
    try:
        location, lake = locations_of(root.reference).lake, Lake.of(root)
    except ConfigurationFault:
        return False, []  # reported by `_configuration`
    if location is None or lake.place.folder is not None:
        return True, []
    place = lake.place.address
    try:
        try_out(lake)
    except Exception as error:  # noqa: BLE001 - any exception of either library for a store
        return False, [check_result("store", Level.FAULT, "away" if is_transient(error) else "refuses", place=place)]
    # The lake's library looks before it commits; only a blind put shows whether the store overwrites.
    try:
        with open_folder(location) as folder:
            keeps = refuses_overwrite(folder)
    except ServiceFault as fault:
        return True, [check_result("store", Level.WARNING, "unproven", place=place, told=fault.args[0])]
    return keeps, [
        check_result("store", Level.OK, "fit", place=place)
        if keeps
        else check_result("store", Level.FAULT, "loses", place=place)
    ]


def _lake(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that each table opens with all its files, and that the tables agree."""
    lake = Lake.of(root)
    damaged = [(name, case) for name in TABLES if (case := damage(lake, name)) is not None]
    for name, case in damaged:
        yield check_result("lake", Level.FAULT, case, table=name)
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
    """Yield disagreements between the ledger's tables, by the commits' transaction ids (`stages.collect`, `stages.merge`)."""
    taken = lake.read("received", ["sha256"], kind="lrs_result", status="accepted")["sha256"]
    collected = lake.committed("lrs_returns", [f"collect/{sha256}" for sha256 in taken])
    if len(collected) < len(taken):
        yield check_result("lake", Level.FAULT, "answers", number=len(taken) - len(collected))
    merging = {f"merge/{sha256}/{n}" for sha256, n in lake.sizes("lrs_returns", "sha256", tied="Y").items()}
    unmerged = merging - lake.committed("learners", merging)
    if unmerged:
        yield check_result("lake", Level.WARNING, "unmerged", number=len(unmerged))
    batches = lake.read("batches", ["batch_ref", "rows"])
    stored = lake.sizes("batch_rows", "batch_ref")
    wrong = [ref for ref, n in zip(batches["batch_ref"], batches["rows"], strict=True) if stored.get(ref, 0) != n]
    if wrong:
        yield check_result("lake", Level.FAULT, "batch_rows", number=len(wrong), first=wrong[0])


_MOST_NAMED = 5


def _batches(root: DataRoot, day: dt.date) -> Iterator[CheckResult]:
    if any(damage(Lake.of(root), name) for name in ("batches", "lrs_returns")):
        return  # reported by `_lake`
    waiting = batches_waiting(str(root.path), day).frame
    for case, state in (("unconfirmed", BatchShown.SENT_UNCONFIRMED), ("stuck", BatchShown.STUCK)):
        rows = waiting[waiting["state"] == state.value]
        if len(rows):
            named = ", ".join(rows["batch_ref"].head(_MOST_NAMED)) + (", .." if len(rows) > _MOST_NAMED else "")
            oldest = int(rows["age"].max())
            yield check_result("batches", Level.WARNING, case, number=len(rows), batches=named, days=oldest)
    if waiting.empty:
        yield check_result("batches", Level.OK, "none")


#: How long a batch for the web service may be READY before the check warns.
_MAY_WAIT = dt.timedelta(days=1)


def _lrs_web_service(root: DataRoot, day: dt.date) -> Iterator[CheckResult]:
    """Check that the LRS web service, if used, can be reached, its jobs succeed and batches go; sends no learner or password.

    If every night's run finds the LRS closed, none fails but none hands anything over: hence the check of waiting batches.
    """
    try:
        settings, codes = lrs_service(root.reference), service_codes(root.reference)
    except ConfigurationFault:
        return  # reported by `_configuration`
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


def _locations(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that each folder on another machine can be used; hands nothing over."""
    try:
        every = locations_of(root.reference).named
    except ConfigurationFault:
        return  # reported by `_configuration`
    named = {name: location for name, location in every.items() if name != LAKE}
    if not named:
        yield check_result("ways", Level.OK, "none")
    for name, location in named.items():
        try:
            number = access_proven(location, writes=name.endswith("_outbox"))
        except ServiceFault as fault:
            yield check_result("ways", Level.FAULT, "shut", way=name, told=fault.args[0])
        else:
            yield check_result("ways", Level.OK, "fit", way=name, place=location.shown, number=number)


_OF_THE_LAKE = (_lake, _batches, _lrs_web_service)
CHECKS = (
    _configuration,
    _rights,
    _free_space,
    _evidence,
    _machines,
    _locks,
    _lake,
    _batches,
    _lrs_web_service,
    _locations,
)
