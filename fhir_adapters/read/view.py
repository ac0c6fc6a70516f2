"""What every reader's product has in common: it says what the JSON says, and judges nothing."""

from __future__ import annotations

from msgspec import Struct, field

from fhir_adapters.read.datatypes import Meta


class View(Struct, tag_field="resourceType", gc=False):
    """One resource, reduced to the members somebody reads.

    ``damaged`` names the members that were there but could not be read; a reader of the view decides what that is
    worth.
    """

    id: str | None = None
    meta: Meta | None = None
    damaged: tuple[str, ...] = field(default=(), name="(damaged)")  # no member of FHIR has this name

    @property
    def resourceType(self) -> str:  # noqa: N802 - the specification's name
        """The resource type, e.g. ``Observation``."""
        tag = self.__struct_config__.tag
        return tag if isinstance(tag, str) else ""
