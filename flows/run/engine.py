"""Makes the engine quiet and self-contained before a terminal command imports it, and ends it when the user says so.

Prefect keeps its files under the data root, and its server to the run itself, unless the user has set up a server
(PREFECT_API_URL, a profile, a home).
"""

import os
import secrets
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.io.data_root.data_root import DataRoot, make_folder


def configure_engine(data: str) -> None:
    """Point the engine to the data root; must run before `prefect` is imported.

    Args:
        data: the data root.
    """
    # The terminal has words of its own for what happens; the log lines go to the server all the same.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_CLI_PROMPT", "false")
    # The first start makes the engine's database; on two busy cores that takes longer than the engine's own 20 s.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    if not user_has_a_server():
        home = DataRoot(Path(data)).engine
        make_folder(home)
        os.environ["PREFECT_HOME"] = str(home)
        # The run's own server listens on this machine, which may have other users: it answers those who know the word.
        names = ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING")
        word = next((os.environ[name] for name in names if os.environ.get(name)), f"uln:{secrets.token_urlsafe(32)}")
        os.environ.update(dict.fromkeys(names, word))


def user_has_a_server() -> bool:
    """Whether a server is named, or the engine has a home of its own."""
    if any(os.environ.get(name) for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILE")):
        return True
    profiles = Path.home() / ".prefect" / "profiles.toml"
    return profiles.exists() and "PREFECT_API_URL" in profiles.read_text(encoding="utf-8")


@contextmanager
def stopping_at_once(say: Callable[[], None]) -> Iterator[None]:
    """While it holds, Ctrl-C ends the process within seconds.

    A terminal sends the signal to the engine's own server too, and the engine would wait for that one for minutes. The
    lake needs no farewell: whatever a run leaves half done, the next one finds.

    Args:
        say: tells the user.
    """

    def stop(_signal: int, _frame: Any) -> None:
        from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415 - reading commands need no engine

        say()
        SubprocessASGIServer().stop()
        os._exit(1)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def server_unreachable(fault: BaseException) -> bool:
    """Whether an exception, or what caused it, says that the user's server does not answer."""
    seen: BaseException | None = fault
    while seen is not None:
        if type(seen).__name__ in ("ConnectError", "ConnectTimeout") or "Failed to reach API" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
