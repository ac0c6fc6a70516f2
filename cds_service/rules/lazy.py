"""``functools.cached_property`` without the lock it takes before Python 3.12: what a rule asks is asked by one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801 - a decorator, like ``property``
    """An attribute worked out at its first reading and kept in the object's ``__dict__``."""

    def __init__(self, work: Callable[[Any], T]) -> None:
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, owner: None, kind: type | None = None) -> lazy[T]: ...
    @overload
    def __get__(self, owner: object, kind: type | None = None) -> T: ...
    def __get__(self, owner: object | None, kind: type | None = None) -> lazy[T] | T:
        """The value; the descriptor itself where the class is asked."""
        if owner is None:
            return self
        found = owner.__dict__[self._name] = self._work(owner)
        return found
