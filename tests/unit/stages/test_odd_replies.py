"""A reply of the LRS that cannot be used: the other jobs of the check, and of the verifications, are settled all the same."""

import pandas as pd
import pytest

from schemas.codes.service_codes import service_codes
from schemas.states import JobKind
from schemas.texts.faults import ServiceFault
from tasks.io.lrs.settings import LrsService
from tasks.io.lrs.web_service import Reply
from tasks.runtime.context import RunContext
from tasks.stages import lrs_check, verify

#: Of two jobs, by number.
LEARNER = b"<Learner><MISIdentifier>A660402512001</MISIdentifier><ReturnCode>RC001</ReturnCode></Learner>"
MESSAGES = {"1": b"<cut", "2": b"<GetSubmitBatchOutputResponse>" + LEARNER + b"</GetSubmitBatchOutputResponse>"}
SHARED = {"cycle": "2012-01", "la_code": "660", "school_number": "6604025", "ukprn": "10000001", "job_ref": ["1", "2"]}


class Service:
    """Answers both jobs."""

    def output(self, job_ref, _ukprn):
        """Return a job's reply."""
        return Reply("WSRC0009", message=MESSAGES[job_ref])

    verification = output


@pytest.fixture
def ctx(tmp_path, monkeypatch):
    (tmp_path / "reference").mkdir()
    for stage in (lrs_check, verify):
        monkeypatch.setattr(stage, "learner_service", lambda _settings: Service())
        monkeypatch.setattr(stage, "lrs_service", lambda _reference: LrsService(check_seconds=0))
    return RunContext.of(str(tmp_path), "2012-01")


def test_of_a_verification(ctx):
    checks = pd.DataFrame({"upn": ["a", "b"], "uln": ["1", "2"], **SHARED, "asked_at": "", "code": None, "flags": None})
    ctx.lake.upsert("uln_checks", checks.astype({"code": "str", "flags": "str"}))
    with pytest.raises(ServiceFault, match=r"1 batches: .*ODD_ANSWER"):
        verify.ask_for_verifications(ctx.root, ctx.lake)
    codes = ctx.lake.read("uln_checks", ["upn", "code"]).set_index("upn")["code"]
    assert codes.isna()["a"] and codes["b"] == "LEFT_OUT"


def test_of_a_check(ctx):
    batches = pd.DataFrame({"batch_ref": ["a", "b"], **SHARED, "file_name": ["A.XML", "B.XML"]})
    jobs = batches.assign(kind=JobKind.CHECK.value, submitted_at="", code=None).astype({"code": "str"})
    ctx.lake.append("lrs_jobs", jobs)
    answers, faults = lrs_check._answers(ctx, batches, service_codes(ctx.root.reference), stopped=False)
    assert "ODD_ANSWER" in str(faults["660"]) and list(answers["batch_ref"]) == ["b"]
    codes = ctx.lake.read("lrs_jobs", ["job_ref", "code"]).set_index("job_ref")["code"]
    assert codes.isna()["1"] and codes["2"] == "WSRC0009"
