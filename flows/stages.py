"""How a flow walks the authorities through its stages: one task run a stage, one authority's failure not another's.

Also the run's summary for the dashboard: a table artifact per authority, counts only.
"""

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from prefect.artifacts import create_table_artifact
from prefect.logging import get_run_logger

from flows.progress import step
from schemas.faults import ConfigurationFault, Refused, ServiceFault
from schemas.texts import both
from tasks.io.data_root import DataRoot, keep_private
from tasks.io.reference import authorities

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
            get_run_logger().error("%s: %s", task.name, walked)
            return
        if isinstance(walked, BaseException):
            raise walked
        for la, counts in walked.counts.items():
            self.counts[la][task.name] = counts
        self.faults |= walked.faults
        told = "; ".join(f"{la}: " + ", ".join(f"{k} {n}" for k, n in c.items()) for la, c in walked.counts.items())
        get_run_logger().info("%s: %s", task.name, told)
        for sentence in walked.faults.values():
            get_run_logger().error("%s: %s", task.name, sentence)

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
            table = [
                {"stage": stage, "count": name, "number": n}
                for stage, counts in self.counts.get(la, {}).items()
                for name, n in counts.items()
            ]
            table += [{"stage": "fault", "count": self.faults[la], "number": 1}] if la in self.faults else []
            create_table_artifact(table, key=artifact_key(key, la), description=f"{key} {la}")


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


def root_of(data: str | None) -> str:
    """The data root of a run, made where it is missing: the parameter, else what ULN_DATA says, else `data/local`."""
    path = Path(data or os.environ.get("ULN_DATA") or "data/local").expanduser().resolve()
    keep_private()
    DataRoot(path).create()
    return str(path)
