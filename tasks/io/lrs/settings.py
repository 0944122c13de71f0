"""Settings of the LRS route, files or web service: `reference/lrs_service.toml` and the environment.

Passwords are only in the environment (`ULN_LRS_PASSWORD`, `ULN_LRS_KEY_PASSWORD`), so that no file and no copy of a data
root holds one. Any other setting may be in the environment too; it then overrides the file (`ULN_LRS_ADDRESS`). To add a
setting: a field here with its description, and its line in `docs/web-service.md`.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import sentences, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

FILE_NAME = "lrs_service.toml"
_SECRET = ("password", "key_password")


class LrsService(BaseSettings):
    """Settings of the LRS route.

    Attributes:
        route: how batches go to the LRS: `files` (into lrs/outbox) or `web-service`. Either way, answers are requested
            while jobs are open.
        address: https address of the web service.
        user_name: the caller's name at the LRS.
        organisation_ref: the LRS's reference of the calling organisation, where it has given one.
        certificate: PEM file with the client certificate and its intermediate certificates.
        key: PEM file with the certificate's key; empty where it is in the same file.
        authority: PEM file of the authorities that may sign the LRS's certificate; empty for the public ones.
        connect_seconds: timeout of a connection.
        answer_seconds: timeout of an answer; after it nobody knows whether the LRS received the call.
        calls_at_once: maximum number of calls at the same time, and so of batches that may be left without a known outcome.
        check_seconds: how long a check (`uln census --check-only`) waits for its answers.
        verify_ulns: whether ULNs in schools' returns are verified.
        password: the organisation's password.
        key_password: password of the key, where it has one.
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
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library passes it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment override the file."""
        return env_settings, init_settings

    @property
    def by_service(self) -> bool:
        """Whether batches go by the web service."""
        return self.route == "web-service"

    @property
    def can_call(self) -> bool:
        """Whether the web service has an address."""
        return bool(self.address)


def lrs_service(reference: Path) -> LrsService:
    """Return the settings of a data root, from its `reference` folder and the environment.

    Raises:
        ConfigurationFault: lists the faults, without values; missing settings and files only if all values are valid.
    """
    path = reference / FILE_NAME
    stored = toml_of(text_of(path), FILE_NAME) if path.exists() else {}
    faults: list[Bilingual] = [bilingual("fault.lrs_secret", key=key) for key in _SECRET if key in stored]
    settings: LrsService | None = None
    try:
        settings = LrsService(**{key: value for key, value in stored.items() if key not in _SECRET})
    except ValidationError as error:
        faults += sentences(error.errors(), {"extra_forbidden": "fault.unknown_key", "": "fault.lrs_setting"})
    if settings is not None:
        needed = ("address", "user_name", "certificate", "password") if settings.by_service else ()
        faults += [bilingual("fault.lrs_needed", key=key) for key in needed if not getattr(settings, key)]
        files = ("certificate", "key", "authority")
        absent = [key for key in files if getattr(settings, key) and not Path(getattr(settings, key)).is_file()]
        faults += [bilingual("fault.lrs_no_file", key=key) for key in absent]
    if faults or settings is None:
        raise ConfigurationFault(FILE_NAME, faults)
    return settings
