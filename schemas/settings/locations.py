"""Locations of DEWi's and the LRS's folders and of the lake: below the data root, or at a URL with its credentials.

Source: `ULN_WAY_<WAY>__<KEY>` in the environment, which overrides blocks `[<way>]` in the data root's `reference/ways.toml`.
A location in neither is a folder of the data root. Credentials come only from the environment; elsewhere they are refused.

Belongs here: the settings of a location, and their faults. Does not belong here: connecting (`tasks.io.remote`).
To add a kind of transport: a class here, its scheme in `_KINDS` and `Location`, its connection in a module beside
`tasks.io.remote.sftp`, and its class in `tasks.io.remote.folders.open_folder`.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, LiteralString
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import sentences, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

PREFIX = "ULN_WAY_"
#: Hosts that an endpoint may have without TLS: nobody else can listen to a connection within this machine.
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
FOLDERS = ("dewi_inbox", "dewi_outbox", "lrs_inbox", "lrs_outbox")
LAKE = "lake"


class _Location(BaseModel):
    """Settings that every kind of location has.

    Attributes:
        url: the address, without a password.
        patience_seconds: maximum time to wait for an answer.
        settled_seconds: time without a change after which a file counts as whole.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    _if_not_whole: ClassVar[LiteralString] = "fault.way_incomplete"

    url: str
    patience_seconds: int = Field(60, ge=1)
    settled_seconds: int = Field(10, ge=0)

    @property
    def parts(self) -> SplitResult:
        """Return the parts of the URL."""
        return urlsplit(self.url)

    @property
    def shown(self) -> str:
        """Return the URL as people may see it: without user and query."""
        return f"{self.parts.scheme}://{self.parts.netloc.rpartition('@')[2]}{self.parts.path}"

    @property
    def folder(self) -> str:
        """Return the folder as its file system names it."""
        return unquote(self.parts.path).rstrip("/") or "/"

    @field_validator("url")
    @classmethod
    def _checked(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.password or parts.query:
            raise PydanticCustomError("fault.way_secret_in_url", "secret")
        _ = parts.port  # raises now if the port is not a number
        if not cls._is_whole(parts):
            raise PydanticCustomError(cls._if_not_whole, "not whole")
        return url

    @classmethod
    def _is_whole(cls, parts: SplitResult) -> bool:
        return bool(parts.netloc)


class FileLocation(_Location):
    """A folder of this machine outside the data root, such as a mounted share."""

    _if_not_whole: ClassVar[LiteralString] = "fault.way_no_folder_of_this_machine"

    @classmethod
    def _is_whole(cls, parts: SplitResult) -> bool:
        return not parts.netloc and bool(parts.path.strip("/"))  # in file://mnt/x, mnt would be the host


class SftpLocation(_Location):
    """A folder of an SFTP server.

    Attributes:
        known_hosts: OpenSSH's file of host keys; a server with no key or another key there is refused.
        key_file: the private key; its passphrase is a credential.
        password, key_passphrase: credentials.
    """

    known_hosts: Path = Path("~/.ssh/known_hosts")
    key_file: Path | None = None
    password: SecretStr | None = None
    key_passphrase: SecretStr | None = None

    @classmethod
    def _is_whole(cls, parts: SplitResult) -> bool:
        return bool(parts.hostname and parts.username)


class ObjectLocation(_Location):
    """A part of an object store. Objects appear whole, so they need no time to settle.

    Attributes:
        endpoint: the address of the store; None for the provider's own.
    """

    endpoint: str | None = None
    settled_seconds: int = Field(0, ge=0)

    @property
    def folder(self) -> str:
        """Return the bucket or container, and the prefix of its objects' names."""
        return f"{self.parts.netloc}{unquote(self.parts.path)}".rstrip("/")

    @field_validator("endpoint")
    @classmethod
    def _guarded(cls, endpoint: str | None) -> str | None:
        if endpoint is not None:
            parts = urlsplit(endpoint)
            near = parts.scheme == "http" and parts.hostname in _THIS_MACHINE
            if not parts.hostname or (parts.scheme != "https" and not near) or parts.username or parts.query:
                raise PydanticCustomError("fault.way_endpoint", "endpoint")
            _ = parts.port
        return endpoint


class S3Location(ObjectLocation):
    """A bucket of an S3-compatible store. Without keys, the provider's library looks for credentials."""

    region: str = "us-east-1"
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = None


class AzureLocation(ObjectLocation):
    """A container of a storage account of Azure Blob Storage; its credential is a key or a SAS token."""

    account: str
    account_key: SecretStr | None = None
    sas_token: SecretStr | None = None


_KINDS: dict[str, type[_Location]] = {"file": FileLocation, "sftp": SftpLocation, "s3": S3Location, "az": AzureLocation}
#: Keys that no file may hold.
SECRETS = frozenset(
    name
    for kind in _KINDS.values()
    for name, field in kind.model_fields.items()
    if "SecretStr" in str(field.annotation)
)


def _kind(settings: Any) -> str:
    url = settings.get("url") if isinstance(settings, dict) else getattr(settings, "url", None)
    try:
        return urlsplit(url).scheme if isinstance(url, str) else ""
    except ValueError:
        return ""  # such as an unclosed bracket


def _by_scheme(*schemes: str) -> Discriminator:
    allowed = ", ".join(f"{scheme}://" for scheme in schemes)
    return Discriminator(_kind, custom_error_type="fault.way_scheme", custom_error_message=allowed)


_File = Annotated[FileLocation, Tag("file")]
_Sftp = Annotated[SftpLocation, Tag("sftp")]
_S3 = Annotated[S3Location, Tag("s3")]
_Azure = Annotated[AzureLocation, Tag("az")]
Location = Annotated[_File | _Sftp | _S3 | _Azure, _by_scheme(*_KINDS)]
#: Locations for tables: only where a commit is a single step that excludes other writers.
LakeLocation = Annotated[_File | _S3, _by_scheme("file", "s3")]


class Locations(BaseSettings):
    """All locations; None for a folder of the data root."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    dewi_inbox: Location | None = None
    dewi_outbox: Location | None = None
    lrs_inbox: Location | None = None
    lrs_outbox: Location | None = None
    lake: LakeLocation | None = None

    @classmethod
    def settings_customise_sources(  # type: ignore[override]  # the other sources are not used
        cls,
        _settings: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        **_others: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment override the file."""
        return env_settings, init_settings

    @property
    def named(self) -> dict[str, Location]:
        """Return the locations outside the data root, by name."""
        locations = {name: getattr(self, name) for name in (*FOLDERS, LAKE)}
        return {name: location for name, location in locations.items() if location is not None}


def locations_of(reference: Path) -> Locations:
    """Return the locations for a data root with that reference folder, where `ways.toml` may be missing.

    Raises:
        ConfigurationFault: lists every fault in the file and in the environment; shows no value.
    """
    path = reference / "ways.toml"
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    return _locations(path, stamp, tuple(sorted((k, v) for k, v in os.environ.items() if k.upper().startswith(PREFIX))))


@lru_cache(maxsize=16)
def _locations(path: Path, stamp: int, environment: tuple[tuple[str, str], ...]) -> Locations:
    return parse_locations(text_of(path, "reference/ways.toml") if stamp else "", dict(environment))


def parse_locations(content: str, environment: Mapping[str, str]) -> Locations:
    """Read the TOML text of a file, and the environment, which overrides it (`locations_of`).

    `environment` holds the variables that begin with `PREFIX`; only their names are read here. pydantic-settings reads the
    values from the process.

    Raises:
        ConfigurationFault: lists every fault; shows no value.
    """
    source = f"reference/ways.toml, {PREFIX}*"
    from_file = toml_of(content, source)
    faults: list[Bilingual] = []
    for name, block in from_file.items():
        for key in sorted(SECRETS & set(block)) if isinstance(block, dict) else ():
            faults.append(bilingual("fault.way_secret_in_file", key=key, variable=f"{PREFIX}{name}__{key}".upper()))
    known = {f"{PREFIX}{name}".upper() for name in (*FOLDERS, LAKE)}
    faults += [
        bilingual("fault.way_unknown_variable", variable=name)
        for name in sorted(environment)
        if name.upper().partition("__")[0] not in known
    ]
    try:
        locations = Locations(**from_file)
    except ValidationError as wrong:
        faults += sentences([_without_kind(error) for error in wrong.errors()], _SENTENCES)
    except SettingsError:
        faults.append(bilingual("fault.way_not_read", prefix=PREFIX))
    if faults:
        raise ConfigurationFault(source, faults) from None
    return locations


#: Sentences for pydantic's errors in a location; `value_error` is left only for URLs that cannot be parsed.
_SENTENCES = {
    "missing": "fault.way_missing",
    "extra_forbidden": "fault.unknown_key",
    "value_error": "fault.way_unreadable",
    "": "fault.way_value",
}


def _without_kind(error: ErrorDetails) -> ErrorDetails:
    """Return the error with `loc` as (location, key), without the kind of location that pydantic puts between them."""
    location, *rest = error["loc"]
    if error["type"] == "fault.way_scheme":
        return {**error, "loc": (location, "url"), "ctx": {"schemes": error["msg"]}}
    return {**error, "loc": (location, rest[-1] if rest else location)}
