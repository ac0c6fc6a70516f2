"""``python -m tests.faults.serving_process PORT STATE_DIR SECONDS``: the service with a model that takes so long to answer."""

from __future__ import annotations

import sys
from pathlib import Path

from cds_service.app import create_app
from cds_service.serve import server
from cds_service.settings import Settings
from tests.assessments.doubles import Double, Stand


def main(port: int, folder: Path, seconds: float) -> None:
    settings = Settings(mode="demo", state_dir=folder, public_url=f"http://127.0.0.1:{port}", deadline_ms=3000)
    stand = Stand(Double(delay=seconds), fast=True)  # a call waits for it up to its deadline
    server(create_app(settings, stand), "127.0.0.1", port).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]))
