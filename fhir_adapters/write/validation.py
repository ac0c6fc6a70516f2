"""What is about to be written, held against the R4 models of fhir.resources, in a process of its own.

The models take about 40 MB and a quarter of a second to import: ``python -m fhir_adapters.write.validation`` keeps both
out of the service. Bindings and reference types, which the models let pass, are looked at by ``checks``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec

from fhir_adapters import child_process
from fhir_adapters.write.elements import Json, Nonsense

LIMIT_S = 15.0
NAMED = 5  # elements named in a message


class NotValidated(RuntimeError):
    """Whether it is valid could not be found out: nothing was sent; try again."""


async def validate(bundle: Json) -> bytes:
    """The transaction as it is to be sent. ``Nonsense`` names the elements that are not R4; values stay unsaid."""
    encoded = msgspec.json.encode(bundle)
    try:
        answer = await child_process.ask("fhir_adapters.write.validation", encoded, LIMIT_S)
    except child_process.ChildFailed as error:
        raise NotValidated(f"the check of what is written {error}") from None
    if faults := msgspec.json.decode(answer, type=list[str]):
        raise Nonsense(f"not valid R4: {', '.join(faults[:NAMED])}")
    return encoded


def faults_of(bundle: dict[str, Any]) -> list[str]:
    """Elements that are not valid, as ``Observation.valueQuantity``; imports fhir.resources."""
    from fhir.resources.R4B import get_fhir_model_class
    from pydantic import ValidationError

    found: list[str] = []
    for kind, node in _parts(bundle):
        try:
            get_fhir_model_class(kind).model_validate(node)
        except ValidationError as error:
            found += [".".join([kind, *(str(part) for part in each["loc"])]) for each in error.errors()]
        except (ValueError, AttributeError):
            found.append("resourceType")
    return list(dict.fromkeys(found))


def _parts(bundle: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The Bundle without its resources, then each of these: so that none is looked at twice."""
    entries = bundle.get("entry", ())
    yield "Bundle", {**bundle, "entry": [{k: v for k, v in entry.items() if k != "resource"} for entry in entries]}
    for entry in entries:
        resource = entry.get("resource", {})
        yield str(resource.get("resourceType", "")), resource


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(faults_of(msgspec.json.decode(sys.stdin.buffer.read()))))
