"""Holds a run at a moment that the test has named, so that a kill comes neither too early nor too late.

Python imports it when it starts, where this folder stands in PYTHONPATH; only workers of these tests have it there. The
folder `ULN_HOLD` is the test's: while a file `armed` stands in it, whoever comes to the moment that is written there
leaves a file `held-<pid>` and waits. Only the standard library, and nothing before the moment.
"""

import json
import os
import sys
import threading
import time

_FOLDER = os.environ.get("ULN_HOLD", "")
_ARMED = os.path.join(_FOLDER, "armed")
_EVENTS = {"open": 0, "os.rename": 1, "os.mkdir": 0, "os.listdir": 0, "os.scandir": 0}
_within = threading.local()
_lock = threading.Lock()
_passed = 0


def _heard(event, arguments):
    if event not in _EVENTS or getattr(_within, "busy", False) or not os.path.lexists(_ARMED):
        return
    path = arguments[_EVENTS[event]]
    if not isinstance(path, (str, bytes, os.PathLike)):
        return
    _within.busy = True
    try:
        _hold(event, os.fsdecode(path))
    finally:
        _within.busy = False


def _hold(event, path):
    """Wait where this is the moment: after so many such changes, or as soon as something stands."""
    global _passed
    try:
        with open(_ARMED, encoding="utf-8") as file:
            moment = json.load(file)
    except FileNotFoundError:
        return
    if "stands" in moment:
        if not os.path.lexists(moment["stands"]):
            return
    elif event != moment["event"] or not path.startswith(moment["below"]):
        return
    else:
        with _lock:
            _passed += 1
            if _passed <= moment["after"]:
                return
    with open(os.path.join(_FOLDER, f"held-{os.getpid()}"), "w", encoding="utf-8"):
        pass
    while os.path.lexists(_ARMED):
        time.sleep(0.05)


if _FOLDER:
    sys.addaudithook(_heard)
