"""Every rule: a record that passes, one that fails, one with a blank field. Ids name rule and case, never a value."""

import csv
import io
import json
import subprocess
import sys
import warnings

import pandas as pd
import pytest

from expectations import runner
from expectations.rule_catalogue import Rule, all_rules, parse_rules, rules_for
from expectations.runner import run_rules
from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.core.evidence import KnownUpns, evidence, repeated_upns, shared_upns
from tasks.io.data_root.data_root import DataRoot
from tasks.ledger.code_texts import texts_of
from tasks.steps.validate import apply_rules
from tests.support.paths import PROJECT

CYCLE = cycle_by_id("2012-01")
PROFILE = all_profiles()["2A"]
LONG = "Aberystwyth Bethesda Caernarfon Dolgellau"

#: rule -> (a change that must earn it alone, what the blank field earns, a change that must not earn it)
CASES = {
    "UPN01": ({"upn": " "}, {"UPN01"}, {}),
    "UPN02": ({"upn": "A123"}, {"UPN01"}, {"upn": "L67441030807A"}),
    "UPN03": ({"upn": "A660402510001"}, {"UPN01"}, {"upn": "m660402510001"}),
    "UPN04": ({"upn": "L67441030807A"}, {"UPN01"}, {}),
    "GIV01": ({"forename": "\t"}, {"GIV01"}, {}),
    "GIV02": ({"forename": LONG}, {"GIV01"}, {"forename": "A" * 35}),
    "GIV03": ({"forename": "S1an"}, {"GIV01"}, {"forename": "Siân"}),
    "GIV04": ({"forename": "--"}, {"GIV01"}, {"forename": "李"}),
    "GIV05": ({"forename": "N/A"}, {"GIV01"}, {"forename": "O\u02bbNeill"}),
    "GIV06": ({"forename": "Si\u0430n"}, {"GIV01"}, {"forename": "\u0410\u043d\u043d\u0430"}),
    "FAM01": ({"surname": ""}, {"FAM01"}, {}),
    "FAM02": ({"surname": LONG}, {"FAM01"}, {"surname": "A" * 35}),
    "FAM03": ({"surname": "J\x07ones"}, {"FAM01"}, {"surname": "O’Brien-Llŵyd"}),
    "FAM04": ({"surname": "..."}, {"FAM01"}, {"surname": "Ŵ"}),
    "FAM05": ({"surname": "Jones (Rhys), \u202eap"}, {"FAM01"}, {"surname": "O\u02bcNeill\u2013Rhys St. W\u0302"}),
    "FAM06": ({"surname": "P\ufe0frawf"}, {"FAM01"}, {"surname": "W\u0302yn \u1eb9\u0301"}),
    "MID01": ({"middle_names": LONG}, set(), {"middle_names": "Haf"}),
    "MID02": ({"middle_names": "A2"}, set(), {"middle_names": "Haf"}),
    "MID03": ({"middle_names": "Ha\u00adf"}, set(), {"middle_names": "Haf"}),
    "MID04": ({"middle_names": "\uff28af"}, set(), {"middle_names": "Haf"}),
    "DOB01": ({"dob": None}, {"DOB01"}, {}),
    "DOB02": ({"dob": "1997-02-30"}, {"DOB01"}, {"dob": "1996-02-29"}),
    "DOB03": ({"dob": "1890-01-01"}, {"DOB01"}, {"dob": "1999-01-01"}),
    "DOB04": ({"dob": "1990-01-01"}, {"DOB01"}, {"dob": "1998-01-05"}),
    "GEN01": ({"gender": " "}, {"GEN01"}, {}),
    "GEN02": ({"gender": "X"}, {"GEN01"}, {"gender": "u"}),
    "PCD01": ({"postcode": ""}, {"PCD01"}, {}),
    "PCD02": ({"postcode": "LL77 7CC"}, {"PCD01"}, {"postcode": "ll777ng"}),
    "PCD03": ({"postcode": "zz99 9zz"}, {"PCD01"}, {}),
    "YRG01": ({"nc_year": " "}, {"YRG01"}, {}),
    "YRG02": ({"nc_year": "X"}, {"YRG01"}, {"nc_year": "09"}),
    "ENR01": ({"enrol_status": ""}, {"ENR01"}, {}),
    "ENR02": ({"enrol_status": "F"}, {"ENR01"}, {"enrol_status": "M"}),
    "ULN01": ({"uln": "12345"}, set(), {"uln": "9999999999"}),
    "ULN02": ({"uln": "1000102505"}, set(), {"uln": "1000102504"}),
}


def earned(rows, cycle=CYCLE):
    found = apply_rules(rows, cycle, PROFILE, KnownUpns(shared_upns(rows))).findings
    return [set(found.loc[found["row_ref"] == ref, "rule"]) for ref in rows["row_ref"]]


@pytest.fixture(scope="module")
def outcomes():
    """All cases in one run of the rules, each in a school of its own: (failing, blank, passing) by rule."""
    from tests.support.learners import sound_learners

    changes = []
    for rule, (failing, _, passing) in CASES.items():
        field = next(r.field for r in all_rules() if r.code == rule)
        changes += [failing, {field: None}, passing]
    rows = sound_learners(*changes)
    rows["school_number"] = [f"{6600000 + n}" for n in range(len(rows))]
    cycle = CYCLE
    found = apply_rules(rows, cycle, PROFILE, KnownUpns()).findings
    sets = [set(found.loc[found["row_ref"] == ref, "rule"]) for ref in rows["row_ref"]]
    return {rule: sets[3 * n : 3 * n + 3] for n, rule in enumerate(CASES)}


@pytest.mark.parametrize("rule", list(CASES))
def test_failing(outcomes, rule):
    # One cause, one finding: a wrong shape says nothing of a check letter.
    assert outcomes[rule][0] == {rule}


@pytest.mark.parametrize("rule", list(CASES))
def test_blank(outcomes, rule):
    assert outcomes[rule][1] == CASES[rule][1]


@pytest.mark.parametrize("rule", list(CASES))
def test_passing(outcomes, rule):
    assert rule not in outcomes[rule][2]


def test_upn_twice_in_a_school_and_in_two_schools(learner):
    assert earned(learner({}, {})) == [{"UPN05"}, {"UPN05"}]
    assert earned(learner({}, {"school_number": "6604026"})) == [{"UPN06"}, {"UPN06"}]
    assert earned(learner({}, {"upn": "R681404209123"})) == [set(), set()]
    assert earned(learner({"upn": None}, {"upn": None})) == [{"UPN01"}, {"UPN01"}]


def test_a_second_upn_is_held_unless_the_upn_itself_has_a_fault(learner):
    rows = learner({}, {"upn": "A660402510001"}, {"upn": None}, {"upn": "X1"}, {"upn": "R681404209123"})
    # The last is one that nobody was sent under before.
    found = apply_rules(rows, CYCLE, PROFILE, KnownUpns(second=rows["row_ref"].iloc[:4])).findings
    assert [set(found.loc[found["row_ref"] == ref, "rule"]) for ref in rows["row_ref"]] == [
        {"UPN07"}, {"UPN03"}, {"UPN01"}, {"UPN02"}, set(),
    ]  # fmt: skip


#: Where two rules could speak of one cause -> what a record earns.
ONE_CAUSE = {
    "temporary-upn-with-wrong-letter": ({"upn": "A67441030807A"}, {"UPN03", "UPN04"}),  # two causes, two findings
    "name-of-digits-only": ({"forename": "123", "surname": "\x07"}, {"GIV03", "FAM03"}),
    "other-digit": ({"forename": "Dav\u0661d", "surname": "Rhys\u00b2"}, {"GIV03", "FAM03"}),
    "picture-and-number": ({"forename": "\U0001f600 Bob", "surname": "\u2167"}, {"GIV03", "FAM03"}),
    "digit-and-bracket": ({"forename": "S1an (Jane)"}, {"GIV03"}),
    "only-signs": ({"forename": "//", "surname": "\u200b"}, {"GIV04", "FAM04"}),
    "age-outside-and-unlike-year": ({"dob": "2005-01-01"}, {"DOB03"}),
    "date-not-real-and-unlike-year": ({"dob": "1990-02-30"}, {"DOB02"}),
    "year-beyond-14-and-unlike-birth": ({"nc_year": "99"}, {"YRG02"}),
    "part-of-zz99": ({"postcode": "ZZ99"}, {"PCD02"}),
    "zz99-with-letter-not-used": ({"postcode": "ZZ99 9ZC"}, {"PCD02"}),
    "postcode-with-two-blanks": ({"postcode": " ll77  7ng "}, set()),
    "uln-shape-and-check-digit": ({"uln": "0000102505"}, {"ULN01"}),
    "everything-blank": (
        dict.fromkeys(("upn", "forename", "surname", "dob", "gender", "postcode", "nc_year", "enrol_status"), " "),
        {"UPN01", "GIV01", "FAM01", "DOB01", "GEN01", "PCD01", "YRG01", "ENR01"},
    ),
}


def test_no_cause_is_told_twice(learner):
    rows = learner(*(change for change, _ in ONE_CAUSE.values()))
    rows["school_number"] = [f"{6600000 + n}" for n in range(len(rows))]
    found = apply_rules(rows, CYCLE, PROFILE, KnownUpns()).findings
    by_case = {
        case: set(found.loc[found["row_ref"] == ref, "rule"])
        for case, ref in zip(ONE_CAUSE, rows["row_ref"], strict=True)
    }
    assert by_case == {case: wanted for case, (_, wanted) in ONE_CAUSE.items()}


def test_a_wrong_shape_twice_or_in_two_schools_is_a_wrong_shape(learner):
    assert earned(learner({"upn": "X1"}, {"upn": "X1"})) == [{"UPN02"}, {"UPN02"}]
    assert earned(learner({"upn": "X1"}, {"upn": "X1", "school_number": "6604026"})) == [{"UPN02"}, {"UPN02"}]


def test_ages_13_and_110_are_in_and_their_neighbours_out(learner):
    # Measured on 2012-01-31, the last day of the cycle's census: the birthday itself counts. Nobody is held who is 13
    # on the census day, whichever day of January that was.
    rows = learner(
        {"dob": "1999-01-31", "nc_year": "9"}, {"dob": "1999-02-01", "nc_year": "9"}, {"dob": "1901-02-01"},
        {"dob": "1901-01-31"},
    )  # fmt: skip
    rows["school_number"] = [f"{6600000 + n}" for n in range(len(rows))]
    found = apply_rules(rows, CYCLE, PROFILE, KnownUpns()).findings
    aged = found[found["rule"] == "DOB03"]
    assert set(aged["row_ref"]) == {"r1", "r3"}


def test_every_rule_has_its_cases():
    assert {r.code for r in all_rules()} == set(CASES) | {"UPN05", "UPN06", "UPN07"}


def test_every_rule_speaks_both_languages():
    for rule in all_rules():
        assert rule.message_cy != rule.message_en and rule.action_cy != rule.action_en
        assert rule.wrong_cy != rule.wrong_en
        # What is wrong and what good looks like are two things.
        assert rule.wrong_en != rule.message_en and rule.wrong_cy != rule.message_cy


def test_the_list_of_exceptions_says_what_is_wrong(tmp_path):
    texts = texts_of(DataRoot(tmp_path)).set_index("code")
    assert texts.loc["FAM01", ["wrong_en", "wrong_cy"]].to_list() == [
        "The family name is missing",
        "Mae'r cyfenw ar goll",
    ]
    assert {r.code for r in all_rules()} <= set(texts.index)


def test_a_upn_of_another_year_of_the_school_holds_the_chosen_learner():
    from tests.support.learners import sound_learners

    pupils = sound_learners({"nc_year": "8", "dob": "1999-05-05"}, {}, {"upn": "R681404209123"})
    chosen = pupils.iloc[1:].reset_index(drop=True)
    found = apply_rules(chosen, CYCLE, PROFILE, KnownUpns(repeated=repeated_upns(pupils))).findings
    assert found[["row_ref", "rule"]].to_numpy().tolist() == [["r1", "UPN05"]]


def test_lengths_follow_the_profile(learner):
    columns = tuple(
        c.model_copy(update={"max_length": 20}) if c.source == "family_name" else c for c in PROFILE.columns
    )
    found = apply_rules(
        learner({"surname": "A" * 21}), CYCLE, PROFILE.model_copy(update={"columns": columns}), KnownUpns()
    )
    assert list(found.findings["rule"]) == ["FAM02"]


def test_results_name_rule_and_row_and_no_value(learner):
    result = apply_rules(learner({"surname": "MARKER1"}), CYCLE, PROFILE, KnownUpns())
    text = result.findings.to_csv() + result.tried.to_csv()
    assert "FAM03" in text and "MARKER1" not in text
    assert list(result.findings.columns) == ["row_ref", "rule", "severity", "field"]


def test_a_crashed_rule_is_our_fault():
    table = pd.DataFrame({"row_ref": ["r1"], "upn": ["MARKER1"]})
    with pytest.raises(ServiceFault, match="UPN02") as caught:
        run_rules(table, rules_for(CYCLE))
    assert "MARKER1" not in str(caught.value)


def test_a_crash_shows_no_value_in_logs_or_on_the_screen(caplog, capfd):
    # The regular expression meets a number: the library's own trouble, whose text could quote the row.
    table = pd.DataFrame({"row_ref": ["r1"], "postcode": ["MARKER1"]})
    rule = next(r for r in all_rules() if r.code == "PCD02")
    broken = rule.model_copy(update={"kwargs": '{"regex": "("}'})
    with pytest.raises(ServiceFault, match="PCD02") as caught:
        run_rules(table, (broken,))
    shown = "".join(capfd.readouterr()) + caplog.text + str(caught.value) + str(caught.value.__cause__)
    assert "MARKER1" not in shown


@pytest.mark.parametrize(
    "change",
    [{"expectation": "expect_column_values_to_be_pleasant"}, {"kwargs": '{"pleasant": true}'}],
    ids=["unknown-expectation", "unknown-argument"],
)
def test_a_rule_that_the_library_does_not_know_is_our_fault(change):
    rule = all_rules()[0].model_copy(update=change)
    with pytest.raises(ServiceFault, match="UPN01"):
        run_rules(pd.DataFrame({"row_ref": ["r1"], "upn": ["x"]}), (rule,))


def test_nothing_to_judge():
    result = run_rules(pd.DataFrame({"row_ref": []}), rules_for(CYCLE))
    assert result.findings.empty and list(result.findings.columns) == ["row_ref", "rule", "severity", "field"]
    assert list(result.tried["rule"]) == [r.code for r in rules_for(CYCLE)] and result.tried["tried"].sum() == 0
    assert run_rules(pd.DataFrame({"row_ref": ["r1"]}), ()).findings.empty


def test_findings_are_sorted_and_counted(learner):
    rows = learner({"gender": "X", "postcode": None}, {"upn": None, "gender": None}, {"upn": "R681404209123"})
    rows["row_ref"] = ["r9", "r1", "r5"]
    result = apply_rules(rows, CYCLE, PROFILE, KnownUpns())
    assert list(zip(result.findings["row_ref"], result.findings["rule"], strict=True)) == [
        ("r1", "GEN01"), ("r1", "UPN01"), ("r9", "GEN02"), ("r9", "PCD01"),
    ]  # fmt: skip
    counts = result.tried.set_index("rule")
    # Presence is asked of all three; a code only of the two that are given.
    assert counts.loc["GEN01"].to_list() == [3, 1]
    assert counts.loc["GEN02"].to_list() == [2, 1]
    assert counts.loc["ULN01"].to_list() == [0, 0]


def test_running_again_gives_the_same_and_leaves_nothing_behind(learner):
    rows = learner({"gender": "X"}, {"upn": "R681404209123"})
    results = [apply_rules(rows, CYCLE, PROFILE, KnownUpns()) for _ in range(3)]
    for again in results[1:]:
        pd.testing.assert_frame_equal(again.findings, results[0].findings)
        pd.testing.assert_frame_equal(again.tried, results[0].tried)
    assert list(runner._context().data_sources.all()) == []
    assert list(runner._context().suites.all()) == []


def asked_of_every_row(table, rules):
    """The plain way: all rules over all rows in one validation, as the library's own pages show it. (findings, tried)."""
    gx, rows = runner._gx(), table.set_index("row_ref")
    rows = rows.astype({c: object for c in rows if rows[c].dtype.kind not in "fib"})
    suite = gx.ExpectationSuite(name="plain")
    for rule in rules:
        kind = getattr(gx.expectations, "".join(w.capitalize() for w in rule.expectation.split("_")))
        suite.add_expectation(kind(column=rule.column, meta={"rule": rule.code}, **rule.arguments))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = runner._context().data_sources.add_pandas(name="plain")
        whole = source.add_dataframe_asset(name="all").add_batch_definition_whole_dataframe("all")
        done = whole.get_batch({"dataframe": rows.where(rows.notna(), None)}).validate(suite, result_format="COMPLETE")
        runner._context().data_sources.delete("plain")
    found, tried = set(), {}
    for one in done.results:
        rule, result = one.expectation_config.meta["rule"], one.result
        failing = [entry["row_ref"] for entry in result["unexpected_index_list"] or []]
        found |= {(ref, rule) for ref in failing}
        tried[rule] = (result["element_count"] - result.get("missing_count", 0), len(failing))
    return found, tried


def as_plain(result):
    counts = result.tried.set_index("rule")
    return (
        set(zip(result.findings["row_ref"], result.findings["rule"], strict=True)),
        {rule: (int(counts.loc[rule, "tried"]), int(counts.loc[rule, "failed"])) for rule in counts.index},
    )


def asking(code, column, expectation, **arguments):
    return all_rules()[0].model_copy(
        update={"code": code, "column": column, "expectation": expectation, "kwargs": json.dumps(arguments)}
    )


def test_asked_once_a_value_the_rules_say_what_they_say_of_every_row():
    from tests.support.learners import sound_learners

    changes = [change for case in CASES.values() for change in (case[0], case[2])] * 2
    rows = sound_learners(*changes, *(dict.fromkeys(("upn", "dob", "postcode"), odd) for odd in ("\0", "Ŵ", "１", "")))
    facts = evidence(rows, CYCLE, PROFILE, KnownUpns(shared=pd.Series(["M660402510001"])))
    rules = rules_for(CYCLE)
    assert as_plain(run_rules(facts, rules)) == asked_of_every_row(facts, rules)


def test_odd_columns_are_judged_as_row_by_row():
    nan = float("nan")
    table = pd.DataFrame(
        {
            "row_ref": [f"r{n}" for n in range(6)],
            "text": pd.Series(["a", "a\0", None, "", "a", "ŵ"], dtype="str"),
            "number": [1.0, nan, -0.0, 0.0, 1.5, nan],
            "whole": [0, 1, 2, 3, 2, 1],
            "mixed": pd.Series([1, True, 1.0, "1", None, "a"], dtype=object),
            "empty": pd.Series([None] * 6, dtype="str"),
            "full": pd.Series(list("aaabbb"), dtype="str"),
        }
    )
    rules = tuple(
        asking(f"{column}-{n}", column, f"expect_column_values_to_{kind}", **arguments)
        for n, (kind, arguments) in enumerate(
            [
                ("be_null", {}),
                ("not_be_null", {}),
                ("be_in_set", {"value_set": ["a", "1"]}),
                ("be_in_set", {"value_set": [1]}),
                ("not_be_in_set", {"value_set": ["a", 0]}),
            ]
        )
        for column in table.columns[1:]
    )
    rules += (
        asking("pattern", "text", "expect_column_values_to_match_regex", regex="^a$"),
        asking("same-pattern", "full", "expect_column_values_to_match_regex", regex="^a$"),
        asking("length", "text", "expect_column_value_lengths_to_be_between", min_value=1, max_value=1),
        asking("between", "number", "expect_column_values_to_be_between", min_value=0, max_value=1),
        asking("between-whole", "whole", "expect_column_values_to_be_between", min_value=0, max_value=1),
    )
    assert as_plain(run_rules(table, rules)) == asked_of_every_row(table, rules)


@pytest.mark.parametrize(
    ("expectation", "arguments"),
    [
        ("expect_column_values_to_be_unique", {}),
        ("expect_column_values_to_be_increasing", {}),
        ("expect_column_mean_to_be_between", {"min_value": 1}),
        ("expect_column_values_to_not_be_null", {"mostly": 0.9}),
        ("expect_column_values_to_not_be_null", {"row_condition": 'upn == "x"', "condition_parser": "pandas"}),
    ],
    ids=["unique", "increasing", "mean", "mostly", "row-condition"],
)
def test_a_rule_that_needs_other_rows_is_refused(expectation, arguments):
    rule = asking("R01", "upn", expectation, **arguments)
    with pytest.raises(ServiceFault, match="R01"):
        run_rules(pd.DataFrame({"row_ref": ["r1"], "upn": ["x"]}), (rule,))
    with io.StringIO() as text:
        english = {name: value for name, value in rule.model_dump().items() if not name.endswith("_cy")}
        writer = csv.DictWriter(text, list(english))
        writer.writeheader()
        writer.writerow(english)
        with pytest.raises(ConfigurationFault, match=r"line 2, R01: .*(expectation is one of|kwargs must be without)"):
            parse_rules(text.getvalue())


def test_the_library_sees_each_distinct_value_once(monkeypatch):
    given = []
    plain = runner._plain
    monkeypatch.setattr(runner, "_plain", lambda values: given.append(len(values)) or plain(values))
    table = pd.DataFrame({"row_ref": [f"r{n}" for n in range(900)], "upn": [f"U{n}" for n in range(900)]})
    table["gender"] = ["M", "F", None] * 300
    rules = tuple(r for r in rules_for(CYCLE) if r.code in ("UPN01", "GEN01", "GEN02"))
    result = run_rules(table, rules)
    # Presence is one question of two columns: one value for the UPNs, one and a null for the gender.
    assert given == [3, 3] and len(result.findings) == 300


def test_the_catalogue_is_read_without_the_library():
    code = (
        "import sys, expectations.rule_catalogue as c, expectations.runner; c.all_rules();"
        "assert 'great_expectations' not in sys.modules"
    )
    root = PROJECT
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, cwd=root)


def test_the_library_is_silent():
    # In a process of its own, for it speaks when it is first used; with every logger open, as the engine's may be.
    code = (
        "import logging; logging.basicConfig(level=logging.INFO);"
        "import pandas as pd; from expectations.rule_catalogue import all_rules; from expectations.runner import run_rules;"
        "table = pd.DataFrame({'row_ref': ['r1'], 'upn': ['x']});"
        "assert run_rules(table, all_rules()[:1]).findings.empty"
    )
    root = PROJECT
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=root, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_a_rule_holds_from_since_to_until():
    rule = all_rules()[0]
    first, last, later = (rule.model_copy(update={"code": c}) for c in ("A", "B", "C"))
    dated = (
        first.model_copy(update={"since": "2012-01-01"}),
        last.model_copy(update={"until": "2012-01-01"}),
        later.model_copy(update={"since": "2012-01-02"}),
    )
    # The census of January 2012 may fall on 1 January at the earliest: both ends count.
    assert [r.code for r in rules_for(CYCLE, dated)] == ["A", "B"]
    assert [r.code for r in rules_for(cycle_by_id("2013-01"), dated)] == ["A", "C"]


def test_a_wrong_catalogue_tells_all_its_faults():
    text = "code,severity\nX,deadly\n"
    with pytest.raises(ConfigurationFault, match="'message_en'"):
        parse_rules(text)
    header = ",".join(r for r in Rule.model_fields if not r.endswith("_cy"))
    wrong = "X,deadly,upn,upn,e,{,2012-13-01,,RC1,v,w,a,b"
    turned = "Y,warning,shoe,upn,expect_column_x,{},2013-01-01,2012-01-01,,v,,a,b"
    long = "Z,warning,upn,upn,expect_column_x,{},,,,v,w,a,b,more"
    short = "W,warning"
    with pytest.raises(ConfigurationFault) as caught:
        parse_rules("\n".join([header, wrong, wrong, turned, long, short]))
    told = "\n".join(caught.value.faults)
    for fault in (
        "line 2, X: severity", "line 2, X: kwargs must be a JSON object", "line 2, X: expectation", "line 2, X: since must",
        "line 2, X: lrs_code",
        "line 3, X: severity", "X: stands twice", "line 4, Y: since is after until",
        "line 4, Y: field", "line 4, Y: message_en is empty", "line 5, Z: has more cells", "line 6, W: has fewer cells",
    ):  # fmt: skip
        assert fault in told
