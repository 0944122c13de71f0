"""What holds for any input: conservation, merging by the set of answers, names as they were sent, batches read back."""

import csv
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import BY_SERVICE, all_profiles
from schemas.plasc.layouts import all_layouts
from schemas.tables import PUPIL_FIELDS
from tasks.core.evidence import KnownUpns
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import lrs_rows
from tasks.core.merging import merge_answers
from tasks.core.publication import SchoolRecords, for_schools
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.io.lrs.files import batch_file_name, read_result, write_batch
from tasks.io.plasc.reader import read_return
from tasks.ledger.code_texts import texts_of
from tasks.reports.status import status_of
from tasks.steps.school_files import SchoolPack, Submission, school_files
from tasks.steps.validate import apply_rules
from tests.hostile.pupils import SOUND, ULNS, UPNS, a_return
from tests.support.diary import census, returns
from tests.support.learners import sound_learners

CYCLE = cycle_by_id("2012-01")
PROFILES = all_profiles()


def searched(examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Everyday the same few examples; many others where HYPOTHESIS_PROFILE is long."""
    long = os.environ.get("HYPOTHESIS_PROFILE") == "long"
    return settings(
        derandomize=not long,
        deadline=None,
        max_examples=examples * (50 if long else 1),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


#: What XML 1.0 can hold, but for the carriage return, which every parser makes a line feed.
_CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
_ODD = "\t\n\u0430\u0302\u0336\u034f\u200b\u200d\u202e\u2066\ufeff\ufe0f\u3164\u017f\u0131\ufb03\uff21\U0001d412\xa0\u3000'’=+-@\"<&>;,"
WORDS = st.text(
    st.one_of(_CHARACTERS, st.sampled_from(_ODD), st.sampled_from("aeiouŵŷSRNT -")), min_size=1, max_size=40
)
NAMES = st.one_of(
    WORDS, st.sampled_from(["Siân", "O’Neill", "ap Rhys", "Si\u0430n", "\u202eSian", "=1+1", "李", "W\u0302"])
)


#: What every run tries, whatever else it finds.
ODD_NAMES = [
    *(
        " ap  Siôn ",
        "\tJones",
        "=1+1",
        "A & <B>",
        "S1an",
        "A" * 36,
        "--",
        "\u200b",
        "W\u0302yn",
        "Si\u0430n",
        "\u202eSian",
    ),
    *(
        "O\u2019Neill",
        "\uff33ian",
        "\u674e",
        "a\u0336\u0335\u0338",
        "\U0001f600",
        "\xa0Mair\u3000",
        "Straße",
        "]]>",
        "\u2028x",
    ),
]


@searched(6)
@given(names=st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=25))
@example(names=[(name, name, name) for name in ODD_NAMES])
def test_any_name_goes_in_the_form_of_the_lrs_or_is_held_and_comes_back_byte_for_byte(names):
    sent = [
        SOUND | {"upn": UPNS[n], "surname": s, "forename": f, "middle_names": m} for n, (s, f, m) in enumerate(names)
    ]
    found = read_return(a_return(sent), all_layouts()).pupils
    for field, place in (("surname", 0), ("forename", 1), ("middle_names", 2)):
        assert list(found[field]) == [name[place] for name in names]
    chosen = found.assign(row_ref=[f"r{n}" for n in range(len(found))], school_number="6604025", sha256="s1")

    # To the LRS: of each name either a form that it takes, or a finding that holds the learner.
    findings = apply_rules(chosen, CYCLE, PROFILES["2A"], KnownUpns()).findings
    blocking = findings[findings["severity"] == "blocking"]
    no = pd.Series(False, index=chosen.index)
    forms = lrs_rows(chosen, PROFILES["2A"], no, no)
    for form, field in (("given_name", "forename"), ("family_name", "surname")):
        takes = forms[form].str.fullmatch(r"(?=.*[A-Za-z])[A-Za-z '.-]{1,35}").eq(True)
        held = chosen["row_ref"].isin(blocking.loc[blocking["field"] == field, "row_ref"])
        assert not held[chosen[field].isin(["Siôn", "O\u2019Neill", "W\u0302yn", "Straße", "Rhys"])].any()
        assert (takes | held).all()
        # What is nothing but ASCII in the form's own characters goes as it is.
        plain = chosen[field].str.fullmatch("[A-Za-z'.-]+").eq(True)
        assert (forms.loc[plain & ~held, form] == chosen.loc[plain & ~held, field]).all()
    assert forms["middle_name"].dropna().str.fullmatch("[A-Za-z '.-]{1,35}").all()

    # Back to the school: what it sent, to the byte, or a line in its list that says why not.
    ctf, listed = given_back(chosen)
    assert {(upn, s, f) for upn, s, f in ctf} <= {(p["upn"], p["surname"], p["forename"]) for p in sent}
    assert {upn for upn, _, _ in ctf} | set(listed) == {p["upn"] for p in sent}


def given_back(chosen: pd.DataFrame) -> tuple[list[tuple[str, str, str]], list[str]]:
    """UPN and names of the transfer file, and the UPNs of the list, of learners who all have a ULN."""
    upns = canonical_upn(chosen["upn"])
    learners = pd.DataFrame({"upn": UPNS[: len(chosen)], "uln": ULNS[: len(chosen)]}).assign(
        dob="1996-11-05", school_number="6604025", conflict=None
    )
    records = SchoolRecords(
        chosen,
        chosen[["row_ref"]].assign(disposition="chosen", reason=None),
        chosen[["row_ref"]].assign(upn=upns, state="uln", batch_ref="B1"),
        learners.astype("str"),
        pd.DataFrame({"row_ref": [], "rule": [], "severity": [], "field": []}, dtype="str"),
        pd.DataFrame({"upn": [], "batch_ref": [], "return_code": [], "school_number": []}, dtype="str"),
        pd.DataFrame({c: [] for c in ("batch_ref", "upn", "given_name", "family_name", "middle_name")}, dtype="str"),
    )
    ulns, lines = for_schools(records, texts_of(DataRoot(Path("nowhere"))))
    names = {"school_name": "Ysgol", "la_cy": "Ynys Môn", "la_en": "Anglesey"}
    own = [table.drop(columns="school_number").reset_index(drop=True) for table in (ulns, lines)]
    due = SchoolPack("6604025", names, *own, number=1, submission=Submission({}, [], []))
    content = school_files(due, CYCLE, pd.Timestamp("2012-02-12").to_pydatetime())
    pupils = []
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        for name in bundle.namelist():
            if name.endswith(".xml"):
                raw = bundle.read(name)
                pupils = [
                    [p.findtext(e) for e in ("UPN", "Surname", "Forename")] for p in etree.fromstring(raw).iter("Pupil")
                ]
                for words in pupils:
                    for word in words[1:]:
                        escaped = word.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
                        assert f">{escaped}<".encode() in raw
    return [tuple(p) for p in pupils], list(lines["upn"])


ODD_FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "upn": st.sampled_from([" {} ", "\xa0{}", "{}\u200b", "\n{}\t", "\u202e{}", "{}{}", ""]),
        "surname": NAMES,
        "forename": NAMES,
        "dob": st.sampled_from(["", " 1996-11-05\n", "\xa01996-11-05", "05/11/1996", "1996-02-30", "1996-11-05T00:00:00", "0001-01-01", "１９９６-11-05"]),
        "gender": st.sampled_from(["", "f", " F ", "\xa0F", "ﬀ", "Ｆ", "X", "9", "F\n"]),
    },
)  # fmt: skip


@searched(20)
@given(changes=st.lists(ODD_FIELDS, min_size=1, max_size=6))
def test_no_record_of_whatever_fields_keeps_its_school_from_its_file(changes):
    sent = [SOUND | {"upn": UPNS[n]} | change for n, change in enumerate(changes)]
    sent = [
        p | {"upn": c["upn"].replace("{}", p_upn)} if "upn" in c else p
        for p, c, p_upn in zip(sent, changes, UPNS, strict=False)
    ]
    rows = pd.DataFrame(sent).reindex(columns=list(PUPIL_FIELDS)).astype("str")
    rows = rows.assign(row_ref=[f"r{n}" for n in range(len(rows))], school_number="6604025", sha256="s1")
    ctf, _ = given_back(rows)
    assert set(ctf) <= {(p["upn"], p["surname"], p["forename"]) for p in sent}
    # A learner in whom nothing is odd gets the ULN, whoever stands beside.
    assert {UPNS[n] for n, change in enumerate(changes) if not change} <= {upn for upn, _, _ in ctf}


@searched(20)
@given(
    names=st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=8),
    layout=st.sampled_from([(version, fmt) for version in PROFILES for fmt in ("CSV", "XML")]),
)
def test_a_batch_read_back_gives_its_rows(names, layout):
    version, fmt = layout
    pupils = sound_learners(
        *({"upn": UPNS[n], "surname": s, "forename": f, "middle_names": m} for n, (s, f, m) in enumerate(names))
    )
    no = pd.Series(False, index=pupils.index)
    rows = lrs_rows(pupils, PROFILES[version], no, no)
    name = batch_file_name("10000001", pd.Timestamp("2012-01-31").to_pydatetime(), fmt)
    content = write_batch(rows, profile=PROFILES[version], fmt=fmt, ukprn="10000001", file_name=name)
    if fmt == "CSV":
        lines, answer = csv.reader(io.StringIO(content.decode(), newline="")), io.StringIO()
        csv.writer(answer).writerows([*line, "RC007" if n else "ReturnCode"] for n, line in enumerate(lines))
        content = answer.getvalue().encode()
    else:
        end = f"</{PROFILES[version].xml.record}>".encode()
        content = content.replace(end, b"<ReturnCode>RC007</ReturnCode>" + end)
    found = read_result(content, PROFILES).rename(columns={"mis_identifier": "upn"})
    columns = ["upn", "given_name", "family_name", "middle_name", "dob", "gender", "postcode"]
    pd.testing.assert_frame_equal(found[columns], rows[columns].reset_index(drop=True))
    assert set(found["ukprn"]) == {"10000001"}
    if (version, fmt) == (BY_SERVICE, "XML"):  # a call names no file
        assert found["file_name_cell"].isna().all()
    else:
        assert set(found["file_name_cell"]) == {name.rsplit(".", 1)[0]}


SENT = pd.DataFrame({"batch_ref": ["B1", "B1", "B2", "B2"], "upn": [UPNS[0], UPNS[1], UPNS[0], UPNS[2]]}).assign(
    row_ref=["r1", "r2", "r3", "r4"], cycle=["2012-01", "2012-01", "2013-01", "2013-01"], la_code="660",
    school_number="6604025", dob="1996-11-05",
)  # fmt: skip
ANSWERS = st.fixed_dictionaries(
    {
        "batch_ref": st.sampled_from(["B1", "B2", "B9"]),
        "mis_identifier": st.sampled_from(
            [UPNS[0], f" {UPNS[0].lower()} ", UPNS[1], UPNS[2], f"{UPNS[1]}\u200b", "x", None]
        ),
        "uln": st.sampled_from([*ULNS[:3], f" {ULNS[0]}", "1000102505", "9999999999", "", None]),
        "return_code": st.sampled_from(["RC001", "RC007", "RC010", "RC999", None]),
        "received_at": st.sampled_from(["2012-02-01", "2012-02-02"]),
    }
)


#: Of one learner two ULNs, and no ULN for two reasons.
DIFFERING = [
    {"batch_ref": "B1", "mis_identifier": UPNS[0], "uln": uln, "return_code": code, "received_at": "2012-02-01"}
    for uln, code in ((ULNS[1], None), (ULNS[0], None), (None, "RC007"), ("", "RC010"), (ULNS[2], "RC001"))
]


@searched(10)
@given(answers=st.lists(ANSWERS, max_size=8), turn=st.integers(0, 7))
@example(answers=DIFFERING, turn=0)
def test_merging_is_of_the_set_of_answers_and_again_the_same(answers, turn):
    codes = pd.DataFrame({"code": ["RC007", "RC010", "NONE"], "precedence": [30, 10, 90]})
    nobody = pd.DataFrame({"upn": [], "uln": []}, dtype="str")
    kept = [a | {"sha256": f"f{n % 3}", "ordinal": n} for n, a in enumerate(answers)]
    columns = ["batch_ref", "mis_identifier", "uln", "return_code", "received_at", "sha256", "ordinal"]

    def merged(rows, held=nobody):
        table = (
            pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[:-1], "str")).astype({"ordinal": "int64"})
        )
        table = table.assign(upn=canonical_upn(table["mis_identifier"]))
        return merge_answers(table, SENT.astype("str"), codes, held, ["2012-01", "2013-01"])

    learners, exceptions = merged(kept)
    shuffled = [*kept[turn:], *kept[:turn]][::-1]
    for again in (merged(shuffled), merged(kept, learners[["upn", "uln"]]), merged([*kept, *shuffled])):
        pd.testing.assert_frame_equal(again[0], learners)
        pd.testing.assert_frame_equal(again[1], exceptions)
    # A UPN with a sign that cannot be seen is nobody's.
    assert set(learners["upn"]) <= set(UPNS[:3])


SCHOOLS = ["6604025", "6604026", "6714047", "9999999"]
PUPILS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "upn": st.sampled_from([*UPNS[:5], f"{UPNS[0]}\u200b", f" {UPNS[1].lower()}", "x", "\u202e"]),
            "surname": NAMES,
            "dob": st.sampled_from(["1996-11-05", "1996-02-30", "05/11/1996", "\u0661996-11-05"]),
            "nc_year": st.sampled_from(["10", "9", "3", "x", "1０", "R"]),
            "enrol_status": st.sampled_from(["C", "S", "\u017f", "G", "m"]),
            "uln": st.sampled_from([ULNS[0], "123", "9999999999"]),
        },
    ),
    max_size=5,
)
FILES = st.one_of(
    st.builds(
        lambda pupils, school, hour: a_return([SOUND | p for p in pupils], school, f"2012-01-20T{hour:02}:00:00"),
        PUPILS, st.sampled_from(SCHOOLS), st.integers(0, 2),
    ),
    st.sampled_from([b"", b"<", b"PK\x03\x04", b'<!DOCTYPE x [<!ENTITY a "b">]><Message/>', b"\xff\xfe<\0"]),
)  # fmt: skip
RESULTS = st.lists(
    st.tuples(
        st.sampled_from([*UPNS[:5], "x", ""]),
        st.sampled_from([*ULNS[:4], "", "=1+1"]),
        st.sampled_from(["RC001", "RC007", "", "@x"]),
    ),
    max_size=5,
).map(
    lambda rows: "\n".join(
        ["UKPRN,MISIdentifier,ULN,ReturnCode", *(f"10000001,{','.join(row)}" for row in rows)]
    ).encode()
)


@searched(4)
@given(files=st.lists(FILES, min_size=1, max_size=5), zipped=st.booleans(), results=st.lists(RESULTS, max_size=2))
@example(
    files=[
        a_return([SOUND | {"upn": UPNS[n]} for n in range(3)]),
        a_return([{}, SOUND | {"nc_year": "3"}], "6604026"),
        b"<",
    ],
    zipped=True,
    results=[f"UKPRN,MISIdentifier,ULN\n10000001,{UPNS[0]},{ULNS[0]}\n10000001,{UPNS[1]},\n".encode()],
)
def test_of_any_mix_of_files_every_record_stands_in_one_place(files, zipped, results):
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder)).create()
        registered = pd.DataFrame({"school_number": SCHOOLS[:2], "ukprn": ["10000001", "10000002"]}).assign(
            ukrlp_name="a", ukrlp_postcode="b", edubase_name="a", edubase_postcode="b", lrb_registered_on="2011-09-01",
            privacy_notice_on="2011-09-01", takes_part="Y",
        )  # fmt: skip
        registered.to_csv(root.reference / "registration.csv", index=False)
        inbox = root.dewi_inbox / "660"
        inbox.mkdir()
        for n, content in enumerate(files):
            (inbox / f"{n}.xml").write_bytes(content)
        if zipped:
            with zipfile.ZipFile(inbox / "all.zip", "w") as bundle:
                for n, content in enumerate(files):
                    bundle.writestr(f"{n}.xml", content)
        census(root.path, "2012-01", "2012-01-29T09:15:00")
        for n, content in enumerate(results):
            (root.lrs_inbox / f"{n}.csv").write_bytes(content)
        returns(root.path, "2012-01", "2012-02-12T09:15:00")  # stops where a record is not accounted for
        lake = Lake(root.lake)
        accepted = lake.read("received", kind="return", status="accepted")
        status = status_of(str(root.path), "2012-01")
        assert status["total"]["balanced"] and status["total"]["records"] == accepted["declared"].sum() == len(
            lake.read("pupils")
        )
        files_known = set(lake.read("received")["sha256"])
        assert len(files_known) == len(lake.read("received"))
        sent = lake.read("batch_rows", ["upn"])["upn"]
        assert not sent.duplicated().any() and set(sent) <= set(UPNS)


def test_the_record_that_says_what_is_read_is_itself_read():
    """The return that these tests make has every field where the layout looks for it."""
    every = {field: f"v{n}" for n, field in enumerate(PUPIL_FIELDS)}
    row = read_return(a_return([every]), all_layouts()).pupils.iloc[0]
    assert row[list(PUPIL_FIELDS)].to_dict() == every
    with pytest.raises(ValueError, match="XML compatible"):
        a_return([{"surname": "\0"}])
