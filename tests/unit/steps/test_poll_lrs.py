"""Answers of the LRS web service's jobs: each reply by itself."""

import pandas as pd
import pytest

from schemas.texts.faults import TransientFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lrs.settings import LrsService
from tasks.io.lrs.web_service import Reply
from tasks.steps.poll_lrs import job_answers, refuse

ANSWERED = "WSRC0009"
JOBS = pd.DataFrame(
    {
        **{"job_ref": ["1", "2", "3"], "batch_ref": ["a", "b", "c"], "ukprn": "10000001", "cycle": "2012-01"},
        **{
            "la_code": "660",
            "school_number": "6604025",
            "file_name": ["A.XML", "B.XML", "C.XML"],
            "kind": "FUL",
            "submitted_at": "",
        },
    }
)


class Ledger:
    """A lake with the batches of the jobs."""

    def read(self, *_, **__):
        """Return the batches, with the number of their learners."""
        return pd.DataFrame({"batch_ref": ["a", "b", "c"], "rows": 0})


def answers(root, monkeypatch, *messages):
    """The answers to the three jobs, whose replies have these messages."""

    class Service:
        def output(self, job_ref, _ukprn):
            return Reply(ANSWERED, message=messages[int(job_ref) - 1])

    monkeypatch.setattr("tasks.steps.poll_lrs.lrs_service", lambda _reference: LrsService())
    monkeypatch.setattr("tasks.steps.poll_lrs.learner_service", lambda _settings: Service())
    return list(job_answers(root, Ledger(), JOBS))


@pytest.fixture
def root(tmp_path):
    (tmp_path / "reference").mkdir()
    return DataRoot(tmp_path)


@pytest.mark.parametrize("odd", [b"", b"<Answer", b"<Answer>\0</Answer>"], ids=["empty", "cut", "no xml"])
def test_a_reply_that_cannot_be_used_loses_no_other_answer_and_its_job_stays_open(root, monkeypatch, odd):
    (received,) = answers(root, monkeypatch, b"<Answer/>", odd, b"<Answer/>")
    assert sorted(received.files) == ["A_RESULT_1.XML", "C_RESULT_3.XML"]
    assert list(received.settled["job_ref"]) == ["1", "3"]
    with pytest.raises(TransientFault, match=r"1 batches: .*ODD_ANSWER"):
        refuse([received])


def test_a_counter_may_have_any_number_of_digits(root, monkeypatch):
    counter = b"<NewLearnersCount>%s</NewLearnersCount>" % (b"9" * 5000)
    (received,) = answers(root, monkeypatch, b"<Answer/>", b"<Answer>" + counter + b"</Answer>", b"<Answer/>")
    assert len(received.files) == len(received.settled) == 3 and received.odd["answer_counted"] == ["2"]
