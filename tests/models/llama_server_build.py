"""Builds llama-server once from the llama-cpp-python source distribution: ``python -m tests.models.llama_server_build``.

Some eight minutes on one core. What is kept: the binary and the converter of checkpoints to GGUF.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "0.3.36"
KEPT = ("convert_hf_to_gguf.py", "conversion", "gguf-py")
FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1", "-DCMAKE_C_FLAGS_RELEASE=-O2",
    "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_CURL=OFF", "-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_WEBUI=OFF", "-DGGML_NATIVE=OFF",
)  # fmt: skip


def folder() -> Path:
    """Where the binary and the converter lie once they are made."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "medgemma-cds" / f"llama-server-{VERSION}"


def present() -> bool:
    """Whether nothing is left to build."""
    return all((folder() / name).exists() for name in ("llama-server", *KEPT))


def build() -> None:
    """Download, compile, keep."""
    with tempfile.TemporaryDirectory(prefix="llama-") as scratch:
        where = Path(scratch)
        _run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python",
             "--dest", scratch, f"llama-cpp-python=={VERSION}")  # fmt: skip
        with tarfile.open(next(where.glob("*.tar.gz"))) as archive:
            archive.extractall(where, filter="data")
        source = next(where.glob("*/vendor/llama.cpp"))
        generator = ("-G", "Ninja") if shutil.which("ninja") else ()
        _run("cmake", "-S", str(source), "-B", str(source / "build"), *generator, *FLAGS)
        _run("cmake", "--build", str(source / "build"), "--target", "llama-server", "--parallel", str(os.cpu_count()))
        _keep(source)


def _keep(source: Path) -> None:
    partial = folder().with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shutil.copy2(source / "build" / "bin" / "llama-server", partial)
    for name in KEPT:
        (shutil.copytree if (source / name).is_dir() else shutil.copy2)(source / name, partial / name)
    shutil.rmtree(folder(), ignore_errors=True)
    partial.rename(folder())


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    if not present():
        build()
    print(folder() / "llama-server")
