"""A progress bar on the operator's terminal while a model loads; nothing where there is no terminal."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from cds_service.models.in_process import wire

WORDS = {
    "fingerprint": "reading the checkpoint",
    "local cache": "looking for the model on this machine",
    "download": "downloading the model",
    "libraries": "loading torch",
    "weights": "loading the weights",
}


class Bar:
    """Give it to ``InProcess`` as ``progress``. Draws on standard error; ``close`` ends it."""

    def __init__(self, model: str, console: Console | None = None) -> None:
        console = console or Console(file=sys.stderr)
        self._shown = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(model, total=None)
        self._model = model
        self._drawing = False

    def __call__(self, told: wire.Progress) -> None:
        """Show the stage and how far it is; at the end the bar goes."""
        if not self._shown:
            return
        if told.stage in ("ready", "failed"):
            self.close()
            return
        if not self._drawing:
            self._progress.start()
            self._drawing = True
        words = WORDS.get(told.stage, told.stage)
        self._progress.update(
            self._task, description=f"{self._model}: {words}", completed=told.done, total=told.total or None
        )

    def close(self) -> None:
        """Take it off the terminal."""
        if self._drawing:
            self._progress.stop()
            self._drawing = False
