"""OpenTelemetry: a span for each request and for each forward pass below it, in memory and sent to a collector."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from app.catalog import Catalog
from app.places import CHECKOUT

# a process of its own, since the provider of spans is set once in a process
ASK = """
import json, sys
from pathlib import Path
from opentelemetry import trace
if "memory" in sys.argv:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
import httpx
from app.catalog import Catalog
from app.main import create_app
from app.settings import Settings
from tests.conftest import draw_scene, encode, serving
settings = Settings(cache_dir=Path(sys.argv[1]), provider="cpu")
catalog = Catalog.open(settings)
catalog.prepare()
with serving(create_app(settings, catalog)) as url:
    answer = httpx.post(f"{url}/api/v1/models/{sys.argv[2]}/predictions", content=encode(draw_scene()), timeout=60)
    assert answer.status_code == 200, answer.text
spans = memory.get_finished_spans() if "memory" in sys.argv else ()
print(json.dumps([
    {"name": one.name, "id": one.context.span_id, "parent": one.parent and one.parent.span_id,
     "attributes": dict(one.attributes)} for one in spans]))
"""


def ask(cache_dir: Path, model: str, *words: str, **variables: str) -> str:
    """What the process printed."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore", **variables}
    command = [sys.executable, "-c", ASK, str(cache_dir), model, *words]
    ran = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_request_is_a_span_and_its_session_another(cache_dir: Path, catalog: Catalog) -> None:
    spans = json.loads(ask(cache_dir, catalog.models[0].id, "memory"))
    (request,) = [one for one in spans if one["name"] == "POST /api/v1/models/{model}/predictions"]
    assert request["attributes"]["http.response.status_code"] == 200
    (session,) = [one for one in spans if one["name"] == "session"]
    assert session["attributes"]["convscope.inputs"] == 1
    by_id, above = {one["id"]: one for one in spans}, session
    while above["parent"] is not None:  # FastAPI has one of its own between them
        above = by_id[above["parent"]]
    assert above == request


@contextmanager
def collecting() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A collector on loopback: its URL, and what came, by path."""
    came: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", came
    server.shutdown()
    server.server_close()


def test_the_standard_variables_say_where_spans_go(cache_dir: Path, catalog: Catalog) -> None:
    model = catalog.models[0].id
    uncompressed = {"OTEL_EXPORTER_OTLP_COMPRESSION": "none", "OTEL_SERVICE_NAME": "of-the-test"}
    with collecting() as (url, came):
        ask(cache_dir, model, OTEL_EXPORTER_OTLP_ENDPOINT=url, **uncompressed)
        traces = b"".join(body for path, body in came if path == "/v1/traces")
        for said in (b"of-the-test", b"session", b"/api/v1/models/{model}/predictions"):
            assert said in traces
        came.clear()
        ask(cache_dir, model, OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_SDK_DISABLED="true")
        assert came == []
