"""The short benchmarks run end to end, small, and compare what they say."""

import itertools
import math
from dataclasses import replace

import pytest
import small_benchmarks
import torch
from small_benchmarks import CPU, load, result_of
from torch import nn

from benchmarks import __main__ as benchmarks
from benchmarks import (
    measuring,
    modes,
    running,
    safeguards,
    step_profile,
    throughput,
    time_to_quality,
)
from course_lib import data, recipes


@pytest.fixture
def small(monkeypatch, tmp_path):
    return small_benchmarks.shrink(monkeypatch, tmp_path)


def test_throughput_compares_five_ways_and_states_peaks_shares_and_times(small):
    found = result_of("throughput", small, repeats=2)
    ways = ["textbook loop", "with the usual advice", "course, float32", "course"]
    ways.append("course without safeguards")
    for group in ("images_per_second", "times_the_textbook_loop"):
        assert list(found[group]) == ways and all(one["least"] > 0 for one in found[group].values())
    assert found["times_the_textbook_loop"]["textbook loop"]["values"] == [1.0, 1.0]
    rates = found["images_per_second"]
    for index, ratio in enumerate(found["times_the_textbook_loop"]["course"]["values"]):
        expected = rates["course"]["values"][index] / rates["textbook loop"]["values"][index]
        assert ratio == pytest.approx(expected, rel=1e-3)
    peaks = found["peak_in_giga_multiply_adds_per_second"]
    assert set(peaks) == {"float32", "bfloat16"}
    share = found["percent_of_the_peak"]["course, float32"]["values"][1]
    done = rates["course, float32"]["values"][1] / found["batch"] * found["multiply_adds"]["step"]
    assert share == pytest.approx(100 * done / 1e9 / peaks["float32"]["values"][1], rel=1e-2)
    for index in range(2):
        times = found["percent_of_the_time"].values()
        assert sum(one["values"][index] for one in times) == pytest.approx(100, abs=0.01)
    assert set(found["percent_of_the_time"]) == {*step_profile.GROUPS, step_profile.REST}


def test_every_way_trains_the_same_networks_with_the_same_batch(small):
    images = data.load_images("fashion-mnist", "train", 32)
    recipe = recipes.course_recipe(CPU)
    ways = throughput.ways("float32", images, CPU)
    taken = {way: next(steps) for way, steps in ways.items()}
    assert taken.pop("textbook loop") == taken.pop("with the usual advice") == recipe.batch
    assert set(taken.values()) == {measuring.EVERY * recipe.batch}


def test_safeguards_are_priced_against_none(small):
    found = result_of("safeguards", small)
    rates, costs = found["images_per_second"], found["percent_of_a_step"]
    assert list(rates) == ["none", *costs] and len(costs) == 7
    for name, cost in costs.items():
        expected = 100 * (rates["none"]["median"] / rates[name]["median"] - 1)
        assert cost["median"] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("name", safeguards.CHANGES)
def test_each_safeguard_is_there_and_no_other(small, name):
    state = safeguards.state(name, "float32", CPU)
    recipe, inside = state.recipe, list(state.discriminator.modules())
    assert (recipe.r1 > 0) is name.startswith("R1")
    assert (recipe.average > 0) is (name == "moving average")
    assert any(isinstance(one, nn.BatchNorm2d) for one in inside) is (name == "batch normalisation")
    assert any(isinstance(one, safeguards.Shifting) for one in inside) is (name == "random shifts")
    convolutions = [one for one in inside if isinstance(one, nn.Conv2d)]
    bound = [torch.nn.utils.parametrize.is_parametrized(one) for one in convolutions]
    assert set(bound) == {name == "spectral normalisation"}
    if name.startswith("R1"):
        assert recipe.r1_every == (1 if name == "R1 every step" else 16)


def test_time_to_quality_counts_the_first_point_within_the_goal(small, monkeypatch):
    distances = itertools.cycle([0.3, 0.2, 0.08, 0.07, 0.3, 0.2, 0.2, 0.09])
    monkeypatch.setattr(measuring, "distance_on", lambda device: lambda *_: next(distances))
    monkeypatch.setattr(time_to_quality, "GOAL", 0.08)
    found = result_of("time_to_quality", small, repeats=2)
    assert (found["steps"], found["goal"]) == (10, 0.08)
    points = found["points"]
    assert list(points) == ["70 percent", "80 percent", "90 percent", "100 percent"]
    assert points["90 percent"]["relative_frechet_distance"]["values"] == [0.08, 0.2]
    seconds = [point["seconds"]["values"][0] for point in points.values()]
    assert seconds == sorted(seconds) and seconds[0] > 0
    goal = found["seconds_to_goal"]
    assert goal["values"] == [points["90 percent"]["seconds"]["values"][0], None]
    assert goal["largest"] is None


def test_a_resumed_training_benchmark_equals_an_uninterrupted_one(small, monkeypatch):
    whole = result_of("time_to_quality", small, repeats=2)
    path = small / "resumed.json"
    benchmark = replace(benchmarks.BENCHMARKS["time_to_quality"], repeats=1)
    running.run(benchmark, path, CPU)
    found = running.run(benchmark, path, CPU, seeds=2)
    for point, one in found["points"].items():
        expected = whole["points"][point]["relative_frechet_distance"]
        assert one["relative_frechet_distance"] == expected
        assert len(set(expected["values"])) == 2  # two seeds, two trainings


def test_modes_are_counted_for_both_trainings_and_for_real_images(small):
    found = result_of("modes", small)
    rows = ["real images", "course", "course, plain loss and no safeguards"]
    assert [name for name in found if name in rows] == rows
    for name in rows:
        assert 1 <= found[name]["modes"]["median"] <= 150
        assert found[name]["kl_divergence"]["median"] > 0
    assert found["real images"]["modes"]["median"] > 100  # 150 draws of 1000


def test_only_loss_and_safeguards_differ_where_that_is_said(small):
    compared = modes.settings(CPU, "float32")
    course, plain = (compared[name] for name in (modes.COURSE, modes.PLAIN))
    assert plain == replace(course, loss="non-saturating", r1=0.0, average=0.0, group=0) != course
    assert {recipe.channels for recipe in compared.values()} == {3}


# Modes


def test_modes_and_divergence_of_constructed_histograms():
    uniform = torch.full((1000,), 1e-3, dtype=torch.float64)
    every = torch.arange(1000)
    assert modes.coverage(every, uniform) == {"modes": 1000, "kl_divergence": pytest.approx(0)}
    half = modes.coverage(every[:500].repeat(3), uniform)
    assert half == {"modes": 500, "kl_divergence": pytest.approx(math.log(2))}
    one = modes.coverage(torch.full((26_000,), 7), uniform)
    assert one == {"modes": 1, "kl_divergence": pytest.approx(math.log(1000))}
    # By hand: 3/4 log((3/4) / (1/2)) + 1/4 log((1/4) / (1/4)).
    expected = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    uneven = modes.coverage(torch.tensor([0, 0, 0, 2]), expected)
    assert uneven == {"modes": 2, "kl_divergence": pytest.approx(0.75 * math.log(1.5))}
    with pytest.raises(ValueError, match="above 0 for all modes"):
        modes.coverage(every, uniform.clone().index_fill_(0, torch.tensor([3]), 0))


def test_stacked_images_have_three_images_as_channels_and_their_classes_as_label():
    images = load("fashion-mnist", "test", 32).take(50)
    stacked = modes.stacked(images, 3, 20, seed=3)
    assert stacked.images.shape == (20, 3, 32, 32) and stacked.images.dtype == torch.uint8
    assert len(stacked.classes) == 1000 and stacked.classes[7] == "007"
    for image, label in zip(stacked.images, stacked.labels, strict=True):
        found = [
            int(images.labels[int((images.images[:, 0] == channel).all((1, 2)).nonzero()[0])])
            for channel in image
        ]
        assert int(label) == int("".join(map(str, found)))
    assert torch.equal(stacked.images, modes.stacked(images, 3, 20, seed=3).images)
    assert not torch.equal(stacked.images, modes.stacked(images, 3, 20, seed=4).images)


def test_each_channel_is_classified_by_itself():
    class Brightness(nn.Module):
        """Class k for an image that is k / 10 everywhere."""

        def forward(self, images):
            assert images.shape[1:] == (1, 32, 32)
            return -(images.mean((1, 2, 3))[:, None] - torch.arange(10) / 10).abs()

    classes = torch.tensor([[1, 2, 3], [9, 0, 4]])
    images = (classes / 10)[:, :, None, None].expand(2, 3, 32, 32)
    assert torch.equal(modes.shown_classes(Brightness(), images, CPU), classes)
    assert modes.mode_numbers(classes).tolist() == [123, 904]
