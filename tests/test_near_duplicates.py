"""Near duplicates: found by their hashes, confirmed by their pixels, reported as pairs."""

import io
from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from sprout.data.prepare.near_duplicates import DISTANCE, candidates, near_pairs
from sprout.data.prepare.worker import perceptual_hash

SIDE = 96


def scene(seed: int) -> Image.Image:
    """A picture of soft patches with some detail."""
    generator = np.random.default_rng(seed)
    coarse, fine = (generator.integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (6, 24))
    soft, detail = (Image.fromarray(part).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for part in (coarse, fine))
    return Image.blend(soft, detail, 0.2)


def encoded_anew(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=30)
    return Image.open(file).convert("RGB")


CHANGES = {
    "encoded anew": encoded_anew,
    "resized": lambda picture: picture.resize((40, 40)).resize((SIDE, SIDE)),
    "cropped": lambda picture: picture.crop((1, 1, SIDE - 1, SIDE - 1)).resize((SIDE, SIDE)),
    "brighter": lambda picture: picture.point(lambda level: min(255, level + 8)),
    "with less contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.8),
}


def found_among(pictures, **how):
    pixels = np.stack([np.asarray(picture) for picture in pictures])
    pixels = pixels[:, :, :, None] if pixels.ndim == 3 else pixels
    hashes = np.array([perceptual_hash(picture) for picture in pixels], np.uint64)
    return near_pairs(hashes, np.arange(len(pixels)), lambda rows: pixels[rows], **how)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_changed_copy_is_found(change, mode):
    scenes = [scene(seed) for seed in range(20)]
    copies = [CHANGES[change](picture) for picture in scenes]
    found = found_among([picture.convert(mode) for picture in scenes + copies])
    assert found.complete
    assert {tuple(pair) for pair in found.pairs.tolist()} <= {(row, row + 20) for row in range(20)}
    assert len(found.pairs) >= (12 if change == "cropped" else 18)
    assert (found.distance <= DISTANCE).all()
    assert (found.difference < 40).all()


def test_images_of_one_kind_are_not_near():
    """The same patches elsewhere, in another order: what a class has in common."""
    patches = np.asarray(scene(0)).reshape(3, SIDE // 3, 3, SIDE // 3, 3).transpose(0, 2, 1, 3, 4).reshape(9, -1)
    shuffled = [np.random.default_rng(seed).permutation(patches) for seed in range(30)]
    blocks = (one.reshape(3, 3, SIDE // 3, SIDE // 3, 3).transpose(0, 2, 1, 3, 4) for one in shuffled)
    assert len(found_among([Image.fromarray(one.reshape(SIDE, SIDE, 3)) for one in blocks]).pairs) == 0


def test_equal_hashes_alone_are_not_enough():
    pixels = np.stack([np.asarray(scene(seed)) for seed in range(6)])
    pixels[3] = 255 - pixels[2]
    found = near_pairs(np.full(6, 7, np.uint64), np.arange(6), lambda rows: pixels[rows])
    assert found.pairs.tolist() == []


def test_blank_images_are_near_if_their_levels_are():
    levels = np.array([10, 15, 200])[:, None, None, None]
    pixels = np.broadcast_to(levels, (3, 64, 64, 1)).astype(np.uint8)
    found = near_pairs(np.zeros(3, np.uint64), np.arange(3), lambda rows: pixels[rows])
    assert found.pairs.tolist() == [[0, 1]]
    assert found.difference.tolist() == [5]
    assert found.distance.tolist() == [0]


def test_only_the_rows_given_are_compared():
    pixels = np.stack([np.asarray(scene(seed % 3)) for seed in range(9)])
    hashes = np.array([perceptual_hash(picture) for picture in pixels], np.uint64)
    found = near_pairs(hashes, np.array([8, 1, 2, 4]), lambda rows: pixels[rows])
    assert found.pairs.tolist() == [[1, 4], [2, 8]]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count):
    found = near_pairs(np.zeros(5, np.uint64), np.arange(count), lambda rows: np.zeros((len(rows), 8, 8, 1), np.uint8))
    assert (found.pairs.shape, found.complete) == ((0, 2), True)


def test_too_many_pairs_are_cut_off_and_marked_incomplete():
    pixels = np.zeros((300, 8, 8, 1), np.uint8)
    found = near_pairs(np.zeros(300, np.uint64), np.arange(300), lambda rows: pixels[rows], max_pairs=1000)
    assert (len(found.pairs), found.complete) == (1000, False)
    assert (found.pairs[:, 0] < found.pairs[:, 1]).all()
    assert len(np.unique(found.pairs, axis=0)) == 1000
    assert near_pairs(np.zeros(40, np.uint64), np.arange(40), lambda rows: pixels[rows], max_pairs=1000).complete


def test_too_many_candidates_end_the_search():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 1), dtype=np.uint8)
    found = near_pairs(np.zeros(300, np.uint64), np.arange(300), lambda rows: pixels[rows], max_pairs=100)
    assert (len(found.pairs), found.complete) == (0, False)


def test_candidates_are_all_pairs_within_the_distance_each_once():
    generator = np.random.default_rng(0)
    hashes = generator.integers(0, 2**64, 150, dtype=np.uint64).repeat(2)
    for place in range(1, 300, 2):
        for bit in generator.choice(64, generator.integers(0, 8), replace=False):
            hashes[place] ^= np.uint64(1) << np.uint64(bit)
    near = {
        (one, other)
        for one, other in combinations(range(300), 2)
        if int(hashes[one] ^ hashes[other]).bit_count() <= DISTANCE
    }
    found = np.concatenate(list(candidates(hashes)))
    assert len(found) == len(near) > 60
    assert {tuple(pair) for pair in found.tolist()} == near
