"""One learner's story, for the terminal of someone who may read the data root: everything that the ledger holds of them.

Reads only, writes nothing, needs no engine. Belongs here: where the rows of one learner are found, over cycles and former
UPNs, without reading the country. Does not belong here: what they say (`tasks.core.learner_story`) or who may see it
(`tasks.runtime.visibility.of_one_learner`, by which all that leaves here passes).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.cycles import cycle_by_id
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from schemas.views import LEARNER_KNOWN, LEARNER_STANDS, LEARNER_STORY
from tasks.core.identifiers import canonical_upn
from tasks.core.learner_story import Held, events, key_fault, same_learner, unknown_fault
from tasks.core.lrs_form import lrs_genders
from tasks.core.membership import is_in, lookup
from tasks.core.one_learner import person
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import opt_outs
from tasks.io.lake.lake import Lake
from tasks.io.school.zip_file import members_naming
from tasks.ledger.exception_life import milestones_under
from tasks.ledger.standing import record_states
from tasks.runtime.visibility import OfOneLearner, of_one_learner


@dataclass(frozen=True)
class Story:
    """One learner.

    Attributes:
        known: a row per UPN: upn, and what the register holds of it (uln, other_ulns, school_number, cycle, conflict).
        stands: where the records of the learner's newest returns stand now: cycle, school_number, upn, state.
        told: `learner_story.EVENT_COLUMNS`, in the order of time.
    """

    known: OfOneLearner
    stands: OfOneLearner
    told: OfOneLearner

    def as_json(self) -> dict[str, list[dict[str, str | None]]]:
        """What `uln trace --json` prints of it."""
        tables = {"known": self.known, "stands": self.stands, "events": self.told}
        return {
            name: [
                {str(k): v if isinstance(v, str) else None for k, v in row.items()}
                for row in table.of_learner.to_dict("records")
            ]
            for name, table in tables.items()
        }


def stories(data: str, key: str) -> list[Story]:
    """What is known of a learner; of several, where a ULN stands with several.

    Args:
        data: the data root.
        key: a UPN or a ULN, in any spelling in which it may stand in a return.

    Raises:
        ServiceFault: the key is neither, or nobody has it; the sentence does not repeat it.
    """
    fault = key_fault(key)
    if fault:
        raise ServiceFault(bilingual(fault))
    root = DataRoot(Path(data))
    ledger = _Ledger(root)
    found, seen = [], set[str]()
    for upn in ledger.named_by(key):
        if upn not in seen:
            upns = ledger.upns_of(upn)
            seen |= upns
            one = ledger.story(upns)
            found += [] if one is None else [one]
    if not found:
        raise ServiceFault(bilingual(unknown_fault(key)))
    return found


def _closed(records: pd.DataFrame, upns: set[str]) -> set[str]:
    """These UPNs with all that follow from them, step by step."""
    more = same_learner(records, upns)
    return upns if more == upns else _closed(records, more)


class _Ledger:
    """The lake, asked for one learner at a time; how returns spell their UPNs is looked through once."""

    def __init__(self, root: DataRoot) -> None:
        self._root, self._lake = root, Lake.of(root)
        as_sent = self._lake.distinct("pupils", "upn")
        self._spelled = pd.DataFrame({"as_sent": as_sent, "upn": canonical_upn(as_sent)})
        # Few have a former UPN: with these the others need not be looked through for each step.
        self._renamed = self._records(former_upn=self._lake.distinct("pupils", "former_upn"))

    def named_by(self, key: str) -> list[str]:
        """The UPNs that a key stands for, sorted: itself, or those with which the ULN stands."""
        upn = str(canonical_upn(pd.Series([key], dtype="str")).iloc[0])
        if not upn.isdecimal():
            return [upn]
        lake = self._lake
        spelled = lake.distinct("pupils", "uln")
        several = lake.distinct("learners", "other_ulns")
        rows = [
            lake.read("learners", ["upn"], uln=upn),
            lake.read("learners", ["upn"], other_ulns=several[several.str.split(";").map(lambda ulns: upn in ulns)]),
            lake.read("pupils", ["upn"], uln=spelled[spelled.str.strip() == upn]),
            lake.read("lrs_returns", ["upn"], uln=upn),
            lake.read("uln_checks", ["upn"], uln=upn),
        ]
        return sorted(set(canonical_upn(pd.concat(rows)["upn"]).dropna()))

    def upns_of(self, upn: str) -> set[str]:
        """All UPNs of the learner, over what returns say of former ones (`learner_story.same_learner`)."""
        steps = self._renamed.assign(person=None)  # whoever it may be, before it is looked at
        near = _closed(steps, {upn})
        if near == {upn}:
            return near
        records = self._records(upn=self._as_sent(near))
        sent = self._lake.read("batch_rows", ["upn", "given_name", "dob", "gender"], upn=sorted(near))
        sent = sent.assign(person=person(sent))
        # Of a purged record the ledger alone still knows who it was.
        once = sent.drop_duplicates("upn")
        records["person"] = records["person"].fillna(lookup(records["upn"], once["upn"], once["person"]))
        return _closed(pd.concat([records, sent.reindex(columns=records.columns)]).astype("str"), {upn})

    def _records(self, **where: Any) -> pd.DataFrame:
        """UPN, former UPN (canonical) and person of some records."""
        rows = self._lake.read("pupils", ["upn", "former_upn", "forename", "dob", "gender"], **where)
        said = rows.assign(given_name=rows["forename"], gender=lrs_genders(rows["gender"]))
        upns = {name: canonical_upn(rows[name]) for name in ("upn", "former_upn")}
        return pd.DataFrame({**upns, "person": person(said)})

    def _as_sent(self, upns: set[str]) -> pd.Series:
        return self._spelled.loc[self._spelled["upn"].isin(upns), "as_sent"]

    def story(self, upns: set[str]) -> Story | None:
        """The story of the learner who has these UPNs; None where there is nothing of them."""
        lake, own = self._lake, sorted(upns)
        refs = lake.read("pupils", ["row_ref", "cycle", "la_code"], upn=self._as_sent(upns))
        where: dict[str, Any] = {name: refs[name] for name in ("cycle", "la_code", "row_ref")}
        pupils = lake.read("pupils", **where)
        batch_rows = lake.read("batch_rows", upn=own)
        batches = lake.read("batches", batch_ref=batch_rows["batch_ref"], cycle=batch_rows["cycle"])
        answers = lake.read("lrs_returns", upn=own)
        learners = lake.read("learners", upn=own)
        # Who got a ULN in one school may have gone to another since: its files name them, too.
        places = pd.concat([t[["cycle", "school_number"]] for t in (pupils, batch_rows)]).drop_duplicates()
        received = pd.concat(
            [
                lake.read("received", sha256=answers["sha256"]),
                lake.read("received", cycle=places["cycle"], school_number=places["school_number"], kind="return"),
            ]
        )
        opted = opt_outs(self._root.reference)
        opted = opted.assign(upn=canonical_upn(opted["upn"]))
        held = Held(
            received=received.drop_duplicates("sha256", ignore_index=True),
            pupils=pupils,
            dispositions=lake.read("dispositions", **where),
            findings=lake.read("findings", **where),
            batches=batches,
            batch_rows=batch_rows,
            decisions=lake.read("batch_decisions", batch_ref=batch_rows["batch_ref"]),
            answers=answers,
            exceptions=milestones_under(str(self._root.path), own),
            learners=learners,
            deliveries=self._deliveries(places["school_number"], own),
            verifications=lake.read("uln_checks", upn=own),
            opt_outs=opted[opted["upn"].isin(own)],
            purged=lake.read("purged"),
        )
        told = events(held)
        if told.empty:
            return None
        known = pd.DataFrame({"upn": own}, dtype="str").merge(learners, on="upn", how="left")
        return Story(
            of_one_learner(LEARNER_KNOWN, known[[c.name for c in LEARNER_KNOWN.columns]], upns),
            of_one_learner(LEARNER_STANDS, self._stands(held), upns),
            of_one_learner(LEARNER_STORY, told, upns),
        )

    def _deliveries(self, schools: pd.Series, upns: list[str]) -> pd.DataFrame:
        """What these schools and their authorities were delivered, and which files in it name the learner.

        Null where the delivery is gone.
        """
        receivers = pd.concat([schools, schools.str[:3]]).drop_duplicates()
        rows = self._lake.read("deliveries", school_number=receivers)
        members: list[str | None] = []
        for path in rows["path"]:
            file = self._root.path / path
            named = members_naming(file.name, file.read_bytes(), upns) if file.is_file() else None
            members.append(None if named is None else ";".join(named))
        return rows.assign(members=pd.Series(members, index=rows.index, dtype="str"))

    def _stands(self, held: Held) -> pd.DataFrame:
        """Where the chosen records of the learner stand now: cycle, school_number, upn, state; sorted."""
        found = [pd.DataFrame({"cycle": [], "school_number": [], "upn": [], "state": []}, dtype="str")]
        rows = held.pupils[["cycle", "la_code", "school_number"]].drop_duplicates()
        # The few places of one learner, each with a question of its own; no table is walked.
        for cycle, la, school in rows.itertuples(index=False, name=None):
            _, _, standing = record_states(self._lake, cycle_by_id(cycle), la_code=la, school_number=school)
            own = standing[is_in(standing["row_ref"], held.pupils["row_ref"])]
            found.append(own[["school_number", "upn", "state"]].assign(cycle=cycle))
        return pd.concat(found).sort_values(["cycle", "school_number", "upn"], ignore_index=True)
