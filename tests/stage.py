"""A service with two small networks whose further weights can be pulled from a mirror of the test's own."""

import hashlib
import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.catalog import Catalog
from app.main import create_app
from tests.conftest import MakeSettings, serving
from tests.mirror import Mirror, serving_mirror
from tests.small_onnx import classifier, save


@dataclass
class Stage:
    """A service whose small networks can be pulled from a mirror."""

    client: httpx.Client
    mirror: Mirror
    catalog: Catalog
    folder: Path
    cache: Path

    def pull(self, method: str = "GET", model: str = "small", weights: str = "more", **how: Any) -> httpx.Response:
        return self.client.request(method, f"/api/v1/models/{model}/weights/{weights}/pull", **how)

    def state(self, model: str = "small", weights: str = "more") -> str:
        return str(self.pull("GET", model, weights).json()["state"])


def write_network(folder: Path, name: str, weights: dict[str, Any], seed: int = 0) -> None:
    """A network's folder: a small graph and its manifest."""
    (folder / name).mkdir(parents=True)
    path = save(classifier(seed=seed, classes=len(weights["labels"])), folder / name / "graph.onnx")
    entry = {
        "graph": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "trained": True,
        "preprocessing": {"kind": "photo", "resize": 8, "crop": [8, 8]},
        **weights,
    }
    manifest = {"id": name, "title": name.title(), "default_weights": weights["id"], "weights": [entry]}
    (folder / name / "manifest.json").write_text(json.dumps(manifest))


def build_stage(
    running: ExitStack, root: Path, make_settings: MakeSettings, mirror: dict[str, Any] | None = None, **settings: Any
) -> Stage:
    """The stage in the folder `root`, for as long as `running` is open."""
    foreign = classifier(seed=5, softmax=False, classes=8)
    for number, node in enumerate(foreign.graph.node):
        node.name = f"foreign{number}"
    content = foreign.SerializeToString()
    served = running.enter_context(serving_mirror(Mirror(**{"content": content, **(mirror or {})})))
    origin = {
        "kind": "pulled",
        "path": "small/small.onnx",
        "file": "small.onnx",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    folder, cache = root / "networks", root / "cache"
    write_network(folder / "bundled", "small", {"id": "own", "title": "Own", "labels": list("abcde")})
    for name in ("small", "further"):
        entry = {"id": "more", "title": "More", "origin": origin, "labels": list("abcdefgh")}
        write_network(folder / "pullable", name, entry, seed=1)
    chosen = make_settings(cache_dir=cache, pull_urls=served.url, **settings)
    catalog = Catalog.open(chosen, bundled=folder / "bundled", pullable=folder / "pullable")
    catalog.prepare()
    url = running.enter_context(serving(create_app(chosen, catalog)))
    client = running.enter_context(httpx.Client(base_url=url, timeout=60))
    return Stage(client, served, catalog, folder, cache)
