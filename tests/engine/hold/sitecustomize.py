"""Holds a run at a moment that the test has named, so that a kill comes neither too early nor too late.

Python imports it when it starts, where this folder stands in PYTHONPATH; only workers of these tests have it there. The
folder `ULN_HOLD` is the test's: while a file `armed` stands in it, whoever comes to the moment that is written there
leaves a file `held-<pid>` and waits. Whoever asks for the data root meanwhile leaves a file `asks-<pid>`. Only the
standard library, and nothing before the moment.
"""

import itertools
import json
import os
import sys
import threading
import time
from pathlib import Path

_FOLDER = os.environ.get("ULN_HOLD", "")
_ARMED = f"{_FOLDER}/armed"
#: Python's own doings at which it is looked whether the moment has come, each with the place of the path.
_EVENTS = {"open": 0, "os.rename": 1, "os.mkdir": 0, "os.listdir": 0, "os.scandir": 0}
_within = threading.local()
_passed = itertools.count(1)


def _heard(event, arguments):
    if event not in _EVENTS or getattr(_within, "busy", False) or not os.path.lexists(_ARMED):
        return
    path = arguments[_EVENTS[event]]
    if not isinstance(path, (str, bytes, os.PathLike)):
        return
    _within.busy = True
    try:
        if os.fsdecode(path).endswith("/.run.lock"):
            Path(f"{_FOLDER}/asks-{os.getpid()}").touch()
        if _is_moment(json.loads(Path(_ARMED).read_text(encoding="utf-8")), event, os.fsdecode(path)):
            _wait()
    except FileNotFoundError:
        pass  # released just now
    finally:
        _within.busy = False


def _is_moment(moment, event, path):
    """Whether something stands now, or so many changes of a kind have been made and the next one is about to be."""
    if "stands" in moment:
        return os.path.lexists(moment["stands"])
    return event == moment["event"] and path.startswith(moment["below"]) and next(_passed) > moment["after"]


def _wait():
    Path(f"{_FOLDER}/held-{os.getpid()}").touch()
    while os.path.lexists(_ARMED):
        time.sleep(0.05)


if _FOLDER:
    sys.addaudithook(_heard)
