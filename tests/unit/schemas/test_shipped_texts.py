"""Every code that the service can find has its texts in both languages, and no text is without its code."""

from schemas.codes.merge_findings import merge_findings
from schemas.codes.quarantine_reasons import all_reasons
from schemas.codes.return_codes import all_return_codes
from schemas.states import BatchShown, Decision
from schemas.tables import SENT_FIELDS
from schemas.texts.catalogue import bilingual, text
from tasks.core import merging, mis_rules, publication, superseding, verification
from tasks.core.hand_over import allowed


def test_what_merging_and_publishing_find():
    found = {merging.ULN_DIFFERS, merging.ULN_SHARED, merging.ONE_LEARNER_TWICE}
    found |= {publication.ULN_OF_ANOTHER_BIRTH, *(rule.code for rule in mis_rules.LEARNER_RULES)}
    found |= {publication.RETURN_HAS_ULN_OF_ANOTHER, publication.ASKED_BY_ANOTHER_SCHOOL}
    found |= set(superseding.CHANGE_FINDINGS.values()) | set(verification.OUTCOME_FINDINGS.values())
    assert {f.code for f in merge_findings()} == found


def test_every_field_that_is_sent_has_its_name_in_both_languages():
    assert all(text(f"field.{name}", lang) for name in SENT_FIELDS for lang in ("cy", "en"))


def test_every_state_that_allows_no_decision_has_its_sentence():
    places = {"file_name": "F", "batch_ref": "B", "cycle": "C", "age": 1, "days": 2}
    for state in BatchShown:
        if not all(allowed(decision, state) for decision in Decision):
            assert "B" in bilingual(f"fault.no_decision_{state}", **places)


def test_no_two_tables_give_one_code_two_meanings():
    codes = [*(f.code for f in merge_findings()), *all_return_codes()]
    assert len(codes) == len(set(codes))


def test_reasons_of_quarantine_say_what_to_do():
    assert all(r.action_cy != r.action_en and r.text_cy != r.text_en for r in all_reasons().values())
