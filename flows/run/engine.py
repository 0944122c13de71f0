"""The data root of a command or flow, and the engine's settings for a command: quiet, self-contained, ended by Ctrl-C.

Prefect keeps its files under the data root, and its server serves the run alone, unless the user has set up a server
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

#: Prefect's settings for the password: the server's and the client's.
PASSWORD_NAMES = ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING")


def named_root(data: str | None) -> str:
    """Return a data root as a full path: `data`, else ULN_DATA, else `data/local`."""
    return str(Path(data or os.environ.get("ULN_DATA") or "data/local").expanduser().resolve())


def configure_engine(data: str) -> None:
    """Point the engine to the data root; must run before `prefect` is imported."""
    # The terminal prints its own messages; the log lines still go to the server.
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_CLI_PROMPT", "false")
    # The first start makes the engine's database; on two busy cores that takes longer than the engine's own 20 s.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    if not user_has_a_server():
        home = DataRoot(Path(data)).engine
        make_folder(home)
        os.environ["PREFECT_HOME"] = str(home)
        # This machine may have other users: the run's own server answers only requests with the password.
        os.environ.update(dict.fromkeys(PASSWORD_NAMES, server_password()))


def server_password(kept: str | None = None) -> str:
    """Return the server's password, as `user:password`: the one that the user has set, else `kept`, else a new one."""
    from_user = next((os.environ[name] for name in PASSWORD_NAMES if os.environ.get(name)), None)
    return from_user or kept or f"uln:{secrets.token_urlsafe(32)}"


def user_has_a_server() -> bool:
    """Whether the user has named a server, a profile or a home for the engine."""
    if any(os.environ.get(name) for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILE")):
        return True
    profiles = Path.home() / ".prefect" / "profiles.toml"
    return profiles.exists() and "PREFECT_API_URL" in profiles.read_text(encoding="utf-8")


@contextmanager
def stopping_at_once(inform: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C inform the user (`inform`) and end the process within seconds.

    A terminal sends the signal to the engine's own server too, and the engine would wait minutes for it. Ending at once is
    safe for the lake: the next run finishes what this one leaves.
    """

    def stop(_signal: int, _frame: Any) -> None:
        from prefect.server.api.server import SubprocessASGIServer  # noqa: PLC0415 - reading commands need no engine

        inform()
        SubprocessASGIServer().stop()
        os._exit(1)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def server_unreachable(fault: BaseException) -> bool:
    """Whether an exception, or one of its causes, says that the user's server does not answer."""
    error: BaseException | None = fault
    while error is not None:
        if type(error).__name__ in ("ConnectError", "ConnectTimeout") or "Failed to reach API" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
