"""Trace: everything that the ledger holds about one learner, for the terminal of someone who may read the data root.

Reads only; no engine. Belongs here: finding the rows of one learner, over cycles and former UPNs, without reading all of
Wales. Does not belong here: the events made from them (`tasks.core.learner_story`), and who may see them
(`tasks.runtime.visibility.of_one_learner` checks all results).
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.cycles import cycle_by_id
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from schemas.views import LEARNER_KNOWN, LEARNER_STATES, LEARNER_STORY
from tasks.core.identifiers import canonical_upn
from tasks.core.learner_story import LearnerLedger, events, key_fault, same_learner, unknown_fault
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
        known: a row per UPN: upn, and its row in the register (uln, other_ulns, school_number, cycle, conflict).
        states: present state of the records in the learner's newest returns: cycle, school_number, upn, state.
        events: `learner_story.EVENT_COLUMNS`, by time.
    """

    known: OfOneLearner
    states: OfOneLearner
    events: OfOneLearner

    def as_json(self) -> dict[str, list[dict[str, str | None]]]:
        """Return what `uln trace --json` prints."""
        tables = {"known": self.known, "stands": self.states, "events": self.events}
        return {name: json.loads(table.of_learner.to_json(orient="records")) for name, table in tables.items()}


def stories(data: str, key: str) -> list[Story]:
    """Return the story of a learner; several stories if several learners have the ULN.

    `key` is a UPN or a ULN, in any spelling that occurs in a return.

    Raises:
        ServiceFault: the key is neither a UPN nor a ULN, or nobody has it; the text does not repeat the key.
    """
    fault = key_fault(key)
    if fault:
        raise ServiceFault(bilingual(fault))
    ledger = _Ledger(DataRoot(Path(data)))
    results, seen = [], set[str]()
    for upn in ledger.upns_named(key):
        if upn not in seen:
            upns = ledger.upns_of(upn)
            seen |= upns
            if story := ledger.story(upns):
                results.append(story)
    if not results:
        raise ServiceFault(bilingual(unknown_fault(key)))
    return results


def _with_former(records: pd.DataFrame, upns: set[str]) -> set[str]:
    """Return the UPNs and all others that `same_learner` reaches from them, step by step."""
    more = same_learner(records, upns)
    return upns if more == upns else _with_former(records, more)


class _Ledger:
    """The lake, read for one learner at a time. The spellings of UPNs in returns are read once."""

    def __init__(self, root: DataRoot) -> None:
        self._root, self._lake = root, Lake.of(root)
        self._spellings = self._lake.distinct("pupils", "upn")
        self._canonical = canonical_upn(self._spellings)
        # Few records have a former UPN; the first search for a learner's other UPNs needs only these.
        self._renamed = self._records(former_upn=self._lake.distinct("pupils", "former_upn"))

    def upns_named(self, key: str) -> list[str]:
        """Return the UPNs for a key, sorted: the key itself, or the UPNs with this ULN."""
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
        """Return all UPNs of the learner, through the former UPNs in returns (`learner_story.same_learner`)."""
        steps = self._renamed.assign(person=None)  # persons are compared below, if there are other UPNs
        near = _with_former(steps, {upn})
        if near == {upn}:
            return near
        records = self._records(upn=self._spellings[self._canonical.isin(near)])
        sent = self._lake.read("batch_rows", ["upn", "given_name", "dob", "gender"], upn=sorted(near))
        sent = sent.assign(person=person(sent))
        # For a purged record, only the ledger still knows the person.
        once = sent.drop_duplicates("upn")
        records["person"] = records["person"].fillna(lookup(records["upn"], once["upn"], once["person"]))
        return _with_former(pd.concat([records, sent.reindex(columns=records.columns)]).astype("str"), {upn})

    def _records(self, **where: Any) -> pd.DataFrame:
        """Return UPN and former UPN (canonical), and person, of some records."""
        rows = self._lake.read("pupils", ["upn", "former_upn", "forename", "dob", "gender"], **where)
        as_lrs = rows.assign(given_name=rows["forename"], gender=lrs_genders(rows["gender"]))
        upns = {name: canonical_upn(rows[name]) for name in ("upn", "former_upn")}
        return pd.DataFrame({**upns, "person": person(as_lrs)})

    def story(self, upns: set[str]) -> Story | None:
        """Return the story of the learner with these UPNs; None if there are no rows."""
        lake, sorted_upns = self._lake, sorted(upns)
        spellings = self._spellings[self._canonical.isin(upns)]
        refs = lake.read("pupils", ["row_ref", "cycle", "la_code"], upn=spellings)
        where: dict[str, Any] = {name: refs[name] for name in refs.columns}
        pupils = lake.read("pupils", **where)
        batch_rows = lake.read("batch_rows", upn=sorted_upns)
        batches = lake.read("batches", batch_ref=batch_rows["batch_ref"], cycle=batch_rows["cycle"])
        answers = lake.read("lrs_returns", upn=sorted_upns)
        learners = lake.read("learners", upn=sorted_upns)
        # The learner may have moved since a batch was built; files of the former and of the new school name the learner.
        places = pd.concat([t[["cycle", "school_number"]] for t in (pupils, batch_rows)]).drop_duplicates()
        returns = lake.read("received", cycle=places["cycle"], school_number=places["school_number"], kind="return")
        received = pd.concat([lake.read("received", sha256=answers["sha256"]), returns])
        opted = opt_outs(self._root.reference)
        opted = opted.assign(upn=canonical_upn(opted["upn"]))
        held = LearnerLedger(
            received=received.drop_duplicates("sha256", ignore_index=True),
            pupils=pupils,
            dispositions=lake.read("dispositions", **where),
            findings=lake.read("findings", **where),
            batches=batches,
            batch_rows=batch_rows,
            decisions=lake.read("batch_decisions", batch_ref=batch_rows["batch_ref"]),
            answers=answers,
            exceptions=milestones_under(str(self._root.path), sorted_upns),
            learners=learners,
            deliveries=self._deliveries(places["school_number"], sorted_upns),
            verifications=lake.read("uln_checks", upn=sorted_upns),
            opt_outs=opted[opted["upn"].isin(sorted_upns)],
            purged=lake.read("purged"),
        )
        story = events(held)
        if story.empty:
            return None
        known = pd.DataFrame({"upn": sorted_upns}, dtype="str").merge(learners, on="upn", how="left")
        return Story(
            of_one_learner(LEARNER_KNOWN, known[[c.name for c in LEARNER_KNOWN.columns]], upns),
            of_one_learner(LEARNER_STATES, self._states(held.pupils), upns),
            of_one_learner(LEARNER_STORY, story, upns),
        )

    def _deliveries(self, schools: pd.Series, upns: list[str]) -> pd.DataFrame:
        """Return the deliveries to these schools and their authorities, with the names of the files inside about the learner.

        These names are in the column members; null if the delivered file is no longer there.
        """
        receivers = pd.concat([schools, schools.str[:3]]).drop_duplicates()
        rows = self._lake.read("deliveries", school_number=receivers)
        files = [self._root.path / path for path in rows["path"]]
        members = [";".join(members_naming(f.name, f.read_bytes(), upns)) if f.is_file() else None for f in files]
        return rows.assign(members=pd.Series(members, index=rows.index, dtype="str"))

    def _states(self, pupils: pd.DataFrame) -> pd.DataFrame:
        """Return the present state of the learner's chosen records: cycle, school_number, upn, state; sorted."""
        states = [pd.DataFrame({"cycle": [], "school_number": [], "upn": [], "state": []}, dtype="str")]
        rows = pupils[["cycle", "la_code", "school_number"]].drop_duplicates()
        # Only the few schools of one learner; no loop over a table.
        for cycle, la, school in rows.itertuples(index=False, name=None):
            _, _, standing = record_states(self._lake, cycle_by_id(cycle), la_code=la, school_number=school)
            records = standing[is_in(standing["row_ref"], pupils["row_ref"])]
            states.append(records[["school_number", "upn", "state"]].assign(cycle=cycle))
        return pd.concat(states).sort_values(["cycle", "school_number", "upn"], ignore_index=True)
