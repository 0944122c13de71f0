"""Folders in object stores: S3-compatible ones by s3fs, Azure's by adlfs.

An object is there whole or not at all, and a put may ask that none be there: no more is needed of a store
(`docs/object-storage.md`). The libraries put once and wait no longer than they may: by themselves they, their SDKs and
aiohttp below each put a second time when no answer comes, and whoever the file was for may have taken the first away.

Belongs here: requests to stores, and what their answers mean. Does not belong here: what holds of any transport
(`tasks.io.remote.transport`). To add a store's code for a fault: `_CASES`. The libraries are loaded where such a way is
configured.
"""

import base64
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from schemas.settings.locations import AzureLocation, S3Location
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.remote.transport import OutcomeUnknown, Rejected, Seen, Transport, Unreachable

#: What a store's code says, as `fault.way_<case>`; other codes go by the status.
_CASES = {
    "AccessDenied": "denied",
    "AuthenticationFailed": "login",
    "AuthorizationFailure": "denied",
    "AuthorizationHeaderMalformed": "region",
    "AuthorizationPermissionMismatch": "denied",
    "ContainerNotFound": "no_folder",
    "ExpiredToken": "login",
    "InvalidAccessKeyId": "login",
    "InvalidToken": "login",
    "NoSuchBucket": "no_folder",
    "PermanentRedirect": "region",
    "RequestTimeTooSkewed": "clock",
    "ServerBusy": "busy",
    "ServiceUnavailable": "busy",
    "SignatureDoesNotMatch": "login",
    "SlowDown": "busy",
}
_STATUSES = {401: "login", 403: "denied", 404: "no_folder", 429: "busy"}


class ObjectFolder(Transport):
    """What stores have in common."""

    _fs: Any

    @abstractmethod
    def _answer(self, refused: BaseException) -> tuple[int, str] | None:
        """HTTP status and code of the answer that the library's exception tells of; None where none came."""

    @abstractmethod
    def _mark(self, info: dict[str, Any]) -> str:
        """What changes when the object does."""

    @abstractmethod
    def _create(self, path: str, data: bytes) -> None:
        """Put, if nothing stands there; any answer that says otherwise is an exception."""

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ServiceFault:
            raise
        except Exception as refused:
            raise self._fault(refused) from refused

    def _fault(self, refused: Exception, *, putting: bool = False) -> Unreachable | Rejected | OutcomeUnknown:
        status, code = self._said(refused)
        refuses = status < 500 or status in (501, 507) or _CASES.get(code) == "busy"
        if status == 0 or not refuses:
            lost = putting and not self._never_reached(refused)
            return (OutcomeUnknown if lost else Unreachable)(bilingual("fault.way_away", way=self.shown))
        case = _CASES.get(code) or _STATUSES.get(status, "not_taken")
        return (Unreachable if case == "busy" else Rejected)(bilingual(f"fault.way_{case}", way=self.shown))

    def _said(self, refused: Exception) -> tuple[int, str]:
        """HTTP status and code; 0 where no answer came."""
        found = (answer for one in _chain(refused) if (answer := self._answer(one)))
        return next(found, (0, ""))

    @contextmanager
    def _set(self, setting: str) -> Iterator[None]:
        """What a library does not take of our own settings, which it else would call a server that is away."""
        try:
            yield
        except ValueError:  # which may quote it
            raise Rejected(bilingual("fault.way_setting", way=self.shown, setting=setting)) from None

    @staticmethod
    def _never_reached(refused: Exception) -> bool:
        """Whether there was no connection at all, so that nothing can have been done."""
        from aiohttp import ClientConnectorError, ConnectionTimeoutError  # noqa: PLC0415

        return any(isinstance(one, (ClientConnectorError, ConnectionTimeoutError)) for one in _chain(refused))

    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        """What begins with the folder's name; a page of a thousand or more a request."""
        with self._told():
            try:
                found = self._fs.ls(self._at(folder), detail=True, timeout=self._limit())
            except FileNotFoundError as empty:
                if self._said(empty)[0]:
                    raise
                found = []  # a store has no folders: nothing begins with that
        found = sorted(found, key=lambda one: one["type"] == "directory")
        if any(one["type"] != "directory" and one["name"] == self._at(folder) for one in found):
            # Azure's library shows it alone then, and nothing of what begins with its name.
            raise Rejected(bilingual("fault.way_name", way=self.shown, inbox=self.way.folder.rpartition("/")[2]))
        return {
            name: None if one["type"] == "directory" else Seen(int(one["size"]), self._mark(one))
            for one in found
            if (name := one["name"].rstrip("/").rpartition("/")[2]) and one["name"].rstrip("/") != self._at(folder)
        }

    def fetch(self, path: str, into: Path, most: int) -> None:
        """One request, and the bytes in memory."""
        with self._told():
            content = self._read(path, most)
        if content is None:
            raise FileNotFoundError
        into.write_bytes(content)

    def content(self, path: str) -> bytes | None:
        """One request."""
        with self._told():
            return self._read(path, None)

    def _read(self, path: str, most: int | None) -> bytes | None:
        """An object's bytes, or its first ones; None where there is none."""
        part = {"start": 0, "end": most} if most else {}
        try:
            # One request: by default both libraries would ask for the size first, or for parts at once.
            content = self._fs.cat_file(self._at(path), max_concurrency=1, timeout=self._limit(most or 2**26), **part)
        except Exception as refused:
            status, code = self._said(refused)
            if status == 416:
                return b""  # an empty object has no first byte
            if status == 404 and _CASES.get(code) != "no_folder":
                return None
            raise
        return bytes(content)

    def put_new(self, path: str, data: bytes) -> None:
        """One conditional put; where nobody says how it went, one look."""
        try:
            self._create(path, data)
        except Exception as refused:
            # Stores tell in three ways that something stands there, or is being put there just now.
            stands = isinstance(refused, FileExistsError) or self._said(refused)[0] in (409, 412)
            fault = self._fault(refused, putting=True)
            if not stands and not isinstance(fault, OutcomeUnknown):
                raise fault from refused
            self._settled(path, data, refused)

    def put(self, path: str, data: bytes) -> None:
        """One put."""
        with self._told():
            self._fs.pipe_file(self._at(path), data, timeout=self._limit(len(data)))

    def remove(self, path: str) -> None:
        """One request; to remove nothing is no fault."""
        with self._told(), suppress(FileNotFoundError):
            self._fs.rm_file(self._at(path))


def _chain(refused: BaseException | None) -> Iterator[BaseException]:
    """An exception and what it came of: the libraries wrap each other's."""
    while refused is not None:
        yield refused
        refused = refused.__cause__ or refused.__context__


class S3Folder(ObjectFolder):
    """A part of a bucket."""

    def __init__(self, way: S3Location) -> None:
        super().__init__(way)
        from aiobotocore.httpsession import AIOHTTPSession  # noqa: PLC0415
        from botocore.utils import is_valid_endpoint_url  # noqa: PLC0415
        from s3fs import S3FileSystem  # noqa: PLC0415

        class Once(AIOHTTPSession):  # type: ignore[misc, unused-ignore]
            """Sends a request once, as aiohttp lets its own tests do."""

            async def _get_session(self, proxy_url: Any) -> Any:
                session = await super()._get_session(proxy_url)
                session._retry_connection = False
                return session

        with self._set("endpoint"):
            if way.endpoint and not is_valid_endpoint_url(way.endpoint):
                raise ValueError
        self._fs = S3FileSystem(
            key=way.access_key and way.access_key.get_secret_value(),
            secret=way.secret_key and way.secret_key.get_secret_value(),
            token=way.session_token and way.session_token.get_secret_value(),
            endpoint_url=way.endpoint,
            client_kwargs={"region_name": way.region},
            config_kwargs={
                "connect_timeout": way.patience_seconds,
                "read_timeout": way.patience_seconds,
                "retries": {"max_attempts": 0},
                "http_session_cls": Once,
                # Amazon's newer checksums are unknown to many a store; TLS and the signature guard the bytes.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._fs.retries = 1

    def _answer(self, refused: BaseException) -> tuple[int, str] | None:
        answer = getattr(refused, "response", None)
        if not isinstance(answer, dict):
            return (401, "") if type(refused).__name__ in ("NoCredentialsError", "PartialCredentialsError") else None
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return status, str(answer.get("Error", {}).get("Code", ""))

    def _mark(self, info: dict[str, Any]) -> str:
        return str(info.get("ETag", ""))

    def _create(self, path: str, data: bytes) -> None:
        self._fs.pipe_file(self._at(path), data, mode="create", timeout=self._limit(len(data)))

    def close(self) -> None:
        """End the session."""
        if getattr(self._fs, "_s3", None) is not None:
            self._fs.close_session(self._fs.loop, self._fs.s3)


class AzureFolder(ObjectFolder):
    """A part of a container."""

    def __init__(self, way: AzureLocation) -> None:
        super().__init__(way)
        from adlfs import AzureBlobFileSystem  # noqa: PLC0415
        from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415
        from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415

        class Once(AioHttpTransport):  # type: ignore[misc, unused-ignore]
            """Sends a request once, as aiohttp lets its own tests do."""

            async def open(self) -> None:
                await super().open()
                if self.session is not None:
                    self.session._retry_connection = False

        key = way.account_key and way.account_key.get_secret_value()
        token = way.sas_token and way.sas_token.get_secret_value()
        with self._set("account_key"):
            # The SDK decodes it with each request, and passes over what no key has but the blanks around it.
            base64.b64decode("".join((key or "").split()), validate=True)
        with self._set("endpoint" if way.endpoint else "account"):
            self._fs = AzureBlobFileSystem(
                account_name=way.account,
                account_key=key,
                sas_token=token,
                connection_timeout=way.patience_seconds,
                read_timeout=way.patience_seconds,
                use_listings_cache=False,
                skip_instance_cache=True,
            )
            # adlfs has no word for any of this.
            self._client = self._fs.service_client = BlobServiceClient(
                way.endpoint or f"https://{way.account}.blob.core.windows.net",
                credential={"account_name": way.account, "account_key": key} if key else token or self._fs.credential,
                retry_total=0,
                connection_timeout=way.patience_seconds,
                read_timeout=way.patience_seconds,
                transport=Once(),
            )

    def _answer(self, refused: BaseException) -> tuple[int, str] | None:
        status = getattr(refused, "status_code", None)
        if status is None:
            return (401, "") if type(refused).__name__ == "ClientAuthenticationError" else None
        code = getattr(refused, "error_code", None) or ""
        return int(status), str(getattr(code, "value", code))

    def _mark(self, info: dict[str, Any]) -> str:
        return str(info.get("etag", ""))

    def _create(self, path: str, data: bytes) -> None:
        self._fs.pipe_file(self._at(path), data, overwrite=False, timeout=self._limit(len(data)))

    def close(self) -> None:
        """End the session."""
        from fsspec.asyn import sync  # noqa: PLC0415

        sync(self._fs.loop, self._client.close, timeout=5)
