"""Crops: the papers' counts and places, on pictures of any shape."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from app.catalog import Catalog
from app.crops import Crops, boxes
from app.errors import NotSupported
from app.imaging import Image as Picture
from app.manifest import DigitPreprocessing, PhotoPreprocessing
from app.network import Network
from app.preprocess import photo_to_tensors, to_tensor
from tests.conftest import draw_scene

PLAIN = PhotoPreprocessing(resize=256, crop=(224, 224), scale=1.0, mean=(0.0,), std=(1.0,))


def test_ten_are_four_corners_the_centre_and_their_mirrors() -> None:
    found = list(boxes((512, 256), PLAIN, Crops.TEN))  # shown at its own size, so that boxes are pixels
    assert found == [
        (0, 0, 224, 224),
        (288, 0, 512, 224),
        (0, 32, 224, 256),
        (288, 32, 512, 256),
        (144, 16, 368, 240),
    ]
    pixels = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
    tensors = list(photo_to_tensors(Image.fromarray(pixels), PLAIN, 3, Crops.TEN))
    assert len(tensors) == 10
    for (left, top, right, bottom), tensor, mirror in zip(found, tensors[::2], tensors[1::2], strict=True):
        cut = pixels[int(top) : int(bottom), int(left) : int(right)].transpose(2, 0, 1)
        np.testing.assert_array_equal(tensor, cut)
        np.testing.assert_array_equal(mirror, cut[:, :, ::-1])
    np.testing.assert_array_equal(
        tensors[8], to_tensor(Image.fromarray(pixels), PLAIN, 3)
    )  # the centre is the one crop


@pytest.mark.parametrize("upright", [False, True])
def test_144_are_four_scales_three_squares_six_crops_and_their_mirrors(upright: bool) -> None:
    scales = (256, 288, 320, 352)
    width, height = 704, 352
    found = [tuple(box) for box in boxes((height, width) if upright else (width, height), PLAIN, Crops.MANY)]
    assert len(found) == 72
    expected = []
    for scale in scales:
        shrunk = 352 / scale
        for left in (0, scale // 2, scale):
            room = scale - 224
            for x, y in ((0, 0), (room, 0), (0, room), (room, room), (room // 2, room // 2)):
                expected.append((left + x, y, left + x + 224, y + 224, shrunk))
            expected.append((left, 0, left + scale, scale, shrunk))
    for box, (left, top, right, bottom, shrunk) in zip(found, expected, strict=True):
        inner = (box[1], box[0], box[3], box[2]) if upright else box
        if not upright or left == right:
            assert inner == pytest.approx([edge * shrunk for edge in (left, top, right, bottom)])
    if upright:  # the same boxes with the axes exchanged; corners come in another order
        turned = {tuple(round(e * s, 3) for e in (t, x, b, r)) for x, t, r, b, s in expected}
        assert {tuple(round(edge, 3) for edge in box) for box in found} == turned
    pixels = np.asarray(draw_scene(1, width, height))
    tensors = list(photo_to_tensors(Image.fromarray(pixels), PLAIN, 3, Crops.MANY))
    assert len(tensors) == 144
    assert {tensor.shape for tensor in tensors} == {(3, 224, 224)}
    distinct = {hashlib.sha256(tensor.tobytes()).digest() for tensor in tensors}
    assert len(distinct) == 144 - 2 * 3 * (len(scales) - 1)  # a whole square is the same at every scale


@given(
    st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    st.integers(1, 400),
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.sampled_from(Crops),
)
@settings(max_examples=200, deadline=None)
def test_boxes_lie_in_the_picture(size: tuple[int, int], resize: int, crop: tuple[int, int], crops: Crops) -> None:
    how = PhotoPreprocessing(resize=resize, crop=crop)
    found = list(boxes(size, how, crops))
    assert len(found) == {Crops.ONE: 1, Crops.TEN: 5, Crops.MANY: 72}[crops]
    for left, top, right, bottom in found:
        assert 0 <= left < right <= size[0] and 0 <= top < bottom <= size[1]


def test_a_thin_picture_costs_no_more(catalog: Catalog) -> None:
    pixels = np.asarray(Image.new("RGB", (1, 10_000), (9, 99, 199)))
    tensors = list(photo_to_tensors(Image.fromarray(pixels), PLAIN, 3, Crops.MANY))
    assert len(tensors) == 144 and np.all(tensors[0][2] == 199)


def test_predictions_are_the_mean_over_the_crops(catalog: Catalog) -> None:
    photos = [n for n in catalog.networks if n.ready and isinstance(n.weights.preprocessing, PhotoPreprocessing)]
    network = min(photos, key=lambda one: one.graph.multiply_adds)
    picture = Picture.of(np.asarray(draw_scene(2)))
    one_by_one = [network.engine.probabilities(tensor[None])[0] for tensor in network.tensors(picture, Crops.TEN)]
    found = network.predict(picture, network.graph.classes, Crops.TEN)
    mean = np.mean(one_by_one, axis=0)
    assert sum(one.probability for one in found) == pytest.approx(1, abs=1e-5)
    for one in found:
        assert one.probability == pytest.approx(mean[one.index], abs=1e-5)


def test_a_batch_holds_a_bounded_amount_of_memory(catalog: Catalog) -> None:
    sizes = []
    for network in (one for one in catalog.networks if one.ready):
        one = 4 * 2 * max(int(np.prod(layer.shape)) for layer in network.graph.layers)  # read, written
        assert network.engine.batch == 1 or network.engine.batch * one <= 128 * 1024 * 1024
        sizes.append(network.engine.batch)
    assert max(sizes) > 1


def test_a_drawn_digit_has_no_corners(catalog: Catalog) -> None:
    digits = [n for n in catalog.networks if isinstance(n.weights.preprocessing, DigitPreprocessing)]
    assert digits
    for network in digits:
        assert isinstance(network, Network)
        with pytest.raises(NotSupported, match="crops=1"):
            network.tensors(Picture.of(np.asarray(draw_scene())), Crops.TEN)
