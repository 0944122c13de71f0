"""Shared ground for the tests: synthetic people only, Europe/London, no telemetry, no network."""

import logging
import os
import sys
import threading

os.environ["TZ"] = "Europe/London"
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

import pytest

from tests.support.learners import sound_learners


@pytest.fixture
def learner():
    """Makes pupil rows: sound ones, with what a test changes."""
    return sound_learners


@pytest.fixture(autouse=True)
def _unguarded():
    """A flow guards its process for good (`tasks.runtime.process_guard.install_process_guard`, `data_root.keep_private`); the tests' own goes on."""
    record, mask = logging.getLogRecordFactory(), os.umask(0o077)
    os.umask(mask)
    hooks = sys.excepthook, sys.unraisablehook, threading.excepthook
    yield
    logging.setLogRecordFactory(record)
    os.umask(mask)
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
