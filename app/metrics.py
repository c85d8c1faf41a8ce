"""What the service counts, for Prometheus: one registry an app, so that two apps in a process do not mix."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.runs import Runs
from app.workers import Workers

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters of requests, and gauges of what is kept and what is waiting."""

    def __init__(self, runs: Runs, workers: Workers) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "convscope_requests", "Answers given.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "convscope_request_seconds",
            "Time from a request's head to its answer's last byte.",
            ["method", "route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.inference = Histogram(
            "convscope_inference_seconds",
            "Time of one forward pass that a client asked for.",
            ["model"],
            buckets=SECONDS,
            registry=self.registry,
        )
        for name, help_text, read in (
            ("convscope_runs", "Runs that are kept.", lambda: len(runs.records)),
            ("convscope_runs_bytes", "Bytes of their records.", lambda: runs.records.nbytes),
            ("convscope_cache_bytes", "Bytes of cached activations.", lambda: runs.derived.nbytes),
            ("convscope_cache_hits", "Activations found in the cache.", lambda: runs.derived.hits),
            ("convscope_cache_misses", "Activations not found there.", lambda: runs.derived.misses),
            ("convscope_inferences_pending", "Inferences running or waiting.", lambda: workers.pending),
        ):
            Gauge(name, help_text, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self.registry)


class Measured:
    """ASGI middleware that counts every answer by its route's template, never by its URL."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; count its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, started = 499, time.perf_counter()  # 499: the client went before it was answered

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception:
            status = 500
            raise
        finally:
            route = getattr(scope.get("route"), "path", "unrouted")
            self.metrics.requests.labels(scope["method"], route, str(status)).inc()
            self.metrics.seconds.labels(scope["method"], route).observe(time.perf_counter() - started)
