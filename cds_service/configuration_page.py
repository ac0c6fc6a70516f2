"""Writes docs/configuration.md from the settings themselves: ``python -m cds_service.configuration_page``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cds_service.settings import Client, Settings, Subscription

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"

HEAD = """# Configuration

Every setting is an environment variable with the prefix `CDS_` and a key of the TOML file given to `serve --config`
(lower case, without the prefix). The environment wins over the file. A name that is no setting and a value that cannot be
stop the start, by name. `make docs` writes this page from `cds_service/settings.py`.

| environment | key | default | what it is |
| --- | --- | --- | --- |
"""

CLIENTS = """
## Clients

One `[clients.NAME]` table an EHR, in the file. A call's client is found by the issuer of its verified token, then by
the origin of its `fhirServer`, else it gets the profile `spec`.

| key | default | what it is |
| --- | --- | --- |"""

SUBSCRIPTIONS = """
## Subscriptions

One `[subscriptions.ID]` table a FHIR Subscription that notifies `POST /subscriptions/ID` ([drafts.md](drafts.md)), in the file.

| key | default | what it is |
| --- | --- | --- |"""

EXAMPLE = """
## Example

```toml
mode = "production"
public_url = "https://cds.hospital.example"
database_url = "postgresql+psycopg://cds@database/cds"
cors_origins = ["https://ehr.hospital.example"]
timezone = "Europe/Berlin"
site_rules = "/etc/cds/site.toml"

[clients.main-ehr]
issuer = "https://ehr.hospital.example/fhir"
fhir_origins = ["https://ehr.hospital.example"]
jwks_url = "https://ehr.hospital.example/.well-known/jwks.json"
profile = "epic"
```
"""


def render() -> str:
    """The whole page."""
    rows = [
        f"| `CDS_{name.upper()}` | `{name}` | {_default(field)} | {_cell(field)} |"
        for name, field in Settings.model_fields.items()
        if name != "clients"
    ]
    tables = (CLIENTS, *_rows(Client), SUBSCRIPTIONS, *_rows(Subscription))
    return HEAD + "\n".join((*rows, *tables)) + "\n" + EXAMPLE


def _rows(model: type[BaseModel]) -> list[str]:
    return [f"| `{name}` | {_default(field)} | {_cell(field)} |" for name, field in model.model_fields.items()]


def _cell(field: FieldInfo) -> str:
    """The docstring of a setting on one line: a row of a table ends where its line does."""
    return " ".join((field.description or "").split()).replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    shown = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return f"`{shown}`" if shown not in ("", None, [], {}) else "—"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
