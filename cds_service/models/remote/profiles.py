"""How each kind of server wants to be asked, as data (``engine_profiles.toml`` says what each member means)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from cds_service.errors import ConfigurationError


class EngineProfile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of server."""

    title: str
    hint: str
    schema: Literal["json_schema", "structured_outputs", "json_object", "prompted"] = "json_schema"
    labels: Literal["top_logprobs", "none"] = "top_logprobs"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens"
    images: Literal["image_url", "none"] = "image_url"
    health: str = ""
    models: Literal["exact", "any"] = "exact"
    props: str = ""
    running: str = ""
    salt: str = ""
    tokens: Literal["", "content", "prompt"] = ""
    stream: bool = False
    truncation: Literal["finish_reason", "count"] = "finish_reason"
    route: Literal["chat", "predict", "raw-predict"] = "chat"
    google: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=1)
def profiles() -> Mapping[str, EngineProfile]:
    """All of them by name."""
    raw = tomllib.loads(Path(__file__).with_name("engine_profiles.toml").read_text(encoding="utf-8"))
    return msgspec.convert(raw, dict[str, EngineProfile])


def profile(name: str) -> EngineProfile:
    """The profile of this name; ConfigurationError lists the known ones."""
    known = profiles()
    if name not in known:
        raise ConfigurationError(f"no engine profile '{name}'; known are {', '.join(sorted(known))}")
    return known[name]
