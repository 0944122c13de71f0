"""Files that mean harm, or that harm befell, and what each is refused for; opened one by one and measured.

Run as a program it opens each file in a child process of its own and prints what became of it: the reason, or `read`, or
the exception that is no refusal; how far the child's memory rose; how much time of a processor it took. Each child is a
copy of one process that has everything loaded, so that what is measured is the file alone.
To add a file: a line in DEWI or LRS.
"""

import io
import json
import os
import random
import re
import resource
import struct
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

HEADER = (
    "<Header><CollectionDetails><Collection>PLASC</Collection><ReferenceDate>2012-01-17</ReferenceDate></CollectionDetails>"
    "<Source><LEA>660</LEA><Estab>4025</Estab><SerialNo>1</SerialNo><DateTime>2012-01-20T10:00:00</DateTime></Source></Header>"
)
WHO = "<UPN>M660402510001</UPN><Surname>Prŵf</Surname><Forename>Enghraifft</Forename><DOB>1996-11-05</DOB>"
PUPIL = f"<PupilOnRoll><PupilIdentifiers>{WHO}</PupilIdentifiers></PupilOnRoll>"
MIB = 2**20


def message(pupils: str = PUPIL, before: str = "") -> str:
    return f"{before}<Message>{HEADER}<Pupils><PupilsOnRoll>{pupils}</PupilsOnRoll></Pupils></Message>"


def in_record(content: str) -> bytes:
    return message(f"<PupilOnRoll>{content}</PupilOnRoll>").encode()


def bomb(entity: str) -> str:
    """The billion laughs, in a document of any kind."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE x [<!ENTITY l0 "{entity}">{laughs}]>'


def answers(ulns: str, header: str = "UKPRN,MISIdentifier,ULN\n") -> bytes:
    return (header + ulns).encode()


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as bundle:
        for name, content in members:
            bundle.writestr(name, content)
    return buffer.getvalue()


def zip_that_lies(method: int, mebibytes: int) -> bytes:
    """A zip of one member that unpacks to far more than its directory says."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as bundle, bundle.open("a.xml", "w") as member:
        for _ in range(mebibytes):
            member.write(b"0" * MIB)
    content = bytearray(buffer.getvalue())
    for place in (22, content.rindex(b"PK\x01\x02") + 24):
        content[place : place + 4] = struct.pack("<I", 1000)
    return bytes(content)


def zip_of_names(count: int) -> bytes:
    """A zip that is nearly all directory."""
    content = zipped(("a", b""), method=zipfile.ZIP_STORED)
    start, end = content.index(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
    entries, few = content[start:end] * count, count & 0xFFFF
    return content[:start] + entries + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, few, few, len(entries), start, 0)


def zip_in_itself() -> bytes:
    inner = zipped(("a.xml", message().encode()))
    for _ in range(5):
        inner = zipped(("inside", inner))
    return inner


def noise(size: int) -> bytes:
    return random.Random(1).randbytes(size)


#: name -> (how it is called, its content or how large it is, what it is refused for: a word of quarantine_reasons.csv).
Hostile = dict[str, tuple[str, Callable[[], bytes] | int, str]]
DEWI: Hostile = {
    "entity-bomb": ("x.xml", lambda: message("&l9;", bomb("ha")).encode(), "doctype"),
    "entity-bomb-in-utf-16": ("x.xml", lambda: message("&l9;", bomb("ha")).encode("utf-16"), "doctype"),
    "one-long-entity": ("x.xml", lambda: message("&e;" * 10**5, f'<!DOCTYPE x [<!ENTITY e "{"x" * 10**6}">]>').encode(), "doctype"),
    "external-entity": ("x.xml", lambda: message("&e;", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>').encode(), "doctype"),
    "external-dtd": ("x.xml", lambda: message(before='<!DOCTYPE x SYSTEM "http://example.invalid/x.dtd">').encode(), "doctype"),
    "dtd-without-entities": ("x.xml", lambda: message(before="<!DOCTYPE Message>").encode(), "doctype"),
    "dtd-behind-a-comment": ("x.xml", lambda: message(before=f"<!--{'x' * 9 * MIB}--><!DOCTYPE x>").encode(), "doctype"),
    "undeclared-entity": ("x.xml", lambda: in_record("&e;"), "not_xml"),
    "huge-text": ("x.xml", lambda: in_record("x" * 60 * MIB), "not_xml"),
    "huge-text-by-references": ("x.xml", lambda: in_record("&#120;" * 10 * MIB), "not_xml"),
    "huge-attribute": ("x.xml", lambda: in_record(f"<a b='{'x' * 60 * MIB}'/>"), "not_xml"),
    "huge-name": ("x.xml", lambda: in_record(f"<{'x' * 60 * MIB}/>"), "not_xml"),
    "huge-comment": ("x.xml", lambda: in_record(f"<!--{'x' * 60 * MIB}-->"), "not_xml"),
    "huge-blank": ("x.xml", lambda: b" " * 60 * MIB + b"<Message/>", "not_xml"),
    "huge-depth": ("x.xml", lambda: in_record("<a>" * 400_000 + "</a>" * 400_000), "not_xml"),
    "unclosed-depth": ("x.xml", lambda: in_record("<a>" * 900_000), "not_xml"),
    "all-elements": ("x.xml", lambda: in_record("<a/>" * 8 * MIB), "file_too_large"),
    "elements-up-to-the-bound": ("x.xml", lambda: in_record("<a/>x" * 999_900), "read"),
    "attributes-up-to-the-bound": ("x.xml", lambda: in_record(("<a " + "".join(f"b{n}='' " for n in range(99)) + "/>") * 9_900), "read"),
    "attributes-of-one-element": ("x.xml", lambda: in_record("<a " + " ".join(f"b{n}=''" for n in range(900_000)) + "/>"), "file_too_large"),
    "namespaces-of-one-element": ("x.xml", lambda: in_record("<a " + " ".join(f"xmlns:b{n}='{n}'" for n in range(300_000)) + "/>"), "read"),
    "a-name-each": ("x.xml", lambda: in_record("".join(f"<a{n}/>" for n in range(200_000))), "read"),
    "wrong-encoding": ("x.xml", lambda: b"<?xml version='1.0' encoding='utf-8'?>" + message().encode("latin-1", "replace").replace(b"?", b"\xf4"), "not_xml"),
    "unknown-encoding": ("x.xml", lambda: message(before="<?xml version='1.0' encoding='utf-7'?>").encode(), "not_xml"),
    "ebcdic": ("x.xml", lambda: message(before="<?xml version='1.0' encoding='cp037'?>").replace("ŵ", "w").encode("cp037"), "not_xml"),
    "bom-of-another-encoding": ("x.xml", lambda: b"\xff\xfe" + message().encode(), "not_xml"),
    "utf-16-cut-in-a-character": ("x.xml", lambda: message().encode("utf-16")[:-1], "not_xml"),
    "truncated": ("x.xml", lambda: message().encode()[:-30], "not_xml"),
    "truncated-tag": ("x.xml", lambda: message().encode()[:-3], "not_xml"),
    "nul-bytes": ("x.xml", lambda: message().encode().replace(b"Prawf", b"Pra\0wf").replace(b"Engh", b"E\0ngh"), "not_xml"),
    "nul-reference": ("x.xml", lambda: in_record("&#0;"), "not_xml"),
    "nothing-but-nul": ("x.xml", lambda: b"\0" * 32 * MIB, "not_xml"),
    "noise": ("x.xml", lambda: noise(MIB), "not_xml"),
    "empty": ("x.xml", lambda: b"", "not_xml"),
    "gigabytes": ("x.xml", 4 * 2**30, "file_too_large"),
    "gigabytes-called-zip": ("x.zip", 4 * 2**30, "file_too_large"),
    "zip-bomb": ("x.zip", lambda: zipped(("a.xml", b"0" * 60 * MIB)), "zip_too_large"),
    "zip-bomb-of-many": ("x.zip", lambda: zipped(*((f"{n}.xml", b"0" * 7 * MIB) for n in range(40))), "zip_too_large"),
    "zip-that-lies": ("x.zip", lambda: zip_that_lies(zipfile.ZIP_DEFLATED, 128), "bad_zip"),
    "lzma-that-lies": ("x.zip", lambda: zip_that_lies(zipfile.ZIP_LZMA, 8), "zip_other_method"),
    "bzip2-that-lies": ("x.zip", lambda: zip_that_lies(zipfile.ZIP_BZIP2, 8), "zip_other_method"),
    "zip-of-names": ("x.zip", lambda: zip_of_names(1_000_000), "zip_too_large"),
    "zip-in-a-zip-in-a-zip": ("x.zip", zip_in_itself, "zip_empty"),
    "noise-after-a-zip-s-start": ("x.zip", lambda: b"PK\x03\x04" + noise(MIB), "bad_zip"),
}  # fmt: skip
LRS: Hostile = {
    "entity-bomb": ("x.xml", f"{bomb('ha')}<r><UKPRN>1</UKPRN><L><MISIdentifier>&l9;</MISIdentifier></L></r>".encode, "result_not_xml"),
    "entity-bomb-in-an-attribute": ("x.xml", f"{bomb('ha')}<r a='&l9;'/>".encode, "result_not_xml"),
    "external-entity": ("x.xml", lambda: b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r>&e;</r>', "result_not_xml"),
    "huge-text": ("x.xml", lambda: b"<r>" + b"x" * 30 * MIB + b"</r>", "result_not_xml"),
    "huge-depth": ("x.xml", lambda: b"<r>" * 400_000 + b"</r>" * 400_000, "result_not_xml"),
    "nested-values": ("x.xml", lambda: b"<r>" + b"<ULN>" * 250 + b"x" * 9 * MIB + b"</ULN>" * 250 + b"</r>", "not_a_result"),
    "all-elements": ("x.xml", lambda: b"<r>" + b"<a/>" * 4 * MIB + b"</r>", "result_too_large"),
    "records-of-little": ("x.xml", lambda: b"<r><UKPRN>1</UKPRN>" + b"<L><ULN>1</ULN><MISIdentifier/></L>" * 60_000 + b"</r>", "read"),
    "truncated": ("x.xml", lambda: b"<r><UKPRN>1</UKPRN><L><MISIdentifier>U1</MISIde", "result_not_xml"),
    "nul-bytes": ("x.csv", lambda: answers("1,U\x001,1000102504\n"), "undecodable"),
    "utf-16-without-a-mark": ("x.csv", lambda: "UKPRN,MISIdentifier,ULN\n1,U1,1000102504\n".encode("utf-16-le"), "undecodable"),
    "utf-32": ("x.csv", lambda: "UKPRN,MISIdentifier,ULN\n1,U1,1000102504\n".encode("utf-32"), "undecodable"),
    "wrong-delimiter": ("x.csv", lambda: b"UKPRN|MISIdentifier|ULN\n1|U1|1000102504\n", "not_a_result"),
    "quotation-without-end": ("x.csv", lambda: answers('1,"U1' + ",1000102504\n" * 10**6), "not_a_result"),
    "cell-without-end": ("x.csv", lambda: answers("1," + "U" * 30 * MIB), "not_a_result"),
    "rows-without-end": ("x.csv", lambda: answers("1\n" * 12 * MIB), "result_too_large"),
    "short-rows-of-a-wide-table": ("x.csv", lambda: answers("1\n" * MIB, "UKPRN,MISIdentifier,ULN" + "," * 50_000 + "\n"), "result_too_large"),
    "columns-without-end": ("x.csv", lambda: answers("1\n", "UKPRN,MISIdentifier,ULN" + "," * 20 * MIB + "\n"), "result_too_large"),
    "cells-up-to-the-bound": ("x.csv", lambda: answers("1,U1,ŵ12,,,,\n" * 490_000, "UKPRN,MISIdentifier,ULN,,,,\n"), "read"),
    "a-zip": ("x.csv", lambda: zipped(("a.csv", answers("1,U1,1000102504\n"))), "undecodable"),
    "noise": ("x.csv", lambda: noise(MIB), "undecodable"),
    "gigabytes": ("x.csv", 4 * 2**30, "result_too_large"),
}  # fmt: skip


def put(folder: Path, name: str, content: Callable[[], bytes] | int) -> Path:
    """A file of that content; of a number, an empty one of that size that takes no room."""
    path = folder / name
    if isinstance(content, int):
        with path.open("wb") as file:
            file.truncate(content)
    else:
        path.write_bytes(content())
    return path


def open_it(inbox: str, path: Path) -> str:
    """What the stages do with a file of an inbox; whatever comes out of it that is no refusal comes out here."""
    from schemas.lrs.profiles import all_profiles
    from schemas.plasc.layouts import all_layouts
    from schemas.texts.faults import Refused
    from tasks.io.data_root.dewi_inbox import open_arrival
    from tasks.io.lrs.files import read_result, result_bytes
    from tasks.io.plasc.reader import read_return

    try:
        if inbox == "lrs":
            read_result(result_bytes(path), all_profiles())
        else:
            for document in open_arrival(path).documents:
                read_return(document.data, all_layouts())
    except Refused as refused:
        return refused.reason
    return "read"


def measured(work: Callable[[], str]) -> dict[str, object]:
    """What a child process says, how far its memory rose above what it began with (MiB), and its processor's seconds."""
    pipe, end = os.pipe()
    child = os.fork()
    if not child:
        os.close(pipe)
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        before, began = _memory("VmRSS"), time.process_time()
        try:
            said = work()
        except BaseException as fault:  # noqa: BLE001 - to be told
            said = f"{type(fault).__name__}: {fault}"
        told = {"said": said, "mebibytes": _memory("VmHWM") - before, "seconds": time.process_time() - began}
        os.write(end, json.dumps(told).encode())
        os._exit(0)
    os.close(end)
    with os.fdopen(pipe, "rb") as file:
        told = json.loads(file.read() or b'{"said": "killed", "mebibytes": 0, "seconds": 0}')
    os.waitpid(child, 0)
    return told


def _memory(field: str) -> int:
    # Of this process alone, and its peak since it was forked; `getrusage` may tell the parent's.
    return int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for inbox, sound in (("dewi", message().encode()), ("lrs", answers("10000001,M660402510001,1000102504\n"))):
            # Once before, so that what is loaded at the first use is nobody's.
            assert open_it(inbox, put(Path(folder), "sound", lambda content=sound: content)) == "read"
        _say("nothing", measured(lambda: "read"))
        for inbox, files in (("dewi", DEWI), ("lrs", LRS)):
            for case, (name, content, _) in files.items():
                path = put(Path(folder), name, content)
                found = measured(lambda inbox=inbox, path=path: open_it(inbox, path))
                _say(f"{inbox}: {case}", found)
                path.unlink()


def _say(case: str, found: dict[str, object]) -> None:
    sys.stdout.write(json.dumps({"case": case, **found}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
