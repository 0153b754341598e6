"""What benchmarks measure with: rates, multiply-adds, peaks and profiles."""

import itertools
from dataclasses import replace

import pytest
import torch
from small_benchmarks import CPU, RECIPE, tiny_images
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import arithmetic, measuring, safeguards, step_profile
from course_lib import augmentation, training


def test_each_stop_is_met_by_a_record_of_its_own():
    state, images = training.GanState.create(replace(RECIPE, steps=23), CPU), tiny_images()
    met = [record.step for record in measuring.train(state, images, [3, 7, 20], "test")]
    assert met == [3, 9, 21] and state.step == 23
    with pytest.raises(ValueError, match="expected stops that increase"):
        next(measuring.train(state, images, [3, 3], "test"))


def test_steps_are_taken_until_the_time_is_up(monkeypatch):
    clock = itertools.count(step=0.4)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert measuring.run_for(iter([5, 6, 7, 8]), 1.0) == (18, pytest.approx(1.2))


def test_each_slice_begins_with_another_way():
    order = []

    def way(name):
        while True:
            order.append(name)
            yield 1

    ways = {name: way(name) for name in "abc"}
    for number in range(4):
        assert list(measuring.rates(ways, number, -1.0)) == ["a", "b", "c"]
    turns = ["".join(turn) for turn in zip(*[iter(order)] * 3, strict=True)]
    assert turns == [("abc", "bca", "cab")[turn % 3] for turn in range(4 * measuring.SLICES)]


@pytest.mark.parametrize("change", [augmentation.shift, augmentation.mirror])
def test_gradients_pass_through_the_change_of_generated_images(change):
    """The change is linear but for black borders, so differences are exact."""
    images, step, slope = torch.rand(3, 4, 1, 8, 8, dtype=torch.float64)

    def changed(x):
        torch.manual_seed(0)
        return (slope * change(x)).sum()

    images.requires_grad_()
    (gradient,) = torch.autograd.grad(changed(images), images)
    difference = changed(images + step) - changed(images)
    torch.testing.assert_close((gradient * step).sum(), difference)
    discriminator = safeguards.Shifting(nn.Sequential(nn.Flatten(), nn.Linear(64, 1).double()))
    assert torch.autograd.grad(discriminator(images).sum(), images)[0].abs().sum() > 0


# Arithmetic


@pytest.mark.parametrize(
    ("layer", "shape", "by_hand"),
    [
        # B x output positions x C_out x C_in x K x K
        (nn.Conv2d(3, 6, 4, stride=2, padding=1), (2, 3, 10, 10), 2 * 25 * 6 * 3 * 16),
        # B x input positions x C_in x C_out x K x K: each input pixel writes a whole kernel
        (nn.ConvTranspose2d(3, 6, 4, stride=2, padding=1), (2, 3, 5, 5), 2 * 25 * 3 * 6 * 16),
        (nn.ConvTranspose2d(5, 4, 4), (8, 5, 1, 1), 8 * 1 * 5 * 4 * 16),
    ],
)
def test_convolutions_are_counted_as_by_hand_and_as_torch_counts_them(layer, shape, by_hand):
    images = torch.randn(shape, requires_grad=True)
    with arithmetic.ProductCounter() as mine, FlopCounterMode(display=False) as torchs:
        layer(images).sum().backward()
    assert mine.counts["discriminator"] == dict.fromkeys(arithmetic.KINDS, by_hand)
    assert torchs.get_total_flops() == 2 * mine.total()
    frozen, counter = layer.requires_grad_(False), arithmetic.ProductCounter()
    with counter:
        frozen(images).sum().backward()
    assert counter.counts["discriminator"]["backward_to_weights"] == 0


def test_products_of_matrices_are_counted_in_each_direction():
    layer, inputs = torch.randn(5, 7, requires_grad=True), torch.randn(4, 5, requires_grad=True)
    with arithmetic.ProductCounter() as mine, FlopCounterMode(display=False) as torchs:
        (inputs @ layer).sum().backward()
    assert mine.counts["discriminator"] == dict.fromkeys(arithmetic.KINDS, 4 * 5 * 7)
    assert torchs.get_total_flops() == 2 * mine.total()


def test_a_training_step_is_counted_as_by_hand():
    # Generator: (B, 5, 1, 1) -> (B, 4, 4, 4) -> (B, 1, 8, 8), both transposed with K = 4. The
    # first is computed as a product of matrices, which needs as many.
    first, last = 8 * 1 * 5 * 4 * 16, 8 * 16 * 4 * 1 * 16
    # Discriminator: (B, 1, 8, 8) -> (B, 4, 4, 4) -> (B, 1, 1, 1).
    image, head = 8 * 16 * 4 * 1 * 16, 8 * 1 * 1 * 4 * 16
    found = arithmetic.of_a_step(RECIPE, tiny_images(), CPU)
    assert found["discriminator"] == {
        "forward": first + last + 2 * (image + head),  # it judges real and generated images
        "backward_to_data": 2 * head,  # the images need no gradient
        "backward_to_weights": 2 * (image + head),
    }
    assert found["generator"] == {
        "forward": image + head,
        "backward_to_data": head + image + last,  # through the frozen discriminator
        "backward_to_weights": last + first,  # none for the frozen discriminator
    }
    # The penalty at every second step: forward, to the image, and the gradient of both.
    forward_and_back = 2 * (image + head)
    assert found["penalty"] > forward_and_back / 2
    rarer = arithmetic.of_a_step(replace(RECIPE, r1_every=4), tiny_images(), CPU)
    assert 2 * rarer["penalty"] == pytest.approx(found["penalty"], abs=2)
    parts = [sum(found[player].values()) for player in arithmetic.PLAYERS]
    assert found["step"] == sum(parts) + found["penalty"]
    assert arithmetic.of_a_step(replace(RECIPE, r1=0.0), tiny_images(), CPU)["penalty"] == 0


def test_a_training_step_is_counted_as_torch_counts_it():
    recipe = replace(RECIPE, r1=0.0)
    mine = arithmetic.of_a_step(recipe, tiny_images(), CPU)["step"]
    state = training.GanState.create(recipe, CPU)
    with FlopCounterMode(display=False) as torchs:
        next(training.train_gan(state, tiny_images(), every=1))
    assert torchs.get_total_flops() == 2 * mine


def test_the_peak_is_that_of_the_fastest_product(monkeypatch):
    clock = itertools.chain.from_iterable((100.0 * k, 100.0 * k + 2 ** (k % 3)) for k in range(99))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    monkeypatch.setattr(arithmetic, "SIZES", (8, 16))
    assert arithmetic.peak(torch.float32, CPU) == 16**3 / 1.0 / 1e9


# The profile


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("aten::conv_transpose2d", "convolutions_forward"),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", "convolutions_backward"),
        ("autograd::engine::evaluate_function: NativeBatchNormBackward0", "batch_normalisation"),
        ("autograd::engine::evaluate_function: MmBackward0", "convolutions_backward"),
        ("aten::leaky_relu_", "activations"),
        ("autograd::engine::evaluate_function: TanhBackward0", "activations"),
        ("Optimizer.step#Adam.step", "optimiser"),
        ("aten::lerp_", "moving_average"),
        ("autograd::engine::evaluate_function: SoftplusBackward0", "losses_penalty_and_spread"),
        ("aten::index_select", "data"),
        ("aten::detach", "the rest"),
    ],
)
def test_operations_belong_to_the_group_they_are_called_from(name, group):
    assert step_profile.group_of(name) == group


def test_the_penalty_is_what_its_step_takes_longer(monkeypatch):
    state = training.GanState.create(replace(RECIPE, r1_every=4, steps=99), CPU)
    steps = training.train_gan(state, tiny_images(), every=1)
    next(steps)
    profiled = []

    def seconds(records, device):
        profiled.append([record.step for record in records])
        each = 2.0 if len(profiled) == 1 else 3.0  # one step with it, three without
        return dict.fromkeys(step_profile.GROUPS, each / 8) | {"the rest": 0.0}

    monkeypatch.setattr(step_profile, "seconds_by_group", seconds)
    found = step_profile.shares(state, steps, CPU)
    assert profiled == [[5], [6, 7, 8]]
    # A step takes 1 second and the penalty another one: 5 seconds in a period of 4 steps.
    assert found["losses_penalty_and_spread"] == pytest.approx(100 * (4 / 8 + 1) / 5)
    assert found["data"] == pytest.approx(100 * (4 / 8) / 5)
