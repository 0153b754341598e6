"""The benchmarks of lessons 13 and 14 run end to end, small."""

import pytest
import small_benchmarks
import torch
from small_benchmarks import CPU, result_of

from benchmarks import adversarial_inpainting, inpainting
from course_lib import inpainting as training
from course_lib import masks as holes
from course_lib.models import inpainting as models


@pytest.fixture
def small(monkeypatch, tmp_path):
    return small_benchmarks.shrink(monkeypatch, tmp_path)


def test_every_method_is_measured_on_every_family(small, monkeypatch):
    fill, looked_among = training.fill, []

    def filled(network, *rest):
        if isinstance(network, models.GuidedUNet):
            looked_among.append(len(network.guide.__self__.training))
        return fill(network, *rest)

    monkeypatch.setattr(training, "fill", filled)
    found = result_of("inpainting", small)
    # In use the network looks among all training images, in training among a third of them.
    assert set(looked_among) == {len(inpainting.fashion()[0])}
    assert set(found["families"]) == set(holes.FAMILIES)
    for family, one in found["families"].items():
        fills = ("mean", "mean image", "nearest images", "harmonic", "biharmonic", "patches")
        networks = (*inpainting.ROWS, inpainting.GUIDED)
        assert list(one["methods"]) == [*fills, inpainting.LEARNT, *networks]
        shares = holes.shares(family, 32, 32)
        assert shares.least <= one["hole_area"]["median"] <= shares.largest
        best = min(one["methods"][name]["masked_l1"]["median"] for name in fills)
        ours = one["methods"][inpainting.BEST]["masked_l1"]["median"]
        alone = min(one["methods"][name]["masked_l1"]["median"] for name in inpainting.ONE_IMAGE)
        found_ratio = one["l1_over_best_of_one_image"]["median"]
        assert found_ratio == pytest.approx(ours / alone, rel=1e-3)
        assert one["l1_over_best_classical"]["median"] == pytest.approx(ours / best, rel=1e-3)
        shown = one["methods"][inpainting.GUIDED]["masked_l1"]["median"]
        shown_ratio = one["guided_l1_over_best_classical"]["median"]
        assert shown_ratio == pytest.approx(shown / best, rel=1e-3)
        for score in one["methods"].values():
            assert 0 < score["masked_l1"]["median"] < 2
            assert score["composite_frechet"]["median"] > 0
            assert score["seconds_per_image"]["median"] >= 0
    for name, row in found["networks"].items():
        assert row["parameters"] > 0 and row["training_seconds"]["median"] > 0, name
    assert found["tuned"]["neighbours"] in (1, 3) and found["tuned"]["patch"] == 5


def test_tuning_images_are_in_no_other_set(small):
    train, tuning, test = inpainting.fashion()
    assert len(train) == 540 and len(tuning) == 60 and len(test) == 600
    sets = [{image.numpy().tobytes() for image in one.images} for one in (train, tuning, test)]
    assert not sets[0] & sets[1] and not sets[1] & sets[2]


def test_the_guided_network_is_not_trained_on_what_it_looks_up(small):
    train, _, _ = inpainting.fashion()
    torch.manual_seed(1)
    network, rest = inpainting.guided(inpainting.recipe({}, 0, "float32", CPU), train, 3)
    looked_up = network.guide.__self__.training
    assert len(looked_up) == 180 and len(rest) == 360
    both = [{image.numpy().tobytes() for image in one.images} for one in (looked_up, rest)]
    assert not both[0] & both[1]
    torch.manual_seed(2)
    again, _ = inpainting.guided(inpainting.recipe({}, 0, "float32", CPU), train, 3)
    pairs = zip(network.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)  # of the recipe's seed


def test_holes_of_the_test_depend_on_the_seed_and_not_on_the_method():
    one, two, other = (inpainting.masks_of("free form", 3, seed) for seed in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_a_network_that_diverges_has_no_scores(small, monkeypatch):
    def diverging(state, *rest, **options):
        raise FloatingPointError("not finite")
        yield

    monkeypatch.setattr(training, "train_inpainting", diverging)
    found = result_of("inpainting", small)["families"]["half image"]
    assert found["methods"][inpainting.BEST]["masked_l1"]["median"] is None
    assert found["l1_over_best_classical"]["median"] is None
    with pytest.raises(FloatingPointError, match="lower its learning rate"):
        result_of("adversarial_inpainting", small)


def test_the_curve_the_search_and_the_several_answers(small):
    found = result_of("adversarial_inpainting", small)
    alone, other = (found["curve"][adversarial_inpainting.name_of(w)] for w in (0.0, 0.1))
    for family in adversarial_inpainting.FAMILIES:
        lost = alone[family]["masked_psnr"]["median"] - other[family]["masked_psnr"]["median"]
        assert other[family]["psnr_lost"]["median"] == pytest.approx(lost, abs=1e-4)
        assert "psnr_lost" not in alone[family]
    search = found["latent_search"]
    # Two starts of three steps and a last look: 8 passes forward, 6 backward.
    assert search["search"]["passes"]["median"] == 14 and search["network"]["passes"]["median"] == 1
    assert search["search_over_network_seconds"]["median"] > 0
    assert list(found["several_answers"]) == list(adversarial_inpainting.SEVERAL)
    for row in found["several_answers"].values():
        several = {name: one["median"] for name, one in row.items()}
        assert several["spread"] > 0 and several["l1_of_the_best"] <= several["l1_of_one"]
        assert several["psnr_of_the_mean"] >= several["psnr_of_one"]
        assert several["composite_frechet"] > 0
    for family in adversarial_inpainting.FAMILIES:
        shares = holes.shares(family, 32, 32)
        assert shares.least <= found["hole_area"][family]["median"] <= shares.largest


def test_recipes_with_critics_have_no_momentum():
    plain = adversarial_inpainting.recipe({"adversarial": 0.0}, 0, "float32", CPU)
    judged = adversarial_inpainting.recipe({"adversarial": 0.1}, 0, "float32", CPU)
    assert plain.betas == (0.9, 0.99) and judged.betas == (0.0, 0.99)
    assert plain.steps == judged.steps == adversarial_inpainting.MORE
    assert plain.rate == judged.rate


def test_every_row_begins_with_the_same_network(small, monkeypatch):
    """The shared network is copied: a row leaves no trace in the next one."""
    begins, train = [], adversarial_inpainting.trained

    def watched(chosen, images, device, network=None):
        if network is not None:
            begins.append(next(network.parameters()).detach().clone())
        return train(chosen, images, device, network)

    monkeypatch.setattr(adversarial_inpainting, "trained", watched)
    result_of("adversarial_inpainting", small)
    assert len(begins) == 4 and all(torch.equal(one, begins[0]) for one in begins)
