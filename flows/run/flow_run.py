"""A flow's run over the authorities: one task run per stage; one authority's failure does not stop another.

Also here: the run's summary for the dashboard (counts only), and the decorator of every flow (`service_flow`).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Flow, flow
from prefect.runtime import flow_run

from flows.run.artifacts import artifact_key, attempted, log_counts, log_fault, make_page
from flows.run.engine import named_root
from flows.run.events import emit_incomplete
from flows.run.progress import RunProgress, begin_step
from flows.run.run_page import Page, authorities_page, batches_page, outcomes_picture_of, overview_page, rules_page
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault, Refused, ServiceFault
from schemas.views import COUNTS_SHOWN, STAGE_COUNTS
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
Params = ParamSpec("Params")
Result = TypeVar("Result")


class FlowRun:
    """One run over some authorities: each stage's counts and faults by authority, and their summary for the dashboard."""

    def __init__(self, las: list[str], *, flow: str, data: str, cycle: str, steps: int) -> None:
        """Begin a run of the authorities `las`; `steps` is its number of steps, `flow` and `cycle` name its artifacts."""
        self.counts: dict[str, dict[str, Counts]] = defaultdict(dict)
        self.faults: dict[str, str] = {}
        self._nothing_done: set[str] = set()
        self._best_effort: Counts = {}
        self._rules: dict[str, Counts] = {}
        self._las, self._flow, self._data, self._cycle = las, flow, data, cycle
        self.progress = RunProgress(flow, data=data, cycle=cycle, steps=steps)

    def stage(self, task: Any, **references: Any) -> None:
        """Run a stage for every authority that has not failed so far.

        Args:
            task: a stage task that takes the data root, the cycle and `las`, and returns `tasks.runtime.chunks.StageResult`.
            references: the stage's other parameters, such as the run's workers.
        """
        going = [la for la in self._las if la not in self.faults]
        if not going:
            return
        self.progress.step(task.name)
        references |= {"data": self._data, "cycle": self._cycle, "las": going, "progress": self.progress.within}
        result = task(return_state=True, **references).result(raise_on_failure=False)
        if isinstance(result, ServiceFault | ConfigurationFault | Refused):
            # The stage could not begin: every authority has this fault, but it is logged once.
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
        # An authority that failed only in part (one of its batches, for example) has counts.
        self._nothing_done |= result.faults.keys() - result.counts.keys()
        self._rules = result.rules or self._rules
        counted = _shown({la: {task.name: counts} for la, counts in result.counts.items()})
        log_counts(task.name, list(result.counts), counted)
        log_stage_counts(self._cycle, counted)
        log_stage_faults(task.name, self._cycle, result.faults)
        for fault in result.faults.values():
            log_fault(task.name, fault)

    def best_effort(self, task: Any, **references: Any) -> None:
        """Run a stage task that belongs to no authority and stops none of them if it fails (`best_effort`)."""
        self._best_effort |= best_effort(task, self._cycle, **references)

    def check(self, conserve: Any, as_of: str) -> None:
        """Run the conservation check's task; if the cycle does not balance, say so on the dashboard.

        Raises:
            ServiceFault: the cycle does not balance.
        """
        self.progress.step("conserve")
        try:
            conserve(data=self._data, cycle=self._cycle)
        except ServiceFault as fault:
            self.publish_artifacts(as_of, conserved=False, unbalanced=str(fault))
            raise

    def total(self) -> Counts:
        """Return the counts of all authorities by `stage.count`, and the number of `faults`."""
        total: Counts = defaultdict(int, self._best_effort)
        for stages in self.counts.values():
            for stage, counts in stages.items():
                for name, n in counts.items():
                    total[f"{stage}.{name}"] += n
        total["faults"] = len(self.faults) + sum(n for k, n in total.items() if k.endswith(".faults"))
        return dict(total)

    def is_all_done(self) -> bool:
        """Whether no stage has a fault; a best-effort step may have failed."""
        return self.total()["faults"] == sum(n for name, n in self._best_effort.items() if name.endswith(".faults"))

    def is_nothing_done(self) -> bool:
        """Whether each authority failed in a stage that could do nothing for it."""
        return bool(self._las) and set(self._las) <= self._nothing_done

    def refuse_nothing_done(self) -> None:
        """Fail a run that did nothing for any authority; otherwise it would look like a run with little to do.

        Raises:
            ServiceFault: every authority failed.
        """
        if self.is_nothing_done():
            raise ServiceFault(bilingual("fault.nobody_done", number=len(self._las)))

    def publish_artifacts(self, as_of: str, *, conserved: bool, unbalanced: str | None = None) -> None:
        """Show on the dashboard the cycle's state (`overview_of`), the actions needed, and the run's counts.

        `unbalanced` is the sentence of a failed conservation check.
        """
        cycle = self._cycle
        faults = self.faults if unbalanced is None else {**self.faults, bilingual("run_page.wales"): unbalanced}
        seen = self._attempted("overview", lambda: overview_of(self._data, cycle, as_of, conserved=conserved))
        if seen is not None:
            pages: str | None = None
            # A cycle that does not balance keeps its last balanced pages.
            if unbalanced is None:
                pages = publish_pages(self._flow, self._data, cycle, as_of, seen, conserved=conserved)
                if pages is None:
                    faults = {**faults, bilingual("run_page.pages"): bilingual("run_page.pages_not_made")}
            picture = self._attempted("picture", lambda: outcomes_picture_of(seen.authorities))
            self._make("overview", lambda: overview_page(cycle, seen, _shown(self.counts), faults, picture, pages))
            self._make("authorities", lambda: authorities_page(cycle, seen.authorities))
            self._make("batches", lambda: batches_page(cycle, seen.batches))
        # Only for all authorities: a page for some of them would reveal numbers that the total hides.
        if self._rules and self._las == chosen_authorities(None, None):
            self._make("rules", lambda: rules_page(cycle, visible_rules(self._rules, cycle)))
        self.progress.done()

    def _make(self, name: str, page: Callable[[], Page]) -> None:
        self._attempted(name, lambda: make_page(page(), artifact_key(self._flow, self._cycle, name)))

    def _attempted(self, name: str, make: Callable[[], Result]) -> Result | None:
        return attempted(make, data=self._data, cycle=self._cycle, about=f"{self._flow}-{name}")


def best_effort(task: Any, about: str, **references: Any) -> Counts:
    """Run a step whose failure does not stop the run; it is logged, counts as a fault, and its task run is Failed.

    `about` is the step's subject in the run log: the cycle or another word.

    Returns:
        The step's counts by `stage.count`; only `stage.faults` if it failed.
    """
    begin_step(task.name, about)
    result = task(return_state=True, **references).result(raise_on_failure=False)
    if isinstance(result, ServiceFault | ConfigurationFault):
        log_fault(task.name, str(result))
        log_stage_faults(task.name, about, {"": str(result)})
        return {f"{task.name}.faults": 1}
    if isinstance(result, BaseException):
        raise result
    return {f"{task.name}.{name}": n for name, n in result.items()}


def publish_pages(
    flow: str, data: str, cycle: str, as_of: str, seen: Overview | None = None, *, conserved: bool
) -> str | None:
    """Write a cycle's pages whose content has changed; if they cannot be made, log the fault and go on.

    The pages show the flow's name. Without the cycle's overview (`seen`), one is made if a page is due.

    Returns:
        The address at which people find the page of Wales; None if the pages could not be made.
    """

    def make() -> str:
        if seen is not None or pages_due(data, cycle, as_of):
            overview = seen or overview_of(data, cycle, as_of, conserved=conserved)
            make_pages(data, cycle, as_of, overview, conserved=conserved, run=f"{flow} {cycle}")
        return address_of(data, cycle)

    return attempted(make, data=data, cycle=cycle, about=f"{flow}-pages")


def _shown(counts: Mapping[str, Mapping[str, Counts]]) -> VisibleRows:
    """Return the counts by authority and stage that the dashboard may show, as `views.STAGE_COUNTS`."""
    rows = [
        {"la_code": la, "stage": stage, "count": name, "number": n}
        for la, stages in counts.items()
        for stage, stage_counts in stages.items()
        for name, n in stage_counts.items()
        if f"{stage}.{name}" in COUNTS_SHOWN
    ]
    return check_visible(STAGE_COUNTS, rows)


def chosen_authorities(la: list[str] | None, schools: list[str] | None) -> list[str]:
    """Return the authority codes of a run, sorted: `la` and the authorities of `schools`; with neither, all.

    Raises:
        ConfigurationFault: a code is not one of the 22.
    """
    known = [str(code) for code in authorities()["la_code"]]
    wanted = sorted({*(la or []), *(s[:3] for s in schools or [])}) or known
    wrong = [code for code in wanted if code not in known]
    if wrong:
        bounds = {"first": known[0], "last": known[-1]}
        raise ConfigurationFault("authority", [bilingual("fault.no_authority", code=code, **bounds) for code in wrong])
    return wanted


def root_of(data: str | None) -> str:
    """Return the data root of a run (`named_root`); create it if it is missing."""
    return str(DataRoot(Path(named_root(data))).create().path)


def service_flow(
    name: str, *, longest: int, run_name: str | Callable[[], str] | None = None
) -> Callable[[Callable[Params, Result]], Flow[Params, Result]]:
    """Make a flow of a function that takes the data root as `data`.

    Its process is guarded, no unforeseen exception reaches the engine, and the engine keeps no result.

    Args:
        name: the flow's name.
        longest: seconds after which a run is stuck, and ended.
        run_name: the name of its runs, or a template over the parameters; the flow's name if left out.
    """

    def wrap(function: Callable[Params, Result]) -> Flow[Params, Result]:
        stage = function.__name__

        @wraps(function)
        def within_bounds(*args: Params.args, **kwargs: Params.kwargs) -> Result:
            arguments = signature(function).bind(*args, **kwargs).arguments
            data, run = named_root(arguments.get("data")), str(flow_run.get_id() or "")
            cycle = str(arguments.get("cycle") or arguments.get("kind") or "returns")
            install_process_guard(data)
            keep_memory()
            with run_log(data, run, stage, arguments.get("cycle")):
                result = error_boundary(lambda: function(*args, **kwargs), data=data, cycle=cycle, stage=stage)
            faults = result.get("faults") if isinstance(result, dict) else None
            if faults and run:
                emit_incomplete(stage.replace("_", "-"), faults)
            return result

        make = flow(name=name, flow_run_name=run_name or name, timeout_seconds=longest, persist_result=False)
        return make(within_bounds)

    return wrap
