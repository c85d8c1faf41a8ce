"""Beyond one machine, on Ray Serve: `serve run app.cluster:build` (pip install 'convscope[cluster]').

The ingress is the service as it always is: the same routes, limits and answers. Its sessions are elsewhere: each
network is a deployment of its own, whose replicas hold the loaded network and do nothing but forward passes. A
forward pass depends on nothing but its input: one that is lost with its replica or its machine is asked for again.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from ray import serve
from ray.exceptions import NodeDiedError, ObjectLostError, RayActorError, RayTaskError, RpcError, WorkerCrashedError
from ray.serve.exceptions import ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.catalog import Catalog
from app.engine import Array, Engine, Session
from app.errors import InvalidValue, Overloaded
from app.main import create_app
from app.settings import Settings
from app.wanted import Abandoned, check_wanted

LOST = (RayActorError, NodeDiedError, ObjectLostError, RpcError, WorkerCrashedError, ReplicaUnavailableError)

LOOK_SECONDS = 0.5  # how often somebody who waits for a forward pass looks whether anybody waits for them
PATIENCE_SECONDS = 60.0  # for a replica to answer, those that are lost meanwhile included
BATCH = 8  # inputs of several requests that go through a session together

ONGOING = 256  # requests that one ingress holds at once; most of them wait in its networks' queues
HEALTH: dict[str, Any] = {"health_check_period_s": 5, "health_check_timeout_s": 20, "graceful_shutdown_timeout_s": 20}

Feeds = dict[str, Array]
T = TypeVar("T")


class Arguments(BaseModel):
    """What `serve run app.cluster:build NAME=VALUE` takes; everything else comes from the environment."""

    model_config = ConfigDict(extra="forbid")

    networks: str = Field("", description="Networks with a deployment, comma separated; every listed one when empty.")
    least: int = Field(1, ge=1, description="Fewest replicas of a network.")
    replicas: int = Field(4, ge=1, description="Most replicas of a network.")
    cpus: float = Field(1, gt=0, description="Cores of one replica.")
    gpus: float = Field(0, ge=0, description="GPUs of one replica.")
    ingresses: int = Field(2, ge=1, description="Most replicas of the ingress; more than one need runs in Redis.")


def build(arguments: Arguments) -> serve.Application:
    """The application: the ingress, and a deployment for each network.

    Raises:
        InvalidValue: several ingresses without a store of runs that they share.
        ModelNotFound: one of `networks` is none.
    """
    settings = Settings()
    if arguments.ingresses > 1 and not settings.runs:
        raise InvalidValue(
            f"{arguments.ingresses} ingresses have to share their runs. Set CONVSCOPE_RUNS=redis://..., or give "
            "ingresses=1.",
            arguments.ingresses,
        )
    catalog = Catalog.open(settings)
    named = [name.strip() for name in arguments.networks.split(",") if name.strip()]
    chosen = [catalog.network(name).id for name in named] or [manifest.id for manifest in catalog.models]
    # an ingress waits for sessions more than it computes
    waiting = max(settings.concurrency, 2 * BATCH)
    settings = settings.model_copy(
        update={"concurrency": waiting, "threads": settings.threads or round(arguments.cpus)}
    )
    handles = {
        model: deployed(
            NetworkReplica,
            name=model,
            max_ongoing_requests=2 * BATCH,
            ray_actor_options={"num_cpus": arguments.cpus, "num_gpus": arguments.gpus},
            autoscaling_config={
                "min_replicas": min(arguments.least, arguments.replicas),
                "max_replicas": arguments.replicas,
                "target_ongoing_requests": BATCH / 2,
                "upscale_delay_s": 5,
                "downscale_delay_s": 120,
            },
        ).bind(model, settings)
        for model in chosen
    }
    return deployed(
        Ingress,
        name="ingress",
        max_ongoing_requests=ONGOING,
        autoscaling_config={
            "min_replicas": min(2, arguments.ingresses),
            "max_replicas": arguments.ingresses,
            "target_ongoing_requests": waiting,
        },
    ).bind(settings, handles)


def deployed(kind: type, **options: Any) -> serve.Deployment:
    """A class as a deployment, asked for its health and given time to finish as both are."""
    deployment: serve.Deployment = serve.deployment(**HEALTH, **options)(kind)
    return deployment


class RemoteSession:
    """A network's deployment as a session: what the ingress's engine computes with."""

    def __init__(self, handle: DeploymentHandle[Any], model: str, weights: str) -> None:
        self.handle, self.model, self.weights = handle, model, weights

    def run(self, names: list[str], feeds: Feeds) -> list[npt.NDArray[Any]]:
        """Those tensors of the graph, computed by whichever replica is free; arrays are read-only.

        Raises:
            Abandoned: nobody waits for it any more.
            Overloaded: no replica answered in PATIENCE_SECONDS.
        """
        answer: list[npt.NDArray[Any]] = self._ask("run", self.weights, names, feeds)
        return answer

    def get_providers(self) -> list[str]:
        """Execution providers of the replicas, the one in use first; raises as `run` does."""
        answer: list[str] = self._ask("providers", self.weights)
        return answer

    def _ask(self, method: str, *arguments: Any) -> Any:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return self._wait(getattr(self.handle, method).remote(*arguments), until)
            except RayTaskError as error:  # the replica's own refusal, as if it had been made here
                raise error.cause from error
            except LOST:  # and again: another replica will have it, if somebody still waits
                check_wanted()
                if time.monotonic() > until:
                    raise self._overloaded() from None
                time.sleep(0.1)

    def _wait(self, response: "DeploymentResponse[Any]", until: float) -> Any:
        while True:
            try:
                return response.result(timeout_s=LOOK_SECONDS)
            except TimeoutError:
                try:
                    check_wanted()
                except Abandoned:
                    response.cancel()  # type: ignore[no-untyped-call]
                    raise
                if time.monotonic() > until:
                    response.cancel()  # type: ignore[no-untyped-call]
                    raise self._overloaded() from None

    def _overloaded(self) -> Overloaded:
        return Overloaded(
            f"No replica of {self.model} answered in {PATIENCE_SECONDS:.0f} seconds. Ask again later.", retry_after=10
        )


class NetworkReplica:
    """One network, loaded: forward passes for whoever asks."""

    def __init__(self, model: str, settings: Settings) -> None:
        """Unpack the network's weights on this machine, and load the default ones.

        Raises:
            ConvscopeError: they cannot be had; Serve tries again elsewhere.
        """
        self.model, self.catalog = model, Catalog.open(settings)
        for weights in self.catalog.network(model).manifest.weights:
            self.catalog.network(model, weights.id).prepare()
        self._engine(None)
        self._computing = ThreadPoolExecutor(1, thread_name_prefix=model)  # a pass at a time takes every core it has

    async def providers(self, weights: str) -> list[str]:
        """Execution providers of the session."""
        return await self._compute(partial(self._providers, weights))

    async def run(self, weights: str, names: list[str], feeds: Feeds) -> list[npt.NDArray[Any]]:
        """Those tensors of the graph.

        Predictions of several requests go through together. Runs, which ask for every layer, do not: their numbers
        are the same to the last bit wherever and however often they are computed.
        """
        graph = self.catalog.network(self.model, weights).graph
        if names == [graph.output.tensor] and graph.batch is None:
            return await self.together((weights, names, feeds))
        return await self._compute(lambda: self._engine(weights).session.run(names, feeds))

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=0)  # what waits already, and nobody waits for more
    async def together(self, asked: list[tuple[str, list[str], Feeds]]) -> list[list[npt.NDArray[Any]]]:
        """Several requests' inputs, as few forward passes as there are weights."""
        answers: dict[int, list[npt.NDArray[Any]]] = {}
        for weights in dict.fromkeys(one[0] for one in asked):
            of_these = [number for number, one in enumerate(asked) if one[0] == weights]
            rows = await self._compute(partial(self._forward, weights, [asked[number] for number in of_these]))
            answers.update(zip(of_these, rows, strict=True))
        return [answers[number] for number in range(len(asked))]

    def _forward(self, weights: str, asked: Sequence[tuple[str, list[str], Feeds]]) -> list[list[npt.NDArray[Any]]]:
        """Inputs (B, ...) joined into one, and the output (sum of B, ...) taken apart again."""
        name = self.catalog.network(self.model, weights).graph.input_name
        inputs = [feeds[name] for _, _, feeds in asked]
        (output,) = self._engine(weights).classifier.run(asked[0][1], {name: np.concatenate(inputs)})
        ends = np.cumsum([len(one) for one in inputs])[:-1]
        return [[part] for part in np.split(output, ends)]

    async def _compute(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._computing, work)

    def _providers(self, weights: str | None) -> list[str]:
        return self._engine(weights).session.get_providers()

    def _engine(self, weights: str | None) -> Engine:
        return self.catalog.network(self.model, weights).engine

    async def check_health(self) -> None:
        """Serve replaces the replica when this raises or hangs: the session must answer."""
        await self._compute(partial(self._providers, None))


@serve.ingress()
class Ingress:
    """The service, with sessions in the networks' deployments; a network without one is computed here."""

    def __init__(self, settings: Settings, handles: dict[str, DeploymentHandle[Any]]) -> None:
        self.settings, self.handles = settings, handles

    def open_session(self, model: str, weights: str) -> Session | None:
        """The session of a network's deployment."""
        handle = self.handles.get(model)
        return None if handle is None else RemoteSession(handle, model, weights)

    def __serve_build_asgi_app__(self) -> FastAPI:  # the name is Serve's
        """The app, made in the replica."""
        app = create_app(self.settings, Catalog.open(self.settings, open_session=self.open_session))
        app.add_middleware(WholeBodies)
        return app


class WholeBodies:
    """ASGI middleware: bodies as bytes, since Serve sends them on to its proxy, and views cannot be pickled."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""

        async def send_bytes(message: Message) -> None:
            if isinstance(message.get("body"), memoryview):
                message["body"] = bytes(message["body"])
            await send(message)

        await self.app(scope, receive, send_bytes)
