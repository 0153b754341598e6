"""The long benchmarks run end to end, small, and survive trainings that diverge."""

import math

import pytest
import small_benchmarks
import torch
from small_benchmarks import CPU, load, result_of

from benchmarks import (
    architectures,
    collapse,
    equal_quality,
    gan_losses,
    guidelines,
    measuring,
    memory,
    stabilising,
    textbook,
    time_to_quality,
)
from benchmarks import augmentation as augmented
from course_lib import data, recipes, training


@pytest.fixture
def small(monkeypatch, tmp_path):
    return small_benchmarks.shrink(monkeypatch, tmp_path)


def test_quality_gives_the_textbook_loop_as_many_seconds(small, monkeypatch):
    given = []
    train = textbook.train
    monkeypatch.setattr(
        textbook, "train", lambda seconds, *rest: given.append(seconds) or train(seconds, *rest)
    )
    row, (seconds,) = result_of("quality", small)["1 minutes"], given
    assert row["steps"] == 2
    assert row["seconds"]["median"] == pytest.approx(seconds, abs=1e-4)
    for name in ("relative_frechet_distance", "images_per_second"):
        ours, theirs = (row[way][name]["median"] for way in ("course", "textbook_loop"))
        assert row["course_over_textbook_loop"][name]["median"] == pytest.approx(
            ours / theirs, rel=1e-3
        )


def test_ten_minutes_plans_the_course_for_its_own_time(small):
    row = result_of("ten_minutes", small)["2 minutes"]
    assert row["steps"] == 4
    images = row["steps"] * recipes.course_recipe(CPU).batch
    rate = row["course"]["images_per_second"]["median"]
    assert images / rate == pytest.approx(row["seconds"]["median"], rel=1e-2)
    assert row["course"]["relative_frechet_distance"]["median"] > 0


@pytest.mark.parametrize(
    ("distances", "reached"), [([0.3, 0.08, 0.07], 2), ([0.3, 0.2, 0.1], None)]
)
def test_the_textbook_loop_is_stopped_at_each_minute(small, monkeypatch, distances, reached):
    """With distances of our own: the first within the goal counts, and training goes on."""
    monkeypatch.setattr(time_to_quality, "GOAL", 0.08)
    given, modes = iter(distances), []

    def measured(device):
        return lambda generator, latent: modes.append(generator.training) or next(given)

    monkeypatch.setattr(measuring, "distance_on", measured)
    found = result_of("textbook_time", small)
    assert modes == [False] * 3  # samples are drawn in evaluation mode
    points = found["points"]
    assert list(points) == ["1 minutes", "3 minutes"]
    for minute, point in ((1, points["1 minutes"]), (3, points["3 minutes"])):
        assert point["relative_frechet_distance"]["median"] == distances[minute - 1]
    first, last = (points[f"{minute} minutes"]["seconds"]["median"] for minute in (1, 3))
    assert first < last
    seconds = found["seconds_to_goal"]["median"]
    assert seconds is None if reached is None else first < seconds < last


def test_collapse_measures_each_rate_along_three_times_the_steps(small, monkeypatch):
    rates = []
    create = training.GanState.create
    monkeypatch.setattr(
        training.GanState, "create", lambda recipe, *_: rates.append(recipe) or create(recipe, CPU)
    )
    found = result_of("collapse", small)
    assert found["steps"] == 30 and [recipe.steps for recipe in rates] == [30, 30]
    assert rates[1].rate == 2 * rates[0].rate == 2 * recipes.course_recipe(CPU).rate
    for name in ("1 times the learning rate", "2 times the learning rate"):
        assert found[name]["final_over_best"]["least"] >= 1


def test_a_training_that_diverges_has_no_final_distance(small, monkeypatch):
    def diverging(state, images, stops, label):
        yield training.Record(stops[0], 1, 1.0, 1.0, {})
        raise FloatingPointError("not finite")

    monkeypatch.setattr(measuring, "train", diverging)
    found = result_of("collapse", small)["1 times the learning rate"]
    assert found["final_distance"]["median"] is None and found["final_over_best"]["median"] is None
    assert found["best_distance"]["median"] > 0
    assert result_of("modes", small)["course"]["modes"]["values"] == [None]


def test_outcome_is_the_best_the_last_and_their_ratio():
    good = collapse.outcome([0.5, 0.2, 0.3], diverged=False)
    assert good == {"best_distance": 0.2, "final_distance": 0.3, "final_over_best": 0.3 / 0.2}
    assert collapse.outcome([], diverged=True) == dict.fromkeys(good)


def test_images_that_are_not_finite_count_as_diverged(small):
    distance = measuring.distance_on(CPU)
    with pytest.raises(FloatingPointError, match="not finite"):
        distance(lambda z: torch.full((len(z), 1, 32, 32), math.nan), 4)


def test_equal_quality_gives_each_way_the_same_start_and_the_same_steps(small, monkeypatch):
    steps, train, begun, taken, ours = textbook.steps, training.train_gan, [], [], []

    def counted(generator, discriminator, *rest):
        begun.append([one.clone() for one in generator.parameters()])
        for seen in steps(generator, discriminator, *rest):
            taken.append(seen)
            yield seen

    def noted(state, *rest, **options):
        begun.append([one.detach().clone() for one in state.generator.parameters()])
        ours.append(state.recipe)
        return train(state, *rest, **options)

    monkeypatch.setattr(textbook, "steps", counted)
    monkeypatch.setattr(training, "train_gan", noted)
    found = result_of("equal_quality", small)
    for other in begun[1:]:
        assert all(torch.equal(a, b) for a, b in zip(begun[0], other, strict=True))
    assert taken == [128] * 3 and [one.steps * one.batch for one in ours] == [3 * 128] * 2
    distances = found["relative_frechet_distance"]
    for name, ratio in found["over_the_textbook_loop"].items():
        (value,), (loop,) = distances[name]["values"], distances[equal_quality.LOOP]["values"]
        assert ratio["median"] == pytest.approx(value / loop, rel=1e-3)
    assert len(begun) == 3


def test_guidelines_measure_every_rule_and_survive_one_that_diverges(small, monkeypatch):
    train = training.train_gan

    def fragile(state, *rest, **options):
        if state.recipe.betas == (0.9, 0.999):
            raise FloatingPointError("not finite")
        return train(state, *rest, **options)

    monkeypatch.setattr(training, "train_gan", fragile)
    found = result_of("guidelines", small)
    assert set(found["rules"]) == set(guidelines.RULES)
    assert found["rules"][guidelines.PLAIN]["median"] > 0
    assert found["rules"]["Adam with beta1 = 0.9"]["values"] == [None]


def test_each_gan_loss_is_trained_with_its_settings_and_may_diverge(small, monkeypatch):
    trained, train = [], training.train_gan

    def fragile(state, *rest, **options):
        trained.append(state)
        if state.recipe.loss == "saturating":
            raise FloatingPointError("not finite")
        return train(state, *rest, **options)

    monkeypatch.setattr(training, "train_gan", fragile)
    found = result_of("gan_losses", small)
    assert list(found["rows"]) == list(gan_losses.ROWS) and len(trained) == len(gan_losses.ROWS)
    for state, (name, row) in zip(trained, found["rows"].items(), strict=True):
        settings = row["settings"]
        assert settings == gan_losses.ROWS[name]
        for field, value in settings.items():
            if field != gan_losses.SPECTRAL:
                assert getattr(state.recipe, field) == value
        normalised = [
            name for name, _ in state.discriminator.named_parameters() if "original" in name
        ]
        assert bool(normalised) is settings.get(gan_losses.SPECTRAL, False)
        held = {
            id(one) for group in state.discriminator_adam.param_groups for one in group["params"]
        }
        assert held == {id(one) for one in state.discriminator.parameters()}
        for number in ("relative_frechet_distance", "seconds"):
            (value,) = row[number]["values"]
            assert (value is None) is (name == "saturating")
    same = {(s.recipe.steps, s.recipe.rate, s.recipe.width, s.recipe.seed) for s in trained}
    assert len(same) == 1 and found["rate"] == trained[0].recipe.rate


def test_each_way_to_stabilise_is_trained_with_its_settings_and_may_diverge(small, monkeypatch):
    trained, train = [], training.train_gan

    def fragile(state, images, **options):
        trained.append((state, len(images)))
        if state.recipe.clip:
            raise FloatingPointError("not finite")
        return train(state, images, **options)

    monkeypatch.setattr(training, "train_gan", fragile)
    found = result_of("stabilising", small)
    assert list(found["rows"]) == list(stabilising.ROWS) and len(trained) == len(stabilising.ROWS)
    for (state, count), (name, row) in zip(trained, found["rows"].items(), strict=True):
        settings = row["settings"]
        assert settings == stabilising.ROWS[name] and settings
        for field, value in settings.items():
            if field not in stabilising.EXTRA:
                assert getattr(state.recipe, field) == value
        assert count == min(600, settings.get("images", 600))
        names = [type(one).__name__ for one in state.discriminator.modules()]
        assert ("Augmented" in names) is settings.get("augment", False)
        assert ("FeatureDiscriminator" in names) is settings.get("features", False)
        held = {
            id(one) for group in state.discriminator_adam.param_groups for one in group["params"]
        }
        assert held == {id(one) for one in state.discriminator.parameters()}
        for number in ("relative_frechet_distance", "distance_of_the_last_weights", "seconds"):
            (value,) = row[number]["values"]
            assert (value is None) is bool(settings.get("clip"))
    assert len({(s.recipe.steps, s.recipe.width, s.recipe.seed) for s, _ in trained}) == 1


def test_architectures_are_compared_at_each_budget(small, monkeypatch, capsys):
    budgets = {"parameters": 10_000, "multiply_adds": 500_000}
    monkeypatch.setattr(architectures, "BUDGETS", budgets)
    monkeypatch.setattr(data, "load_images", lambda *names: load(*names).take(256))
    found = result_of("architectures", small)
    assert (found["images"], found["epochs"], found["batch"]) == (256, 1, 128)
    for budget, target in budgets.items():
        assert found["budgets"][budget]["target"] == target
        families = found["budgets"][budget]["families"]
        assert list(families) == ["vgg", "resnet", "inception", "densenet"]
        for row in families.values():
            assert abs(row[budget] - target) <= 0.03 * target
            assert 0 < row["accuracy"]["median"] <= 1
            seconds, rate = (row[name]["median"] for name in ("seconds", "images_per_second"))
            assert seconds * rate == pytest.approx(256, rel=0.01)
    lines = [line for line in capsys.readouterr().out.splitlines() if "min left" in line]
    assert len(lines) == 8 and lines[-1].endswith("; 0 min left")


def test_augmentations_are_compared_on_the_first_images(small, monkeypatch):
    monkeypatch.setattr(augmented, "IMAGES", 128)
    monkeypatch.setattr(augmented, "EPOCHS", 2)
    monkeypatch.setattr(augmented, "PARAMETERS", 10_000)
    found = result_of("augmentation", small)
    assert (found["images"], found["epochs"], found["family"]) == (128, 2, "resnet")
    assert abs(found["parameters"] - 10_000) <= 300
    assert tuple(found["policies"]) == tuple(augmented.POLICIES)
    for row in found["policies"].values():
        assert 0 < row["accuracy"]["median"] <= 1 and 0 < row["training_accuracy"]["median"] <= 1


def test_memory_is_what_the_lessons_need(small, monkeypatch):
    lessons = {"09_dcgan": 1.25}
    monkeypatch.setattr(memory, "compare_lessons", lambda sources: lessons)
    found = result_of("memory", small)
    assert found["peak_gib"]["09_dcgan"]["median"] == 1.25
    assert found["limit_gib"] == memory.LIMIT_GIB


def test_the_textbook_loop_trains():
    generator, seen = textbook.train(0.01, 0, CPU)
    assert seen == 128 and not generator.training
    assert generator(torch.randn(2, 100)).shape == (2, 1, 32, 32)


def weights(network: torch.nn.Module) -> torch.Tensor:
    return torch.cat([one.detach().flatten() for one in network.parameters()])


@pytest.mark.parametrize("advised", [False, True])
def test_a_step_of_the_textbook_loop_moves_both_networks_that_it_was_given(small, advised):
    state = training.GanState.create(recipes.course_recipe(CPU), CPU)
    networks = state.generator, state.discriminator
    before = [weights(one) for one in networks]
    steps = textbook.steps(*networks, textbook.loader(8), state.recipe.latent, advised)
    assert [next(steps), next(steps)] == [8, 8]
    for network, old in zip(networks, before, strict=True):
        assert not torch.equal(weights(network), old)
        kernel = next(one for one in network.parameters() if one.ndim == 4 and one.shape[1] > 1)
        assert kernel.is_contiguous(memory_format=torch.channels_last) is advised


@pytest.mark.parametrize("rule", guidelines.RULES)
def test_every_rule_gives_networks_that_fit_each_other(rule):
    generator, discriminator = guidelines.networks(rule)
    images = generator(torch.randn(4, 64))
    assert images.shape == (4, 1, 32, 32)
    assert discriminator(images).shape == (4,)


def test_every_broken_rule_differs_from_the_paper():
    def described(rule: str) -> str:
        generator, discriminator = guidelines.networks(rule)
        scale = max(float(one.detach().mean()) for one in generator.parameters())
        return f"{generator}{discriminator}{scale > 0.5}"

    plain = described(guidelines.PLAIN)
    changed = [rule for rule in guidelines.RULES[1:] if not rule.startswith("Adam")]
    assert all(described(rule) != plain for rule in changed)


def test_each_policy_makes_other_images_of_the_same_shape():
    images = data.normalise(load("fashion-mnist", "train", 32).take(256).images)
    made = {}
    for name, augment in augmented.POLICIES.items():
        torch.manual_seed(0)
        made[name] = augment(images)
        assert made[name].shape == images.shape
    assert torch.equal(made.pop("none"), images)
    names = ["none", *made]
    different = [images, *made.values()]
    for index, name in enumerate(names):
        for other in range(index):
            assert not torch.equal(different[index], different[other]), (name, names[other])
