"""An authority's analyst opens the pages: they are there after every run, say what the lake says, and name no learner."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from lxml import html

from schemas.states import RowState
from schemas.tables import LEARNERS, PUPIL_FIELDS, Tier
from schemas.texts.catalogue import all_texts
from schemas.texts.faults import ServiceFault
from tasks.core.suppression import SMALL
from tasks.io.lake.lake import Lake
from tasks.ledger.standing import counts_of
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tasks.reports import pages
from tasks.reports.overview import overview_of
from tasks.reports.pages import address_of, make_pages, pages_due, report_of
from tasks.stages.receive import receive
from tests.support.diary import returns
from tests.support.without_engine import run_stage

pytestmark = pytest.mark.long

CYCLE, TUESDAY, FEBRUARY, MAY = "2012-01", "2012-01-31T02:30", "2012-02-12T09:15", "2012-05-20T09:00"
STATES = [state.value for state in RowState]


@pytest.fixture(scope="module")
def answered_root(sent_root, tmp_path_factory):
    """The LRS has answered, the schools have their files."""
    from schemas.lrs.profiles import all_profiles

    root = Path(shutil.copytree(sent_root, tmp_path_factory.mktemp("answered") / "root"))
    answer_outbox(root, profiles=all_profiles(), seed=7)
    returns(root, CYCLE, FEBRUARY)
    made(root, FEBRUARY)
    return root


@pytest.fixture
def root(answered_root, tmp_path):
    return Path(shutil.copytree(answered_root, tmp_path / "root"))


def made(root, as_of):
    """Make them as a run does; how many were written."""
    seen = overview_of(str(root), CYCLE, as_of, conserved=False)
    return make_pages(str(root), CYCLE, as_of, seen, conserved=False, run=f"lrs-returns {CYCLE}").written


def site(root):
    return root / "reports" / CYCLE / "site"


def page(root, folder, lang="en"):
    return html.fromstring((site(root) / folder / f"index.{lang}.html").read_text(encoding="utf-8"))


def rows_of(tree, table, part="tbody"):
    """The rows of a table, a dict each, as a spreadsheet would get them."""
    found = tree.xpath(f"//table[@data-table='{table}']")[0]
    keys = [head.get("data-key") for head in found.xpath("thead/tr/th")]
    return [
        dict(zip(keys, (cell.get("data-csv") or cell.text_content().strip() for cell in row), strict=True))
        for row in found.xpath(f"{part}/tr")
    ]


def bytes_of(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(site(root).rglob("*")) if path.is_file()}


def test_there_is_a_page_of_wales_and_one_of_each_authority_in_both_languages(answered_root):
    folders = sorted(path.name for path in site(answered_root).iterdir() if path.is_dir())
    assert len(folders) == 23 and folders[-1] == "wales"
    for folder in folders:
        names = sorted(path.name for path in (site(answered_root) / folder).iterdir())
        assert names == ["index.cy.html", "index.en.html", "site.css", "site.js"]


def test_an_authority_s_page_counts_what_the_lake_counts(answered_root):
    counts = counts_of(str(answered_root), CYCLE)
    for lang in ("cy", "en"):
        rows = {row["school_number"]: row for row in rows_of(page(answered_root, "660", lang), "schools")}
        assert len(rows) == 6
        for school in counts.index:
            assert [int(rows[school][name]) for name in STATES] == counts.loc[school, STATES].tolist()
        assert sum(int(row["chosen"]) for row in rows.values()) == counts[STATES].to_numpy().sum()


def test_year_groups_exceptions_and_days_add_up_to_the_same_learners(answered_root):
    tree, counts = page(answered_root, "660"), counts_of(str(answered_root), CYCLE).sum()
    years = rows_of(tree, "years")
    assert [sum(int(row[name]) for row in years) for name in STATES] == [counts[name] for name in STATES]
    for table in ("exceptions", "ages", "waiting"):
        assert sum(int(row["number"]) for row in rows_of(tree, table)) == counts["exception"] > 0
    days = rows_of(tree, "days")
    assert sum(int(row["answered_uln"]) for row in days) == counts["uln"]
    assert sum(int(row["asked"]) for row in days) == counts["uln"] + counts["exception"]
    batches = rows_of(tree, "batches")
    assert sum(int(row["rows"]) for row in batches) == counts["uln"] + counts["exception"]


def test_downloads_lead_to_files_that_are_there(answered_root):
    links = page(answered_root, "660").xpath("//table[@data-table='downloads']//a/@href")
    assert len(links) == 3
    assert all((site(answered_root) / "660" / link).resolve().is_file() for link in links)


def test_no_page_has_a_value_of_any_pupil_that_is_theirs_alone(answered_root):
    lake = Lake(answered_root / "lake")
    pupils = lake.read("pupils")
    values = set(
        pd.concat([pupils[name] for name in PUPIL_FIELDS if name not in ("gender", "nc_year", "enrol_status")])
    )
    for table in ("learners", "batch_rows", "lrs_returns"):
        rows = lake.read(table)
        values |= {value for name in ("upn", "uln") if name in rows for value in rows[name]}
    values = {value for value in values if isinstance(value, str) and len(value) > 2}
    assert len(values) > 200
    for path in site(answered_root).rglob("*.html"):
        assert values_on(path.read_text(encoding="utf-8"), values) == set(), path.name


def values_on(source, values):
    """Which values stand anywhere in a page: its text, its attributes and what they hold for spreadsheets, its comments.

    What has a digit in it, such as a UPN, a date or a postcode, is looked for within words too, and closed up.
    A name alone is a word of a school's name as well, or of the service's: of those only what stands elsewhere counts.
    """
    tree = html.fromstring(source)
    own = tree.xpath("//table[@data-table='schools']//th[@scope='row']//text()")
    told = unescape(source)
    closed = re.sub(r"\s", "", told)
    found = {value for value in values if not value.isalpha() and value in told}
    found |= {value for value in values if re.search("[0-9]", value) and re.sub(r"\s", "", value) in closed}
    words = set(re.findall(r"\w+", told)) - set(re.findall(r"\w+", " ".join(own)))
    known = set(re.findall(r"\w+", " ".join(text for one in all_texts().values() for text in one.values())))
    return found | {value for value in values if value.isalpha() and value in words - known}


@pytest.mark.parametrize(
    "hidden",
    ['<td data-csv="{}">7</td>', '<td title="{}">7</td>', "<!-- {} -->", '<a href="../{}.zip">file</a>', "<p>x{}x</p>"],
    ids=["spreadsheet", "title", "comment", "link", "within-a-word"],
)
@pytest.mark.parametrize("value", ["M660402510001", "1996-11-05", "LL77 7NG"])
def test_a_value_of_a_pupil_would_be_found_wherever_it_stood(answered_root, hidden, value):
    source = (site(answered_root) / "660" / "index.en.html").read_text(encoding="utf-8")
    assert values_on(source, {value}) == set()
    assert values_on(source.replace("</main>", f"{hidden.format(value)}</main>"), {value}) == {value}


def test_the_readiness_list_and_what_waits_for_a_person_say_which_schools_each_counts(answered_root):
    tree, wales = page(answered_root, "660"), page(answered_root, "wales")
    listed = {row["school_name"] for row in rows_of(tree, "readiness")}
    steps = len(rows_of(tree, "readiness"))
    told = tree.xpath("string(//section[@id='readiness']/p[@class='says'])")
    assert told == f"Schools listed: {len(listed)}; missing steps: {steps}."
    assert "with or without a return" in tree.xpath("string(//section[@id='readiness']/p[@class='hint'])")
    # Those that wait for a person have sent a return: as many as the table of authorities has, and no more than are listed.
    schools = rows_of(wales, "schools")
    not_ready = [row for row in schools if row["state"] == "Not ready"]
    assert all(row["returned_on"] != "–" for row in not_ready)
    waits = [row["number"] for row in rows_of(wales, "needs") if "not ready" in row["what"]]
    assert waits == ([str(len(not_ready))] if not_ready else [])
    assert rows_of(wales, "authorities", "tfoot")[0]["not_ready"] == str(len(not_ready))


def test_the_page_of_wales_tells_of_no_few_learners(answered_root):
    tree = page(answered_root, "wales")
    told = rows_of(tree, "authorities") + rows_of(tree, "authorities", "tfoot")
    learners = [row[name] for row in told for name in ("chosen", *STATES)]
    learners += [row[n] for row in rows_of(tree, "years") for n in ("chosen", *STATES) if n in row]
    learners += [row["number"] for table in ("exceptions", "ages") for row in rows_of(tree, table)]
    learners += [row[n] for row in rows_of(tree, "days") for n in ("asked", "answered_uln", "answered_without")]
    assert {n for n in learners if n != "[c]" and 0 < int(n) < SMALL} == set()
    assert "[c]" in learners
    # By school nothing is told that depends on what became of its learners, and nothing leads to files with names.
    assert set(rows_of(tree, "schools")[0]) == {"school_name", "school_number", "authority", "state", "returned_on"}
    assert not tree.xpath("//table[@data-table='downloads'] | //a[contains(@href, 'dewi')]")
    assert not tree.xpath("//table[@data-table='batches']//th[@data-key='rows' or @data-key='answered']")


@pytest.mark.parametrize(
    ("hidden", "untold"),
    [
        (["exception", "held"], {"asked", "answered_without"}),
        (["sent", "held"], {"asked"}),
        (["uln", "held"], {"asked", "answered_uln"}),
        ([], set()),
    ],
)
def test_no_list_of_the_page_of_wales_gives_a_hidden_sum_away(root, hidden, untold):
    seen = overview_of(str(root), CYCLE, FEBRUARY, conserved=False)
    frame = seen.authorities.frame
    frame.loc[frame.index[-1], hidden] = pd.NA
    (root / "reports" / CYCLE / "site" / "made.json").unlink()
    make_pages(str(root), CYCLE, FEBRUARY, seen, conserved=False, run="a test")
    days = rows_of(page(root, "wales"), "days")
    # Whoever was handed over is sent, has a ULN or an exception: the sum of three would tell the one that is hidden.
    columns = ("asked", "answered_uln", "answered_without")
    assert {name for name in columns if {row[name] for row in days} <= {"0", "[c]"}} == untold


def test_the_page_of_wales_and_the_run_page_hide_the_same(answered_root):
    seen = overview_of(str(answered_root), CYCLE, FEBRUARY, conserved=False).authorities.rows()
    tree = page(answered_root, "wales")
    told = rows_of(tree, "authorities") + rows_of(tree, "authorities", "tfoot")
    for row, own in zip(seen, told, strict=True):
        assert [own[n] for n in STATES] == ["[c]" if row[n] is None else str(row[n]) for n in STATES]


def test_another_run_with_nothing_new_changes_no_byte_and_asks_little(root):
    before = bytes_of(root)
    assert not pages_due(str(root), CYCLE, FEBRUARY)
    assert made(root, FEBRUARY) == 0 and bytes_of(root) == before


def test_days_go_by_and_only_pages_that_say_so_are_made_anew(root):
    before = bytes_of(root)
    assert pages_due(str(root), CYCLE, MAY)
    assert made(root, MAY) == 2
    changed = {path.parent.name for path, data in bytes_of(root).items() if data != before.get(path)}
    assert changed == {"660", "wales", "site"}
    assert "20 May 2012, 09:00" in page(root, "660").xpath("string(//section[@id='made'])")
    assert "12 February 2012, 09:15" in page(root, "661").xpath("string(//section[@id='made'])")


def test_long_after_a_cycle_its_days_are_counted_no_further(root):
    made(root, "2013-06-01T09:00")
    assert not pages_due(str(root), CYCLE, "2014-06-01T09:00")


def test_a_run_that_died_before_its_end_is_made_up_for(root):
    whole = bytes_of(root)
    (site(root) / "made.json").unlink()
    (site(root) / "660" / "index.en.html").unlink()
    assert pages_due(str(root), CYCLE, FEBRUARY)
    assert made(root, FEBRUARY) == 1 and bytes_of(root) == whole
    (site(root) / "661" / "index.cy.html").unlink()
    assert made(root, FEBRUARY) == 1 and bytes_of(root) == whole


def test_style_and_program_that_are_gone_come_again(root):
    whole = bytes_of(root)
    (site(root) / "660" / "site.css").unlink()
    assert made(root, FEBRUARY) == 1 and bytes_of(root) == whole


def test_of_pages_of_which_some_are_made_the_others_are_due_though_all_becomes_what_it_was(root, monkeypatch):
    whole, put = bytes_of(root), pages.write_together

    def one_then_none(files):
        monkeypatch.setattr(pages, "write_together", broken)
        return put(files)

    def broken(_files):
        raise OSError

    monkeypatch.setattr(pages, "write_together", one_then_none)
    with pytest.raises(OSError):
        made(root, MAY)
    monkeypatch.setattr(pages, "write_together", put)
    assert pages_due(str(root), CYCLE, FEBRUARY) and made(root, FEBRUARY) == 1
    assert bytes_of(root) == whole


def refused_on(root, folder):
    """What the page says of files in quarantine: to do, and among what it was made from."""
    tree = page(root, folder)
    there = {name: rows_of(tree, name) for name in tree.xpath("//table/@data-table")}
    told = [row["number"] for row in there.get("needs", []) if "quarantine" in row["what"]]
    return told, [row["number"] for row in there.get("inputs", []) if "refused" in row["input"]]


def test_a_refused_file_is_on_its_authority_s_page(root):
    (before,), (listed,) = refused_on(root, "660")
    assert before == listed and refused_on(root, "661") == ([], [])
    for la in ("660", "661"):
        (root / "dewi" / "inbox" / la).mkdir(exist_ok=True)
        (root / "dewi" / "inbox" / la / "torn.xml").write_bytes(f"<Message><Header>{la}".encode())
    run_stage(receive, root, CYCLE, TUESDAY, ["660", "661"])
    made(root, FEBRUARY)
    more = [str(int(before) + 1)]
    assert refused_on(root, "660") == (more, more) and refused_on(root, "661") == (["1"], ["1"])
    assert refused_on(root, "wales")[1] == [str(int(before) + 2)]


def test_ages_are_in_their_order_whichever_authority_comes_first(root, monkeypatch):
    from tasks.reports import page_facts

    ages = pd.DataFrame({"la_code": ["660", "660", "661"], "age": ["0-7", "91+", "8-28"], "number": [40, 50, 60]})
    monkeypatch.setattr(page_facts, "age_rows", lambda _lives, _ages: ages)
    made(root, FEBRUARY)
    assert [row["age"] for row in rows_of(page(root, "wales"), "ages")] == ["0-7", "8-28", "91+"]


def test_a_fault_of_ours_leaves_the_pages_that_were_there(root, monkeypatch):
    before = bytes_of(root)

    def broken(*_):
        raise RuntimeError

    monkeypatch.setattr(pages, "write_page", broken)
    with pytest.raises(RuntimeError):
        made(root, MAY)
    assert bytes_of(root) == before and pages_due(str(root), CYCLE, MAY)


def test_a_school_that_calls_itself_a_program_is_called_so_and_an_identifier_is_shown_to_nobody(root):
    from tasks.io.data_root.reference import schools

    register = schools()
    register.loc[register["school_number"] == "6604025", "school_name"] = "<script>alert('x')</script> & =1+1"
    register.loc[register["school_number"] == "6604026", "school_name"] = "Ysgol M660402510001"
    register.to_csv(root / "reference" / "schools.csv", index=False)
    assert made(root, FEBRUARY) == 2
    for folder in ("660", "wales"):
        names = [row["school_name"] for row in rows_of(page(root, folder), "schools")]
        assert "<script>alert('x')</script> & =1+1" in names and "Ysgol [UPN]" in names


def test_a_code_that_nobody_knows_is_on_the_authority_s_page_as_it_came_and_on_that_of_wales_as_ours(root, monkeypatch):
    from tasks.reports import page_facts

    lives = page_facts.lives_at_snapshot

    def strange(root, cycle_id):
        return lives(root, cycle_id).assign(return_code="<b>RC999</b> M660402510001")

    monkeypatch.setattr(page_facts, "lives_at_snapshot", strange)
    made(root, FEBRUARY)
    assert [row["return_code"] for row in rows_of(page(root, "660"), "exceptions")] == ["<b>RC999</b> [UPN]"]
    assert [row["code"] for row in rows_of(page(root, "wales"), "exceptions")] == ["UNKNOWN"]
    assert "RC999" not in (site(root) / "wales" / "index.en.html").read_text(encoding="utf-8")


def test_a_person_asks_for_the_pages(root):
    assert report_of(str(root), CYCLE, FEBRUARY).written == 0
    with pytest.raises(ServiceFault, match="uln census"):
        report_of(str(root / "nowhere"), CYCLE, FEBRUARY)
    assert not (root / "nowhere" / "reports").exists()
    assert address_of(str(root), CYCLE) == f"reports/{CYCLE}/site/wales/index.cy.html"
    (root / "reference" / "pages.toml").write_text('address = "https://uln.example/"\n', encoding="utf-8")
    assert address_of(str(root), CYCLE) == f"https://uln.example/reports/{CYCLE}/site/wales/index.cy.html"


def test_what_may_not_be_shown_stops_the_pages_and_names_the_column(monkeypatch):
    rows = pd.DataFrame({"cycle": ["2012-01"], "upn": ["M660402510001"]})
    monkeypatch.setitem(pages.PAGE_TABLES, "days", LEARNERS)
    with pytest.raises(ServiceFault, match="upn"):
        pages._visible_rows("days", rows, Tier.INTERNAL)


def test_what_the_pages_were_made_from_is_said(answered_root):
    told = json.loads((site(answered_root) / "made.json").read_bytes())
    assert told["looked_at"]["day"] == "2012-02-12" and len(told["pages"]) == 23
    inputs = {row["input"]: row for row in rows_of(page(answered_root, "660"), "inputs")}
    assert set(inputs) >= {"Returns accepted", "Files of answers from the LRS"}
    assert f"lrs-returns {CYCLE}" in page(answered_root, "660").xpath("string(//section[@id='made'])")
