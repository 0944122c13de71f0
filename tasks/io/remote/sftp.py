"""A folder of an SFTP server, by fsspec's sshfs and asyncssh: settings, requests, and the meaning of the answers.

The rules of every transport are in `tasks.io.remote.transport`. The libraries are imported only if such a location is
configured.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from schemas.settings.locations import SftpLocation
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.remote.transport import OutcomeUnknown, Rejected, Seen, Transport, Unreachable, part_name


class SftpFolder(Transport):
    """A folder and the connection to its server."""

    def __init__(self, location: SftpLocation) -> None:
        super().__init__(location)
        self._fs: Any = None
        self._channel: Any = None
        self._folders: set[str] = set()
        self._connect()

    def _connect(self) -> None:
        import asyncssh  # noqa: PLC0415 - only if such a location is configured
        from sshfs import SSHFileSystem  # noqa: PLC0415

        self.close()
        self._library = asyncssh
        location: SftpLocation = self.location
        host, (port, known_hosts, keys) = location.parts.hostname, self._settings()
        with self._translate_errors():
            try:
                # Only configured settings: no agent, and no keys or settings of the account that runs the service.
                self._fs = SSHFileSystem(
                    host,
                    port=port,
                    username=location.parts.username,
                    known_hosts=known_hosts,
                    client_keys=keys,
                    passphrase=location.key_passphrase and location.key_passphrase.get_secret_value(),
                    password=location.password and location.password.get_secret_value(),
                    agent_path=None,
                    config=None,
                    connect_timeout=location.patience_seconds,
                    login_timeout=location.patience_seconds,
                    keepalive_interval=location.patience_seconds / 3,
                    keepalive_count_max=3,
                    skip_instance_cache=True,
                    timeout=2 * location.patience_seconds,
                )
                self._channel = self._run(
                    self._fs.client.start_sftp_client, path_encoding="utf-8", path_errors="surrogateescape"
                )
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
                raise  # a fault in our own key, which `_translate_errors` turns into a message
            except ValueError:  # the host's known_hosts line is of an unsupported kind, such as an OpenSSH certificate
                raise Rejected(bilingual("fault.way_known_hosts", way=self.shown)) from None
            except asyncssh.HostKeyNotVerifiable:
                # An unknown and a changed key are both refused; a changed one may mean that another server intercepts us.
                known = asyncssh.match_known_hosts(known_hosts, host, "", port)
                case = "fault.way_changed_key" if any(known[:2]) else "fault.way_unknown_key"
                raise Rejected(bilingual(case, way=self.shown, file=location.known_hosts)) from None

    def _settings(self) -> tuple[int, Any, list[str] | None]:
        """Return the port, the known host keys, and the file of our own key if there is one.

        They are checked before the first request, because a fault in them would look like an unreachable server. The fault
        names the setting; the only value that it shows is the path of a missing known_hosts file.
        """
        location: SftpLocation = self.location
        try:
            port = location.parts.port or 22
        except ValueError:
            raise Rejected(bilingual("fault.way_setting", way=self.shown, setting="url")) from None
        try:
            known_hosts = self._library.read_known_hosts(str(location.known_hosts.expanduser()))
        except (FileNotFoundError, IsADirectoryError):
            raise Rejected(bilingual("fault.way_unknown_key", way=self.shown, file=location.known_hosts)) from None
        except (OSError, ValueError, RuntimeError):  # RuntimeError: the account has no home folder
            raise Rejected(bilingual("fault.way_known_hosts", way=self.shown)) from None
        if location.key_file is None:
            return port, known_hosts, None
        try:
            key_file = location.key_file.expanduser()
            with key_file.open("rb"):
                return port, known_hosts, [str(key_file)]
        except (OSError, RuntimeError):
            raise Rejected(bilingual("fault.way_key_file", way=self.shown)) from None

    def _run(self, coroutine: Callable[..., Any], *args: Any, size: int = 0, **kwargs: Any) -> Any:
        """Run a coroutine in fsspec's thread, with the time limit for `size` bytes."""
        from fsspec.asyn import sync  # noqa: PLC0415

        return sync(self._fs.loop, coroutine, *args, timeout=self._limit(size), **kwargs)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        library = self._library
        try:
            yield
        except (ServiceFault, ModuleNotFoundError):
            raise
        except (PermissionError, library.PermissionDenied, library.KeyImportError, library.KeyEncryptionError) as error:
            # sshfs raises PermissionError for a refused login.
            raise Rejected(bilingual("fault.way_login", way=self.shown)) from error
        except library.SFTPError as error:
            if isinstance(error, (library.SFTPConnectionLost, library.SFTPNoConnection)):
                raise Unreachable(bilingual("fault.way_away", way=self.shown)) from error
            cases = {library.SFTPPermissionDenied: "denied", library.SFTPNoSuchFile: "no_folder"}
            case = cases.get(type(error), "not_taken")
            raise Rejected(bilingual(f"fault.way_{case}", way=self.shown)) from error
        except (library.Error, OSError, EOFError, TimeoutError) as error:
            raise Unreachable(bilingual("fault.way_away", way=self.shown)) from error

    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        """List the folder in one call, without entries that are neither files nor folders."""
        with self._translate_errors():
            entries = self._run(self._channel.readdir, self._at(folder))
        kinds = self._library
        listed: dict[str, Seen | None] = {}
        for entry in entries:
            if entry.filename in (".", ".."):
                continue
            if entry.attrs.type == kinds.FILEXFER_TYPE_DIRECTORY:
                listed[entry.filename] = None
            elif entry.attrs.type == kinds.FILEXFER_TYPE_REGULAR:
                listed[entry.filename] = Seen(entry.attrs.size or 0, f"{entry.attrs.mtime}.{entry.attrs.mtime_ns or 0}")
        return listed

    def content(self, path: str, most: int = -1) -> bytes | None:
        """Return the file's bytes; connects first if there is no connection."""
        if self._channel is None:
            self._connect()

        async def read() -> bytes:
            async with self._channel.open(self._at(path), "rb") as file:
                return bytes(await file.read(most))

        with self._translate_errors():
            try:
                return bytes(self._run(read, size=max(most, 2**26)))
            except self._library.SFTPNoSuchFile:
                return None

    def put_new(self, path: str, data: bytes) -> None:
        """Write under a hidden name, then rename once; if the outcome is unknown, look once over a new connection."""
        library = self._library
        part = self._write_part(path, data)
        try:
            # SFTP's plain rename never replaces a file; OpenSSH's extension, which fsspec uses, does.
            self._run(self._channel.rename, part, self._at(path))
            return
        except (library.Error, OSError, EOFError, TimeoutError) as error:
            fault = error
        lost = (library.SFTPConnectionLost, library.SFTPNoConnection)
        if isinstance(fault, library.SFTPError) and not isinstance(fault, lost):
            content = self.content(path)
            self._remove_part(part)
            if content is None:
                with self._translate_errors():
                    raise fault
            if content != data:
                raise self._other_file(path)
            return
        # The rename may have succeeded without an answer. A new connection removes the part: if it was still there, the
        # old connection's request finds nothing to rename, however late it is carried out.
        try:
            self._connect()
            was_left = self._withdraw(part)
            # A server may create the new name before it removes the old one, and may have stopped in between.
            exists = self.content(path) is not None
        except (Unreachable, Rejected):
            raise OutcomeUnknown(bilingual("fault.way_unanswered", way=self.shown, file=path)) from fault
        if was_left and not exists:
            raise Unreachable(bilingual("fault.way_away", way=self.shown)) from fault
        self._confirm_put(path, data, fault)

    def _withdraw(self, part: str) -> bool:
        """Remove a part; return whether it was there."""
        with self._translate_errors():
            try:
                self._run(self._channel.remove, part)
            except self._library.SFTPNoSuchFile:
                return False
            return True

    def put(self, path: str, data: bytes) -> None:
        """Write under a hidden name, then rename once; twice if the server cannot replace a file in one step."""
        folder = self._at(path).rpartition("/")[0]
        with self._translate_errors():
            if folder not in self._folders:
                self._run(self._channel.makedirs, folder, exist_ok=True)
                self._folders.add(folder)
            part = self._write_part(path, data)
            try:
                self._run(self._channel.posix_rename, part, self._at(path))
            except self._library.SFTPOpUnsupported:
                self._exchange(part, self._at(path))

    def _exchange(self, part: str, place: str) -> None:
        """Replace a file on a server whose rename does not replace.

        For a moment no file has the name. A run that ends in that moment leaves both files under hidden names; the next
        run has no record of the delivery, and puts the file again.
        """
        aside = f"{place.rpartition('/')[0]}/{part_name()}"
        try:
            self._run(self._channel.rename, place, aside)
        except self._library.SFTPNoSuchFile:
            self._run(self._channel.rename, part, place)
            return
        try:
            self._run(self._channel.rename, part, place)
        except self._library.SFTPError:
            with suppress(Exception):
                self._run(self._channel.rename, aside, place)
            raise
        self._remove_part(aside)

    def _write_part(self, path: str, data: bytes) -> str:
        """Write the bytes under a hidden name, synced to disk if the server supports it; return that path."""
        part = f"{self._at(path).rpartition('/')[0]}/{part_name()}"

        async def write() -> int:
            async with self._channel.open(part, "xb") as file:
                await file.write(data)
                with suppress(self._library.SFTPOpUnsupported):
                    await file.fsync()
            return int((await self._channel.stat(part)).size or 0)

        with self._translate_errors():
            try:
                size = self._run(write, size=len(data))
            except Exception:  # any fault: remove the part, then raise the fault unchanged
                self._remove_part(part)
                raise
        if size != len(data):
            self._remove_part(part)
            raise Rejected(bilingual("fault.way_not_taken", way=self.shown))
        return part

    def _remove_part(self, part: str) -> None:
        """Remove a part; if that fails, the next hand-over removes it."""
        with suppress(Exception):
            self._run(self._channel.remove, part)

    def remove(self, path: str) -> None:
        """Remove the file; a missing one is no fault."""
        self._withdraw(self._at(path))

    def close(self) -> None:
        """End the connection."""
        fs, self._fs, self._channel = self._fs, None, None
        if fs is not None:

            async def end() -> None:
                fs.client.abort()

            with suppress(Exception):
                from fsspec.asyn import sync  # noqa: PLC0415

                sync(fs.loop, end, timeout=5)
