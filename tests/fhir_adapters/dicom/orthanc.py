"""An Orthanc of the tests' own, on a free loopback port with a temporary store; and a server that answers what a test says."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@pytest.fixture(scope="session")
def orthanc() -> Iterator[str]:
    """Its DICOMweb base URL."""
    binary = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if binary is None or not PLUGIN.exists():
        message = "needs the Debian packages orthanc and orthanc-dicomweb"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp())
    settings = folder / "orthanc.json"
    settings.write_text(
        json.dumps({
            "StorageDirectory": str(folder / "store"), "IndexDirectory": str(folder / "store"), "HttpPort": port,
            "DicomServerEnabled": False, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            "HttpBindAddresses": ["127.0.0.1"], "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        })
    )  # fmt: skip
    process = subprocess.Popen([binary, str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}/dicom-web"
    for _ in range(100):
        try:
            with urlopen(f"{base}/studies", timeout=1):
                break
        except OSError:
            time.sleep(0.1)
    yield base
    process.terminate()
    process.wait(10)
    shutil.rmtree(folder, ignore_errors=True)
