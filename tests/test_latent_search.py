"""Latent search: it finds what is there to be found, and its cost is what was computed."""

import pytest
import torch
from torch import nn

from course_lib import latent_search
from course_lib import masks as holes
from course_lib.models import dcgan


class Linear(nn.Module):
    """A generator whose images are linear in z, so that the best one is known."""

    latent = 3

    def __init__(self) -> None:
        super().__init__()
        random = torch.Generator().manual_seed(1)
        self.basis = nn.Parameter(torch.randn(3, 2 * 16 * 16, generator=random) / 8)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (z @ self.basis).view(-1, 2, 16, 16)


def case(count: int = 4):
    random = torch.Generator().manual_seed(2)
    generator = Linear().eval()
    z = torch.randn(count, 3, generator=random)
    images = generator(z).detach()
    return generator, z, images, holes.draw(["random box", "free form"], count, 16, 16, random)


def test_it_finds_the_image_that_the_generator_drew():
    generator, z, images, masks = case()
    settings = latent_search.Settings(steps=600, starts=2, rate=0.05, length=0.0)
    found = latent_search.search(generator, images, masks, torch.Generator(), settings)
    torch.testing.assert_close(found.z, z, atol=0.03, rtol=0)
    known = (masks == 0).expand_as(images)
    assert torch.equal(found.composites[known], images[known])
    torch.testing.assert_close(found.composites, images, atol=0.05, rtol=0)
    assert found.losses.shape == (4,) and (found.losses < 0.02).all()
    spoilt = torch.where(masks > 0, torch.tensor(float("nan")), images)
    again = latent_search.search(generator, spoilt, masks, torch.Generator(), settings)
    assert torch.equal(again.composites, found.composites)


def test_the_best_start_is_kept_and_weights_stay():
    generator, _, images, masks = case()
    before = generator.basis.clone()

    def run(starts: int) -> torch.Tensor:
        settings = latent_search.Settings(steps=3, starts=starts)
        return latent_search.search(
            generator, images, masks, torch.Generator().manual_seed(3), settings
        ).losses

    assert run(8).mean() < run(1).mean()
    assert torch.equal(before, generator.basis) and generator.basis.grad is None
    assert generator.basis.requires_grad


@pytest.mark.parametrize("realism", [0.0, 0.1])
def test_the_passes_are_counted_as_they_happen(realism):
    generator, _, images, masks = case()
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(512, 1), nn.Flatten(0)).eval()
    seen = {"forward": [0, 0], "backward": [0, 0]}
    for index, network in enumerate((generator, discriminator)):

        def forward(module, inputs, output, index=index):
            seen["forward"][index] += len(inputs[0])

        def backward(module, to_inputs, from_output, index=index):
            seen["backward"][index] += len(from_output[0])

        network.register_forward_hook(forward)
        network.register_full_backward_hook(backward)
    settings = latent_search.Settings(steps=5, starts=3, realism=realism)
    found = latent_search.search(
        generator, images, masks, torch.Generator(), settings, discriminator
    )
    passes = found.passes
    per_image = [count / len(images) for counts in seen.values() for count in counts]
    assert per_image == [
        passes.generator_forward,
        passes.discriminator_forward,
        passes.generator_backward,
        passes.discriminator_backward,
    ]
    assert passes.total == sum(per_image) == (33 if not realism else 66)


def test_context_weights_are_the_share_of_missing_neighbours():
    masks = torch.zeros(1, 1, 9, 9)
    masks[:, :, 4, 4] = 1
    found = latent_search.context_weights(masks, 3)[0, 0]
    # Eight known neighbours, each with one missing neighbour in eight.
    assert found[4, 4] == 0 and float(found[3, 3]) == pytest.approx(1 / 8)
    assert found[:3].sum() == 0 and float(found.sum()) == pytest.approx(1)
    masks = torch.zeros(1, 1, 9, 9)
    masks[:, :, 0, 0] = 1
    found = latent_search.context_weights(masks, 3)[0, 0]
    # Beside the corner a pixel has five neighbours, within it eight.
    assert float(found[0, 1] / found[1, 1]) == pytest.approx(8 / 5)


def test_it_searches_where_gradients_are_switched_off():
    generator, _, images, masks = case()
    settings = latent_search.Settings(steps=3, starts=2)

    def run() -> torch.Tensor:
        random = torch.Generator().manual_seed(3)
        return latent_search.search(generator, images, masks, random, settings).z

    expected = run()
    with torch.no_grad():
        found = run()
    assert torch.equal(found, expected) and not found.requires_grad


def test_what_cannot_be_searched():
    generator, _, images, masks = case()
    with pytest.raises(ValueError, match="evaluation mode"):
        latent_search.search(generator.train(), images, masks, torch.Generator())
    generator.eval()
    with pytest.raises(holes.MaskError, match="1 means missing"):
        latent_search.search(generator, images, 1 - masks, torch.Generator())
    with pytest.raises(ValueError, match="discriminator"):
        latent_search.search(
            generator, images, masks, torch.Generator(), latent_search.Settings(realism=1.0)
        )
    for wrong in ({"steps": 0}, {"starts": 0}, {"window": 4}, {"window": 1}):
        with pytest.raises(ValueError, match="expected at least one step"):
            latent_search.Settings(**wrong)


def test_weights_below_zero_and_discriminators_of_groups_are_refused():
    with pytest.raises(ValueError, match="at least 0"):
        latent_search.Settings(length=-0.1)
    generator = dcgan.Generator(latent=3, size=8, width=4).eval()
    judge = dcgan.Discriminator(size=8, width=4, norm="none", group=2)
    images, masks = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    masks[:, :, 2:4, 2:4] = 1
    settings = latent_search.Settings(steps=1, starts=1, realism=0.1)
    with pytest.raises(ValueError, match="group=0"):
        latent_search.search(generator, images, masks, torch.Generator(), settings, judge)
