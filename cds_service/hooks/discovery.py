"""The discovery document as bytes, prepared for each set of services that are not switched off (rows D1–D4)."""

from __future__ import annotations

from collections.abc import Mapping

from cds_service.hooks.ports import Switches
from cds_service.hooks.protocol import ServiceEntry, Services, encode
from cds_service.rules.catalogue import Switch
from cds_service.services.service import Service


class Documents:
    """Discovery costs a look at the switches and nothing else: it answers while everything behind it hangs."""

    def __init__(self, services: Mapping[str, Service], switches: Switches) -> None:
        self._switches = switches
        self._entries = {service.id: entry(service) for service in services.values()}
        self._prepared: dict[tuple[str, ...], bytes] = {}
        self.current()

    def current(self) -> bytes:
        """The document of the services that can be called now."""
        offered = tuple(name for name in self._entries if self._switches.service(name) is not Switch.OFF)
        document = self._prepared.get(offered)
        if document is None:
            document = self._prepared[offered] = encode(Services([self._entries[name] for name in offered]))
        return document


def entry(service: Service) -> ServiceEntry:
    """CDS Hooks 2.0.1 §Discovery response, one service."""
    return ServiceEntry(
        hook=service.hook,
        id=service.id,
        title=service.title,
        description=service.description,
        prefetch=dict(service.prefetch),
    )
