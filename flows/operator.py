"""The operator's flows: a person's decision about a batch, a school or a file that the service cannot settle by itself.

Each flow is a terminal command (`uln retry`, `abandon`, `release`, `publish`, `import`) started from Prefect's form. Everyone
who may use the engine sees a run's parameters, the reason too; the form's descriptions say so. The reason is not in the run's
name, log, result or artifacts. To add a decision about a batch: a flow here, its word in `schemas.states.Decision`, what it
does in `tasks.core.hand_over` and `tasks.ledger.hand_over`; about anything else: see `tasks.ledger.operator_decisions`.
"""

from collections.abc import Callable
from typing import Any

from prefect import flow

from flows.run.artifacts import log_decision
from flows.run.flow_run import bounded, root_of
from flows.run.forms import CycleId, MaybeFolder, MaybeMoment, Reason, Ref, School
from flows.run.schedule import scheduled_time
from schemas.states import Decision
from schemas.texts.catalogue import Bilingual
from tasks.operator.decide_batch import decide
from tasks.operator.decide_school import publish_again, release_hold
from tasks.operator.import_export import import_export
from tasks.runtime.task import stage_task

#: A decision takes as long as its commits and the run that it waits for.
LONGEST_SECONDS = 3600


@flow(
    name="retry",
    flow_run_name="retry",
    timeout_seconds=LONGEST_SECONDS,
    persist_result=False,
    validate_parameters=True,
)
@bounded
def retry(ref: Ref, reason: Reason, as_of: MaybeMoment = None, data: MaybeFolder = None) -> None:
    """Anfon swp eto pan nad oes cadarnhad iddo gyrraedd / Hand over again a batch whose hand-over is not confirmed.

    First check on the LRS portal that it did not arrive. The next census run of its cycle hands it over, under the same name.

    Args:
        ref: Cyfeirnod y swp neu enw ei ffeil / The batch's reference, or the name of its file.
        reason: Pam; dim data disgyblion: mae pawb sy'n defnyddio Prefect yn gweld paramedrau / Why; no pupil's data:
            everyone who uses Prefect sees parameters.
        as_of: Amser y penderfyniad, ISO; yr amser a drefnwyd os yn wag / The decision's time, ISO; the scheduled time if
            empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Raises:
        ServiceFault: there is no such batch, its state does not allow it, or the reason cannot be taken.
    """
    _decide(Decision.RETRY, ref, reason, as_of, data)


@flow(
    name="abandon",
    flow_run_name="abandon",
    timeout_seconds=LONGEST_SECONDS,
    persist_result=False,
    validate_parameters=True,
)
@bounded
def abandon(ref: Ref, reason: Reason, as_of: MaybeMoment = None, data: MaybeFolder = None) -> None:
    """Rhoi'r gorau i swp nad yw'r LRS yn ei adnabod / Abandon a batch that the LRS does not know.

    Its learners are due again with the next census run of its cycle. First ask the LRS: a learner it knows is sent twice.

    Args:
        ref: Cyfeirnod y swp neu enw ei ffeil / The batch's reference, or the name of its file.
        reason: Pam; dim data disgyblion: mae pawb sy'n defnyddio Prefect yn gweld paramedrau / Why; no pupil's data:
            everyone who uses Prefect sees parameters.
        as_of: Amser y penderfyniad, ISO; yr amser a drefnwyd os yn wag / The decision's time, ISO; the scheduled time if
            empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Raises:
        ServiceFault: there is no such batch, its state does not allow it, or the reason cannot be taken.
    """
    _decide(Decision.ABANDON, ref, reason, as_of, data)


@flow(
    name="release-hold",
    flow_run_name="release-hold",
    timeout_seconds=LONGEST_SECONDS,
    persist_result=False,
    validate_parameters=True,
)
@bounded
def release(
    school: School, cycle: CycleId, reason: Reason, as_of: MaybeMoment = None, data: MaybeFolder = None
) -> None:
    """Rhyddhau ysgol a ataliwyd / Release a school on hold: its number of learners fell far below its last cycle's.

    First ask the school whether its return is complete. The next census run of the cycle batches its learners.

    Args:
        school: Rhif yr ysgol / The school's number.
        cycle: Y cylch / The cycle.
        reason: Pam; dim data disgyblion: mae pawb sy'n defnyddio Prefect yn gweld paramedrau / Why; no pupil's data:
            everyone who uses Prefect sees parameters.
        as_of: Amser y penderfyniad, ISO; yr amser a drefnwyd os yn wag / The decision's time, ISO; the scheduled time if
            empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Raises:
        ServiceFault: the school is not on hold, or the reason cannot be taken.
    """
    _carry_out(
        "release-hold", release_hold, data, school=school, cycle=cycle, reason=reason, as_of=scheduled_time(as_of)
    )


@flow(
    name="publish-again",
    flow_run_name="publish-again",
    timeout_seconds=LONGEST_SECONDS,
    persist_result=False,
    validate_parameters=True,
)
@bounded
def publish(
    school: School, cycle: CycleId, reason: Reason, as_of: MaybeMoment = None, data: MaybeFolder = None
) -> None:
    """Cyhoeddi ffeiliau ysgol eto / Publish a school's files again, under the next number.

    Args:
        school: Rhif yr ysgol / The school's number.
        cycle: Y cylch / The cycle.
        reason: Pam; dim data disgyblion: mae pawb sy'n defnyddio Prefect yn gweld paramedrau / Why; no pupil's data:
            everyone who uses Prefect sees parameters.
        as_of: Amser y penderfyniad, ISO; yr amser a drefnwyd os yn wag / The decision's time, ISO; the scheduled time if
            empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Raises:
        ServiceFault: the school has had no file in the cycle, its file could not be made, or the reason cannot be taken.
    """
    _carry_out(
        "publish-again", publish_again, data, school=school, cycle=cycle, reason=reason, as_of=scheduled_time(as_of)
    )


@flow(
    name="import-export",
    flow_run_name="import-export",
    timeout_seconds=LONGEST_SECONDS,
    persist_result=False,
    validate_parameters=True,
)
@bounded
def import_from_inbox(file: Ref, reason: Reason, as_of: MaybeMoment = None, data: MaybeFolder = None) -> None:
    """Derbyn allforyn o eithriadau a broseswyd / Import an export of processed exceptions from lrs/inbox.

    Args:
        file: Enw'r ffeil yn lrs/inbox; dim data disgyblion / The file's name in lrs/inbox; no pupil's data.
        reason: Pam; dim data disgyblion: mae pawb sy'n defnyddio Prefect yn gweld paramedrau / Why; no pupil's data:
            everyone who uses Prefect sees parameters.
        as_of: Amser y penderfyniad, ISO; yr amser a drefnwyd os yn wag / The decision's time, ISO; the scheduled time if
            empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Raises:
        ServiceFault: there is no such file, it is refused, or the reason cannot be taken.
    """
    _carry_out(
        "import-export", import_export, data, file=file, reason=reason, as_of=scheduled_time(as_of), from_inbox=True
    )


def _carry_out(name: str, does: Callable[..., Bilingual], data: str | None, **parameters: Any) -> None:
    log_decision(stage_task(name, name)(does)(data=root_of(data), **parameters))


def _decide(decision: Decision, ref: str, reason: str, as_of: str | None, data: str | None) -> None:
    task = stage_task("decide", decision.value)(decide)
    log_decision(task(data=root_of(data), ref=ref, decision=decision, reason=reason, as_of=scheduled_time(as_of)))
