"""Every setting, with its unit and default. The environment (prefix ``CDS_``) wins over the TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cds_service.errors import ConfigurationError

Mode = Literal["demo", "sandbox", "production"]


def _split(value: Any) -> Any:
    """Lists in the environment are written with commas or spaces."""
    return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value


Origins = Annotated[list[str], NoDecode, BeforeValidator(_split)]


class Client(BaseModel):
    """``[clients.NAME]``: one EHR. Found by token issuer, then by fhirServer origin."""

    issuer: str = ""
    fhir_origins: list[str] = Field(default_factory=list)
    profile: str = "spec"
    jwks_url: str = ""  # the only ``jku`` this issuer may use
    jwks_file: Path | None = None  # keys agreed out of band
    tenants: list[str] = Field(default_factory=list)


class Settings(BaseSettings):
    """The one object ``app.py`` composes the service from."""

    model_config = SettingsConfigDict(env_prefix="CDS_", extra="ignore")

    mode: Mode = "sandbox"
    public_url: str = "http://127.0.0.1:8000"
    state_dir: Path = Path(".cds-state")
    database_url: str = ""  # '' : SQLite in state_dir
    encryption_key: SecretStr = SecretStr("")  # base64, 32 bytes; made in state_dir in demo and sandbox
    cors_origins: Origins = Field(default_factory=list)
    fhir_allow: Origins = Field(default_factory=list)  # FHIR origins a request may name
    clients: dict[str, Client] = Field(default_factory=dict)
    timezone: str = "UTC"
    units: Literal["conventional", "si"] = "conventional"
    deadline_ms: int = 0  # overrides every profile's; 0: the profile's
    max_body_bytes: int = 32 * 1024 * 1024
    max_concurrent_calls: int = 64
    retry_window_s: int = 300  # how long a repeated hookInstance gets its first answer
    site_rules: Path | None = None  # TOML: switches, tiers, critical values, category and priority tables of the site

    text_engine: Literal["extractive", "in-process", "openai", "vertex"] = "extractive"
    text_model: str = "google/medgemma-27b-text-it"
    text_base_url: str = ""
    text_api_key: SecretStr = SecretStr("")
    text_profile: str = "openai"
    image_engine: Literal["none", "in-process", "openai", "vertex"] = "none"
    image_model: str = "google/medgemma-1.5-4b-it"
    image_base_url: str = ""
    image_api_key: SecretStr = SecretStr("")
    image_profile: str = "openai"
    imaging: bool = False
    dicomweb_url: str = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order of precedence: arguments, environment, TOML file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.state_dir / 'cds.sqlite3'}"

    def check(self) -> None:
        """Refuse to start in production without trust, key and origins (DESIGN §4)."""
        if self.mode != "production":
            return
        missing = [
            name
            for name, present in {
                "[clients.*] with an issuer and keys": any(c.issuer for c in self.clients.values()),
                "CDS_ENCRYPTION_KEY": bool(self.encryption_key.get_secret_value()),
                "CDS_CORS_ORIGINS": bool(self.cors_origins),
            }.items()
            if not present
        ]
        if missing:
            raise ConfigurationError("production mode refuses to start without " + ", ".join(missing))


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """Settings from the environment and, if given, a TOML file."""

    class FromFile(Settings):
        model_config = SettingsConfigDict(env_prefix="CDS_", extra="ignore", toml_file=config)

    return (FromFile if config else Settings)(**overrides)
