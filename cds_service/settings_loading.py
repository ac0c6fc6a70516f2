"""Settings from the environment and a TOML file. What is no setting, or no value of one, is refused by name.

A misspelt name would otherwise be a setting nobody made: an origin not allowed, an audit trail not kept. Messages name the
setting and never its value, which may be a secret.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsConfigDict, SettingsError

from cds_service.errors import ConfigurationError
from cds_service.settings import PREFIX, Client, Settings, Subscription

TABLES: Mapping[str, type[BaseModel]] = {"clients": Client, "subscriptions": Subscription}
# Kubernetes tells every container of the Services beside it: of one that is called cds or cds-…, by such names.
SERVICE_LINK = re.compile(r"CDS(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")


def load(config: Path | None = None, **overrides: Any) -> Settings:
    """Settings from the environment and, if given, a TOML file. ConfigurationError names what is wrong."""

    class FromFile(Settings):
        model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", toml_file=config)

    _check_names(os.environ)
    if config is not None:
        _check_file(config)
    try:
        return (FromFile if config else Settings)(**overrides)
    except ValidationError as fault:
        raise ConfigurationError("; ".join([_told(dict(each)) for each in fault.errors()])) from None
    except SettingsError as fault:
        raise ConfigurationError(f"a list or table in the environment is no JSON: {fault}") from None


def _check_names(environment: Mapping[str, str]) -> None:
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name, value in environment.items():
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known and not _of_kubernetes(upper, value):
            raise ConfigurationError(f"{name} in the environment is no setting{_meant(upper, known)}")


def _of_kubernetes(name: str, value: str) -> bool:
    return SERVICE_LINK.fullmatch(name) is not None or (name.endswith("_PORT") and "://" in value)


def _check_file(config: Path) -> None:
    try:
        tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ConfigurationError(f"--config {config}: {fault.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigurationError(f"--config {config} is no TOML: {fault}") from None


def _told(fault: Mapping[str, Any]) -> str:
    """One fault of pydantic's, by the name an operator wrote; its input stays out."""
    place = [str(part) for part in fault["loc"]]
    if fault["type"] == "extra_forbidden":
        model = TABLES.get(place[0], Settings) if len(place) > 1 else Settings
        known = model.model_fields
        return f"'{'.'.join(place)}' is no setting{_meant(place[-1], known)}"
    name = f"{PREFIX}{place[0].upper()}" if len(place) == 1 else ".".join(place)
    return f"{name}: {fault['msg'][:1].lower()}{fault['msg'][1:]}"


def _meant(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else "; see docs/configuration.md"
