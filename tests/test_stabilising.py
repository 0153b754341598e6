"""Lesson 11's part of the library: treatments, averages as filters, rates, and costs."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import jupytext
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import arithmetic
from course_lib import averaging, data, rate_balance, recipes, step_cost, training, treatments
from course_lib.models import classifier, dcgan

CPU = torch.device("cpu")
RECIPE = recipes.Recipe(steps=4, batch=8, latent=5, size=32, width=4, r1=1.0, r1_every=2)
LESSON = Path(__file__).parents[1] / "notebooks" / "11_stabilising_and_speeding_up.py"


def noise(count: int = 8) -> Tensor:
    return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(4)) * 2 - 1


def images(count: int = 40) -> data.ImageSet:
    pixels = torch.randint(
        0, 256, (count, 1, 32, 32), generator=torch.Generator().manual_seed(9), dtype=torch.uint8
    )
    return data.ImageSet("tiny", "train", pixels, torch.zeros(count).long(), ("any",), "a test")


def train(state: training.GanState) -> training.GanState:
    torch.manual_seed(0)
    for _ in training.train_gan(state, images()):
        pass
    return state


def weights(network: nn.Module) -> Tensor:
    return torch.cat([one.detach().flatten() for one in network.parameters()])


# Treatments


def test_a_ratio_multiplies_the_discriminators_rate_at_each_step_and_only_there():
    rates = {"generator": [], "discriminator": []}
    state = training.GanState.create(RECIPE, CPU)
    treatments.balance_rates(state, 3.0)
    for name, adam in (
        ("generator", state.generator_adam),
        ("discriminator", state.discriminator_adam),
    ):
        adam.register_step_pre_hook(
            lambda adam, *_, name=name: rates[name].append(adam.param_groups[0]["lr"])
        )
    train(state)
    assert len(rates["generator"]) == 4
    assert rates["discriminator"] == pytest.approx([3 * rate for rate in rates["generator"]])


def test_gradients_are_clipped_together_before_the_step():
    norms = []
    state = training.GanState.create(RECIPE, CPU)
    treatments.clip_gradients(state, 1e-3)
    state.discriminator_adam.register_step_pre_hook(
        lambda adam, *_: norms.append(
            float(torch.cat([p.grad.flatten() for p in adam.param_groups[0]["params"]]).norm())
        )
    )
    train(state)
    assert norms == pytest.approx([1e-3] * 4, rel=2e-3)


@pytest.mark.parametrize("treat", [treatments.balance_rates, treatments.clip_gradients])
def test_a_treatment_of_nothing_is_refused(treat):
    with pytest.raises(ValueError, match="above 0"):
        treat(training.GanState.create(RECIPE, CPU), 0.0)


def test_a_normalised_kernel_has_norm_one():
    network = dcgan.Discriminator(width=8, norm="none")
    before = torch.get_rng_state()
    treatments.normalise_spectrum(network, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    network.train()
    for _ in range(200):
        network(noise(2))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert float(torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2)) == (
                pytest.approx(1.0, abs=1e-2)
            )


def test_diff_augment_changes_each_image_and_passes_the_gradient():
    given = noise(32).requires_grad_()
    torch.manual_seed(0)
    changed = treatments.diff_augment(given)
    assert changed.shape == given.shape
    assert (changed != given).flatten(1).any(dim=1).all()
    (slope,) = torch.autograd.grad(changed.sum(), given)
    assert slope.flatten(1).any(dim=1).all()
    assert set(slope.unique().tolist()) <= {0.0, 1.0}  # linear: a pixel is moved or lost


def test_an_augmented_discriminator_changes_images_in_training_mode_only():
    network = treatments.Augmented(dcgan.Discriminator(width=4, norm="none"), lambda x: -x)
    given = noise()
    plain = network.discriminator
    assert torch.equal(network.train()(given), plain(-given))
    assert torch.equal(network.eval()(given), plain(given))


def test_the_frozen_features_never_change_and_the_heads_do():
    known = classifier.Classifier()
    before = copy.deepcopy(known.state_dict())
    state = treatments.treated(RECIPE, CPU, features=known)
    heads = weights(state.discriminator)
    assert state.discriminator(noise()).shape == (8,)
    train(state)
    assert all(torch.equal(value, before[name]) for name, value in known.state_dict().items())
    assert not known.training and not any(p.requires_grad for p in known.parameters())
    assert not torch.equal(weights(state.discriminator), heads)
    held = sum(p.numel() for p in state.discriminator.parameters())
    assert held < sum(p.numel() for p in known.parameters())


@pytest.mark.parametrize(
    "treatment",
    [
        {"rate_ratio": 2.0},
        {"gradient_limit": 0.1},
        {"spectral": True},
        {"augment": treatments.diff_augment},
        {"spectral": True, "augment": treatments.diff_augment, "rate_ratio": 0.5},
    ],
)
def test_a_treated_state_trains_what_its_optimiser_holds(treatment):
    state = treatments.treated(RECIPE, CPU, **treatment)
    held = {id(one) for one in state.discriminator_adam.param_groups[0]["params"]}
    assert held == {id(one) for one in state.discriminator.parameters()}
    before = weights(state.discriminator), weights(state.generator)
    train(state)
    assert not torch.equal(weights(state.discriminator), before[0])
    assert not torch.equal(weights(state.generator), before[1])
    assert torch.isfinite(weights(state.generator)).all()


def test_no_treatment_is_the_plain_training():
    one, two = train(treatments.treated(RECIPE, CPU)), train(training.GanState.create(RECIPE, CPU))
    assert torch.equal(weights(one.generator), weights(two.generator))


# Averages


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.99])
def test_window_noise_and_swing_are_those_of_the_recursion(decay):
    impulse, shares = 0.0, []
    for step in range(5000):
        impulse = decay * impulse + (1 - decay) * (step == 0)
        shares.append(impulse)
    shares = np.array(shares)
    assert averaging.window(decay) == pytest.approx(1 / shares[0])
    assert averaging.noise_left(decay) == pytest.approx((shares**2).sum())
    for period in (2, 7, 300):
        wave = np.exp(2j * np.pi * np.arange(5000) / period)
        assert averaging.swing_left(decay, period) == pytest.approx(abs((shares / wave).sum()))


@pytest.mark.parametrize("steps", [0, 1, 2, 30])
def test_the_start_counts_what_update_average_leaves_of_it(steps):
    state = training.GanState.create(recipes.Recipe(steps=99, latent=2, size=8, width=1), CPU)
    with torch.no_grad():
        for network, value in ((state.average, 1.0), (state.generator, 0.0)):
            for parameter in network.parameters():
                parameter.fill_(value)
    for state.step in range(steps):
        training.update_average(state)
    left = float(next(state.average.parameters()).flatten()[0])
    assert averaging.start_left(steps) == pytest.approx(left, rel=1e-4)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: averaging.window(1.0),
        lambda: averaging.noise_left(-0.1),
        lambda: averaging.swing_left(0.9, 1.5),
        lambda: averaging.swing_left(2.0, 5),
        lambda: averaging.start_left(-1),
        lambda: rate_balance.iteration((1, 1, 1, 1), 0.0, 1.0),
        lambda: step_cost.interleaved_seconds({"it": int}, 0),
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        wrong()


# Rates


def test_the_matrix_is_one_step_and_its_radius_is_the_growth_of_many():
    game, rate, ratio = (0.4, 1.5, 2.0, 0.6), 0.1, 3.0
    a, b, c, d = game
    theta, psi = 0.7, -0.2
    step = rate_balance.iteration(game, rate, ratio)
    moved = [
        theta + rate * (a * theta - b * psi),
        psi + ratio * rate * (c * theta - d * psi),
    ]
    assert step @ [theta, psi] == pytest.approx(moved)
    growth = np.linalg.norm(np.linalg.matrix_power(step, 4000), 2) ** (1 / 4000)
    assert rate_balance.spectral_radius(step) == pytest.approx(growth, rel=2e-3)


# Costs


def test_a_step_costs_what_is_counted_while_it_runs():
    recipe = recipes.Recipe(steps=4, batch=8, latent=5, size=32, width=4)
    state = training.GanState.create(recipe, CPU)
    lines = step_cost.step_multiply_adds(state.generator, state.discriminator, torch.randn(8, 5))
    measured = arithmetic.of_a_step(recipe, images(), CPU)
    assert sum(lines.values()) == measured["step"] - measured["penalty"]
    assert state.generator.training and state.discriminator.training


def test_the_ways_take_turns_and_the_first_calls_are_not_counted():
    calls, now = [], [0.0]

    def way(name, first, later):
        def work():
            now[0] += later if name in calls else first
            calls.append(name)

        return work

    ways = {"one": way("one", 100.0, 2.0), "two": way("two", 50.0, 3.0)}
    found = step_cost.interleaved_seconds(ways, 3, lambda: now[0])
    assert found == {"one": [2.0] * 3, "two": [3.0] * 3}
    assert calls == ["one", "two", "one", "two", "two", "one", "one", "two"]
    assert step_cost.ratios(found, "one") == {"one": 1.0, "two": 1.5}


def test_the_peak_is_a_number_of_multiply_adds_a_second():
    assert 0 < step_cost.peak(torch.float32, CPU, size=16, trials=2) < math.inf


# What the lesson writes out


@pytest.fixture(scope="module")
def lesson() -> dict:
    names = {"nn": nn, "F": F, "np": np, "torch": torch, "Tensor": Tensor}
    for cell in jupytext.read(LESSON).cells:
        if "keep" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


def test_the_lessons_game_is_the_librarys(lesson):
    case = ((0.3, 1.0, 2.0, 0.8), 0.2, 5.0)
    taught, kept = lesson["iteration"](*case), rate_balance.iteration(*case)
    assert np.array_equal(taught, kept)
    assert lesson["spectral_radius"](taught) == rate_balance.spectral_radius(kept)


def test_the_lessons_count_is_the_librarys(lesson):
    network, z = dcgan.Generator(width=4), torch.randn(3, 64)
    assert lesson["multiply_adds"](network, z) == step_cost.multiply_adds(network, z)
