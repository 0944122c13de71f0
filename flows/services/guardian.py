"""Guardian: ends a command and all its descendants when the process that started it has ended.

Run as `python -m flows.services.guardian ..`.

Its standard input is a pipe. When the other end closes (its holder ended or was killed), or when the command ends, the
guardian ends the command and all its descendants: it terminates the command and, after some seconds, kills what is left.
Prefect's worker gives each flow run its own session, so a signal to a process group would not reach all of them. On Linux
the guardian finds every descendant; elsewhere only the command's own group. Nothing of the service belongs here.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

#: How long a terminated command has to end by itself before it is killed.
GRACE_SECONDS = 4.0
_LOOK_SECONDS = 0.2
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run the command of the arguments until it or the standard input ends; exit with its code."""
    if sys.platform == "linux":
        # An orphan becomes a child of this process, where the search below finds it.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signals: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: signals.append(received))
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - ours
    while command.poll() is None and not signals and not _closed():
        pass
    end(command)
    sys.exit(command.returncode)


def _closed() -> bool:
    """Wait for a moment, then return whether the standard input has ended. Nothing is ever written to it."""
    ready, _, _ = select.select([0], [], [], _LOOK_SECONDS)
    return bool(ready) and not os.read(0, 1024)


def end(command: "subprocess.Popen[Any]") -> None:
    """End a command and all descendants of this process."""
    if command.poll() is None:
        command.terminate()
    patience = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < patience and (command.poll() is None or next(descendants(), None) is not None):
        time.sleep(_LOOK_SECONDS)
    # A process may have started another just before it was killed: look again until none is left.
    while pids := list(descendants()):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    if command.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(command.pid, signal.SIGKILL)
    command.wait()


def descendants() -> Iterator[int]:
    """Yield the ids of the living processes below this one; none on a system without `/proc`."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command's name is in brackets and may contain anything.
            state, parent = status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue  # it has ended
        if state != "Z":
            children.setdefault(int(parent), []).append(int(status.parent.name))
    waiting = [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        yield from below


if __name__ == "__main__":
    main()
