"""Logs that hold no PHI and no token, by construction: a field that is not on the allow-list does not get out.

- Events are lower-case words written in our source; anything else (a name, an id, a line of a record) is withheld.
- Of an exception its kind and the places it passed are logged, never its message: messages quote what they choked on.
- Of other packages' records module, level and place are logged; words only of those that begin with fixed ones.

While traces are on, a line written inside a span carries its ids (``traced``). What was withheld is counted. Production
writes JSON lines, demo a console; both to standard error. uvicorn is to be run with ``log_config=None,
access_log=False``: its access lines carry query strings.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from traceback import walk_tb
from types import TracebackType
from typing import Any, TextIO
from urllib.parse import urlsplit

import msgspec
import structlog
from structlog.contextvars import bind_contextvars, get_contextvars, merge_contextvars, reset_contextvars

from cds_service.settings import Mode

FIELDS = frozenset({
    "attempt", "breaker", "bytes", "card", "cards", "client", "code", "count", "deadline_ms", "depth", "engine",
    "error", "facts", "fault", "hook", "host", "job", "key_id", "module", "milliseconds", "mode", "model", "origin",
    "outcome", "pack", "port", "profile", "prompt", "reason", "resource_type", "revision", "rule", "rules", "seconds",
    "service", "span_id", "state", "status", "switch", "table", "trace_id", "version",
})  # fmt: skip
EVENT_LENGTH = 80
FRAMES = 4
_EVENT = re.compile(r"[a-z][a-z_ ,;:'/-]*")
_WORD = re.compile(r"[A-Za-z0-9_.:@+-]{1,80}|[a-z][a-z ,_-]{0,79}")
_LEADING_WORDS = re.compile(r"[A-Za-z ,._-]*")
_UVICORN = ("Uvicorn running", "Started server", "Application ", "Waiting for", "Shutting down", "Finished server")
_QUIETER = ("httpx2", "httpcore2", "sqlalchemy", "asyncio", "dbos", "uvicorn.access")
# their messages begin with words of their source
_FIXED_WORDS = ("uvicorn.error", "asyncio", "opentelemetry.exporter.otlp.proto.http.trace_exporter")
_ORIGINS = ("client", "origin")
WITHHELD = "withheld"

Event = MutableMapping[str, Any]
Withheld = Callable[[str], None]


def _uncounted(_name: str) -> None:
    """Where nobody asked for counts."""


class AllowList:
    """The structlog processor that lets through what may be seen. ``withheld`` is told of each thing kept back."""

    def __init__(self, withheld: Withheld = _uncounted) -> None:
        self._withheld = withheld

    def __call__(self, _logger: Any, method: str, event: Event) -> Event:
        """The event reduced to allowed fields with harmless values."""
        level = "error" if method == "exception" else method
        kept: dict[str, Any] = {"event": self._words(event.pop("event", "")), "level": level}
        fault = _exception(event.pop("exc_info", None))
        if fault is not None:
            event["error"] = type(fault).__name__
            kept["where"] = _places(fault.__traceback__)
        for name, value in event.items():
            if name in FIELDS:
                kept[name] = self._value(name, value)
            else:
                self._keep_back()
        return kept

    def _words(self, text: Any) -> str:
        if isinstance(text, str) and len(text) <= EVENT_LENGTH and _EVENT.fullmatch(text):
            return text
        self._keep_back()
        return WITHHELD

    def _value(self, name: str, value: Any) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value(name, each) for each in list(value)[:20]]
        if isinstance(value, str):
            text = _origin(value) if name in _ORIGINS else value
            if _WORD.fullmatch(text) or name in _ORIGINS:
                return text
        self._keep_back()
        return WITHHELD

    def _keep_back(self) -> None:
        self._withheld("log_fields_withheld")


class ForeignFormatter(logging.Formatter):
    """Records of other packages: their first words, kind and place of an exception; no arguments, no messages."""

    def __init__(self, allow: AllowList, render: Callable[[Any, str, Event], str | bytes]) -> None:
        super().__init__()
        self._allow = allow
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        event: Event = {"event": "other package", "module": record.name, "exc_info": record.exc_info}
        event.update(get_contextvars())
        event = self._allow(None, record.levelname.lower(), event)
        event["event"] = _foreign_words(record)
        event.setdefault("where", [f"{record.filename}:{record.lineno}"])
        event["time"] = _now(record.created)
        line = self._render(None, record.levelname.lower(), event)
        return line.decode() if isinstance(line, bytes) else line


def configure(mode: Mode, *, withheld: Withheld = _uncounted, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging for this process. ``stream`` defaults to standard error."""
    out = stream or sys.stderr
    allow = AllowList(withheld)
    render: Any = structlog.dev.ConsoleRenderer(colors=out.isatty()) if mode == "demo" else _json
    structlog.configure(
        processors=[merge_contextvars, allow, _add_time, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(ForeignFormatter(allow, render))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error"):  # whoever started uvicorn with its own log_config set these apart
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    for name in _QUIETER:
        logging.getLogger(name).setLevel(logging.WARNING)


def log(name: str) -> Any:
    """A logger; ``name`` is the module's. Write events as lower-case words, values as fields of ``FIELDS``."""
    return structlog.get_logger(module=name.removeprefix("cds_service."))


def traced(trace_id: str, span_id: str) -> Callable[[], None]:
    """From now on lines of this context carry these ids, until what is returned is called."""
    tokens = bind_contextvars(trace_id=trace_id, span_id=span_id)
    return lambda: reset_contextvars(**tokens)


def _json(_logger: Any, _method: str, event: Event) -> str:
    return msgspec.json.encode(event).decode()


def _add_time(_logger: Any, _method: str, event: Event) -> Event:
    event["time"] = _now(time.time())
    return event


def _now(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + f".{int(moment % 1 * 1000):03d}Z"


def _origin(text: str) -> str:
    """Scheme, host and port of a URL; a plain word as it is; else withheld."""
    if _WORD.fullmatch(text) and "://" not in text:
        return text
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return WITHHELD
    if parts.scheme not in ("http", "https") or not host or not _WORD.fullmatch(host):
        return WITHHELD
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _exception(given: Any) -> BaseException | None:
    """The exception behind structlog's and logging's several forms of ``exc_info``."""
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def _places(trace: TracebackType | None) -> list[str]:
    """The innermost frames as ``file:line``."""
    places = [f"{frame.f_code.co_filename.rsplit('/', 1)[-1]}:{line}" for frame, line in walk_tb(trace)]
    return places[-FRAMES:]


def _foreign_words(record: logging.LogRecord) -> str:
    template = record.msg if isinstance(record.msg, str) else ""
    if record.name == "uvicorn.error" and record.levelno < logging.WARNING and template.startswith(_UVICORN):
        return record.getMessage()
    if record.name not in _FIXED_WORDS:
        return WITHHELD
    words = _LEADING_WORDS.match(template.split("\n", 1)[0])
    return words.group()[:EVENT_LENGTH].strip() if words and words.group().strip() else WITHHELD
