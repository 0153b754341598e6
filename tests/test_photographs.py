"""Squares from photographs: the seed decides, splits share no photograph, pixels are theirs."""

import numpy as np
import pytest
import torch
from skimage import data as pictures

from course_lib import data, photographs


def test_splits_share_no_photograph():
    names = photographs.PHOTOGRAPHS
    assert not set(names["train"]) & set(names["test"])
    assert set(names) == set(data.SPLITS)


def test_squares_are_cut_from_their_photograph():
    found = photographs.load_photographs("test", size=16, count=5)
    assert found.images.shape == (5, 3, 16, 16) and found.images.dtype == torch.uint8
    whole = pictures.rocket()[::1].astype(float)
    whole = whole[: len(whole) // 2 * 2, : whole.shape[1] // 2 * 2]
    half = (whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]) / 4
    half = half.round().astype(np.uint8)
    windows = np.lib.stride_tricks.sliding_window_view(half, (16, 16), (0, 1))
    for image in found.images.numpy():
        there = [(windows == one).all(axis=(2, 3, 4)).any() for one in (image, image[:, :, ::-1])]
        assert any(there)


def test_the_seed_decides():
    one, two, other = (photographs.load_photographs(count=9, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.images, two.images) and not torch.equal(one.images, other.images)
    assert len(one.classes) == 3 and one.labels.tolist() == [0, 1, 2] * 3


def test_what_cannot_be_had():
    for wrong in ({"split": "valid"}, {"size": 7}, {"size": 129}, {"count": 0}):
        with pytest.raises(data.DataError):
            photographs.load_photographs(**wrong)
