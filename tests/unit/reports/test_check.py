"""`uln check` says of each return what `receive` and the rules would say."""

import io
import zipfile

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli.__main__ import app
from schemas.cycles import cycle_by_id
from tasks.io.data_root.reference import SHIPPED
from tasks.reports.check import CheckedReturn, RefusedReturn, check_file
from tests.support.returns import a_return


def written(tmp_path, **members):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name + ".xml", content)
    path.write_bytes(buffer.getvalue())
    return path


def test_a_bad_member_is_named_and_does_not_hide_the_others(tmp_path):
    path = written(tmp_path, a=a_return(), b=b"<", c=a_return("6609999"), d=a_return("6604026"))
    found = check_file(path)
    assert [(type(one), one.member) for one in found] == [
        (CheckedReturn, "a.xml"),
        (RefusedReturn, "b.xml"),
        (RefusedReturn, "c.xml"),
        (CheckedReturn, "d.xml"),
    ]
    assert [one.refused.reason for one in found[1:3]] == ["not_xml", "unknown_school"]


def test_a_file_that_holds_no_return_is_one_refusal(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"PK")
    (only,) = check_file(tmp_path / "x.zip")
    assert (only.member, only.refused.reason) == (None, "bad_zip")


def test_schools_of_the_data_root_are_the_register(tmp_path):
    schools = pd.read_csv(SHIPPED / "schools.csv", dtype="str")
    (tmp_path / "x.xml").write_bytes(a_return())
    assert isinstance(check_file(tmp_path / "x.xml", reference=tmp_path)[0], CheckedReturn)
    schools[schools["school_number"] != "6604025"].to_csv(tmp_path / "schools.csv", index=False)
    assert check_file(tmp_path / "x.xml", reference=tmp_path)[0].refused.reason == "unknown_school"


@pytest.mark.parametrize(
    ("day", "cycle", "told"),
    [("2012-01-17", "2013-01", "cycle 2013-01 takes"), ("1999-01-19", None, "no cycle takes it")],
    ids=["another-cycle", "none"],
)
def test_a_census_date_outside_is_told(tmp_path, day, cycle, told):
    (tmp_path / "x.xml").write_bytes(a_return(day=day))
    (only,) = check_file(tmp_path / "x.xml", cycle_by_id(cycle) if cycle else None)
    assert only.refused.reason == "outside_cycle" and told in only.refused.detail


def test_the_terminal_names_the_member_that_would_be_refused(tmp_path):
    path = written(tmp_path, a=a_return(), b=b"<")
    told = CliRunner().invoke(app, ["check", str(path), "--data", str(tmp_path)])
    assert told.exit_code == 1
    output = told.output.replace("\n", "")
    assert "x.zip#b.xml: Nid yw'r ffeil" in output and "x.zip#a.xml: 6604025" in output
