"""Checks of a data root and its machine, each with what to do about a fault; for `uln doctor`. They change no data.

Belongs here: checks without the engine; for server and schedule see `flows.services.doctor`. Each check yields at
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
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from itertools import chain
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
from tasks.io.data_root.reference import opt_outs, privacy_notice, registration, schools
from tasks.io.data_root.run_lock import file_system_of, is_shared
from tasks.io.lake.lake import Lake
from tasks.io.lake.location import place_of
from tasks.io.lake.maintenance import damage, try_out
from tasks.io.lake.migration import older_tables
from tasks.io.lrs.settings import lrs_service
from tasks.io.remote.folders import access_proven, open_folder, refuses_overwrite
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
        message: one sentence, with references and counts.
        action: what to do about it; None if nothing is to be done.
    """

    check: str
    level: Level
    message: Bilingual
    action: Bilingual | None = None

    def as_json(self) -> dict[str, str]:
        """Return the result for programs; `action_cy` and `action_en` are missing if there is no action."""
        texts = {"what": self.message} | ({} if self.action is None else {"action": self.action})
        by_language = {f"{name}_{lang}": getattr(text, lang) for name, text in texts.items() for lang in ("cy", "en")}
        return {"check": self.check, "level": self.level.value, **by_language}


def check_result(check: str, level: Level, case: str, **places: object) -> CheckResult:
    """Return a check's result, in the sentences of its case."""
    key = f"doctor.{check}.{case}"
    action = None if level is Level.OK else bilingual(f"{key}_do", **places)
    return CheckResult(check, level, bilingual(key, **places), action)


def run_checks(data: str, day: dt.date) -> Iterator[CheckResult]:
    """Yield the results of all checks without the engine, in order.

    Most checks need an existing data root; those of the lake also need a lake that can be reached. The age of batches counts
    up to `day`.
    """
    root = DataRoot(Path(data))
    yield from _versions()
    yield from _folders(root)
    if not root.path.is_dir():
        return
    of_store = list(_results_of(_store, root, day))
    lake_serves = all(result.level is not Level.FAULT for result in of_store)
    checks = [check for check in CHECKS if lake_serves or check not in _OF_THE_LAKE]
    results = chain(of_store, *(_results_of(check, root, day) for check in checks))
    # A settings file that is wrong stops several checks and is reported once.
    seen: set[CheckResult] = set()
    for result in results:
        if result.check != "configuration" or result not in seen:
            yield result
        seen.add(result)


def _results_of(
    check: Callable[[DataRoot, dt.date], Iterator[CheckResult]], root: DataRoot, day: dt.date
) -> Iterator[CheckResult]:
    """Yield a check's results; a file that it cannot read is one of them."""
    try:
        yield from check(root, day)
    except ConfigurationFault as fault:
        yield check_result("configuration", Level.FAULT, "wrong", fault=sentence_of(fault))


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
    level, case = (Level.FAULT, "wrong") if wrong else (Level.OK, "fit")
    yield check_result("versions", level, case, packages=", ".join(wrong), number=len(wanted))


def _folders(root: DataRoot) -> Iterator[CheckResult]:
    """Check that the folders exist and this account may use them."""
    if not root.path.is_dir():
        yield check_result("folders", Level.FAULT, "no_root", root=root.path)
        return
    needed = dict.fromkeys((root.reference, root.dewi_inbox, root.lrs_inbox), os.R_OK | os.X_OK)
    needed |= dict.fromkeys((root.dewi_outbox, root.lrs_outbox, root.lake), os.R_OK | os.X_OK | os.W_OK)
    missing = [place for place in needed if not place.exists()]
    closed = [p for p, mode in needed.items() if p.exists() and not (p.is_dir() and os.access(p, mode))]
    for case, level, places in (("missing", Level.WARNING, missing), ("closed", Level.FAULT, closed)):
        if places:
            names = ", ".join(sorted(place.relative_to(root.path).as_posix() for place in places))
            yield check_result("folders", level, case, places=names)
    if not missing and not closed:
        yield check_result("folders", Level.OK, "fit", root=root.path)


def _configuration(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that every file a person may edit can be read, the project's and the data root's."""
    reference = root.reference
    of_reference: tuple[Callable[[Path], Any], ...] = (
        *(registration, opt_outs, schools, privacy_notice, lrs_service, all_return_codes, service_codes, locations_of),
    )
    loaders: tuple[Callable[[], Any], ...] = (
        *(all_texts, all_cycles, all_layouts, all_versions, all_reasons, all_rules),
        *(partial(load, reference) for load in of_reference),
        partial(all_profiles, reference / "lrs"),
        partial(exception_terms, reference / "exceptions.toml"),
        partial(all_retention, reference / "retention.toml"),
        partial(how_watched, reference / "watching.toml"),
        partial(place_of, root),
        lambda: root.access,
    )
    results = []
    for load in loaders:
        try:
            load()
        except (ConfigurationFault, OSError) as fault:
            message = sentence_of(fault) if isinstance(fault, ConfigurationFault) else type(fault).__name__
            results.append(check_result("configuration", Level.FAULT, "wrong", fault=message))
    if not (reference / "registration.csv").exists():
        results.append(check_result("configuration", Level.WARNING, "no_registration"))
    yield from results or [check_result("configuration", Level.OK, "fit", number=len(loaders))]


def _rights(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that no folder is more open to other accounts than the settings allow."""
    places = root.open_places()
    level, case = (Level.WARNING, "open") if places else (Level.OK, "fit")
    yield check_result("rights", level, case, places=", ".join(places))


def _free_space(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    bounds = how_watched(root.reference / "watching.toml").free_space
    free = shutil.disk_usage(root.path).free / 2**30
    level, case = (Level.WARNING, "little") if free < bounds.warn_below_gib else (Level.OK, "fit")
    level, case = (Level.FAULT, "little") if free < bounds.fault_below_gib else (level, case)
    yield check_result("free_space", level, case, gib=f"{free:.1f}")


#: First part of the name of the evidence that a run leaves when it loses its cluster (`tasks.runtime.dask_executor`).
_LOST = "machines-lost-"


def _evidence(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that no run has left evidence of an unforeseen fault, or of a cluster that it lost."""
    kept = [path for path in root.path.glob("reports/*/faults/*") if not path.name.startswith(("warning-", "workers"))]
    for check, case, is_lost in (("evidence", "kept", False), ("machines", "lost", True)):
        paths = [path for path in kept if path.name.startswith(_LOST) is is_lost]
        if paths:
            newest = max(paths, key=lambda path: (path.stat().st_mtime_ns, path.name)).relative_to(root.path).as_posix()
            yield check_result(check, Level.WARNING, case, number=len(paths), newest=newest)
        else:
            yield check_result(check, Level.OK, "none")


def _locks(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that the run lock is reliable: on shared storage one machine cannot see whether it holds between machines."""
    kind = file_system_of(root.path)
    level, case = (Level.WARNING, "shared") if is_shared(kind) else (Level.OK, "fit")
    yield check_result("locks", level, case, kind=kind or "-", lock=root.lake / ".run.lock")


def _store(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that a lake in a store can be reached and loses no commit; nothing for a lake on a disk."""
    location, lake = locations_of(root.reference).lake, Lake.of(root)
    if location is None or lake.place.folder is not None:
        return
    place = lake.place.address
    try:
        try_out(lake)
    except Exception as error:  # noqa: BLE001 - any exception of either library for a store
        yield check_result("store", Level.FAULT, "away" if is_transient(error) else "refuses", place=place)
        return
    # The lake's library looks before it commits; only a blind put shows whether the store overwrites.
    try:
        with open_folder(location) as folder:
            keeps = refuses_overwrite(folder)
    except ServiceFault as fault:
        yield check_result("store", Level.WARNING, "unproven", place=place, fault=fault.args[0])
        return
    level, case = (Level.OK, "fit") if keeps else (Level.FAULT, "loses")
    yield check_result("store", level, case, place=place)


def _lake(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that each table opens with all its files, and that the tables agree."""
    lake = Lake.of(root)
    damaged = [check_result("lake", Level.FAULT, case, table=name) for name in TABLES if (case := damage(lake, name))]
    results = damaged or list(_disagreeing(lake))
    yield from results
    if older := [] if damaged else older_tables(lake):
        yield check_result("lake", Level.OK, "older", tables=", ".join(older))
    elif not results:
        yield check_result("lake", Level.OK, "fit", number=sum(v >= 0 for v in lake.versions().values()))


def _disagreeing(lake: Lake) -> Iterator[CheckResult]:
    """Yield disagreements in the ledger, by transaction ids (`stages.collect`, `stages.merge`) and by rows of each batch."""
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

    A run that finds the LRS closed does not fail, but hands nothing over: hence the check of waiting batches.
    """
    settings, codes, lake = lrs_service(root.reference), service_codes(root.reference), Lake.of(root)
    if not settings.can_call:
        yield check_result("lrs_service", Level.OK, "none")
        return
    away = learner_service(settings).reached()
    if away is None:
        yield check_result("lrs_service", Level.OK, "fit")
    else:
        yield check_result("lrs_service", Level.FAULT, "away", fault=codes[away].explanation)
    if any(damage(lake, name) for name in ("lrs_jobs", "batches")):
        return
    failed = list(failed_jobs(root, lake)["job_ref"])
    if failed:
        yield check_result("lrs_service", Level.WARNING, "failed", number=len(failed), jobs=job_list(failed))
    ready = lake.read("batches", ["built_at"], state=BatchState.READY.value, format=SOAP)["built_at"].str[:10]
    old = ready[ready < (day - _MAY_WAIT).isoformat()]
    if len(old):
        yield check_result("lrs_service", Level.WARNING, "waits", number=len(old), since=old.min())


def _locations(root: DataRoot, _day: dt.date) -> Iterator[CheckResult]:
    """Check that each folder on another machine can be used; hands nothing over."""
    named = {name: location for name, location in locations_of(root.reference).named.items() if name != LAKE}
    if not named:
        yield check_result("ways", Level.OK, "none")
    for name, location in named.items():
        try:
            number = access_proven(location, writes=name.endswith("_outbox"))
        except ServiceFault as fault:
            yield check_result("ways", Level.FAULT, "shut", way=name, fault=fault.args[0])
        else:
            yield check_result("ways", Level.OK, "fit", way=name, place=location.shown, number=number)


_OF_THE_LAKE = (_lake, _batches, _lrs_web_service)
CHECKS = (_configuration, _rights, _free_space, _evidence, _locks, *_OF_THE_LAKE, _locations)
