"""Runs the service under uvicorn: database first, then one process on the fast loop.

What keeps it from starting is said here: uvicorn only logs it, as text of an exception, which our log withholds.
"""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI

from cds_service.connections import BoundedConnection
from cds_service.errors import CdsError, ConfigurationError
from cds_service.settings import Settings

COLLECT_AFTER = (20_000, 20, 20)  # young objects before a pass: a call makes some thousand, nearly all free of cycles
KEEP_ALIVE_S = (
    75  # longer than a proxy keeps an idle connection (60 s at most of them): the proxy closes it, and loses no call
)
GRACE_S = 10  # a hook call ends within its deadline; this bounds everything else on shutdown


def server(app: FastAPI, host: str, port: int) -> uvicorn.Server:
    """A configured server. No access log: its lines would hold query strings; audit and metrics say what happened."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=BoundedConnection,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="none",
    )
    return uvicorn.Server(config)


def run(settings: Settings, host: str, port: int) -> None:
    """Compose and serve until stopped. ConfigurationError when the address is not to be had or a store does not open."""
    from cds_service.app import create_app

    app = create_app(settings)
    require_free(host, port)
    spare_the_collector()
    with told_why(app):
        server(app, host, port).run()


def require_free(host: str, port: int, mend: str = "choose others with --host and --port") -> None:
    """ConfigurationError where the address is taken, not one of this machine or not allowed."""
    try:
        for family, _, _, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            socket.create_server(address[:2], family=family).close()
    except OSError as fault:
        number = fault.errno or 0  # below 0 of a name that was not found
        reason = os.strerror(number) if number > 0 else fault.strerror
        raise ConfigurationError(f"cannot listen on {host}, port {port}: {reason}; {mend}") from None


@contextmanager
def told_why(app: FastAPI) -> Iterator[None]:
    """Around the run of an application's server: what its stores refuse with, in place of the server's SystemExit."""
    opened, refusals = app.router.lifespan_context, list[CdsError]()

    @asynccontextmanager
    async def lifespan(opening: FastAPI) -> AsyncIterator[None]:
        try:
            async with opened(opening):
                yield
        except CdsError as fault:
            refusals.append(fault)
            raise

    app.router.lifespan_context = lifespan
    try:
        yield
    except SystemExit:
        raise (*refusals, ConfigurationError("the service did not start; its log says where"))[0] from None


def spare_the_collector() -> None:
    """Everything made so far lives as long as the process: the collector need not walk it on each pass."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
