"""The long run of hostile images: python -m benchmarks.fuzz [--cases 20000].

The test of the suite with more cases: every format with bytes changed, cut, repeated, mixed, and headers that lie,
sent to a server in a process of its own. Fails on any answer but 200, 413, 415 and 422, on more than 600 MB above the
resting memory, and on more than 2 s of computing for one image; prints what it measured.
"""

import argparse
import sys
from collections.abc import Sequence

import pytest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the test with so many cases; its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cases", type=int, default=20_000)
    options = parser.parse_args(arguments)
    chosen = "tests/test_hostile.py::test_mutated_images"
    return int(pytest.main([chosen, f"--cases={options.cases}", "--timeout=7200", "-q", "-s"]))


if __name__ == "__main__":
    sys.exit(main())
