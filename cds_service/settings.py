"""Every setting, with its unit and default. The environment (prefix ``CDS_``) wins over the TOML file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cds_service.errors import ConfigurationError
from cds_service.models.weights_mark import marked_as_test

PREFIX = "CDS_"
Mode = Literal["demo", "sandbox", "production"]


def _split(value: Any) -> Any:
    """Lists in the environment are written with commas or spaces."""
    return [part for part in value.replace(",", " ").split() if part] if isinstance(value, str) else value


Origins = Annotated[list[str], NoDecode, BeforeValidator(_split)]
Onward = Literal["records", "engines"]


class Client(BaseModel):
    """``[clients.NAME]``: one EHR. Found by token issuer, then by fhirServer origin."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    issuer: str = ""
    """`iss` of its tokens."""
    fhir_origins: list[str] = Field(default_factory=list)
    """FHIR origins this issuer may name as fhirServer."""
    profile: str = "spec"
    """What it can take: spec, epic, cerner, sandbox (hooks/clients/profiles.toml)."""
    jwks_url: str = ""
    """The only `jku` this issuer may use."""
    jwks_file: Path | None = None
    """Keys agreed out of band, a JWKS file."""
    tenants: list[str] = Field(default_factory=list)
    """Accepted `tenant` claims; empty: any."""


class Subscription(BaseModel):
    """``[subscriptions.ID]``: one FHIR Subscription that notifies ``/subscriptions/ID``."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="forbid")

    secret: SecretStr = Field(min_length=16)
    """What the header must hold."""
    header: str = "X-Subscription-Secret"
    """Header that carries the secret."""
    client: str = ""
    """The `[clients.NAME]` whose studies it tells of: reads are kept for it. Empty: the anonymous client of the demo."""
    tenant: str = ""
    """The tenant of that client, where its tokens name one."""


class Settings(BaseSettings):
    """The one object ``app.py`` composes the service from."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", use_attribute_docstrings=True)

    mode: Mode = "sandbox"
    """demo and sandbox accept unauthenticated clients and any CORS origin; production refuses to start without trust,
    key and origins."""
    public_url: str = "http://127.0.0.1:8000"
    """The address clients call; a token's `aud` is compared with it."""
    state_dir: Path = Path(".cds-state")
    """Folder for the embedded database, the key made in demo and sandbox, and the spool."""
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in the state folder. PostgreSQL: `postgresql+psycopg://…`."""
    audit_file: Path | None = None
    """JSON lines of the audit trail beside the database, for a log collector; may be moved away at any time."""
    keep_audit_days: int = Field(default=0, ge=0)
    """Days audit events are kept; 0: for good."""
    keep_feedback_days: int = Field(default=0, ge=0)
    """Days feedback is kept; 0: for good."""
    keep_cards_days: int = Field(default=0, ge=0)
    """Days it is remembered which rules and prompts spoke on a card; later feedback is not matched. 0: for good."""
    encryption_key: SecretStr = SecretStr("")
    """32 bytes in base64. Made in the state folder in demo and sandbox, required in production."""
    cors_origins: Origins = Field(default_factory=list)
    """Browser origins that may call in production."""
    fhir_allow: Origins = Field(default_factory=list)
    """FHIR origins a request may name; an origin written here may be http or private."""
    clients: dict[str, Client] = Field(default_factory=dict)
    """`[clients.NAME]` tables, one an EHR (file only)."""
    timezone: str = "UTC"
    """IANA zone of the site: times are printed in it, and read in it where the record writes none."""
    units: Literal["conventional", "si"] = "conventional"
    """Unit system values are printed in; the original stands beside a converted one."""
    deadline_ms: int = Field(default=0, ge=0)
    """Milliseconds for every hook; 0: the client profile's (500 for orders, 1,500 for the others)."""
    max_body_bytes: int = Field(default=32 * 1024 * 1024, gt=0)
    """Bytes a request may have; more is 413."""
    max_concurrent_calls: int = Field(default=64, gt=0)
    """Hook calls answered at once; more is 503 with Retry-After."""
    retry_window_s: int = Field(default=300, ge=0)
    """Seconds in which a repeated hookInstance gets its first answer."""
    site_rules: Path | None = None
    """The site's TOML file: rule switches and tiers, critical values, order categories, priorities."""

    assessment_ttl_s: int = Field(default=3600, gt=0)
    """Seconds a model's checked result is kept for the same record, prompt, engine and rules."""
    job_slots: int = Field(default=4, gt=0)
    """Assessments made at once in one process, so requests an engine has from it at once (and four more for those a call
    waits for). Raise it to what the engine runs together: 12 fills a batch of 16 in process; vLLM takes more."""
    job_depth: int = Field(default=200, gt=0)
    """Assessments that may wait; beyond half of it images are refused, beyond three quarters summaries."""
    job_age_s: int = Field(default=300, gt=0)
    """Seconds after which an assessment that waited is no longer begun."""

    triage_label: Literal["shadow", "on"] = "shadow"
    """The model's quick label of an order's urgency, made before its reasons. on shows it: only where an evaluation on
    this engine at this site found it not inferior. shadow makes and audits it."""

    text_engine: Literal["extractive", "in-process", "openai", "vertex"] = "extractive"
    """What words the summary. extractive needs no model."""
    text_model: str = "google/medgemma-27b-text-it"
    """Model id for text."""
    text_base_url: str = ""
    """Address of an OpenAI-style server; for a Vertex AI endpoint `projects/…/locations/…/endpoints/…`, after
    `https://DEDICATED-DNS/` where it is a dedicated one."""
    text_api_key: SecretStr = SecretStr("")
    """Its key. Without one a Vertex AI endpoint gets a token of Google's Application Default Credentials."""
    text_profile: str = "openai"
    """Its kind: openai (any other), vllm, sglang, llama-server, llama-cpp-python, ollama, vertex, vertex-raw,
    vertex-openai."""
    text_revision: str = ""
    """Commit of the model on the hub (in-process); pin it. A local folder is identified by a fingerprint and refused when
    another is pinned. Of a server: what you say it runs, printed with the model's name; change it with the weights, and
    nothing made by the old ones is shown."""
    text_quantization: Literal["", "8bit", "4bit"] = ""
    """Smaller weights in process, CUDA with bitsandbytes only. Their quality has not been evaluated by the makers."""
    image_engine: Literal["none", "in-process", "openai", "vertex"] = "none"
    """What reads images."""
    image_model: str = "google/medgemma-1.5-4b-it"
    """Model id for images."""
    image_base_url: str = ""
    """Address of an OpenAI-style server."""
    image_api_key: SecretStr = SecretStr("")
    """Its key."""
    image_profile: str = "openai"
    """Its kind."""
    image_revision: str = ""
    """As for text."""
    image_quantization: Literal["", "8bit", "4bit"] = ""
    """As for text."""
    image_test_weights: bool = False
    """Whether the server behind `image_base_url` runs test weights: every read then says that it means nothing. A local
    checkpoint says so itself, by `"test_weights": true` in its config.json."""
    hub_token: SecretStr = SecretStr("")
    """Your own Hugging Face token, for downloading a gated model whose terms you accepted. Without it nothing is fetched:
    the model must be a local folder or already in the hub's cache."""
    imaging: bool = False
    """Whether the imaging part is on. Image interpretation is a medical-device function: off by default."""
    dicomweb_url: str = ""
    """Base URL of the DICOMweb server."""
    dicomweb_allow: Origins = Field(default_factory=list)
    """DICOMweb origins that an Endpoint of an ImagingStudy may name; they may be http or private. Empty: `dicomweb_url` alone."""
    write_fhir_url: str = ""
    """FHIR base that accepted drafts are written to. Empty: the simulator in demo and sandbox, nowhere in production."""
    fhir_client_id: str = ""
    """Our client id at the server of `write_fhir_url` (SMART Backend Services). Empty: no token is asked for."""
    fhir_token_url: str = ""
    """Its token endpoint; empty: found by `.well-known/smart-configuration`."""
    fhir_scope: str = "system/*.cruds"
    """Scopes asked for."""
    signing_key_file: Path | None = None
    """Private RSA or P-384 key (PEM or JWK) that signs for us. Made in the state folder in demo and sandbox."""
    subscriptions: dict[str, Subscription] = Field(default_factory=dict)
    """`[subscriptions.ID]` tables: who may notify of new imaging studies (file only)."""
    file_unreviewed_drafts: bool = False
    """Whether drafts are written as `partial` before a person has looked at them."""
    structured_reports: bool = False
    """Whether a DICOM SR (TID 1500, PARTIAL, UNVERIFIED) of an accepted draft is stored at `dicomweb_url` (STOW-RS)."""
    dicomweb_authorization: SecretStr = SecretStr("")
    """Whole Authorization header for the DICOMweb server: `Basic …` or `Bearer …`."""
    patient_id_issuers: dict[str, str] = Field(default_factory=dict)
    """`[patient_id_issuers]`: IssuerOfPatientID of DICOM objects → `system` of Patient.identifier (file only); the key `""` is
    for objects that name no issuer. Without it patient ids are compared where both sides write the issuer alike."""
    image_allow: Origins = Field(default_factory=list)
    """Images admitted beyond CR, DX, CT and MR: ultrasound, photo, secondary-capture, burned-in."""
    image_window: Literal["full-range", "embedded"] = "full-range"
    """Grey values of radiographs: stretched over their whole range, as the model's makers serve it, or by the window of
    the header."""
    decode_workers: int = Field(default=2, gt=0)
    """Processes that decode images at once."""
    decode_memory_mb: int = Field(default=512, gt=0)
    """Megabytes each of them may take beyond what is loaded."""
    decode_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Seconds one decode may take."""
    otlp_endpoint: str = ""
    """Base URL of an OpenTelemetry collector (OTLP over HTTP, `http://HOST:4318`; `/v1/traces` is added). Empty: no traces.
    Needs the extra `otel`. `OTEL_EXPORTER_OTLP_ENDPOINT` alone switches nothing on; the other `OTEL_…` variables hold."""
    traceparent_to: Annotated[list[Onward], NoDecode, BeforeValidator(_split)] = Field(default_factory=list)
    """Servers that are sent a `traceparent` while traces are on: records (FHIR, DICOMweb, keys), engines. Empty: none."""

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
    def keep_days(self) -> dict[str, int]:
        """Days the rows of a table are kept; 0: for good."""
        return {
            "audit_event": self.keep_audit_days,
            "feedback": self.keep_feedback_days,
            "issued_card": self.keep_cards_days,
        }

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.state_dir / 'cds.sqlite3'}"

    def check(self) -> None:
        """Refuse to start in production without trust, key and origins, or with test weights; and anywhere
        with two clients of one issuer, of which one would take the other's place."""
        issuers = Counter(client.issuer for client in self.clients.values() if client.issuer)
        if twice := [issuer for issuer, times in issuers.items() if times > 1]:
            raise ConfigurationError(
                f"two [clients.*] tables have the issuer {twice[0]}; write one, with all its tenants and origins"
            )
        if self.mode != "production":
            return
        self.refuse_test_weights()
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

    def refuse_test_weights(self) -> None:
        """Weights that know nothing read no patient's record or images; they are excused from rules that a model is held to."""
        engines = ((self.text_engine, self.text_model), (self.image_engine, self.image_model))
        marked = any(engine == "in-process" and marked_as_test(model) for engine, model in engines)
        if self.mode == "production" and (marked or self.image_test_weights):
            raise ConfigurationError(
                "production mode refuses test weights: CDS_IMAGE_TEST_WEIGHTS, or a checkpoint marked so"
            )
