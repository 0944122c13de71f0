"""The script a user would write instead: one process, one file after the other, the libraries as their guides show them.

`pandas.read_xml` for each school, Great Expectations with its defaults for each school, `to_csv` for each batch, an lxml
tree for each CTF, openpyxl for each workbook (without the slip), one Parquet of learners. It remembers nothing: no lake, no workers, no
second run that sends nothing, no check of its files, and it may lose a file when the machine stops.

Kept honest: the same learners are chosen, held and sent, the batch files are the service's to the byte, and the same
ULNs and lines go back (`test_plain_script.py`; the benchmark compares all Wales again). What a rule says it takes from
`schemas`, `expectations.rule_catalogue` and `tasks.core`, so what is made faster there is faster here too. It reads the
answers that the stand-in gave to the service, from the same root.
"""

import argparse
import csv
import datetime as dt
import io
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
from lxml import etree
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

from expectations.rule_catalogue import Rule, all_rules, rules_for
from schemas.codes.merge_findings import merge_findings
from schemas.codes.return_codes import all_return_codes, normalise_code
from schemas.ctf.versions import CtfVersion, all_versions
from schemas.cycles import Cycle, cycle_by_id
from schemas.lrs.profiles import Profile, all_profiles
from schemas.states import Disposition, Severity
from schemas.tables import PUPIL_FIELDS
from tasks.core.evidence import KnownUpns, evidence, repeated_upns, shared_upns
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.lrs_form import lrs_rows
from tasks.core.readiness import unmet_requirements
from tasks.core.selection import select
from tasks.io.data_root.reference import opt_outs, registration, schools
from tests.bench.common import CYCLE, Stopwatch, moments, told

_FIELD_OF = {
    "UPN": "upn",
    "FormerUPN": "former_upn",
    "ULN": "uln",
    "UniqueLearnerNumber": "uln",
    "Surname": "surname",
    "Forename": "forename",
    "MiddleNames": "middle_names",
    "FormerSurname": "former_surname",
    "Gender": "gender",
    "Sex": "gender",
    "DOB": "dob",
    "NCyearActual": "nc_year",
    "EnrolStatus": "enrol_status",
    "PostCode": "postcode",
}
_FIVE = ["given_name", "family_name", "dob", "gender", "postcode"]
#: How many failing rows the library tells of by default.
_TOLD = 20


@dataclass
class Plain:
    """What the script has made.

    Attributes:
        pupils: row_ref, school_number and the pupil fields of each school's newest return.
        chosen, held: row_refs.
        sent: school_number, upn, ukprn and what was sent of each learner.
        ulns: school_number, upn, uln; who stands in a CTF.
        lines: school_number, upn, code; what stands in a workbook.
        seconds: by step.
    """

    pupils: pd.DataFrame = field(default_factory=pd.DataFrame)
    chosen: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    sent: pd.DataFrame = field(default_factory=pd.DataFrame)
    ulns: pd.DataFrame = field(default_factory=pd.DataFrame)
    lines: pd.DataFrame = field(default_factory=pd.DataFrame)
    seconds: dict[str, float] = field(default_factory=dict)


def run(root: Path, out: Path, cycle_id: str = CYCLE) -> Plain:
    """Do a cycle the plain way.

    Args:
        root: a data root that the service has finished: returns, reference and the LRS's answers are read.
        out: gets lrs/outbox, dewi/outbox and learners.parquet.
        cycle_id: the cycle.
    """
    watch, made, cycle = Stopwatch(), Plain(), cycle_by_id(cycle_id)
    profile = all_profiles(root / "reference" / "lrs")[cycle.lrs_profile]
    sent_at, answered_at = (dt.datetime.fromisoformat(text) for text in moments(cycle_id))
    register = schools(root / "reference")
    with watch.of("read"):
        made.pupils, days = read_schools(root / "dewi" / "inbox", set(register["school_number"]), cycle)
    with watch.of("select"):
        chosen = choose(made.pupils, register, root / "reference", cycle)
        made.chosen = set(chosen["row_ref"])
    with watch.of("validate"):
        findings = validate(chosen, made.pupils, cycle, profile)
        made.held = set(findings.loc[findings["severity"] == Severity.BLOCKING.value, "row_ref"])
    with watch.of("send"):
        made.sent = send(chosen, made.held, root / "reference", days, profile, sent_at, out / "lrs" / "outbox")
    with watch.of("collect"):
        answers = collect(root / "lrs" / "inbox")
    with watch.of("merge"):
        made.ulns, made.lines = merge(chosen, made.sent, answers, findings)
    with watch.of("publish"):
        publish(made, register, cycle, answered_at, out / "dewi" / "outbox")
        made.ulns.to_parquet(out / "learners.parquet", index=False)
    made.seconds = watch.seconds
    return made


def read_schools(inbox: Path, known: set[str], cycle: Cycle) -> tuple[pd.DataFrame, dict[str, str]]:
    """The pupils of each school's newest return, and the school's census day."""
    newest: dict[str, tuple[tuple[str, int], str, bytes]] = {}
    for path in sorted(p for p in inbox.glob("*/*") if p.is_file()):
        for content in _contents(path):
            try:
                root = etree.fromstring(content)
            except etree.XMLSyntaxError:
                continue
            header = {name: root.findtext(f".//Header//{name}") or "" for name in _HEADER}
            day = header["ReferenceDate"][:10]
            school = header["LEA"] + header["Estab"]
            wrong = root.tag != "Message" or header["Collection"] not in ("PLASC", "SC") or school not in known
            if wrong or header["LEA"] != path.parent.name or not cycle.covers(dt.date.fromisoformat(day)):
                continue
            at = (header["DateTime"], int(header["SerialNo"] or 0))
            if school not in newest or at > newest[school][0]:
                newest[school] = (at, day, content)
    tables = [_pupils(content).assign(school_number=school) for school, (_, _, content) in sorted(newest.items())]
    pupils = pd.concat(tables, ignore_index=True)
    pupils["row_ref"] = pupils["school_number"] + "-" + pupils["ordinal"].astype("str").str.zfill(5)
    return pupils.assign(sha256=pupils["school_number"]), {school: day for school, (_, day, _) in newest.items()}


_HEADER = ("Collection", "ReferenceDate", "LEA", "Estab", "DateTime", "SerialNo")


def _contents(path: Path) -> list[bytes]:
    if path.suffix != ".zip":
        return [path.read_bytes()]
    try:
        with zipfile.ZipFile(path) as bundle:
            return [bundle.read(name) for name in sorted(bundle.namelist()) if name.endswith(".xml")]
    except zipfile.BadZipFile:
        return []


def _pupils(content: bytes) -> pd.DataFrame:
    box = "NAWPupilIdentifiers" if b"<NAWPupilIdentifiers>" in content else "PupilIdentifiers"
    parts = [
        pd.read_xml(io.BytesIO(content), xpath=f".//PupilOnRoll/{path}", dtype="str")
        for path in (box, "PupilStatus", "HomeInformation/Address")
    ]
    pupils = pd.concat(parts, axis=1).rename(columns=_FIELD_OF)
    pupils["ordinal"] = range(1, len(pupils) + 1)
    return pupils.reindex(columns=["ordinal", *PUPIL_FIELDS]).astype(dict.fromkeys(PUPIL_FIELDS, "str"))


def choose(pupils: pd.DataFrame, register: pd.DataFrame, reference: Path, cycle: Cycle) -> pd.DataFrame:
    """The pupils for whom a ULN is asked."""
    decided = select(
        pupils,
        cycle=cycle,
        current=pupils.drop_duplicates("school_number").set_index("school_number")["sha256"],
        missing=unmet_requirements(register, registration(reference), cycle),
        held=pd.DataFrame({"upn": [], "uln": [], "dob": []}, dtype="str"),
    )
    return pupils[(decided["disposition"] == Disposition.CHOSEN.value).to_numpy()].reset_index(drop=True)


def validate(chosen: pd.DataFrame, pupils: pd.DataFrame, cycle: Cycle, profile: Profile) -> pd.DataFrame:
    """row_ref, rule, severity: one suite of all rules, run for each school."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _validate(chosen, pupils, cycle, profile)


def _validate(chosen: pd.DataFrame, pupils: pd.DataFrame, cycle: Cycle, profile: Profile) -> pd.DataFrame:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # they would only cost it time
    rules = rules_for(cycle)
    suite = context.suites.add(gx.ExpectationSuite(name="rules"))
    for rule in rules:
        suite.add_expectation(_expectation(gx, rule))
    asset = context.data_sources.add_pandas("schools").add_dataframe_asset("chosen")
    definition = asset.add_batch_definition_whole_dataframe("all")
    shared = shared_upns(chosen)
    found: list[tuple[str, str, str]] = []
    of_school = dict(list(pupils.groupby("school_number")))
    for school, rows in chosen.groupby("school_number"):
        known = KnownUpns(shared, repeated_upns(of_school[school]))
        facts = evidence(rows, cycle, profile, known).set_index("row_ref")
        # The library's pandas engine is older than the text type of pandas 3.
        facts = facts.astype({c: object for c in facts.columns if facts[c].dtype.kind not in "fib"})
        batch = definition.get_batch({"dataframe": facts.where(facts.notna(), None)})
        results = {r.expectation_config.meta["rule"]: r.result for r in batch.validate(suite).results}
        for rule in rules:
            result, key = results[rule.code], "partial_unexpected_index_list"
            if result.get("unexpected_count", 0) > _TOLD:
                result, key = batch.validate(_expectation(gx, rule), result_format="COMPLETE").result, key[8:]
            found += [(ref, rule.code, rule.severity) for ref in _row_refs(result.get(key))]
    return pd.DataFrame(found, columns=["row_ref", "rule", "severity"], dtype="str")


def _expectation(gx: Any, rule: Rule) -> Any:
    kind = getattr(gx.expectations, "".join(w.capitalize() for w in rule.expectation.split("_")))
    return kind(column=rule.column, meta={"rule": rule.code}, **rule.arguments)


def _row_refs(index: Any) -> list[str]:
    entries = [index] if isinstance(index, dict) else index or []
    refs: list[str] = []
    for entry in entries:
        value = entry["row_ref"]
        refs += map(str, value) if isinstance(value, list) else [str(value)]
    return refs


def send(
    chosen: pd.DataFrame,
    held: set[str],
    reference: Path,
    days: dict[str, str],
    profile: Profile,
    at: dt.datetime,
    outbox: Path,
) -> pd.DataFrame:
    """Write a batch file for each school, more where one would be too long; who was sent."""
    register = registration(reference).set_index("school_number")
    rows = chosen[~chosen["row_ref"].isin(held)]
    notice = rows["school_number"].map(register["privacy_notice_on"])
    seen = notice.notna() & (notice.fillna("9999") <= rows["school_number"].map(days).fillna(""))
    opted_out = canonical_upn(rows["upn"]).isin(set(canonical_upn(opt_outs(reference)["upn"]).dropna()))
    forms = lrs_rows(rows, profile, seen, opted_out)
    forms = forms.assign(row_ref=rows["row_ref"], school_number=rows["school_number"])
    forms["ukprn"] = forms["school_number"].map(register["ukprn"].str.strip())
    forms = forms.sort_values(["school_number", "upn", "row_ref"]).drop_duplicates("upn")
    outbox.mkdir(parents=True, exist_ok=True)
    for _, of_school in forms.groupby("school_number"):
        for n, first in enumerate(range(0, len(of_school), profile.limit)):
            _write_batch(of_school.iloc[first : first + profile.limit], at + dt.timedelta(minutes=n), profile, outbox)
    return forms.reset_index(drop=True)


def _write_batch(rows: pd.DataFrame, at: dt.datetime, profile: Profile, outbox: Path) -> None:
    ukprn = rows["ukprn"].iloc[0]
    name = f"LRB_{ukprn}_{at:%d%m%Y%H%M}"
    about = {"file_version": profile.version, "file_name": name, "ukprn": ukprn, "record_count": str(len(rows))}
    table = pd.DataFrame(index=rows.index)
    for column in profile.columns:
        if column.first_row_only:
            table[column.heading] = [about[column.source], *[""] * (len(rows) - 1)]
        elif column.source.startswith("="):
            table[column.heading] = column.source[1:]
        else:
            table[column.heading] = rows[column.source].fillna("") if column.source else ""
    path = outbox / f"{name}.CSV"
    table.to_csv(path, index=False, quoting=csv.QUOTE_ALL, lineterminator="\r\n", encoding="utf-8")


def collect(inbox: Path) -> pd.DataFrame:
    """ukprn, upn, uln, return_code of every answer."""
    tables = []
    for path in sorted(inbox.glob("*.CSV")):
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
        names = {"UKPRN": "ukprn", "MISIdentifier": "upn", "ULN": "uln", "ReturnCode": "return_code"}
        table = table[list(names)].rename(columns=names)
        tables.append(table.assign(ukprn=table["ukprn"].iloc[0]))
    answers = pd.concat(tables, ignore_index=True)
    return answers.assign(return_code=normalise_code(answers["return_code"]))


def merge(
    chosen: pd.DataFrame, sent: pd.DataFrame, answers: pd.DataFrame, findings: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Who goes into a CTF (school_number, the pupil's fields, uln), and the lines of the workbooks (likewise, code)."""
    answered = sent.merge(answers, on=["ukprn", "upn"])
    has_uln = uln_valid(answered["uln"])
    given = answered[has_uln]
    people = given.fillna("").drop_duplicates(["uln", *_FIVE]).groupby("uln").size()
    shared = given["uln"].duplicated(keep=False)
    one = given["uln"].map(people).eq(1)
    # One ULN for two UPNs of one learner goes back and is shown, but not where both are in one school.
    both_here = given.duplicated(["school_number", "uln"], keep=False)
    fields = chosen.drop(columns=["uln", "school_number", "sha256", "ordinal"])
    by_ref = fields.set_index("row_ref")

    def lines(rows: pd.DataFrame, code: Any) -> pd.DataFrame:
        told_of = rows[["school_number", "row_ref"]].assign(code=code)
        return told_of.join(by_ref, on="row_ref")

    ulns = given.loc[~shared | (one & ~both_here), ["school_number", "row_ref", "uln"]].join(by_ref, on="row_ref")
    blocking = findings[findings["severity"] == Severity.BLOCKING.value].merge(
        chosen[["row_ref", "school_number"]], on="row_ref"
    )
    without = answered[~has_uln]
    own = given["row_ref"].map(chosen.set_index("row_ref")["uln"])
    no_uln = own.fillna("").str.strip().ne("") & ~uln_valid(own).astype(bool)
    listed = pd.concat(
        [
            lines(blocking, blocking["rule"]),
            lines(without, without["return_code"].fillna("NONE")),
            lines(given[no_uln], "MIS07"),
            lines(given[shared & ~one], "LRS02"),
            lines(given[shared & one & ~both_here], "LRS03"),
            lines(given[shared & one & both_here], "LRS02"),
        ],
        ignore_index=True,
    )
    order = ["school_number", "surname", "forename", "upn", "row_ref", "code"]
    return ulns.sort_values(["school_number", "upn"]), listed.sort_values(order, na_position="first")


def publish(made: Plain, register: pd.DataFrame, cycle: Cycle, at: dt.datetime, outbox: Path) -> None:
    """A zip for each school with its CTF, exam entries and workbook; a workbook for each authority."""
    texts, names = _texts(), register.set_index("school_number")
    version = all_versions()[cycle.ctf_version]
    of_school = dict(list(made.ulns.groupby("school_number"))), dict(list(made.lines.groupby("school_number")))
    for school in sorted({*of_school[0], *of_school[1]}):
        files = {}
        ulns = of_school[0].get(school, made.ulns.head(0))
        if school in of_school[0]:
            files[f"{school[:3]}LLLL_CTF_{school}_001.xml"] = _ctf(ulns, school, version, cycle, at)
            entries = ulns[["upn", "uln", "surname", "forename"]]
            files[f"ULN_Exams_{school}_{cycle.id}.csv"] = entries.to_csv(index=False, lineterminator="\r\n").encode()
        listed = of_school[1].get(school, made.lines.head(0)).merge(texts, on="code", how="left")
        files[f"ULN_Exceptions_{school}_{cycle.id}.xlsx"] = _workbook(listed, names.loc[school], cycle, ulns)
        folder = outbox / school[:3] / school
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / f"ULN_{school}_{cycle.id}_001.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, content in files.items():
                bundle.writestr(name, content)

    for la, lines in made.lines.groupby(made.lines["school_number"].str[:3]):
        of_la = names[names.index.str[:3] == la].iloc[0].copy()
        of_la["school_name"] = la
        book = _workbook(lines.merge(texts, on="code", how="left"), of_la, cycle)
        (outbox / la / f"ULN_Exceptions_{la}_{cycle.id}_001.xlsx").write_bytes(book)


def _ctf(rows: pd.DataFrame, school: str, version: CtfVersion, cycle: Cycle, at: dt.datetime) -> bytes:
    root = etree.Element("CTfile")
    header = etree.SubElement(root, "Header")

    def add(parent: Any, name: str, value: str | None) -> None:
        etree.SubElement(parent, name).text = value

    add(header, "DocumentName", "Common Transfer File")
    add(header, "CTFversion", version.id)
    add(header, "DateTime", at.strftime("%Y-%m-%dT%H:%M:%S"))
    add(header, "DocumentQualifier", version.document_qualifier)
    if version.data_qualifier is not None:
        add(header, "DataQualifier", version.data_qualifier)
    add(header, "DataDescriptor", version.data_descriptor)
    add(header, "SupplierID", version.supplier_id)
    source = etree.SubElement(header, "SourceSchool")
    add(source, "LEA", school[:3])
    add(source, "Estab", version.source_estab)
    add(source, "SchoolName", version.source_school_name)
    add(source, "AcademicYear", str(cycle.academic_year))
    destination = etree.SubElement(header, "DestSchool")
    add(destination, "LEA", school[:3])
    add(destination, "Estab", school[3:])
    data = etree.SubElement(root, "CTFpupilData")
    for _, row in rows.iterrows():
        pupil = etree.SubElement(data, "Pupil")
        for name, column in (
            ("UPN", "upn"),
            ("UniqueLearnerNumber", "uln"),
            ("Surname", "surname"),
            ("Forename", "forename"),
            ("DOB", "dob"),
            (version.gender_element, "gender"),
        ):
            add(pupil, name, row[column])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


_LINE = Side(style="thin", color="BFBFBF")


def _workbook(rows: pd.DataFrame, school: "pd.Series[Any]", cycle: Cycle, ulns: pd.DataFrame | None = None) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for lang, sheet_name, la in (("cy", "Cymraeg", school["la_cy"]), ("en", "English", school["la_en"])):
        sheet = book.create_sheet(sheet_name)
        sheet.append(["UPN", "Surname", "Forename", "Year", "Wrong", "Action", "Code", "Field"])
        for _, row in rows.iterrows():
            columns = ("upn", "surname", "forename", "nc_year", f"wrong_{lang}", f"action_{lang}", "code")
            values = [row[c] if isinstance(row[c], str) else None for c in (*columns, f"field_{lang}")]
            # What a spreadsheet cannot hold: control characters in a name that was held for them.
            sheet.append([v and openpyxl.cell.cell.ILLEGAL_CHARACTERS_RE.sub("", v) for v in values])
        for cells in sheet.iter_rows():
            for cell in cells:
                cell.alignment = Alignment(wrap_text=True, vertical="top")
                cell.border = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
                cell.number_format = "@"
                if cell.row == 1:
                    cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="D9E2F3")
        for letter, width in zip("ABCDEFGH", (16, 20, 20, 8, 48, 48, 8, 16), strict=True):
            sheet.column_dimensions[letter].width = width
        sheet.freeze_panes = "D2"
        sheet.auto_filter.ref = sheet.dimensions
        sheet.oddHeader.left.text = str(school["school_name"])
        sheet.oddHeader.right.text = f"{la}, {cycle.title_cy if lang == 'cy' else cycle.title_en}"
    by_code = book.create_sheet("By code")
    for code, count in rows["code"].value_counts().items():
        by_code.append([code, count])
    if ulns is not None:
        sheet = book.create_sheet("ULNs")
        for _, row in ulns.iterrows():
            sheet.append([row[c] for c in ("upn", "surname", "forename", "uln")])
        for cells in sheet.iter_rows():
            for cell in cells:
                cell.border = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
                cell.number_format = "@"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def _texts() -> pd.DataFrame:
    """What is wrong and what to do, by code, in both languages."""
    columns = ("code", "wrong_en", "wrong_cy", "action_en", "action_cy", "field_en", "field_cy")
    rows = [tuple(getattr(rule, c) for c in columns) for rule in all_rules()]
    labelled = [c.replace("wrong", "label") for c in columns]
    rows += [tuple(getattr(one, c) for c in labelled) for one in (*all_return_codes().values(), *merge_findings())]
    return pd.DataFrame(rows, columns=list(columns)).drop_duplicates("code")


@dataclass
class Sides:
    """What goes to the LRS and to the schools, from the files themselves: of the service or of the script.

    Attributes:
        batches: file name -> content.
        ctf: school_number -> pairs of UPN and ULN.
        lines: school_number -> lines of the workbook.
    """

    batches: dict[str, bytes]
    ctf: dict[str, set[tuple[str, str]]]
    lines: dict[str, int]


def sides(root: Path) -> Sides:
    """What stands in a root's lrs/outbox and dewi/outbox."""
    found = Sides({p.name: p.read_bytes() for p in sorted((root / "lrs" / "outbox").iterdir())}, {}, {})
    for path in sorted((root / "dewi" / "outbox").glob("*/*/*.zip")):
        school = path.parent.name
        with zipfile.ZipFile(path) as bundle:
            for name in bundle.namelist():
                content = bundle.read(name)
                if name.endswith(".xml"):
                    pupils = etree.fromstring(content).iter("Pupil")
                    found.ctf[school] = {
                        (p.findtext("UPN") or "", p.findtext("UniqueLearnerNumber") or "") for p in pupils
                    }
                elif name.endswith(".xlsx"):
                    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
                    found.lines[school] = sum(1 for _ in book.worksheets[0].iter_rows()) - 1
    return found


def differences(one: Sides, other: Sides) -> list[str]:
    """In what two differ: names of files and school numbers; empty where they are the same."""
    pairs = ((one.batches, other.batches), (one.ctf, other.ctf), (one.lines, other.lines))
    return sorted({str(k) for a, b in pairs for k in {*a, *b} if a.get(k) != b.get(k)})


def main() -> None:
    """Do a finished root's cycle the plain way and tell what each step took."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("root", type=Path, help="a data root that the service has finished")
    options.add_argument("into", type=Path, help="an empty folder for what the script makes")
    options.add_argument("--cycle", default=CYCLE)
    options.add_argument("--out", type=Path)
    given = options.parse_args()
    made = run(given.root, given.into, given.cycle)
    differ = differences(sides(given.root), sides(given.into))
    told({"seconds": sum(made.seconds.values()), "steps": made.seconds, "differs_from_service": differ}, given.out)


if __name__ == "__main__":
    main()
