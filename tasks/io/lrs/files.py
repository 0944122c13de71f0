"""Batch files to the LRS and result files from it, CSV and XML, by the profiles of `schemas/lrs`.

Writing follows a profile exactly. Reading accepts headings in any order and case, with the aliases of every profile,
because exports of one version answer batches of another. The CSV parser handles commas, quotes and line ends in cells. A
file whose cells cannot be separated is refused: a wrong match to a learner is worse than a file sent again.

Does not belong here: what an answer means (`core.merging`). To add a layout or a heading: `schemas/lrs`.
"""

import codecs
import csv
import datetime as dt
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from schemas.lrs.profiles import SOAP, Profile
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused
from tasks.io.untrusted_xml import parse

#: Far above any result file: a batch has 5,000 learners at most, and a file of all Wales's exceptions about 20 MiB.
LARGEST_RESULT = 32 * 2**20
#: Limit on a table's cells, including those that fill up short rows; a row has about thirty.
MOST_CELLS = 4_000_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Reason of `parse` -> reason for a result file.
_OF_RESULT = {"not_xml": "result_not_xml", "doctype": "result_not_xml", "file_too_large": "result_too_large"}
#: A long number as a spreadsheet rewrites it: its last digits are lost.
_BY_SPREADSHEET = re.compile(r"[0-9]([.,][0-9]*)?[Ee]\+?[0-9]+|[0-9]{8,}[.,]0+")
#: The columns read from a result file: our name -> the source name in the profiles.
_READ = {"file_name_cell": "file_name", "ukprn": "ukprn", "mis_identifier": "upn", "uln": "ULN"} | {
    name: name for name in ("given_name", "family_name", "middle_name", "dob", "gender", "postcode", "ability_to_share")
}


def batch_file_name(ukprn: str, at: dt.datetime, fmt: str) -> str:
    """Return `LRB_<UKPRN>_<DDMMYYYYHHMM>.CSV` or `.XML`; the ending must be in capitals (LRB quick reference guide).

    The name of a batch for the web service ends in `.SOAP`; the batch is not written to the outbox.
    """
    return f"LRB_{ukprn}_{at:%d%m%Y%H%M}.{fmt}"


def write_batch(rows: pd.DataFrame, *, profile: Profile, fmt: str, ukprn: str, file_name: str) -> bytes:
    """Write a batch file: CSV, XML or SOAP (the document of a web service call).

    `rows` has upn, the sent fields and ability_to_share, in the order of the file. The stem of `file_name` is written into
    the file too, so that answers can be tied to the batch.
    """
    count = len(rows)
    about = {"file_version": profile.version, "file_name": file_name.rsplit(".", 1)[0], "ukprn": ukprn}
    about["record_count"] = str(count)
    columns: list[list[str]] = []
    for column in profile.columns:
        if column.first_row_only:
            columns.append([about[column.source], *[""] * (count - 1)])
        elif not column.source or column.source.startswith("="):
            columns.append([column.source[1:]] * count)
        else:
            cells = pa.array(rows[column.source], pa.large_string(), from_pandas=True)
            columns.append(cells.fill_null("").to_pylist())
    return _xml(columns, about, profile) if fmt in ("XML", SOAP) else _csv(columns, profile)


def _csv(columns: list[list[str]], profile: Profile) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([c.heading for c in profile.columns])
    writer.writerows(zip(*columns, strict=True))
    return text.getvalue().encode("utf-8")


def _xml(columns: list[list[str]], about: dict[str, str], profile: Profile) -> bytes:
    space, root_only = profile.xml.namespace, profile.xml.root_only
    qualified = f"{{{space}}}" if space else ""
    inside = "" if root_only else qualified
    prefixes: Any = {"lrb" if root_only else None: space} if space else {}
    root = etree.Element(qualified + profile.xml.root, nsmap=prefixes)
    for name, source in profile.xml.header.items():
        etree.SubElement(root, inside + name).text = about[source]
    names = ["" if c.first_row_only else inside + (c.xml_name or c.heading) for c in profile.columns]
    for cells in zip(*columns, strict=True):
        record = etree.SubElement(root, inside + profile.xml.record)
        for name, value in zip(names, cells, strict=True):
            if name and value:
                etree.SubElement(record, name).text = value
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def result_bytes(path: Path) -> bytes:
    """Return a result file's content.

    Raises:
        Refused: result_too_large; the file was not read.
        OSError: the file cannot be read.
    """
    if path.stat().st_size > LARGEST_RESULT:
        raise Refused("result_too_large")
    return path.read_bytes()


def read_result(content: bytes, profiles: dict[str, Profile]) -> pd.DataFrame:
    """Read the answers in a result file or an export of processed exceptions.

    The content is CSV or XML, in the batch layout, with a ULN or a return code or both; `profiles` give the known headings.

    Returns:
        ordinal (from 1), file_name_cell, ukprn (both carried down from the first row), mis_identifier, uln,
        return_code, the sent fields and ability_to_share; text as in the file, null where empty.

    Raises:
        Refused: not_a_result, result_not_xml, result_too_large, result_by_spreadsheet, no_ukprn or undecodable.
    """
    rows, refused = read_results([content], profiles)
    if refused:
        raise refused[0]
    return rows.drop(columns="file")


def read_results(contents: Sequence[bytes], profiles: dict[str, Profile]) -> tuple[pd.DataFrame, dict[int, Refused]]:
    """Read the answers of many files into one table, each as by `read_result`.

    Returns:
        file (index in `contents`, from 0) and the columns of `read_result`, sorted by file and ordinal.
        The refused files, by index; the table has no rows of them.
    """
    headings = _headings(profiles)
    cells: dict[str, list[str]] = {name: [] for name in (*_READ, "return_code")}
    counts: dict[int, int] = {}
    refused: dict[int, Refused] = {}
    no_codes: set[int] = set()
    for place, content in enumerate(contents):
        try:
            table = _table(content, headings)
        except Refused as fault:
            refused[place] = fault
            continue
        counts[place] = len(table["mis_identifier"])
        if "return_code" not in table:
            no_codes.add(place)
        for name, values in cells.items():
            values.extend(table.get(name) or [""] * counts[place])
    rows = pd.DataFrame({name: pd.Series(_filled(values), dtype="str") for name, values in cells.items()})
    rows.insert(0, "file", np.repeat(np.array(list(counts), dtype="int64"), list(counts.values())))
    rows.insert(1, "ordinal", rows.groupby("file").cumcount() + 1)
    _carry_down(rows)
    answered, named = (set(rows.loc[rows[c].notna(), "file"]) for c in ("uln", "ukprn"))
    for place, count in counts.items():
        if place in no_codes and place not in answered:
            # A batch file that came back unanswered, perhaps our own: it would open an exception for every learner.
            refused[place] = Refused("not_a_result", bilingual("detail.unanswered"))
        elif count and place not in named:
            refused[place] = Refused("no_ukprn")
    return rows[~rows["file"].isin(refused)].reset_index(drop=True), refused


def _table(content: bytes, headings: dict[str, str]) -> dict[str, list[str]]:
    table = _xml_table(content, headings) if _is_xml(content) else _csv_table(content, headings)
    if "mis_identifier" not in table or not {"uln", "return_code"}.intersection(table):
        raise Refused("not_a_result")
    for name in ("uln", "ukprn", "mis_identifier"):
        for row, value in enumerate(table.get(name, ()), 1):
            if _BY_SPREADSHEET.fullmatch(value.strip()):
                # If accepted, every learner with such a ULN would become an open exception.
                raise Refused("result_by_spreadsheet", bilingual("detail.spreadsheet", row=row))
    return table


def _filled(values: list[str]) -> pa.Array:
    text = pa.array(values, pa.large_string())
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(text), ""), None, text)


def _carry_down(rows: pd.DataFrame) -> None:
    """Copy UKPRN and file name to the rows below; a file's only UKPRN also upwards; no file name to another UKPRN."""
    of_file = rows.groupby("file")["ukprn"]
    down = of_file.ffill()
    single = of_file.transform("nunique") == 1
    rows["ukprn"] = down.where(~single, down.groupby(rows["file"]).bfill())
    rows["file_name_cell"] = rows.groupby(["file", "ukprn"], dropna=False)["file_name_cell"].ffill().astype("str")


def _headings(profiles: dict[str, Profile]) -> dict[str, str]:
    """Return heading, small letters and digits only -> our name."""
    known: dict[str, str] = {}
    for profile in profiles.values():
        for name, source in _READ.items():
            for column in profile.columns:
                # The UPN column of 3A repeats the MIS identifier; answers are tied by the identifier itself.
                if (column.source == source and column.heading != "UPN") or column.heading == source:
                    known |= dict.fromkeys(map(_plain, (column.heading, *column.aliases, column.xml_name)), name)
        known |= dict.fromkeys(map(_plain, profile.return_code_headings), "return_code")
    known.pop("", None)
    return known


def _plain(heading: str) -> str:
    return "".join(c for c in heading.lower() if c.isalnum())


def _csv_table(content: bytes, headings: dict[str, str]) -> dict[str, list[str]]:
    text = _decode(content).lstrip("\r\n")
    first = re.split("[\r\n]", text, maxsplit=1)[0]
    delimiter = max(",;\t", key=first.count)
    lines = text.count("\n") + text.count("\r") + 1
    if max(text.count(delimiter) + lines, (first.count(delimiter) + 1) * lines) > MOST_CELLS:
        raise Refused("result_too_large", bilingual("detail.table", most=f"{MOST_CELLS:,}"))
    # Strict: an unclosed quotation mark would otherwise swallow the rows below it silently.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [row for row in reader if "".join(row).strip()]
    except csv.Error:
        raise Refused("not_a_result", bilingual("detail.quotation", line=reader.line_num)) from None
    names = [headings.get(_plain(cell), "") for cell in (rows[0] if rows else [])]
    if "mis_identifier" not in names:
        raise Refused("not_a_result")
    width = len(names)
    if any(len(row) != width for row in rows):
        for n, row in enumerate(rows[1:], 1):
            # An unquoted comma in a name shifts all later cells, the return code too: no cell of the row can be trusted.
            if "".join(row[width:]).strip():
                raise Refused("not_a_result", bilingual("detail.cells", row=n))
        rows = [(row + [""] * width)[:width] for row in rows]
    columns = list(zip(*rows[1:], strict=True)) or [()] * width
    table: dict[str, list[str]] = {}
    for name, column in zip(names, columns, strict=True):
        if not name:
            continue
        # Two headings may mean the same field: each row gets the first of their cells that is not blank.
        before = table.get(name)
        table[name] = [b if b.strip() else c for b, c in zip(before, column, strict=True)] if before else list(column)
    return table


def _decode(content: bytes) -> str:
    encodings = ["utf-16"] if content.startswith(_UTF16) else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Refused("undecodable")


def _is_xml(content: bytes) -> bool:
    start = content[:256]
    if start.startswith(_UTF16):
        return start.decode("utf-16", "replace").lstrip().startswith("<")
    return start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"<")


def _xml_table(content: bytes, headings: dict[str, str]) -> dict[str, list[str]]:
    if not content.startswith(_UTF16):
        content = content.removeprefix(codecs.BOM_UTF8).lstrip()
    try:
        root = parse(content)
    except Refused as fault:
        detail = fault.detail or (bilingual("detail.doctype") if fault.reason == "doctype" else "")
        raise Refused(_OF_RESULT[fault.reason], detail) from None
    about: dict[str, str] = {}
    records: list[dict[str, str]] = []
    for element in root.iter(etree.Element):
        children = ((_plain(etree.QName(c).localname), c) for c in element.iterchildren(etree.Element))
        named = {headings[name]: _cell(c) for name, c in children if name in headings}
        of_file = {k: v for k, v in named.items() if k in ("ukprn", "file_name_cell") and v.strip()}
        # An answer. One without an identifier is never dropped: it is shown as not tied to a learner.
        if "mis_identifier" in named or len(set(named) - {"ukprn", "file_name_cell"}) > 1:
            records.append(about | {k: v for k, v in named.items() if v.strip() or k not in about})
        elif of_file:
            # A file may hold several batches; each header applies to the learners after it.
            about = of_file if "ukprn" in of_file else about | of_file
    if not records:
        raise Refused("not_a_result")
    if not any(record.get("ukprn") for record in records):
        records = [record | about for record in records]
    names = {name for record in records for name in record}
    return {name: [record.get(name, "") for record in records] for name in names}


def _cell(element: etree._Element) -> str:
    """Return an element's whole text; deeper nesting is refused, because its text would be read at every level."""
    if any(len(below) for below in element):
        raise Refused("not_a_result", bilingual("detail.nested"))
    return "".join(map(str, element.itertext()))
