"""Client profiles: what one kind of EHR can take, as data (profiles.toml), picked per call."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

import msgspec
from msgspec import Struct

from cds_service.errors import ConfigurationError
from cds_service.settings import Client
from fhir_adapters.addresses import origin_of
from fhir_adapters.errors import UnsafeAddress

DEFAULT = "spec"


class Profile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client accepts. Sources for each vendor's row stand beside it in profiles.toml."""

    name: str
    deadline_ms: dict[str, int]  # per hook; 'default' for the rest
    selection_behaviors: tuple[str, ...] = ("at-most-one", "any")  # allowed values, preferred first
    actions_per_suggestion: int = 0  # 0: no limit
    suggestion_types: tuple[str, ...] = ()  # resource types accepted in actions; empty: all
    action_types: tuple[str, ...] = ("create", "update", "delete")
    link_types: tuple[str, ...] = ("absolute", "smart")
    app_context: bool = True
    summary_length: int = 139
    detail_length: int = 8000
    max_cards: int = 3
    override_reasons: bool = True
    pending_card: bool = True  # whether "being prepared" is shown as a card

    def deadline(self, hook: str) -> float:
        """Seconds this client gives a hook."""
        return self.deadline_ms.get(hook, self.deadline_ms["default"]) / 1000


class Profiles(Struct, frozen=True):
    """Every profile by name, and which client gets which (issuer, then fhirServer origin, else ``spec``)."""

    named: Mapping[str, Profile]
    by_issuer: Mapping[str, Profile]
    by_origin: Mapping[str, Profile]

    def of(self, issuer: str, fhir_server: str) -> Profile:
        """The profile of a call: ``issuer`` of its verified token ('' without one), ``fhirServer`` as sent."""
        if issuer and (known := self.by_issuer.get(issuer)):
            return known
        if fhir_server and self.by_origin:
            return self.by_origin.get(origin(fhir_server), self.named[DEFAULT])
        return self.named[DEFAULT]

    def shortest(self, hook: str) -> float:
        """Seconds the least patient client gives a hook: what bounds a call while nobody knows yet whose it is."""
        return min(profile.deadline(hook) for profile in (*self.by_issuer.values(), self.named[DEFAULT]))


def origin(url: str) -> str:
    """``scheme://host:port`` in lower case, the scheme's own port left out; '' when it is no plain http(s) address."""
    try:
        return str(origin_of(url))
    except UnsafeAddress:
        return ""


def read() -> dict[str, Profile]:
    """The rows of profiles.toml by name."""
    text = files(__package__).joinpath("profiles.toml").read_bytes()
    rows = msgspec.toml.decode(text, type=dict[str, dict[str, object]])
    return {name: msgspec.convert({"name": name, **row}, Profile) for name, row in rows.items()}


def choose(clients: Mapping[str, Client]) -> Profiles:
    """The profiles with the ``[clients.*]`` tables of the settings applied; refuses a profile nobody wrote."""
    named = read()
    by_issuer: dict[str, Profile] = {}
    by_origin: dict[str, Profile] = {}
    for name, client in clients.items():
        if client.profile not in named:
            raise ConfigurationError(
                f"[clients.{name}] profile = '{client.profile}' is unknown; write one of {', '.join(sorted(named))}"
            )
        if client.issuer:
            by_issuer[client.issuer] = named[client.profile]
        for url in client.fhir_origins:
            by_origin[origin(url)] = named[client.profile]
    by_origin.pop("", None)
    return Profiles(named, by_issuer, by_origin)
