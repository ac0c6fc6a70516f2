"""One job in an interpreter of its own: ``python -m MODULE`` reads bytes and writes bytes, and is gone."""

from __future__ import annotations

import asyncio
import sys


class ChildFailed(RuntimeError):
    """It ended with a fault, was killed, or took too long; the message says which, nothing of what it was given."""


async def ask(module: str, given: bytes, limit_s: float) -> bytes:
    """What ``module`` wrote to standard output. Whoever is cancelled meanwhile leaves no process behind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(limit_s):
            made, _ = await process.communicate(given)
    except TimeoutError:
        raise ChildFailed("not in time") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ChildFailed(f"ended with {process.returncode}")
    return made
