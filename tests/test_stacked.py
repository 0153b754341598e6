"""Stacked images and the count of their kinds, against the benchmark's way to do it."""

import pytest
import torch
from torch import nn

from benchmarks import modes
from course_lib import stacked
from course_lib.data import ImageSet


def grey(count: int = 30) -> ImageSet:
    """Images whose pixels all hold the image's number."""
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].expand(count, 1, 4, 4)
    return ImageSet("grey", "train", images, torch.arange(count) % 10, tuple("abcdefghij"), "test")


class Reader(nn.Module):
    """Reads the class of an image of `grey` off its pixels."""

    def forward(self, images):
        return nn.functional.one_hot(images[:, 0, 0, 0].long() % 10, 10).float()


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_labels_and_the_classifier_agree_about_the_mode(channels):
    pairs = stacked.stacked(grey(), channels, 50, seed=1)
    assert pairs.images.shape == (50, channels, 4, 4)
    assert len(pairs.classes) == 10**channels
    shown = stacked.shown_classes(Reader(), pairs.images.float(), torch.device("cpu"))
    assert torch.equal(stacked.mode_numbers(shown), pairs.labels)
    assert int(pairs.labels.max()) < 10**channels


def test_the_digits_stand_in_the_order_of_the_channels():
    assert stacked.mode_numbers(torch.tensor([[3, 0, 7], [0, 0, 9]])).tolist() == [307, 9]


def test_modes_are_counted_as_in_the_benchmark():
    drawn = stacked.stacked(grey(), 3, 40, seed=5).labels % 7
    counted = modes.coverage(drawn, torch.full((1000,), 1e-3).double())["modes"]
    assert stacked.modes_covered(drawn, 1000, least=1e-9) == counted


def test_a_mode_needs_its_least_share():
    drawn = torch.tensor([0] * 160 + [1] * 35 + [2] * 4 + [3])  # fair share of 10 kinds: 20
    assert stacked.modes_covered(drawn, 10, least=0.1) == 3
    assert stacked.modes_covered(drawn, 10, least=0.3) == 2
    assert stacked.modes_covered(drawn, 10, least=0.01) == 4  # one image at least


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stacked.stacked(stacked.stacked(grey(), 2, 5, 0), 2, 5, 0), "2 channels"),
        (lambda: stacked.stacked(grey(), 0, 5, 0), "at least 1 channel"),
        (lambda: stacked.stacked(grey(), 2, 0, 0), "at least 1 channel"),
        (lambda: stacked.modes_covered(torch.zeros(0, dtype=torch.int64), 10), "expected images"),
        (lambda: stacked.modes_covered(torch.zeros(5, dtype=torch.int64), 10, 0.0), "above 0"),
    ],
)
def test_what_cannot_be_stacked_or_counted_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
