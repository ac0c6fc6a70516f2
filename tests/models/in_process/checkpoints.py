"""Small random-weight Gemma 3 checkpoints on disk. Building runs in a process of its own: the test process stays without torch."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
DONE = "complete"


def tiny_text(root: Path) -> Path:
    """Text only (AutoModelForCausalLM), 0.4 M parameters, below ``root``; built if it is not there yet."""
    return _built("text", root)


def tiny_multimodal(root: Path) -> Path:
    """Text and images (AutoModelForImageTextToText), 0.45 M parameters, below ``root``; built if it is not there yet."""
    return _built("multimodal", root)


def _built(kind: str, root: Path) -> Path:
    """Several test processes may ask at once: one builds, the others wait."""
    root.mkdir(parents=True, exist_ok=True)
    folder = root / kind
    with (root / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / f"{kind}.{DONE}").exists():
            run = subprocess.run(
                [sys.executable, "-m", "tests.models.in_process.build", kind, str(folder)],
                cwd=CHECKOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if run.returncode:
                raise RuntimeError(f"the checkpoint could not be built:\n{run.stderr[-2000:]}")
            (root / f"{kind}.{DONE}").touch()
    return folder
