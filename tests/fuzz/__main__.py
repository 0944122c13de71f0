"""Fuzz every target, its share of the time each: `python -m tests.fuzz SECONDS`.

What is new goes to `build/fuzz/<target>/`, failing inputs to `build/fuzz/failures/`, with what came out of them beside them.
The last line is `fuzz: N inputs, F failures`; the exit code is 1 where there is a failure.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

from tests.fuzz.targets import CORPUS, TARGETS

BUILD = Path("build") / "fuzz"
FAILURES = BUILD / "failures"
#: libFuzzer's own limits: of an input in seconds on the wall, of the process in MiB.
LIMITS = (
    "-timeout=600",
    "-report_slow_units=600",
    "-rss_limit_mb=2048",
    "-max_len=8192",
    "-print_final_stats=1",
    "-verbosity=0",
    "-close_fd_mask=1",
)
_RUN = re.compile(r"stat::number_of_executed_units: +([0-9]+)")


def fuzz(target: str, seconds: int) -> int:
    """Fuzz one target; how many inputs it got."""
    inputs, until = 0, time.monotonic() + seconds
    new = BUILD / target
    new.mkdir(parents=True, exist_ok=True)
    while (left := round(until - time.monotonic())) > 0:
        words = Path(__file__).with_name(f"{target}.dict")
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.fuzz.worker", target, str(FAILURES), str(new), str(CORPUS / target)),
                *(f"-max_total_time={left}", f"-artifact_prefix={FAILURES}/{target}-", f"-dict={words}", *LIMITS),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        run = sum(map(int, _RUN.findall(done.stderr)))
        inputs += run
        if done.returncode and not run:
            raise SystemExit(f"{target}: the fuzzer did not start\n{done.stderr[-2000:]}")
    return inputs


def main() -> int:
    """Fuzz for the seconds that are named."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    FAILURES.mkdir(parents=True, exist_ok=True)
    inputs = 0
    for target in TARGETS:
        run = fuzz(target, max(1, seconds // len(TARGETS)))
        _say(f"{target}: {run} inputs")
        inputs += run
    failures = sorted(p for p in FAILURES.iterdir() if p.suffix != ".txt")
    for path in failures:
        _say(str(path))
    _say(f"fuzz: {inputs} inputs, {len(failures)} failures")
    return int(bool(failures))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
