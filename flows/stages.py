"""How a flow walks the authorities through its stages: one task run a stage, one authority's failure not another's.

Also the run's summary for the dashboard, counts only, and what every flow's function is wrapped in.
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect.runtime import flow_run

from flows.dashboard import log_counts, log_fault, make_table
from flows.events import tell_incomplete
from flows.progress import step
from schemas.faults import ConfigurationFault, Refused, ServiceFault
from schemas.texts import both
from schemas.views import STAGE_COUNTS
from tasks.boundary import guard, within
from tasks.io.data_root import DataRoot
from tasks.io.reference import authorities
from tasks.run_log import run_log, stage_counts, stage_fault
from tasks.showing import Shown, shown

Counts = dict[str, int]


class Tour:
    """One run over some authorities: the counts of every stage, and the faults, by authority."""

    def __init__(self, las: list[str]) -> None:
        self.counts: dict[str, dict[str, Counts]] = defaultdict(dict)
        self.faults: dict[str, str] = {}
        self._las = las

    def stage(self, task: Any, *, cycle: str, **references: Any) -> None:
        """Run a stage for every authority that has not failed so far.

        Args:
            task: a stage task that takes `las` and returns `tasks.stage.Walked`.
            cycle: the cycle.
            references: what else the stage takes.
        """
        going = [la for la in self._las if la not in self.faults]
        if not going:
            return
        step(task.name, cycle, 1)
        walked = task(cycle=cycle, las=going, return_state=True, **references).result(raise_on_failure=False)
        if isinstance(walked, ServiceFault | ConfigurationFault | Refused):
            # Nothing of the stage could be begun: it holds for every authority, and is told once.
            self.faults |= dict.fromkeys(going, str(walked))
            log_fault(task.name, str(walked))
            stage_fault(task.name, cycle, {"": str(walked)})
            return
        if isinstance(walked, BaseException):
            raise walked
        for la, counts in walked.counts.items():
            self.counts[la][task.name] = counts
        self.faults |= walked.faults
        counted = _shown({la: {task.name: counts} for la, counts in walked.counts.items()})
        log_counts(task.name, counted)
        stage_counts(cycle, counted)
        stage_fault(task.name, cycle, walked.faults)
        for fault in walked.faults.values():
            log_fault(task.name, fault)

    def total(self) -> Counts:
        """The counts of all authorities, by `stage.count`, and the number of faults."""
        total: Counts = defaultdict(int)
        for stages in self.counts.values():
            for stage, counts in stages.items():
                for name, n in counts.items():
                    total[f"{stage}.{name}"] += n
        total["faults"] = len(self.faults) + sum(n for k, n in total.items() if k.endswith(".faults"))
        return dict(total)

    def publish_artifacts(self, key: str) -> None:
        """A table artifact per authority: stage, count, number; and its faults."""
        for la in self._las:
            told = _shown({la: self.counts.get(la, {})})
            make_table(told, self.faults.get(la), key=artifact_key(key, la), title=f"{key} {la}")


def _shown(counts: Mapping[str, Mapping[str, Counts]]) -> Shown:
    """Counts by authority and stage, as the dashboard may show them."""
    rows = [
        {"la_code": la, "stage": stage, "count": name, "number": n}
        for la, stages in counts.items()
        for stage, own in stages.items()
        for name, n in own.items()
    ]
    return shown(STAGE_COUNTS, rows)


def artifact_key(*parts: str) -> str:
    """A key as the engine takes it: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def chosen_authorities(la: list[str] | None, schools: list[str] | None) -> list[str]:
    """The authority codes of a run, sorted.

    Args:
        la: authority codes; all where None.
        schools: school numbers; then only their authorities.

    Raises:
        ConfigurationFault: a code that is none of the 22.
    """
    known = [str(code) for code in authorities()["la_code"]]
    wanted = sorted({*(la or []), *(s[:3] for s in schools or [])}) or known
    wrong = [code for code in wanted if code not in known]
    if wrong:
        raise ConfigurationFault(
            "authority", [both("fault.no_authority", code=code, first=known[0], last=known[-1]) for code in wrong]
        )
    return wanted


def _named_root(data: str | None) -> Path:
    """The parameter, else what ULN_DATA says, else `data/local`."""
    return Path(data or os.environ.get("ULN_DATA") or "data/local").expanduser().resolve()


def root_of(data: str | None) -> str:
    """The data root of a run (`_named_root`), made where it is missing."""
    path = _named_root(data)
    DataRoot(path).create()
    return str(path)


Given = ParamSpec("Given")
Result = TypeVar("Result")


def bounded(flow_function: Callable[Given, Result]) -> Callable[Given, Result]:
    """What every flow's function is wrapped in: the process is guarded, and nothing unforeseen gets to the engine.

    Stands under `@flow`; the function takes the data root as `data`.
    """

    @wraps(flow_function)
    def within_bounds(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        given = signature(flow_function).bind(*args, **kwargs).arguments
        data = str(_named_root(given.get("data")))
        guard(data)
        about = {"data": data, "cycle": str(given.get("cycle", "returns")), "stage": flow_function.__name__}
        run = str(flow_run.get_id() or "")
        with run_log(data, run, flow_function.__name__, given.get("cycle")):
            done = within(lambda: flow_function(*args, **kwargs), **about)
        faults = done.get("faults") if isinstance(done, dict) else None
        if faults and run:
            tell_incomplete(flow_function.__name__, faults)
        return done

    return within_bounds
