"""One connection to the service, bounded before anybody knows whose it is.

uvicorn reads the head of a request however long it is and however slowly it comes, and joins its pieces while the event
loop waits: one endless header takes all memory and holds up every other call. Bodies are bounded by ``hooks/body.py``.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024  # request line and headers; the longest token we read has 16 KiB
HEAD_S = 10.0  # a head has at least this long, and at most twice as long
LINGER_S = 0.5  # an idle connection outlives the signal to stop by this much: a request may be on its way
TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection with a longest head (431), with patience (closed without a word), and with manners:
    one that a proxy keeps open is not closed in the face of its next request when the service stops.

    Patience ends for a head, and for the rest of a body whose request is answered already: nobody reads it.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head = 0  # bytes of a head that is not whole yet
        self._owed = False  # whether the client owed us something at the last look, and of which request
        self._owed_of: object = None
        self._looking: asyncio.TimerHandle | None = None
        self._leaving = False  # the service stops: the next answer is the last one here

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start to look at it now and then: one timer a connection, none a request."""
        super().connection_made(transport)
        self._looking = self.loop.call_later(HEAD_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then refuse a head that has grown too long."""
        super().data_received(data)
        if self._whole:
            self._head = 0
            if self._leaving:
                self.cycle.keep_alive = False
            return
        self._head += len(data)
        if self._head > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(TOO_LONG)
            self.transport.close()

    def shutdown(self) -> None:
        """The service stops: a call under way is answered, and so is one that comes in a moment."""
        if self._answering:
            super().shutdown()
        else:
            self._leaving = True
            self.loop.call_later(LINGER_S, self._leave)

    def _leave(self) -> None:
        if not self._answering:
            self.transport.close()

    @property
    def _answering(self) -> bool:
        return self._whole and not self.cycle.response_complete

    @property
    def _whole(self) -> bool:
        """Whether the head of the newest request was read to its end."""
        return self.cycle is not None and self.cycle.scope is self.scope

    def _look(self) -> None:
        if self.transport.is_closing():
            return
        owed = not self._whole or (self.cycle.response_complete and self.cycle.more_body)
        if owed and self._owed and self._owed_of is self.scope:
            self.transport.close()
            return
        self._owed, self._owed_of = owed, self.scope
        self._looking = self.loop.call_later(HEAD_S, self._look)
