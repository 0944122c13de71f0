"""Where DEWi's and the LRS's folders, and the lake, are: below the data root, or by URL; and what opens the door there.

One place for all of it: `ULN_WAY_<WAY>__<KEY>` in the environment, over blocks `[<way>]` in the data root's
`reference/ways.toml`; a way that neither names is a folder of the data root. Credentials come from the environment alone:
in a file or in a URL they are refused.

Belongs here: what may be said of a way, and what is wrong with what was said. Does not belong here: connecting
(`tasks.io.remote.transport`). To add a kind of transport: a class here, its scheme in `_KINDS`, how it connects in
`tasks.io.remote.transport`.
"""

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag, ValidationError, field_validator
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import sentences, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

PREFIX = "ULN_WAY_"
#: Between processes of one machine nobody listens; to any other, what is told of learners goes by TLS.
_THIS_MACHINE = ("127.0.0.1", "::1", "localhost")
FOLDERS = ("dewi_inbox", "dewi_outbox", "lrs_inbox", "lrs_outbox")
LAKE = "lake"


class _Location(BaseModel):
    """What every kind has.

    Attributes:
        url: where it is; without user's password.
        patience_seconds: how long an answer may take.
        settled_seconds: for how long a file must be as it is before it counts as whole.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str
    patience_seconds: int = Field(60, ge=1)
    settled_seconds: int = Field(10, ge=0)

    @property
    def parts(self) -> SplitResult:
        """The URL, cut."""
        return urlsplit(self.url)

    @property
    def shown(self) -> str:
        """The URL as people may see it: without user and query."""
        return f"{self.parts.scheme}://{self.parts.netloc.rpartition('@')[2]}{self.parts.path}"

    @property
    def folder(self) -> str:
        """The folder there, as its file system names it."""
        return unquote(self.parts.path).rstrip("/") or "/"

    @field_validator("url")
    @classmethod
    def _without_secret(cls, url: str) -> str:
        if urlsplit(url).password or urlsplit(url).query:
            raise PydanticCustomError("fault.way_secret_in_url", "secret")
        _ = urlsplit(url).port  # one that is no number is told now
        return url


class FileLocation(_Location):
    """A folder of this machine that is not below the data root, such as a share that is mounted."""

    @field_validator("url")
    @classmethod
    def _of_this_machine(cls, url: str) -> str:
        # What is taken for a host in file://mnt/x would leave the folder /x.
        if urlsplit(url).netloc or not urlsplit(url).path.strip("/"):
            raise PydanticCustomError("fault.way_no_folder_of_this_machine", "no folder")
        return url


class SftpLocation(_Location):
    """A folder of an SFTP server.

    Attributes:
        known_hosts: OpenSSH's file of host keys; a server that is not in it, or has another key, is refused.
        key_file: the private key; its passphrase is a credential.
        password, key_passphrase: credentials.
    """

    known_hosts: Path = Path("~/.ssh/known_hosts")
    key_file: Path | None = None
    password: SecretStr | None = None
    key_passphrase: SecretStr | None = None

    @field_validator("url")
    @classmethod
    def _whole(cls, url: str) -> str:
        if not urlsplit(url).hostname or not urlsplit(url).username:
            raise PydanticCustomError("fault.way_incomplete", "incomplete")
        return url


class ObjectLocation(_Location):
    """A part of an object store; an object appears whole, so that none has to settle.

    Attributes:
        endpoint: the service's address, where it is not the provider's own.
    """

    endpoint: str | None = None
    settled_seconds: int = Field(0, ge=0)

    @property
    def folder(self) -> str:
        """Bucket or container, and what the names of its objects begin with."""
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

    @field_validator("url")
    @classmethod
    def _whole(cls, url: str) -> str:
        if not urlsplit(url).netloc:
            raise PydanticCustomError("fault.way_incomplete", "incomplete")
        return url


class S3Location(ObjectLocation):
    """A bucket of an S3-compatible store; without keys the provider's own ways of finding some are used.

    Attributes:
        region: of the bucket.
        access_key, secret_key, session_token: credentials.
    """

    region: str = "us-east-1"
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    session_token: SecretStr | None = None


class AzureLocation(ObjectLocation):
    """A container of Azure's blob storage.

    Attributes:
        account: the storage account.
        account_key, sas_token: credentials, one of them.
    """

    account: str
    account_key: SecretStr | None = None
    sas_token: SecretStr | None = None


_KINDS: dict[str, type[_Location]] = {"file": FileLocation, "sftp": SftpLocation, "s3": S3Location, "az": AzureLocation}
#: What no file may hold.
SECRETS = frozenset(
    name
    for kind in _KINDS.values()
    for name, field in kind.model_fields.items()
    if "SecretStr" in str(field.annotation)
)


def _kind(given: Any) -> str:
    url = given.get("url") if isinstance(given, dict) else getattr(given, "url", None)
    try:
        return urlsplit(url).scheme if isinstance(url, str) else ""
    except ValueError:
        return ""  # such as a bracket that is not closed


def _by_scheme(*schemes: str) -> Discriminator:
    named = ", ".join(f"{scheme}://" for scheme in schemes)
    return Discriminator(_kind, custom_error_type="fault.way_scheme", custom_error_message=named)


Location = Annotated[
    Annotated[FileLocation, Tag("file")]
    | Annotated[SftpLocation, Tag("sftp")]
    | Annotated[S3Location, Tag("s3")]
    | Annotated[AzureLocation, Tag("az")],
    _by_scheme(*_KINDS),
]


#: Where tables may lie: where a commit is one step that no other writer can take at the same time.
LakeWay = Annotated[
    Annotated[FileLocation, Tag("file")] | Annotated[S3Location, Tag("s3")],
    _by_scheme("file", "s3"),
]


class Locations(BaseSettings):
    """Every way; None where it is a folder of the data root."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    dewi_inbox: Location | None = None
    dewi_outbox: Location | None = None
    lrs_inbox: Location | None = None
    lrs_outbox: Location | None = None
    lake: LakeWay | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment over the file."""
        return env_settings, init_settings

    @property
    def named(self) -> dict[str, Location]:
        """Those that are not folders of the data root, by name."""
        every = {name: getattr(self, name) for name in (*FOLDERS, LAKE)}
        return {name: way for name, way in every.items() if way is not None}


def locations_of(reference: Path) -> Locations:
    """Where everything is for a data root.

    Args:
        reference: its reference folder; `ways.toml` there may be missing.

    Raises:
        ConfigurationFault: with everything that is wrong in the file and in the environment; shows no value.
    """
    path = reference / "ways.toml"
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    return _locations(path, stamp, tuple(sorted((k, v) for k, v in os.environ.items() if k.upper().startswith(PREFIX))))


@lru_cache(maxsize=16)
def _locations(path: Path, stamp: int, environment: tuple[tuple[str, str], ...]) -> Locations:
    return parse_locations(text_of(path, "reference/ways.toml") if stamp else "", dict(environment))


def parse_locations(content: str, environment: Mapping[str, str]) -> Locations:
    """Read what a file says, and what the environment says over it (`locations_of`).

    Args:
        content: the TOML text.
        environment: the variables that begin with `PREFIX`; the process has them too.

    Raises:
        ConfigurationFault: with everything that is wrong; shows no value.
    """
    source = f"reference/ways.toml, {PREFIX}*"
    given = toml_of(content, source)
    faults: list[Bilingual] = []
    for name, block in given.items():
        for key in sorted(SECRETS & set(block)) if isinstance(block, dict) else ():
            faults.append(bilingual("fault.way_secret_in_file", key=key, variable=f"{PREFIX}{name}__{key}".upper()))
    known = {f"{PREFIX}{name}".upper() for name in (*FOLDERS, LAKE)}
    faults += [
        bilingual("fault.way_unknown_variable", variable=name)
        for name in sorted(environment)
        if name.upper().partition("__")[0] not in known
    ]
    try:
        ways = Locations(**given)
    except ValidationError as wrong:
        faults += sentences([_of_way(error) for error in wrong.errors()], _SENTENCES)
    except SettingsError:
        faults.append(bilingual("fault.way_not_read", prefix=PREFIX))
    if faults:
        raise ConfigurationFault(source, faults) from None
    return ways


#: The sentences for what pydantic says of a way; a URL that cannot be cut is all that is left for `value_error`.
_SENTENCES = {
    "missing": "fault.way_missing",
    "extra_forbidden": "fault.unknown_key",
    "value_error": "fault.way_unreadable",
    "": "fault.way_value",
}


def _of_way(error: ErrorDetails) -> ErrorDetails:
    """The error with the way and its key for a place, without the kind of way."""
    way, *rest = error["loc"]
    if error["type"] == "fault.way_scheme":
        return {**error, "loc": (way, "url"), "ctx": {"schemes": error["msg"]}}
    return {**error, "loc": (way, rest[-1] if rest else way)}
