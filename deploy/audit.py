"""Asks whether a known vulnerability is in what the image or the page is made of: part of `make check`.

1 where there is one. Without a network nothing can be asked, which is said and is no failure.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 120  # of one question

PYTHON = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
PYTHON += ["--progress-spinner", "off", "--timeout", "10"]
PAGE = ["npm", "--prefix", str(ROOT / "static"), "audit", "--json"]

Read = Callable[[Any], tuple[list[str], int]]


def in_python(report: Any) -> tuple[list[str], int]:
    """What pip-audit found, a line each, and how many packages it could look up."""
    found = []
    looked_up = [package for package in report["dependencies"] if "skip_reason" not in package]
    for package in looked_up:
        for one in package["vulns"]:
            mended = ", ".join(one["fix_versions"]) or "no release yet"
            found.append(f"{package['name']} {package['version']}: {one['id']}, mended in {mended}")
    return found, len(looked_up)


def in_page(report: Any) -> tuple[list[str], int]:
    """What npm audit found, a line each, and how many packages it looked up."""
    found = []
    for name, one in report["vulnerabilities"].items():
        causes = "; ".join(via["title"] for via in one["via"] if isinstance(via, dict))
        found.append(f"{name} {one['range']}: {one['severity']}{f', {causes}' if causes else ''}")
    return found, report["metadata"]["dependencies"]["total"]


def ask(command: list[str], read: Read) -> tuple[list[str], int]:
    """What an audit found, of how many packages; of none where it could not ask."""
    try:
        asked = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        return read(json.loads(asked.stdout))
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError):  # no network: no report, or one of an error
        return [], 0


def main() -> int:
    """Audit everything; 1 where something was found."""
    audits: dict[str, tuple[list[str], Read]] = {
        name: ([*PYTHON, "-r", str(ROOT / "deploy" / name)], in_python)
        for name in ("requirements.txt", "requirements-gpu.txt")
    }
    audits["package-lock.json"] = (PAGE, in_page)
    found: list[str] = []
    for name, (command, read) in audits.items():
        told, packages = ask(command, read)
        if packages:
            print(f"{name}: {len(told)} known vulnerabilities in {packages} packages")
        else:
            print(f"{name}: not audited, as the list of vulnerabilities cannot be reached from here")
        found += told
    for line in found:
        print(f"VULNERABLE: {line}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
