"""The rows of one resource type, of one patient or of all, in the orders and by the tokens searches ask for."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime

from msgspec import Struct

from cds_service.web.simulator.search_parameters import Index


class Row(Struct, frozen=True, gc=False):
    """One version of one resource. ``body`` is its JSON, numbers as written; empty when the version is a deletion."""

    type: str
    id: str
    version: int
    updated: datetime
    body: bytes
    index: Index
    deleted: bool = False

    @property
    def etag(self) -> str:
        """``W/"3"`` (R4 §Versioning)."""
        return f'W/"{self.version}"'

    @property
    def last_modified(self) -> str:
        """The HTTP date of ``meta.lastUpdated``."""
        return format_datetime(self.updated, usegmt=True)


class Compartment:
    """All rows of one type, of one patient or of the whole store, and their orders and postings, made on demand."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.orders: dict[str, list[Row]] = {}
        self._postings: dict[str, dict[str, list[Row]]] = {}

    def put(self, row: Row) -> None:
        """Add or replace a row."""
        self.rows[row.id] = row
        self._forget()

    def discard(self, row_id: str) -> None:
        """Take a row out."""
        if self.rows.pop(row_id, None) is not None:
            self._forget()

    def postings(self, order: str, rows: list[Row]) -> dict[str, list[Row]]:
        """Token → the rows that carry it, in the order of ``rows`` (which ``order`` names)."""
        if order not in self._postings:
            found: dict[str, list[Row]] = {}
            for row in rows:
                for token in row.index.tokens:
                    found.setdefault(token, []).append(row)
            self._postings[order] = found
        return self._postings[order]

    def _forget(self) -> None:
        if self.orders:
            self.orders = {}
            self._postings = {}
