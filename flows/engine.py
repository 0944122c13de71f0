"""Makes the engine quiet and self-contained before it is imported by a terminal command.

Prefect keeps its files under the data root unless the user has set up a server (PREFECT_API_URL, a profile, a home).
"""

import os
from pathlib import Path

from tasks.io.data_root import DataRoot


def settle(data: str) -> None:
    """Point the engine to the data root; must run before `prefect` is imported.

    Args:
        data: the data root.
    """
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_CLI_PROMPT", "false")
    # The first start makes the engine's database; on two busy cores that takes longer than the engine's own 20 s.
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")
    if not _user_has_a_server():
        home = DataRoot(Path(data)).engine
        home.mkdir(parents=True, exist_ok=True)
        os.environ["PREFECT_HOME"] = str(home)


def _user_has_a_server() -> bool:
    if any(os.environ.get(name) for name in ("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_PROFILE")):
        return True
    profiles = Path.home() / ".prefect" / "profiles.toml"
    return profiles.exists() and "PREFECT_API_URL" in profiles.read_text(encoding="utf-8")
