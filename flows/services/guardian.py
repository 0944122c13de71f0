"""Guardian: ends a command and all its children when the process that started it has ended.

Run as `python -m flows.services.guardian ..`.

It holds one end of a pipe, its standard input. When the other end closes, because whoever holds it ended or was killed, or
when the command ends, everything that descends from the command is ended too: first asked, then, after seconds, killed.
Prefect's worker gives each flow run a session of its own, so that no signal to a group gets to all of them.
Belongs here: that, and nothing of the service. On Linux every descendant is found; elsewhere the command's own group.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: How long a command has to end by itself once it has been asked.
GRACE_SECONDS = 4.0
_LOOK_SECONDS = 0.2
_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run the command of the arguments until it ends, or the standard input does; exits with its code."""
    if sys.platform == "linux":
        # What loses its parent becomes a child of this process, and of none that the search below would not find.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    asked_to_end: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda given, _: asked_to_end.append(given))
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - ours
    while command.poll() is None and not asked_to_end and not _closed():
        pass
    end(command)
    sys.exit(command.returncode)


def _closed() -> bool:
    """Waits for a moment; whether the standard input has ended. Nothing is ever said on it."""
    ready, _, _ = select.select([0], [], [], _LOOK_SECONDS)
    return bool(ready) and not os.read(0, 1024)


def end(command: "subprocess.Popen[Any]") -> None:
    """End a command and all that descends from this process."""
    if command.poll() is None:
        command.terminate()
    patience = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < patience and (command.poll() is None or next(descendants(), None) is not None):
        time.sleep(_LOOK_SECONDS)
    # Whoever is killed may have started another before it was: look again until there is none.
    while found := list(descendants()):
        for pid in found:
            _kill(pid)
        time.sleep(0.05)
    if command.poll() is None:
        _kill(-command.pid)
    command.wait()


def descendants() -> Iterator[int]:
    """The processes below this one that live; none where the system does not tell."""
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name of the command stands in brackets and may hold anything.
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


def _kill(pid: int) -> None:
    try:
        if pid < 0:
            os.killpg(-pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    main()
