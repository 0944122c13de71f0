"""How a flow walks the authorities through its stages: one task run a stage, one authority's failure not another's.

Also the run's summary for the dashboard, counts only, and what every flow's function is wrapped in.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.run.artifacts import Progress, artifact_key, attempted, log_counts, log_fault, make_page
from flows.run.events import emit_incomplete
from flows.run.progress import step
from flows.run.run_page import Page, authorities_page, batches_page, outcomes_picture_of, overview_page, rules_page
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault, Refused, ServiceFault
from schemas.views import COUNTS_TOLD, STAGE_COUNTS
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import authorities
from tasks.reports.overview import Overview, overview_of, visible_rules
from tasks.reports.pages import address_of, make_pages, pages_due
from tasks.runtime.error_boundary import error_boundary
from tasks.runtime.memory import keep_memory
from tasks.runtime.process_guard import install_process_guard
from tasks.runtime.run_log import log_stage_counts, log_stage_faults, run_log
from tasks.runtime.visibility import VisibleRows, check_visible

Counts = dict[str, int]
Result = TypeVar("Result")


class FlowRun:
    """One run over some authorities: the counts of every stage, and the faults, by authority; and what it tells of them."""

    def __init__(self, las: list[str], *, flow: str, data: str, cycle: str, steps: int) -> None:
        """Begin it.

        Args:
            las: the authorities.
            flow: the flow's name; with the cycle it is the key of its artifacts.
            data: the data root.
            cycle: the cycle.
            steps: of how many it will tell (`step`).
        """
        self.counts: dict[str, dict[str, Counts]] = defaultdict(dict)
        self.faults: dict[str, str] = {}
        self._nothing_done: set[str] = set()
        self._apart: Counts = {}
        self._rules: dict[str, Counts] = {}
        self._las, self._flow, self._data, self._cycle = las, flow, data, cycle
        self._progress = Progress(flow, data=data, cycle=cycle, steps=steps)

    def step(self, stage: str) -> None:
        """A step of the run begins, a stage or another."""
        step(stage, self._cycle, 1)
        self._progress.step(stage)

    def stage(self, task: Any, **references: Any) -> None:
        """Run a stage for every authority that has not failed so far.

        Args:
            task: a stage task that takes the data root, the cycle and `las`, and returns `tasks.runtime.chunks.StageResult`.
            references: what else the stage takes, such as the workers of the run.
        """
        going = [la for la in self._las if la not in self.faults]
        if not going:
            return
        self.step(task.name)
        references |= {"data": self._data, "cycle": self._cycle, "las": going, "progress": self._progress.within}
        result = task(return_state=True, **references).result(raise_on_failure=False)
        if isinstance(result, ServiceFault | ConfigurationFault | Refused):
            # Nothing of the stage could be begun: it holds for every authority, and is told once.
            self.faults |= dict.fromkeys(going, str(result))
            self._nothing_done |= set(going)
            log_fault(task.name, str(result))
            log_stage_faults(task.name, self._cycle, {"": str(result)})
            return
        if isinstance(result, BaseException):
            raise result
        for la, counts in result.counts.items():
            self.counts[la][task.name] = counts
        self.faults |= result.faults
        # One of which some could be done, such as all batches but one, has counts.
        self._nothing_done |= result.faults.keys() - result.counts.keys()
        self._rules = result.rules or self._rules
        counted = _shown({la: {task.name: counts} for la, counts in result.counts.items()})
        log_counts(task.name, list(result.counts), counted)
        log_stage_counts(self._cycle, counted)
        log_stage_faults(task.name, self._cycle, result.faults)
        for fault in result.faults.values():
            log_fault(task.name, fault)

    def apart(self, task: Any, **references: Any) -> None:
        """Run a step that is no authority's, and without which all of them go on (`best_effort`).

        Args:
            task: a stage task.
            references: what it takes.
        """
        self._apart |= best_effort(task, self._cycle, **references)

    def check(self, conserve: Any, as_of: str) -> None:
        """Run the conservation check; where the cycle does not balance, the dashboard says so.

        Args:
            conserve: the task.
            as_of: the time that the run counts as, ISO.

        Raises:
            ServiceFault: the cycle does not balance.
        """
        self.step("conserve")
        try:
            conserve(data=self._data, cycle=self._cycle)
        except ServiceFault as fault:
            self.publish_artifacts(as_of, conserved=False, unbalanced=str(fault))
            raise

    def total(self) -> Counts:
        """The counts of all authorities, by `stage.count`, and the number of faults."""
        total: Counts = defaultdict(int, self._apart)
        for stages in self.counts.values():
            for stage, counts in stages.items():
                for name, n in counts.items():
                    total[f"{stage}.{name}"] += n
        total["faults"] = len(self.faults) + sum(n for k, n in total.items() if k.endswith(".faults"))
        return dict(total)

    def is_all_done(self) -> bool:
        """Whether the stages could do all that lay in the data root, whatever became of the steps apart."""
        return self.total()["faults"] == sum(n for name, n in self._apart.items() if name.endswith(".faults"))

    def is_nothing_done(self) -> bool:
        """Whether no authority could be done."""
        return bool(self._las) and set(self._las) <= self._nothing_done

    def refuse_nothing_done(self) -> None:
        """End a run that could do nothing for anybody as failed: it would look like one that had little to do.

        Raises:
            ServiceFault: no authority could be done.
        """
        if self.is_nothing_done():
            raise ServiceFault(bilingual("fault.nobody_done", number=len(self._las)))

    def publish_artifacts(self, as_of: str, *, conserved: bool, unbalanced: str | None = None) -> None:
        """Tell on the dashboard where the cycle stands, what waits for a person, and what the run did.

        Args:
            as_of: the time that the run counts as, ISO.
            conserved: as `overview_of` takes it.
            unbalanced: what the conservation check says of the cycle, where it does not balance.
        """
        cycle = self._cycle
        faults = self.faults if unbalanced is None else {**self.faults, bilingual("run_page.wales"): unbalanced}
        seen = self._attempted("overview", lambda: overview_of(self._data, cycle, as_of, conserved=conserved))
        if seen is not None:
            pages: str | None = None
            # A cycle that does not balance keeps the pages on which it did.
            if unbalanced is None:
                pages = publish_pages(self._flow, self._data, cycle, as_of, seen, conserved=conserved)
                faults = (
                    faults if pages else {**faults, bilingual("run_page.pages"): bilingual("run_page.pages_not_made")}
                )
            picture = self._attempted("picture", lambda: outcomes_picture_of(seen.authorities))
            self._make("overview", lambda: overview_page(cycle, seen, _shown(self.counts), faults, picture, pages))
            self._make("authorities", lambda: authorities_page(cycle, seen.authorities))
            self._make("batches", lambda: batches_page(cycle, seen.batches))
        # Of some authorities alone it would tell what those of all hide.
        if self._rules and self._las == chosen_authorities(None, None):
            self._make("rules", lambda: rules_page(cycle, visible_rules(self._rules, cycle)))
        self._progress.done()

    def _make(self, name: str, page: Callable[[], Page]) -> None:
        self._attempted(name, lambda: make_page(page(), artifact_key(self._flow, self._cycle, name)))

    def _attempted(self, name: str, make: Callable[[], Result]) -> Result | None:
        return attempted(make, data=self._data, cycle=self._cycle, about=f"{self._flow}-{name}")


def best_effort(task: Any, about: str, **references: Any) -> Counts:
    """Run a step without which a run goes on; what stops it is told, its task run is red, and it counts as a fault.

    Args:
        task: a stage task that returns counts.
        about: the cycle, or what else the run log shall say that it is about.
        references: what the task takes.

    Returns:
        Its counts, by `stage.count`; `stage.faults` alone where it could not be done.
    """
    step(task.name, about, 1)
    done = task(return_state=True, **references).result(raise_on_failure=False)
    if isinstance(done, ServiceFault | ConfigurationFault):
        log_fault(task.name, str(done))
        log_stage_faults(task.name, about, {"": str(done)})
        return {f"{task.name}.faults": 1}
    if isinstance(done, BaseException):
        raise done
    return {f"{task.name}.{name}": n for name, n in done.items()}


def publish_pages(
    flow: str, data: str, cycle: str, as_of: str, seen: Overview | None = None, *, conserved: bool
) -> str | None:
    """Make those of a cycle's pages anew that show something else than before; where they cannot be made, say so and go on.

    Args:
        flow: the flow's name; it stands on the pages.
        data: the data root.
        cycle: the cycle.
        as_of: the time that the run counts as, ISO.
        seen: what everybody may see of the cycle, where the caller has it; else it is asked for if a page is due.
        conserved: as `overview_of` takes it.

    Returns:
        Where the page of Wales is, as people find it; None where the pages could not be made.
    """

    def make() -> str:
        if seen is not None or pages_due(data, cycle, as_of):
            told = seen or overview_of(data, cycle, as_of, conserved=conserved)
            make_pages(data, cycle, as_of, told, conserved=conserved, run=f"{flow} {cycle}")
        return address_of(data, cycle)

    return attempted(make, data=data, cycle=cycle, about=f"{flow}-pages")


def _shown(counts: Mapping[str, Mapping[str, Counts]]) -> VisibleRows:
    """Counts by authority and stage, those that the dashboard may show."""
    rows = [
        {"la_code": la, "stage": stage, "count": name, "number": n}
        for la, stages in counts.items()
        for stage, own in stages.items()
        for name, n in own.items()
        if f"{stage}.{name}" in COUNTS_TOLD
    ]
    return check_visible(STAGE_COUNTS, rows)


def nothing_due(why: str) -> State[Counts]:
    """How a run ends that had nothing to do: well, under a name of its own, so that people need not look into it.

    Args:
        why: one of the service's sentences; no pupil in it.
    """
    return Completed(name="NothingDue", message=why, data={"faults": 0})


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
            "authority", [bilingual("fault.no_authority", code=code, first=known[0], last=known[-1]) for code in wrong]
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


def bounded(flow_function: Callable[Given, Result]) -> Callable[Given, Result]:
    """What every flow's function is wrapped in: the process is guarded, and nothing unforeseen gets to the engine.

    Stands under `@flow`; the function takes the data root as `data`.
    """

    @wraps(flow_function)
    def within_bounds(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        given = signature(flow_function).bind(*args, **kwargs).arguments
        data = str(_named_root(given.get("data")))
        install_process_guard(data)
        keep_memory()
        about = {
            "data": data,
            "cycle": str(given.get("cycle") or given.get("kind") or "returns"),
            "stage": flow_function.__name__,
        }
        run = str(flow_run.get_id() or "")
        with run_log(data, run, flow_function.__name__, given.get("cycle")):
            done = error_boundary(lambda: flow_function(*args, **kwargs), **about)
        faults = done.get("faults") if isinstance(done, dict) else None
        if faults and run:
            emit_incomplete(flow_function.__name__.replace("_", "-"), faults)
        return done

    return within_bounds
