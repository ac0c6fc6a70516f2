"""A network backend that looks a host up once, vets every address, and connects to one of those and to nothing else.

The name stays the request's name: Host header, TLS server name and certificate check see it, only the socket sees the
address. So a name that changes its mind between check and connect (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from socket import SOCK_STREAM

from httpcore2 import SOCKET_OPTION, AnyIOBackend, AsyncNetworkBackend, AsyncNetworkStream, ConnectError, ConnectTimeout

from fhir_adapters.addresses import Policy, Resolver

FIRST_TRIES_S = 0.25  # an address that does not answer in this time gives way to the next one of the same name


class SystemResolver:
    """The operating system's look-up, in threads of its own: a name server that hangs holds up nothing else."""

    def __init__(self, threads: int = 4) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="look-up")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Addresses of a host, as text, in the system's order. OSError when there are none."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _look_up, host, port)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Let the threads go; a look-up under way is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    from socket import getaddrinfo

    return [str(info[4][0]) for info in getaddrinfo(host, port, type=SOCK_STREAM)]


class PinnedBackend(AsyncNetworkBackend):
    """httpcore2's backend seam: ``connect_tcp`` is asked for a host and connects to a vetted address of it."""

    def __init__(self, policy: Policy, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        self._sockets = AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the seam's signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first vetted address that answers. UnsafeAddress before any packet if one is not allowed."""
        try:
            addresses = await self._policy.addresses(host, port, self._resolver)
        except OSError as error:
            raise ConnectError("name not found") from error
        fault: ConnectError | ConnectTimeout = ConnectError("name has no address")
        for number, address in enumerate(addresses, start=1):
            patience = timeout if number == len(addresses) else min(timeout or FIRST_TRIES_S, FIRST_TRIES_S)
            try:
                return await self._sockets.connect_tcp(address, port, patience, local_address, socket_options)
            except (ConnectError, ConnectTimeout) as error:
                fault = error
        raise fault

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the seam's signature
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """No address of ours is a file."""
        raise ConnectError("no sockets of the file system")

    async def sleep(self, seconds: float) -> None:
        """The seam's pause."""
        await asyncio.sleep(seconds)
