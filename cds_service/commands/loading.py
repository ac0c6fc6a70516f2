"""The wait for an engine before a command asks it."""

from __future__ import annotations

import asyncio

from cds_service.errors import ConfigurationError
from cds_service.models.engine import Engine
from cds_service.models.standing import Standing, State

LOADING_S = 600.0  # a local one reads its weights first


async def ready(standing: Standing, what: str) -> Engine:
    """The engine once it may be asked. ConfigurationError says how ``what`` ('the text model') stands instead."""
    state = await settled(standing)
    if state != "ready":
        raise ConfigurationError(f"{what} is {state}: {standing.why}")
    return standing.engine


async def settled(standing: Standing) -> State:
    """How an engine stands once it no longer loads; ``loading`` when it still does after ``LOADING_S``."""
    until = asyncio.get_running_loop().time() + LOADING_S
    while (state := await standing.look()) == "loading" and asyncio.get_running_loop().time() <= until:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.5)
    return state
