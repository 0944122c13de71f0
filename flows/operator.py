"""The operator's flows: decisions that only a person can make, about a batch, a school or a file.

Each flow does from Prefect's form what a command does from the terminal (`uln retry`, `abandon`, `release`, `publish`,
`import`). Everyone who may use the engine sees a run's parameters, and so the reason; the form's descriptions say so. The
reason is not in the run's name, log, result or artifacts. To add a decision about a batch: a flow here, its word in
`schemas.states.Decision`, what it does in `tasks.core.hand_over` and `tasks.ledger.hand_over`; about anything else: see
`tasks.ledger.operator_decisions`.
"""

from collections.abc import Callable
from typing import Any

from flows.run.artifacts import log_decision
from flows.run.flow_run import root_of, service_flow
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


@service_flow("retry", longest=LONGEST_SECONDS)
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
    _carry_out("decide", decide, data, as_of, "retry", ref=ref, decision=Decision.RETRY, reason=reason)


@service_flow("abandon", longest=LONGEST_SECONDS)
def abandon(ref: Ref, reason: Reason, as_of: MaybeMoment = None, data: MaybeFolder = None) -> None:
    """Rhoi'r gorau i swp nad yw'r LRS yn ei adnabod / Abandon a batch that the LRS does not know.

    Its learners are due again with the next census run of its cycle. First ask the LRS: learners that it knows would be
    sent twice.

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
    _carry_out("decide", decide, data, as_of, "abandon", ref=ref, decision=Decision.ABANDON, reason=reason)


@service_flow("release-hold", longest=LONGEST_SECONDS)
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
    _carry_out("release-hold", release_hold, data, as_of, school=school, cycle=cycle, reason=reason)


@service_flow("publish-again", longest=LONGEST_SECONDS)
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
    _carry_out("publish-again", publish_again, data, as_of, school=school, cycle=cycle, reason=reason)


@service_flow("import-export", longest=LONGEST_SECONDS)
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
    _carry_out("import-export", import_export, data, as_of, file=file, reason=reason, from_inbox=True)


def _carry_out(
    name: str, does: Callable[..., Bilingual], data: str | None, as_of: str | None, run_name: str = "", **more: Any
) -> None:
    task = stage_task(name, run_name or name)(does)
    log_decision(task(data=root_of(data), as_of=scheduled_time(as_of), **more))
