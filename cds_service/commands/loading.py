"""The wait for an engine before a command asks it."""

from __future__ import annotations

import asyncio

from cds_service.errors import ConfigurationError
from cds_service.models.engine import Engine
from cds_service.models.standing import Standing

LOADING_S = 600.0  # a local one reads its weights first


async def ready(standing: Standing, what: str) -> Engine:
    """The engine once it may be asked. ConfigurationError says how ``what`` ('the text model') stands instead."""
    until = asyncio.get_running_loop().time() + LOADING_S
    while (state := await standing.look()) != "ready":
        if state != "loading" or asyncio.get_running_loop().time() > until:
            raise ConfigurationError(f"{what} is {state}: {standing.why}")
        await asyncio.sleep(0.5)
    return standing.engine
