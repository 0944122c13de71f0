"""Folders in object stores: S3-compatible ones by s3fs, Azure's by adlfs; requests and the meaning of the answers.

A store must keep an object whole or not at all, and offer a conditional put (`docs/object-storage.md`). The settings here
make each request go out once, within a time limit. By default the libraries, their SDKs and aiohttp each repeat a put that
gets no answer, although the recipient may have removed the first file already.

To add a store's code for a fault: `_CODES`. The libraries are imported only if such a location is configured.
"""

import base64
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from schemas.settings.locations import AzureLocation, S3Location
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.remote.transport import OutcomeUnknown, Rejected, Seen, Transport, Unreachable

#: The codes of stores for each `<case>` of the message `fault.way_<case>`; other codes are classified by status.
_CODES = {
    "busy": ("ServerBusy", "ServiceUnavailable", "SlowDown"),
    "clock": ("RequestTimeTooSkewed",),
    "denied": ("AccessDenied", "AuthorizationFailure", "AuthorizationPermissionMismatch"),
    "login": ("AuthenticationFailed", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch"),
    "no_folder": ("ContainerNotFound", "NoSuchBucket"),
    "region": ("AuthorizationHeaderMalformed", "PermanentRedirect"),
}
_CASES = {code: case for case, codes in _CODES.items() for code in codes}
_STATUSES = {401: "login", 403: "denied", 404: "no_folder", 429: "busy"}


class ObjectFolder(Transport):
    """A folder in any object store."""

    _fs: Any
    #: Key, in an entry of a listing, of the mark that changes when the object changes.
    _mark: str
    #: The library's option for a put that must fail if the name is taken.
    _only_new: dict[str, Any]

    @abstractmethod
    def _answer(self, error: BaseException) -> tuple[int, str] | None:
        """Return HTTP status and code from the library's exception; None if it holds no answer."""

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except ServiceFault:
            raise
        except Exception as error:
            raise self._fault(error) from error

    def _fault(self, error: Exception, *, putting: bool = False) -> Unreachable | Rejected | OutcomeUnknown:
        from aiohttp import ClientConnectorError, ConnectionTimeoutError  # noqa: PLC0415

        status, code = self._answer_in(error)
        refuses = status < 500 or status in (501, 507) or _CASES.get(code) == "busy"
        if status == 0 or not refuses:
            # Without any connection nothing can have changed there.
            unconnected = (ClientConnectorError, ConnectionTimeoutError)
            is_open = putting and not any(isinstance(cause, unconnected) for cause in _chain(error))
            return (OutcomeUnknown if is_open else Unreachable)(bilingual("fault.way_away", way=self.shown))
        case = _CASES.get(code) or _STATUSES.get(status, "not_taken")
        return (Unreachable if case == "busy" else Rejected)(bilingual(f"fault.way_{case}", way=self.shown))

    def _answer_in(self, error: Exception) -> tuple[int, str]:
        """Return HTTP status and code; 0 if no answer came."""
        answers = (answer for cause in _chain(error) if (answer := self._answer(cause)))
        return next(answers, (0, ""))

    @contextmanager
    def _reject_setting(self, setting: str) -> Iterator[None]:
        """Reject a setting that a library refuses; otherwise it would look like an unreachable server."""
        try:
            yield
        except ValueError:  # not chained: it may quote the setting
            raise Rejected(bilingual("fault.way_setting", way=self.shown, setting=setting)) from None

    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        """List the objects that begin with the folder's name; a request returns a page of a thousand or more."""
        with self._translate_errors():
            try:
                entries = self._fs.ls(self._at(folder), detail=True, timeout=self._limit())
            except FileNotFoundError as empty:
                if self._answer_in(empty)[0]:
                    raise
                entries = []  # a store has no folders: no object begins with this name
        entries = sorted(entries, key=lambda entry: entry["type"] == "directory")
        if any(entry["type"] != "directory" and entry["name"] == self._at(folder) for entry in entries):
            # For an object with the folder's name Azure's library lists only that object, not those below it.
            raise Rejected(bilingual("fault.way_name", way=self.shown, inbox=self.location.folder.rpartition("/")[2]))
        return {
            name: None if entry["type"] == "directory" else Seen(int(entry["size"]), str(entry.get(self._mark, "")))
            for entry in entries
            if (name := entry["name"].rstrip("/").rpartition("/")[2]) and entry["name"].rstrip("/") != self._at(folder)
        }

    def content(self, path: str, most: int = -1) -> bytes | None:
        """Read the file in one request; by default both libraries ask for the size first, or for several parts at once."""
        span = {"start": 0, "end": most} if most > 0 else {}
        limit = self._limit(max(most, 2**26))
        try:
            return bytes(self._fs.cat_file(self._at(path), max_concurrency=1, timeout=limit, **span))
        except Exception as error:
            status, code = self._answer_in(error)
            if status == 416:
                return b""  # an empty object has no first byte
            if status == 404 and _CASES.get(code) != "no_folder":
                return None
            raise self._fault(error) from error

    def put_new(self, path: str, data: bytes) -> None:
        """Put once, on condition that the name is free; if it is taken or the outcome is unknown, look once."""
        try:
            self._fs.pipe_file(self._at(path), data, timeout=self._limit(len(data)), **self._only_new)
        except Exception as error:
            # Three answers mean that the name is taken, or that another put to it is under way.
            taken = isinstance(error, FileExistsError) or self._answer_in(error)[0] in (409, 412)
            fault = self._fault(error, putting=True)
            if not taken and not isinstance(fault, OutcomeUnknown):
                raise fault from error
            self._confirm_put(path, data, error)

    def put(self, path: str, data: bytes) -> None:
        """Put the file in one request."""
        with self._translate_errors():
            self._fs.pipe_file(self._at(path), data, timeout=self._limit(len(data)))

    def remove(self, path: str) -> None:
        """Remove the file in one request; a missing one is no fault."""
        with self._translate_errors(), suppress(FileNotFoundError):
            self._fs.rm_file(self._at(path))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes, because the libraries wrap each other's exceptions."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class S3Folder(ObjectFolder):
    """A part of a bucket."""

    _mark, _only_new = "ETag", {"mode": "create"}

    def __init__(self, location: S3Location) -> None:
        super().__init__(location)
        from aiobotocore.httpsession import AIOHTTPSession  # noqa: PLC0415
        from botocore.utils import is_valid_endpoint_url  # noqa: PLC0415
        from s3fs import S3FileSystem  # noqa: PLC0415

        class Once(AIOHTTPSession):  # type: ignore[misc, unused-ignore]
            """Sends a request once, as aiohttp lets its own tests do."""

            async def _get_session(self, proxy_url: Any) -> Any:
                session = await super()._get_session(proxy_url)
                session._retry_connection = False
                return session

        with self._reject_setting("endpoint"):
            if location.endpoint and not is_valid_endpoint_url(location.endpoint):
                raise ValueError
        self._fs = S3FileSystem(
            key=location.access_key and location.access_key.get_secret_value(),
            secret=location.secret_key and location.secret_key.get_secret_value(),
            token=location.session_token and location.session_token.get_secret_value(),
            endpoint_url=location.endpoint,
            client_kwargs={"region_name": location.region},
            config_kwargs={
                "connect_timeout": location.patience_seconds,
                "read_timeout": location.patience_seconds,
                "retries": {"max_attempts": 0},
                "http_session_cls": Once,
                # Many stores do not know Amazon's newer checksums; TLS and the signature protect the bytes.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self._fs.retries = 1

    def _answer(self, error: BaseException) -> tuple[int, str] | None:
        answer = getattr(error, "response", None)
        if not isinstance(answer, dict):
            return (401, "") if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError") else None
        status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return status, str(answer.get("Error", {}).get("Code", ""))

    def close(self) -> None:
        """End the session."""
        if getattr(self._fs, "_s3", None) is not None:
            self._fs.close_session(self._fs.loop, self._fs.s3)


class AzureFolder(ObjectFolder):
    """A part of a container."""

    _mark, _only_new = "etag", {"overwrite": False}

    def __init__(self, location: AzureLocation) -> None:
        super().__init__(location)
        from adlfs import AzureBlobFileSystem  # noqa: PLC0415
        from azure.core.pipeline.transport import AioHttpTransport  # noqa: PLC0415
        from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415

        class Once(AioHttpTransport):  # type: ignore[misc, unused-ignore]
            """Sends a request once, as aiohttp lets its own tests do."""

            async def open(self) -> None:
                await super().open()
                if self.session is not None:
                    self.session._retry_connection = False

        key = location.account_key and location.account_key.get_secret_value()
        token = location.sas_token and location.sas_token.get_secret_value()
        with self._reject_setting("account_key"):
            # The SDK decodes the key at each request and skips invalid characters. Here only blanks are accepted.
            base64.b64decode("".join((key or "").split()), validate=True)
        with self._reject_setting("endpoint" if location.endpoint else "account"):
            self._fs = AzureBlobFileSystem(
                account_name=location.account,
                account_key=key,
                sas_token=token,
                connection_timeout=location.patience_seconds,
                read_timeout=location.patience_seconds,
                use_listings_cache=False,
                skip_instance_cache=True,
            )
            # adlfs has no options for these settings.
            self._client = self._fs.service_client = BlobServiceClient(
                location.endpoint or f"https://{location.account}.blob.core.windows.net",
                credential={"account_name": location.account, "account_key": key}
                if key
                else token or self._fs.credential,
                retry_total=0,
                connection_timeout=location.patience_seconds,
                read_timeout=location.patience_seconds,
                transport=Once(),
            )

    def _answer(self, error: BaseException) -> tuple[int, str] | None:
        status = getattr(error, "status_code", None)
        if status is None:
            return (401, "") if type(error).__name__ == "ClientAuthenticationError" else None
        code = getattr(error, "error_code", None) or ""
        return int(status), str(getattr(code, "value", code))

    def close(self) -> None:
        """End the session."""
        from fsspec.asyn import sync  # noqa: PLC0415

        sync(self._fs.loop, self._client.close, timeout=5)
