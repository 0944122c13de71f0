"""The process in which atheris makes inputs for one target: `python -m tests.fuzz.worker TARGET FAILURES LIBFUZZER-ARGS`.

A failure is written down and the fuzzing goes on; each place in the code at which one came out counts once. Time and
memory beyond libFuzzer's own limits end the process, which leaves the input.
"""

import hashlib
import sys
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tasks", "schemas", "zipfile"]):
    from tests.fuzz.targets import tried


def main() -> None:
    target, failures = sys.argv[1], Path(sys.argv[2])
    seen: set[str] = set()

    def one_input(content: bytes) -> None:
        try:
            tried(target, content)
        except BaseException as fault:  # noqa: BLE001 - a panic in a library is no Exception
            where = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(fault.__traceback__)]
            place = hashlib.sha256("\n".join([type(fault).__name__, *where]).encode()).hexdigest()[:16]
            if place not in seen:
                seen.add(place)
                (failures / f"{target}-{place}").write_bytes(content)
                told = "".join(traceback.format_exception(fault))
                (failures / f"{target}-{place}.txt").write_text(told, encoding="utf-8")

    atheris.Setup([sys.argv[0], *sys.argv[3:]], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
