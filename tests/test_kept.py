"""All outputs in one block: the same numbers, in memory that the next run gets when this one is forgotten."""

from collections.abc import Iterator

import numpy as np
import onnxruntime as ort
import pytest

from app.catalog import Catalog
from app.engine import Engine
from app.graph import read_graph
from app.kept import ALIGNMENT, KeptSession
from app.reserve import RESERVE, Reserve
from tests.conftest import MODELS
from tests.small_onnx import classifier


@pytest.fixture(name="session")
def _session() -> ort.InferenceSession:
    model = classifier()
    graph = read_graph(model)
    return Engine(model, None, graph, threads=1, provider="cpu").session


@pytest.fixture(name="inputs")
def _inputs() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(3)
    return (rng.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(100))


def test_one_block_holds_what_the_session_gives(session: ort.InferenceSession, inputs: Iterator[np.ndarray]) -> None:
    names = [output.name for output in session.get_outputs()]
    name = session.get_inputs()[0].name
    kept = KeptSession(session, [*names, names[0]], Reserve(), least=0)
    assert kept.get_providers() == session.get_providers()
    assert kept.nbytes == 0
    runs = []
    for _ in range(4):
        x = next(inputs)
        arrays = kept.run([*names, names[0]], {name: x})
        runs.append((x, arrays))
    assert kept.nbytes > 0
    for x, arrays in runs:  # later runs have not written over earlier ones
        for mine, theirs in zip(arrays, session.run([*names, names[0]], {name: x}), strict=True):
            assert mine.dtype == theirs.dtype and mine.shape == theirs.shape
            np.testing.assert_array_equal(mine, theirs)
    for array in runs[-1][1]:
        assert array.ctypes.data % ALIGNMENT == 0


def test_small_outputs_take_no_block(session: ort.InferenceSession, inputs: Iterator[np.ndarray]) -> None:
    names = [output.name for output in session.get_outputs()]
    kept = KeptSession(session, names, Reserve(quiet=0))
    for _ in range(2):
        kept.run(names, {session.get_inputs()[0].name: next(inputs)})
    assert kept.nbytes == 0
    kept.prepare()  # nothing to do


@pytest.mark.parametrize("model", MODELS)
def test_a_run_in_recycled_memory_is_the_run(catalog: Catalog, model: str) -> None:
    engine = catalog.network(model).engine
    rng = np.random.default_rng(4)
    first, second = (rng.normal(size=engine.graph.input_shape).astype(np.float32) for _ in range(2))
    expected = {name: array.copy() for name, array in engine.run(first).items()}  # learns the sizes
    held = engine.run(second)
    again = engine.run(first)
    del held  # its memory is what the next run gets
    third = engine.run(first)
    for found in (again, third):
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
    engine.make_ready()
    RESERVE.prepare(0)  # and leave nothing under way
