"""Training of inpainting networks: losses, one step, resuming, and what a seed decides."""

import math

import pytest
import torch

from course_lib import checkpoints, data, inpaint_checkpoints, masked_metrics
from course_lib import masks as holes
from course_lib.inpaint_losses import energy_loss, reconstruction_loss
from course_lib.inpaint_recipes import (
    NETWORKS,
    TRAINED,
    UNSEEN,
    InpaintRecipe,
    build,
    course_inpaint_recipe,
)
from course_lib.inpainting import InpaintState, fill, inpaint_step, train_inpainting

CPU = torch.device("cpu")
SMALL = {"batch": 4, "width": 4, "critic_width": 4}


def some_images(count: int = 12, channels: int = 1, side: int = 32) -> data.ImageSet:
    random = torch.Generator().manual_seed(9)
    pixels = torch.randint(0, 256, (count, channels, side, side), generator=random)
    return data.ImageSet(
        "tiny", "train", pixels.to(torch.uint8), torch.zeros(count).long(), ("any",), "a test"
    )


def triple(count: int = 5, channels: int = 2):
    random = torch.Generator().manual_seed(1)
    answers, images = torch.rand(2, count, channels, 16, 16, generator=random) * 2 - 1
    return answers, images, holes.draw(["random box", "free form"], count, 16, 16, random)


def test_the_loss_is_the_metric():
    answers, images, masks = triple()
    l1 = reconstruction_loss(answers, images, masks)
    torch.testing.assert_close(l1, masked_metrics.masked_l1(answers, images, masks).mean())
    l2 = reconstruction_loss(answers, images, masks, "l2")
    torch.testing.assert_close(l2, masked_metrics.masked_mse(answers, images, masks).mean())
    with pytest.raises(ValueError, match="l1"):
        reconstruction_loss(answers, images, masks, "huber")
    with pytest.raises(ValueError, match=r"images' shape \(5, 2, 16, 16\), got \(5, 1, 16, 16\)"):
        reconstruction_loss(answers[:, :1], images, masks)
    with pytest.raises(holes.MaskError, match="a mask for each image"):
        reconstruction_loss(answers, images, masks[:1])  # would be broadcast


def test_known_pixels_count_by_their_weight():
    answers, images, masks = triple()
    both = reconstruction_loss(answers, images, masks, known=0.25)
    known = masked_metrics.masked_l1(answers, images, 1 - masks, most=1).mean()
    torch.testing.assert_close(both, reconstruction_loss(answers, images, masks) + 0.25 * known)


def test_the_energy_loss_is_least_for_the_true_distribution():
    """The truth of each pixel is 1 with probability 0.3; answers are drawn with other ones."""
    random, pixels = torch.Generator().manual_seed(2), (1, 1, 600, 600)
    masks = torch.ones(pixels)

    def drawn(p: float) -> torch.Tensor:
        return (torch.rand(pixels, generator=random) < p).float()

    truth = drawn(0.3)
    found = {p: float(energy_loss(drawn(p), drawn(p), truth, masks)) for p in (0, 0.1, 0.3, 0.5, 1)}
    for p, value in found.items():
        # E|a - x| - E|a - a'| / 2, by hand
        expected = p * 0.7 + (1 - p) * 0.3 - p * (1 - p)
        assert value == pytest.approx(expected, abs=0.005)
    assert min(found, key=found.get) == 0.3
    alone = {p: float(energy_loss(drawn(p), drawn(p), truth, masks, 0.0)) for p in (0, 0.3)}
    assert min(alone, key=alone.get) == 0  # without the reward the median wins


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_takes_steps_and_a_seed_decides_them(name):
    recipe = InpaintRecipe(steps=3, network=name, **SMALL)
    states = [InpaintState.create(recipe, CPU) for _ in range(2)]
    before = torch.random.get_rng_state()
    for state in states:
        *_, last = train_inpainting(state, some_images(), every=2)
        assert last.step == 3 and last.images == 12 and list(last.losses) == ["loss"]
        assert [record.step for record in state.history] == [2, 3]
    assert torch.equal(before, torch.random.get_rng_state())
    for one, two in zip(*(state.generator.parameters() for state in states), strict=True):
        assert torch.equal(one, two)
    fresh = build(recipe)[0]
    for trained, first in zip(states[0].generator.parameters(), fresh.parameters(), strict=True):
        assert not torch.equal(trained, first)


@pytest.mark.parametrize("changes", [{}, {"adversarial": 0.1, "noise": 3, "spread": 1.0}])
def test_a_training_that_is_resumed_is_the_uninterrupted_one(tmp_path, changes):
    recipe = InpaintRecipe(steps=4, r1_every=2, **SMALL, **changes)
    whole, part = (InpaintState.create(recipe, CPU) for _ in range(2))
    list(train_inpainting(whole, some_images(), every=2))
    for _ in train_inpainting(part, some_images(), every=2):
        break
    path = tmp_path / "checkpoint.safetensors"
    inpaint_checkpoints.save_state(part, path, {"data": "tiny"})
    resumed, info = inpaint_checkpoints.load_state(path, CPU)
    assert info == {"data": "tiny"} and resumed.step == 2 and resumed.recipe == recipe
    list(train_inpainting(resumed, some_images(), every=2))
    for name in ("generator", "average", *(["critics"] if changes else [])):
        pairs = [getattr(state, name).state_dict() for state in (whole, resumed)]
        assert all(torch.equal(pairs[0][key], pairs[1][key]) for key in pairs[0]), name
    assert [one.losses for one in whole.history] == [two.losses for two in resumed.history]


def test_critics_learn_apart_from_the_network():
    recipe = InpaintRecipe(steps=2, adversarial=0.5, **SMALL)
    state = InpaintState.create(recipe, CPU)
    images = some_images().batch(range(4))
    masks = holes.draw("random box", 4, 32, 32, torch.Generator().manual_seed(3))
    critics = [weight.clone() for weight in state.critics.parameters()]
    found = inpaint_step(state, images, masks, torch.Generator().manual_seed(4))
    assert set(found) == {"loss", "discriminator", "generator", "real logit", "fake logit"}
    assert all(value.shape == () and not value.requires_grad for value in found.values())
    assert any(
        not torch.equal(a, b) for a, b in zip(critics, state.critics.parameters(), strict=True)
    )
    assert all(weight.requires_grad for weight in state.critics.parameters())
    # With a weight of zero but critics at work, the network's step is that without critics.
    gradients = []
    for weight in (0.0, 1e-12, 1.0):
        other = InpaintState.create(InpaintRecipe(steps=2, adversarial=weight, **SMALL), CPU)
        inpaint_step(other, images, masks, torch.Generator().manual_seed(4))
        gradients.append([one.grad.clone() for one in other.generator.parameters()])
    for without, little, _ in zip(*gradients, strict=True):
        torch.testing.assert_close(without, little, atol=1e-7, rtol=1e-4)
    assert any(not torch.allclose(a, c, rtol=1e-2) for a, _, c in zip(*gradients, strict=True))


def test_the_critics_see_composites():
    """Known pixels of every image that the critics judge are the image's own."""
    recipe = InpaintRecipe(steps=2, adversarial=0.5, **SMALL)
    state, seen = InpaintState.create(recipe, CPU), []
    state.critics.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    images = some_images().batch(range(4))
    masks = holes.draw("random box", 4, 32, 32, torch.Generator().manual_seed(3))
    inpaint_step(state, images, masks, torch.Generator().manual_seed(4))
    known = (masks == 0).expand_as(images)
    assert len(seen) >= 3 and all(torch.equal(one[known], images[known]) for one in seen)
    assert any(not torch.equal(one, images) for one in seen)


def test_known_pixels_give_the_network_no_gradient_through_the_critics():
    """The critics see composites: an answer about known pixels changes nothing."""
    answers, images, masks = triple(4, 1)
    answers.requires_grad_()
    holes.composite(answers, images, masks).square().sum().backward()
    assert (answers.grad[masks == 0] == 0).all() and (answers.grad[masks == 1] != 0).all()


def test_losses_that_are_not_finite_stop_the_training():
    state = InpaintState.create(InpaintRecipe(steps=2, **SMALL), CPU)
    with torch.no_grad():
        next(state.generator.parameters()).fill_(math.nan)
    with pytest.raises(FloatingPointError, match="no longer finite at step 2"):
        list(train_inpainting(state, some_images()))


def test_images_of_another_shape_are_refused():
    state = InpaintState.create(InpaintRecipe(steps=2, channels=3, **SMALL), CPU)
    with pytest.raises(ValueError, match=r"\(3, 32, 32\)"):
        list(train_inpainting(state, some_images()))


def test_filling_keeps_known_pixels_and_does_not_depend_on_the_batch():
    recipe = InpaintRecipe(steps=2, noise=3, **SMALL)
    network = InpaintState.create(recipe, CPU).average
    images = some_images().batch(range(7))
    masks = holes.draw(list(holes.FAMILIES), 7, 32, 32, torch.Generator().manual_seed(5))
    z = torch.randn(7, 3, generator=torch.Generator().manual_seed(6))
    whole = fill(network, images, masks, z)
    torch.testing.assert_close(whole, fill(network, images, masks, z, batch=2))
    known = (masks == 0).expand_as(images)
    assert torch.equal(whole[known], images[known]) and whole.shape == images.shape
    assert whole.device.type == "cpu" and not whole.requires_grad


def test_networks_come_back_from_disk(tmp_path):
    images = some_images().batch(range(3))
    masks = holes.draw("free form", 3, 32, 32, torch.Generator().manual_seed(7))
    for name in NETWORKS:
        network = build(InpaintRecipe(steps=1, network=name, width=4))[0].eval()
        path = tmp_path / f"{name}.safetensors"
        inpaint_checkpoints.save_network(network, path, {"data": "tiny"})
        loaded, info = inpaint_checkpoints.load_network(path, CPU)
        assert info == {"data": "tiny"} and not loaded.training
        torch.testing.assert_close(loaded(images, masks), network(images, masks))
    with pytest.raises(checkpoints.CheckpointError, match="train inpaint"):
        inpaint_checkpoints.load_network(tmp_path / "none.safetensors", CPU)
    with pytest.raises(checkpoints.CheckpointError, match="expected 'inpainting training state'"):
        inpaint_checkpoints.load_state(path, CPU)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 1},
        {"adversarial": -1},
        {"network": "transformer"},
        {"loss": "huber"},
        {"gan": "none"},
        {"families": ()},
        {"families": ("circle",)},
        {"noise": 3, "network": "partial"},
        {"spread": 1.0},
        {"dtype": "float16"},
    ],
)
def test_recipes_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="expected"):
        InpaintRecipe(**({"steps": 2} | wrong))


def test_the_courses_recipe_fits_the_data_and_keeps_one_family_unseen():
    assert UNSEEN in holes.FAMILIES and UNSEEN not in TRAINED
    recipe = course_inpaint_recipe(CPU, "cifar-10", steps=7, width=5)
    assert (recipe.channels, recipe.size, recipe.steps, recipe.width) == (3, 32, 7, 5)
    with pytest.raises(ValueError, match="expected data"):
        course_inpaint_recipe(CPU, "mnist")


def test_settings_that_noise_would_ignore_are_refused():
    for ignored in ({"loss": "l2"}, {"known": 0.5}):
        with pytest.raises(ValueError, match="two answers are scored"):
            InpaintRecipe(steps=1, noise=4, **ignored)
