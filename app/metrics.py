"""What the service counts, for Prometheus: one registry an app, so that two apps in a process do not mix."""

import time
from collections.abc import Collection
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.runs import Runs
from app.workers import Workers

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Counters of requests, and gauges of what is kept and what is waiting."""

    def __init__(self, runs: Runs, workers: Workers, models: Collection[str]) -> None:
        """`models` are the networks' ids: nothing that a client makes up becomes a label."""
        self.registry, self.models = CollectorRegistry(), frozenset(models)
        self.requests = Counter(
            "convscope_requests", "Answers given.", ["method", "route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "convscope_request_seconds",
            "Time from a request's head to its answer's last byte.",
            ["method", "route", "model"],
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
        self.sessions = Histogram(
            "convscope_session_seconds",
            "Time of one forward pass of the engine.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batches = Histogram(
            "convscope_batch_size",
            "Inputs of one forward pass of the engine.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        workers.observer = self.observe
        waiting = Gauge(
            "convscope_queue", "Inferences of a network, running or waiting.", ["model"], registry=self.registry
        )
        for model in self.models:
            waiting.labels(model).set_function(partial(workers.pending_of, model))
        for name, help_text, read in (
            ("convscope_runs", "Runs that are kept.", lambda: len(runs.records)),
            ("convscope_runs_bytes", "Bytes of their records.", lambda: runs.records.nbytes),
            ("convscope_cache_bytes", "Bytes of cached activations.", lambda: runs.derived.nbytes),
            ("convscope_cache_hits", "Activations found in the cache.", lambda: runs.derived.hits),
            ("convscope_cache_misses", "Activations not found there.", lambda: runs.derived.misses),
            ("convscope_inferences_pending", "Inferences running or waiting.", lambda: workers.pending),
            ("convscope_inferences_running", "Inferences running.", lambda: workers.running),
            ("convscope_inferences_refused", "Inferences refused since the start.", lambda: workers.refused),
            ("convscope_cache_budget_bytes", "Bytes that cached activations may take.", lambda: runs.derived.budget),
        ):
            Gauge(name, help_text, registry=self.registry).set_function(read)

    def observe(self, inputs: int, seconds: float) -> None:
        """Count one forward pass."""
        self.sessions.observe(seconds)
        self.batches.observe(inputs)

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
            model = scope.get("path_params", {}).get("model", "")
            model = model if model in self.metrics.models else ""
            self.metrics.seconds.labels(scope["method"], route, model).observe(time.perf_counter() - started)
