"""How the LRS is reached, by files or by its web service: `reference/lrs_service.toml` and the environment.

Belongs here: what a person sets of the web service, with its defaults, and how that is read. Passwords are in the
environment alone (`ULN_LRS_PASSWORD`, `ULN_LRS_KEY_PASSWORD`), so that no file and no copy of a data root holds one; every
other setting may stand there too, and then counts (`ULN_LRS_ADDRESS`). To add a setting: a field here, with what it means,
its line in `docs/web-service.md`.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import sentences, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

FILE_NAME = "lrs_service.toml"
_SECRET = ("password", "key_password")


class LrsService(BaseSettings):
    """The settings.

    Attributes:
        route: how batches go to the LRS: `files`, into lrs/outbox, or `web-service`. Answers are asked for as long as jobs
            are open, whichever it is.
        address: of the web service, https.
        user_name: who calls, as the LRS knows them.
        organisation_ref: the LRS's own reference of the organisation that calls, where it has given one.
        certificate: PEM file with the client certificate, and those between it and its authority.
        key: PEM file with its key; empty where it stands in the same file.
        authority: PEM file of the authorities that may vouch for the LRS; empty for the public ones.
        connect_seconds: how long a connection may take to stand.
        answer_seconds: how long an answer may take; after that nobody knows whether the call was heard.
        calls_at_once: how many calls are under way at the same time, and so how many batches may at worst be left of which
            nobody knows whether they arrived.
        check_seconds: how long a check (`uln census --check-only`) waits for its answers.
        verify_ulns: whether ULNs that stand in the schools' returns are verified.
        password: the organisation's.
        key_password: of the key, where it has one.
    """

    model_config = SettingsConfigDict(
        env_prefix="ULN_LRS_", extra="forbid", frozen=True, hide_input_in_errors=True, env_ignore_empty=True
    )

    route: Literal["files", "web-service"] = "files"
    address: str = Field(default="", pattern=r"^(https://.+)?$")
    user_name: str = Field(default="", max_length=35)
    organisation_ref: str = Field(default="", max_length=6)
    certificate: str = ""
    key: str = ""
    authority: str = ""
    connect_seconds: float = Field(default=10, gt=0)
    answer_seconds: float = Field(default=120, gt=0)
    calls_at_once: int = Field(default=4, ge=1, le=32)
    check_seconds: float = Field(default=600, ge=0)
    verify_ulns: bool = False
    password: SecretStr = SecretStr("")
    key_password: SecretStr = SecretStr("")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - as the library calls it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file."""
        return env_settings, init_settings

    @property
    def by_service(self) -> bool:
        """Whether batches go by the web service."""
        return self.route == "web-service"

    @property
    def can_call(self) -> bool:
        """Whether there is anything to call."""
        return bool(self.address)


def lrs_service(reference: Path) -> LrsService:
    """The settings of a data root.

    Args:
        reference: its folder of that name.

    Raises:
        ConfigurationFault: lists every fault; no value stands in it.
    """
    path = reference / FILE_NAME
    given = toml_of(text_of(path), FILE_NAME) if path.exists() else {}
    faults: list[Bilingual] = [bilingual("fault.lrs_secret", key=key) for key in _SECRET if key in given]
    settings: LrsService | None = None
    try:
        settings = LrsService(**{key: value for key, value in given.items() if key not in _SECRET})
    except ValidationError as wrong:
        faults += sentences(wrong.errors(), {"extra_forbidden": "fault.unknown_key", "": "fault.lrs_setting"})
    if settings is not None and settings.by_service:
        needed = ("address", "user_name", "certificate", "password")
        faults += [bilingual("fault.lrs_needed", key=key) for key in needed if not _said(getattr(settings, key))]
    if settings is not None:
        files = ("certificate", "key", "authority")
        absent = [key for key in files if getattr(settings, key) and not Path(getattr(settings, key)).is_file()]
        faults += [bilingual("fault.lrs_no_file", key=key) for key in absent]
    if faults or settings is None:
        raise ConfigurationFault(FILE_NAME, faults)
    return settings


def _said(value: Any) -> bool:
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)
