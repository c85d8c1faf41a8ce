"""What is released: the wheel, built from the sdist, serves where nothing is but what it names."""

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app.places import CHECKOUT, PAGE
from benchmarks.port import free_port
from tests.conftest import MODELS, problem_of
from tests.test_house import tracked
from tests.test_mirrors import wait_until


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a copy of the checkout: first the sdist, then the wheel out of that."""
    source = tmp_path_factory.mktemp("source")
    for path in [*tracked(), *(path for path in PAGE.rglob("*") if path.is_file())]:
        target = source / path.relative_to(CHECKOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(source / "out"), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    assert len(list((source / "out").glob("convscope-*.tar.gz"))) == 1
    (made,) = (source / "out").glob("convscope-*.whl")
    return made


def needed(wheel: Path) -> Iterator[str]:
    """The names of every package that the wheel asks for, and those of what they ask for."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().splitlines()
    wheels = [Requirement(line.partition(": ")[2]) for line in lines if line.startswith("Requires-Dist: ")]
    waiting = [one for one in wheels if one.marker is None or one.marker.evaluate({"extra": ""})]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        for extra in ("", *sorted(requirement.extras)):
            key = (canonicalize_name(requirement.name), extra)
            if key not in seen:
                seen.add(key)
                asked = [Requirement(line) for line in distribution(requirement.name).requires or ()]
                waiting += [one for one in asked if one.marker is None or one.marker.evaluate({"extra": extra})]
    yield from sorted({name for name, _ in seen})


def link(name: str, site: Path) -> None:
    """Put an installed package into another environment, by links to its files."""
    for file in distribution(name).files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(Path(str(file.locate())).resolve())


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and what it asks for, and nothing else: not this checkout."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python3*/site-packages")
    for name in needed(wheel):
        link(name, site)
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--ignore-installed", "--disable-pip-version-check"]
    subprocess.run([*command, *options, str(wheel)], check=True)
    return folder


class Installed:
    """`convscope serve` of an environment."""

    def __init__(self, folder: Path, cache: Path) -> None:
        port = free_port()
        settings = {"CONVSCOPE_CACHE_DIR": str(cache), "CONVSCOPE_PORT": str(port), "CONVSCOPE_PROVIDER": "cpu"}
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **settings}
        command = [str(folder / "bin" / "convscope"), "serve"]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60)
        try:
            wait_until(self.answers, 60)
        except BaseException:
            self.stop()
            raise

    def answers(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> str:
        self.client.close()
        self.process.terminate()
        return self.process.communicate(timeout=30)[1]


def test_the_wheel_serves_in_a_clean_environment(clean: Path, cache_dir: Path, digit: bytes) -> None:
    python = clean / "bin" / "python"
    asked = subprocess.run([python, "-I", "-c", "import torch"], cwd=clean, capture_output=True, check=False)
    assert asked.returncode == 1  # nothing of this environment leaks in
    where = subprocess.run(
        [python, "-I", "-c", "import app; print(app.__file__)"], cwd=clean, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).is_relative_to(clean)
    serving = Installed(clean, cache_dir)
    try:
        wait_until(lambda: serving.client.get("/readyz").status_code == 200, 120)
        assert sorted(serving.client.get("/readyz").json()["models"]) == MODELS
        page = serving.client.get("/").text
        assert "<script" in page
        course = serving.client.get("/course").text
        assert 'id="slips"' in course and 'role="alert"' not in course
        for model in MODELS:
            answer = serving.client.post(f"/api/v1/models/{model}/predictions", content=digit)
            assert answer.status_code == 200, answer.text
        if PAGE.is_dir():
            script = page.split('src="')[1].split('"')[0]
            assert serving.client.get(script).status_code == 200
    finally:
        serving.stop()


def test_a_manifest_that_changed_since_it_was_installed_is_found_by_its_digest(clean: Path, cache_dir: Path) -> None:
    path = next(clean.glob(f"lib/python3*/site-packages/app/bundled/{MODELS[0]}/manifest.json"))
    whole = path.read_text()
    document = json.loads(whole)
    document["title"] = document["title"][::-1]  # still a manifest, and wrong
    path.write_text(json.dumps(document))
    serving = Installed(clean, cache_dir)
    try:
        wait_until(lambda: "could not be prepared" in serving.client.get("/readyz").text, 60)
        detail = problem_of(serving.client.get("/readyz"), 503, "not-ready")["detail"]
        assert f"{MODELS[0]}/manifest.json is damaged: its digest is not the one that was installed" in detail
        listed = [one["id"] for one in serving.client.get("/api/v1/models").json()["models"]]
        assert sorted(listed) == MODELS[1:]
    finally:
        assert str(path) in serving.stop()
        path.write_text(whole)


# --- make check asks for known vulnerabilities ------------------------------------------------------------------

FOUND = {"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}]}
CLEAN = {"dependencies": [{"name": "a", "version": "1", "vulns": []}], "fixes": []}
OUT_OF_REACH = {"dependencies": [{"name": "a", "skip_reason": "not found"}]}
NPM_CLEAN = {"vulnerabilities": {}, "metadata": {"dependencies": {"total": 9}}}
NPM_FOUND = {
    "vulnerabilities": {"b": {"range": "<3", "severity": "high", "via": [{"title": "opens the door"}]}},
    "metadata": {"dependencies": {"total": 9}},
}


@pytest.mark.parametrize(
    ("python", "page", "status", "said"),
    [
        (CLEAN, NPM_CLEAN, 0, "0 known vulnerabilities in 9 packages"),
        (FOUND, NPM_CLEAN, 1, "VULNERABLE: a 1: X-1, mended in 2"),
        (CLEAN, NPM_FOUND, 1, "VULNERABLE: b <3: high, opens the door"),
        (OUT_OF_REACH, {"message": "no network"}, 0, "not audited"),
        (None, None, 0, "not audited"),
    ],
)
def test_known_vulnerabilities_fail_and_a_missing_network_does_not(
    python: object, page: object, status: int, said: str, tmp_path: Path
) -> None:
    for name, report in (("pip_audit", python), ("npm", page)):
        (tmp_path / name).write_text("" if report is None else json.dumps(report))
    (tmp_path / "pip_audit.py").write_text(
        "import pathlib\nprint(pathlib.Path(__file__).with_name('pip_audit').read_text())\n"
    )
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(f"#!/bin/sh\ncat {tmp_path / 'npm'}\n")
    npm.chmod(0o755)
    environment = {"PATH": f"{npm.parent}:{os.environ['PATH']}", "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, str(CHECKOUT / "deploy" / "audit.py")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == status, ran.stderr
    assert said in ran.stdout + ran.stderr
