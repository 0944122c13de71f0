"""The same acts where all four folders are on another machine, by SFTP: `--via sftp`.

The other machine's folders lie below the data root, in `far/`, so that they are copied and compared with it; the service
knows them by the way alone. What it has done there is a point, before which it can be killed, as its own changes are.

Belongs here: the machine, the way to it, what others do there. Does not belong here: where a process is stopped (`points`).
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.io.data_root.data_root import DataRoot

FAR = "far"
#: What the environment has to say of the ways of a data root; nothing where its folders are its own.
_ways: Callable[[Path], dict[str, str]] | None = None


def ways(root: Path) -> dict[str, str]:
    """What the environment says of the ways of a data root."""
    return {} if _ways is None else _ways(root)


def in_use() -> bool:
    """Whether the folders are on another machine."""
    return _ways is not None


@contextmanager
def machine(home: Path) -> Iterator[None]:
    """Let all folders be on another machine from now on.

    Args:
        home: an empty folder.
    """
    from tests.support.servers.sftp import sftp_server

    global _ways  # noqa: PLW0603 - the process plays one scenario
    with sftp_server(home) as server:

        def of(root: Path) -> dict[str, str]:
            said = server.variables()
            return {name: value.replace(str(server.far), str(root / FAR)) for name, value in said.items()}

        _ways = of
        yield


def before(does: Callable[[Path], None], root: Path) -> None:
    """What others do before an act; on their machine, where there is one."""
    if not in_use():
        does(root)
        return
    DataRoot(root).create()
    does(DataRoot(root / FAR).create().path)
    shutil.copytree(root / FAR / "reference", root / "reference", dirs_exist_ok=True)


def outbox(root: Path) -> Path:
    """Where batches are handed over."""
    return (root / FAR if in_use() else root) / "lrs" / "outbox"


#: What changes something there, of asyncssh's client; the places of its paths.
_CHANGES = {"rename": (0, 1), "posix_rename": (0, 1), "remove": (0,), "makedirs": (0,), "open": (0,)}


def watch(root: Path, pass_by: Callable[[str, tuple[str, ...]], None]) -> None:
    """From now on notice every change that this process makes there, before it is made.

    Args:
        root: the data root.
        pass_by: is told what kind of change it is, and the paths, relative to the data root.
    """
    from asyncssh import SFTPClient

    for name, places in _CHANGES.items():
        setattr(SFTPClient, name, _noticed(root, name, places, getattr(SFTPClient, name), pass_by))


def _noticed(root: Path, name: str, places: tuple[int, ...], call: Any, pass_by: Callable[..., None]) -> Any:
    def noticed(self: Any, *given: Any, **named: Any) -> Any:
        paths = [Path(str(given[place])) for place in places]
        if (name != "open" or {"w", "x"} & set(given[1])) and all(path.is_relative_to(root) for path in paths):
            pass_by(f"sftp.{name}", tuple(path.relative_to(root).as_posix() for path in paths))
        return call(self, *given, **named)

    return noticed
