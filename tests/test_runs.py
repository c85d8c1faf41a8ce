"""Runs: what makes an id, what is kept, what is computed again."""

import asyncio
import gc
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.activations import Activations
from app.catalog import Catalog
from app.crops import Crops
from app.engine import Engine
from app.errors import ImageUndecodable, RunNotFound, WeightsNotReady
from app.graph import Layer
from app.kept import LEAST
from app.manifest import PhotoPreprocessing, Structure
from app.network import Network
from app.outcomes import Encoded
from app.reserve import Block
from app.runs import Runs, make_id
from app.salt import read_salt
from app.service import Service
from app.stores import RECORD_BYTES, DerivedCache, Elapsed, Record, RecordStore
from tests.conftest import MakeSettings, draw_scene, encode


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


KB = 1024


def record(name: str, size: int = 2 * KB, expires: float = 2000) -> Record:
    nothing = Elapsed(0, 0, 0, 0)
    image = bytes(size - RECORD_BYTES - 4)
    probabilities = np.zeros(1, np.float32)
    return Record(name, "m", "w", "fp32", 1, image, "", 1, 1, probabilities, 5, nothing, 1000, expires)


def upload(image: bytes) -> Encoded:
    return Encoded(image, 10**6)


@pytest.fixture
def network(catalog: Catalog) -> Network:
    """The smallest network."""
    return catalog.network(catalog.models[0].id)


# --- stores ---------------------------------------------------------------------------------------------


def test_records_expire() -> None:
    clock = Clock()
    store = RecordStore(10 * KB, 60, clock)
    store.put(record("a", expires=1060))
    assert store.find("a") is not None
    clock.now = 1060
    assert store.find("a") is None
    assert (len(store), store.nbytes) == (0, 0)


def test_expired_records_make_room_before_others() -> None:
    clock = Clock()
    store = RecordStore(5 * KB, 60, clock)
    store.put(record("a", expires=2000))
    store.put(record("b", expires=1010))
    clock.now = 1020
    store.put(record("c"))
    assert store.find("a") and store.find("c") and len(store) == 2


def test_whatever_goes_is_told() -> None:
    clock, gone = Clock(), list[str]()
    store = RecordStore(5 * KB, 60, clock, gone.append)
    store.put(record("a"))
    store.put(record("a"))  # replaced, not gone
    store.put(record("b", expires=1010))
    assert gone == []
    store.put(record("c"))  # no room for three
    assert gone == ["a"]
    clock.now = 1020
    store.sweep()
    assert gone == ["a", "b"]
    assert store.remove("c") and not store.remove("c")
    assert gone == ["a", "b", "c"]
    assert store.nbytes == 0


def test_the_least_recently_used_record_goes_first() -> None:
    store = RecordStore(6 * KB, 60, Clock())
    for name in "abc":
        store.put(record(name))
    assert store.find("a")
    store.put(record("d"))
    assert [name for name in "abcd" if store.find(name)] == ["a", "c", "d"]
    assert store.nbytes == 6 * KB
    store.put(record("a", size=2 * KB - 500))  # again: it replaces itself
    assert store.nbytes == 6 * KB - 500


def test_one_record_over_the_budget_is_kept_until_the_next() -> None:
    store = RecordStore(10, 60, Clock())
    store.put(record("a"))
    assert store.find("a")
    store.put(record("b"))
    assert store.find("a") is None and store.find("b")


def test_the_cache_counts_real_bytes_and_drops_the_least_recently_used() -> None:
    cache = DerivedCache(1000)
    for name in "ab":
        cache.put(name, Activations.of({"x": np.zeros(50, np.float32), "y": np.zeros(50, np.float32)}))
    assert cache.nbytes == 800
    assert cache.find("a") is not None
    cache.put("c", Activations.of({"x": np.zeros(125, np.float32)}))
    assert cache.nbytes == 900
    assert [name for name in "abc" if cache.find(name) is not None] == ["a", "c"]
    cache.put("d", Activations.of({"x": np.zeros(1000, np.float32)}))  # never fits: nothing else has to go for it
    assert cache.nbytes == 900
    cache.put("a/heat", Activations.of({"x": np.zeros(10, np.float32)}))
    cache.remove("a")  # and what was derived from it
    assert cache.nbytes == 500
    assert (cache.hits, cache.misses) == (3, 1)


# --- ids ------------------------------------------------------------------------------------------------


def test_an_id_depends_on_everything_its_numbers_depend_on(
    catalog: Catalog, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready = [one for one in catalog.networks if one.ready]
    ids = {make_id(one, digest) for one in ready for digest in ("0" * 64, "1" * 64)}
    assert len(ids) == 2 * len(ready)
    assert make_id(network, "0" * 64, salt=b"a") != make_id(network, "0" * 64, salt=b"b")
    assert all(len(run) == 40 and run.isalnum() for run in ids)
    same = make_id(network, "0" * 64)
    assert make_id(network, "0" * 64) == same
    monkeypatch.setattr("app.network.VERSION", "another")
    assert make_id(network, "0" * 64) != same


# --- making and finding ----------------------------------------------------------------------------------


def test_other_crops_are_another_run_with_the_same_layers(catalog: Catalog, make_settings: MakeSettings) -> None:
    photos = [
        one for one in catalog.networks if one.ready and isinstance(one.weights.preprocessing, PhotoPreprocessing)
    ]
    network = min(photos, key=lambda one: one.graph.multiply_adds)
    runs, image = Runs(catalog, make_settings()), encode(draw_scene())
    one, _ = runs.create(network, upload(image), 5)
    ten, created = runs.create(network, upload(image), 5, crops=Crops.TEN)
    assert created and one.id != ten.id
    assert not np.array_equal(one.probabilities, ten.probabilities)
    first, second = runs.cached(one), runs.cached(ten)
    assert first is not None and second is not None
    for name, numbers in first.items():
        np.testing.assert_array_equal(second[name], numbers)


def test_a_deployment_has_one_salt(tmp_path: Path) -> None:
    made = read_salt("", tmp_path / "new")
    assert len(made) == 64 and read_salt("", tmp_path / "new") == made  # restarted, or a replica beside it
    assert (tmp_path / "new" / "salt").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["salt"]
    assert read_salt("", tmp_path / "other") != made
    assert read_salt("ours", tmp_path / "new") == b"ours"
    (tmp_path / "new" / "salt").write_text("half")
    assert len(read_salt("", tmp_path / "new")) == 64
    assert len(read_salt("", Path("/proc/nothing"))) == 64  # nowhere to write: for this process


def test_the_same_image_is_the_same_run(catalog: Catalog, network: Network, make_settings: MakeSettings) -> None:
    runs = Runs(catalog, make_settings())
    image = encode(draw_scene(1))
    first, created = runs.create(network, upload(image), 5)
    again, anew = runs.create(network, upload(image), 3)
    assert (created, anew) == (True, False)
    assert again == first
    other, _ = runs.create(network, upload(encode(draw_scene(2))), 5)
    assert other.id != first.id
    assert first.elapsed.total >= first.elapsed.decode + first.elapsed.preprocess + first.elapsed.inference > 0


def test_nothing_is_kept_of_a_failure(catalog: Catalog, network: Network, make_settings: MakeSettings) -> None:
    runs = Runs(catalog, make_settings())
    with pytest.raises(ImageUndecodable):
        runs.create(network, upload(encode(draw_scene())[:500]), 5)
    assert (len(runs.records), runs.records.nbytes, runs.derived.nbytes) == (0, 0, 0)


def test_a_structure_has_no_runs(catalog: Catalog, make_settings: MakeSettings) -> None:
    runs = Runs(catalog, make_settings())
    structures = [one for one in catalog.networks if isinstance(one.weights.origin, Structure)]
    assert len(structures) == len(catalog.models)
    for structure in structures:
        with pytest.raises(WeightsNotReady):
            runs.create(structure, upload(encode(draw_scene())), 5)


def test_removed_runs_leave_nothing(catalog: Catalog, network: Network, make_settings: MakeSettings) -> None:
    runs = Runs(catalog, make_settings())
    made, _ = runs.create(network, upload(encode(draw_scene())), 5)
    runs.remove(made.id)
    assert (runs.records.nbytes, runs.derived.nbytes) == (0, 0)
    runs.recompute(made)  # a request that was under way when the run was removed
    assert runs.derived.nbytes == 0
    for ask in (runs.record, runs.remove):
        with pytest.raises(RunNotFound, match=made.id):
            ask(made.id)


def test_a_run_posted_late_in_its_life_gets_a_whole_one(
    catalog: Catalog, network: Network, make_settings: MakeSettings
) -> None:
    clock = Clock()
    runs = Runs(catalog, make_settings(run_ttl_seconds=100), clock)
    image = encode(draw_scene())
    first, _ = runs.create(network, upload(image), 5)
    clock.now += 40
    assert runs.create(network, upload(image), 5)[0].expires == first.expires
    clock.now += 40
    late, created = runs.create(network, upload(image), 5)
    assert not created
    assert late == replace(first, expires=clock.now + 100)
    clock.now += 101
    assert runs.create(network, upload(image), 5)[1]  # it had expired


def test_what_fell_out_is_computed_again_with_the_same_numbers(
    catalog: Catalog, network: Network, make_settings: MakeSettings
) -> None:
    runs = Runs(catalog, make_settings())
    made, _ = runs.create(network, upload(encode(draw_scene())), 5)
    before = runs.cached(made)
    assert before is not None
    runs.derived.remove(made.id)
    assert runs.cached(made) is None
    after = runs.recompute(made)
    assert runs.cached(made) is after
    assert list(after) == list(before)
    for name, numbers in before.items():
        np.testing.assert_array_equal(after[name], numbers)


def test_numbers_of_another_file_are_not_given_out_as_a_run(
    catalog: Catalog, network: Network, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = Runs(catalog, make_settings())
    made, _ = runs.create(network, upload(encode(draw_scene())), 5)
    runs.derived.remove(made.id)
    monkeypatch.setitem(network.__dict__, "digest", "0" * 64)  # as on a replica that was updated first
    with pytest.raises(RunNotFound, match="another file"):
        runs.recompute(made)
    assert runs.derived.nbytes == 0


def test_a_run_that_fell_out_gives_its_memory_back(catalog: Catalog, make_settings: MakeSettings) -> None:
    large = [one for one in catalog.networks if one.ready and sum(map(size_of, one.graph.layers)) > LEAST]
    network = min(large, key=lambda one: one.graph.multiply_adds)
    kept = Runs(catalog, make_settings(cache_bytes=3 * sum(map(size_of, network.graph.layers))))
    before = live_blocks()
    for seed in range(8):
        kept.create(network, upload(encode(draw_scene(seed))), 5)
    assert len(kept.records) == 8  # the records, and the answers that they hold, stay
    assert 1 <= live_blocks() - before <= 3


def size_of(layer: Layer) -> int:
    return 4 * math.prod(layer.shape)


def live_blocks() -> int:
    gc.collect()
    return sum(type(one) is Block for one in gc.get_objects())  # isinstance would wake lazy objects of others


def test_many_requests_for_an_evicted_run_compute_it_once(
    catalog: Catalog, network: Network, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(make_settings(cache_bytes=0), catalog)
    forward, count = Engine.run, 0

    def counted(engine: Engine, tensor: np.typing.NDArray[np.float32]) -> Activations:
        nonlocal count
        count += 1
        return forward(engine, tensor)

    monkeypatch.setattr(Engine, "run", counted)

    async def scenario() -> None:
        image = encode(draw_scene())
        posted = await asyncio.gather(*(service.create(network, image, 5, Crops.ONE) for _ in range(8)))
        assert count == 1
        assert [created for _, created in posted].count(True) == 1
        record = posted[0][0]
        opened = await asyncio.gather(*(service.open(record) for _ in range(30)))
        assert count == 2
        assert all(one.activations is opened[0].activations for one in opened)

    asyncio.run(scenario())
