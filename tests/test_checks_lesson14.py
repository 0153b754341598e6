"""Answers to lesson 14's exercises, and what the lesson writes out does what the library keeps."""

from __future__ import annotations

import jupytext
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib import inpaint_losses, inpainting, latent_search, masks, several_answers, tradeoff
from course_lib.inpaint_recipes import InpaintRecipe
from course_lib.models import dcgan
from course_lib.models import inpainting as models
from course_lib.sources import REPOSITORY


def composite(a, x, m):
    return torch.where(m > 0, a, x)


def l1(a, x, m):
    return ((a - x).abs() * m).sum((1, 2, 3)) / (x.shape[1] * m.sum((1, 2, 3)))


def against(critic, a, x, m):
    return F.softplus(critic(composite(a.detach(), x, m), m) - critic(x, m)).mean()


def total(critic, a, x, m, weight):
    towards = F.softplus(critic(x, m) - critic(composite(a, x, m), m)).mean()
    return l1(a, x, m).mean() + weight * towards


def searched(generated, x, w, z, length):
    return ((generated - x).abs().mean(1, True) * w).sum((1, 2, 3)) + length * z.square().mean(
        1
    ) / 2


def cropped(x, m, side, shift=0, stray=False):
    found = []
    for image, mask in zip(x, m[:, 0], strict=True):
        places = mask.nonzero().double()
        middle = (places.amin(0) + places.amax(0)) / 2 if stray else places.mean(0)
        corner = (middle - (side - 1) / 2).round().long() + shift
        top, left = (
            int(c.clamp(0, n - side)) for c, n in zip(corner, image.shape[1:], strict=True)
        )
        found.append(image[:, top : top + side, left : left + side])
    return torch.stack(found)


#: The library's own functions among them: what is taught and what is kept must agree.
RIGHT = {
    "decibels_lost": lambda r: torch.tensor(
        [tradeoff.decibels_lost(one) for one in r.tolist()], dtype=torch.float64
    ),
    "crop_at_hole": models.crop_at_hole,
    "critic_loss": against,
    "network_loss": total,
    "energy_score": inpaint_losses.energy_loss,
    "spread": several_answers.spread,
    "context_weights": latent_search.context_weights,
    "search_loss": searched,
}
ALSO_RIGHT = [
    ("decibels_lost", lambda r: 10 * (2 - 2 * r.sqrt() + r).log10()),
    ("crop_at_hole", cropped),
    (
        "critic_loss",
        lambda critic, a, x, m: F.binary_cross_entropy_with_logits(
            critic(x, m) - critic(x + m * (a.detach() - x), m), torch.ones(len(x))
        ),
    ),
    ("energy_score", lambda a, b, x, m: float(inpaint_losses.energy_loss(a, b, x, m))),
]


def half_a_pixel(x, m, side):
    """Squares that begin side / 2 before the centre, rounded, not (side - 1) / 2."""
    found = []
    for image, hole in zip(x, m[:, 0], strict=True):
        middle = hole.nonzero().float().mean(0) - side / 2
        top, left = (
            min(max(0, round(float(start))), length - side)
            for start, length in zip(middle, hole.shape, strict=True)
        )
        found.append(image[:, top : top + side, left : left + side])
    return torch.stack(found)


def rounded_down(x, m, side):
    images, holes = x, m[:, 0]
    places = [(hole.nonzero().double().mean(0) - (side - 1) / 2).floor() for hole in holes]
    corners = [
        [int(c.clamp(0, n - side)) for c, n in zip(p, x.shape[2:], strict=True)] for p in places
    ]
    return torch.stack(
        [one[:, r : r + side, c : c + side] for one, (r, c) in zip(images, corners, strict=True)]
    )


def half_a_graph(critic, a, x, m):
    return F.softplus(critic(composite(a.detach(), x, m), m) - critic(x, m).detach()).mean()


WRONG = [
    ("crop_at_hole", rounded_down, "rounded-down"),
    ("critic_loss", half_a_graph, "half-a-graph"),
    ("decibels_lost", lambda r: 20 * (1 + (1 - r.sqrt()) ** 2).log10(), "twenty"),
    ("decibels_lost", lambda r: -10 * (1 + (1 - r.sqrt()) ** 2).log10(), "sign"),
    (
        "decibels_lost",
        lambda r: 10 * ((1 - r.sqrt()) ** 2).clamp(min=1e-12).log10(),
        "no-best-error",
    ),
    ("decibels_lost", lambda r: 10 * (1 + (1 - r) ** 2).log10(), "no-root"),
    ("decibels_lost", lambda r: 3 - 3 * r, "wrong"),
    ("decibels_lost", lambda r: 3.0, "type"),
    ("crop_at_hole", lambda x, m, s: cropped(x, m, s, stray=True), "bounding-box"),
    ("crop_at_hole", lambda x, m, s: cropped(x, m, s, shift=-1), "wrong"),
    ("crop_at_hole", lambda x, m, s: cropped(x, 1 - m, s), "inverted"),
    ("crop_at_hole", lambda x, m, s: x[:, :, :3], "outside"),
    (
        "critic_loss",
        lambda critic, a, x, m: (
            F.softplus(-critic(x, m)) + F.softplus(critic(composite(a, x, m).detach(), m))
        ).mean(),
        "separate",
    ),
    ("critic_loss", lambda critic, a, x, m: 3 * against(critic, a, x, m), "sum"),
    ("critic_loss", lambda critic, a, x, m: against(critic, a, x, m).detach(), "no-graph"),
    ("critic_loss", lambda critic, a, x, m: critic(x, m).mean(), "wrong"),
    (
        "network_loss",
        lambda critic, a, x, m, w: total(critic, a, x, m, 1.0),
        "no-weight",
    ),
    ("network_loss", lambda critic, a, x, m, w: l1(a, x, m).mean(), "no-critic"),
    (
        "network_loss",
        lambda critic, a, x, m, w: (
            total(critic, a, x, m, w) - l1(a, x, m).mean() + (a - x).abs().mean()
        ),
        "whole-image",
    ),
    (
        "network_loss",
        lambda critic, a, x, m, w: (
            total(critic, a, x, m, w)
            - l1(a, x, m).mean()
            + ((a - x).abs() * m).sum() / (3 * m.sum())
        ),
        "pooled",
    ),
    ("network_loss", lambda critic, a, x, m, w: 2 * total(critic, a, x, m, w), "wrong"),
    (
        "network_loss",
        lambda critic, a, x, m, w: (
            2 * total(critic, a, x, m, w) - total(critic, a.detach(), x, m, w)
        ),
        "wrong-slope",
    ),
    (
        "energy_score",
        lambda a, b, x, m: inpaint_losses.energy_loss(a, b, x, 1 - m),
        "inverted",
    ),
    (
        "energy_score",
        lambda a, b, x, m: (l1(a, x, m) + l1(b, x, m) - l1(a, b, m) / 2).mean(),
        "sum-of-both",
    ),
    ("energy_score", lambda a, b, x, m: (l1(a, x, m) - l1(a, b, m) / 2).mean(), "one-answer"),
    ("energy_score", lambda a, b, x, m: l1(a, b, m).mean(), "wrong"),
    ("energy_score", lambda a, b, x, m: 3 * inpaint_losses.energy_loss(a, b, x, m), "channels"),
    ("energy_score", lambda a, b, x, m: 2 * inpaint_losses.energy_loss(a, b, x, m), "not-averaged"),
    ("crop_at_hole", lambda x, m, s: models.crop_at_hole(x, m, x.shape[2] // 2), "another-side"),
    (
        "network_loss",
        lambda critic, a, x, m, w: total(critic, a, x, m, w) + 2 * l1(a, x, m).mean(),
        "channels",
    ),
    (
        "network_loss",
        lambda critic, a, x, m, w: (
            l1(a, x, m).mean() + w * F.softplus(critic(x, m) - critic(composite(x, a, m), m)).mean()
        ),
        "inverted",
    ),
    (
        "spread",
        lambda a, m: (
            2
            * torch.stack([(a[i] - a[j]).abs() for i in range(4) for j in range(i)]).sum(
                (0, 2, 3, 4)
            )
            / (12 * a.shape[2] * m.sum((1, 2, 3)))
        ),
        "unmasked",
    ),
    (
        "energy_score",
        lambda a, b, x, m: (
            (((a - x).abs() + (b - x).abs() - (a - b).abs()) * m).sum() / m.sum() / a.shape[1] / 2
        ),
        "pooled",
    ),
    (
        "critic_loss",
        lambda critic, a, x, m: (lambda loss: (loss.backward(), loss)[1])(against(critic, a, x, m)),
        "backward",
    ),
    (
        "decibels_lost",
        lambda r: 10 * ((1 - r.sqrt()) ** 2).log10(),
        "no-best-error",
    ),
    ("crop_at_hole", half_a_pixel, "half-a-pixel"),
    ("crop_at_hole", lambda x, m, s: models.crop_at_hole(x, m, s).permute(0, 2, 3, 1), "shape"),
    ("energy_score", lambda a, b, x, m: l1(a, b, m), "shape"),
    ("spread", lambda a, m: several_answers.spread(a[:2], m), "two"),
    ("spread", lambda a, m: 3 * several_answers.spread(a, m), "channels"),
    ("spread", lambda a, m: 2 * several_answers.spread(a, m), "pairs-twice"),
    (
        "spread",
        lambda a, m: (
            several_answers.spread(a, m) * 0 + (several_answers.spread_map(a) * m).sum() / m.sum()
        ),
        "pooled",
    ),
    (
        "spread",
        lambda a, m: (
            ((a[:, None] - a[None]) ** 2).sum((0, 1)).mean(1, True).div(12).mul(m).sum((1, 2, 3))
            / m.sum((1, 2, 3))
        ),
        "squared",
    ),
    ("spread", lambda a, m: a[0].mean((1, 2, 3)), "wrong"),
    (
        "context_weights",
        lambda m, window: (1 - m) / (1 - m).sum((2, 3), keepdim=True),
        "uniform",
    ),
    ("context_weights", lambda m, window: latent_search.context_weights(m, 3), "window"),
    (
        "context_weights",
        lambda m, window: latent_search.context_weights(m, window) / 3,
        "wrong",
    ),
    ("context_weights", lambda m, window: m[:, 0], "shape"),
    (
        "search_loss",
        lambda g, x, w, z, length: searched(g, x, w, z, 0.0),
        "no-prior",
    ),
    (
        "search_loss",
        lambda g, x, w, z, length: searched(g, x, w, z, 2 * length),
        "not-halved",
    ),
    (
        "search_loss",
        lambda g, x, w, z, length: searched(g, x, w, z, length * z.shape[1]),
        "sum-of-squares",
    ),
    (
        "search_loss",
        lambda g, x, w, z, length: searched(g, x, w, z, 0.0) + length * z.norm(dim=1) / 16,
        "not-squared",
    ),
    (
        "search_loss",
        lambda g, x, w, z, length: searched(g, x, 2 * w, z, length),
        "channels",
    ),
    (
        "search_loss",
        lambda g, x, w, z, length: (
            ((g - x) ** 2).mean(1, True).mul(w).sum((1, 2, 3)) + length * z.square().mean(1) / 2
        ),
        "squared",
    ),
    ("search_loss", lambda g, x, w, z, length: z.sum(1), "wrong"),
]


@pytest.fixture(scope="module")
def taught() -> dict:
    """The names that the lesson defines in its cells tagged `keep`."""
    names = {"torch": torch, "Tensor": torch.Tensor, "nn": nn, "F": F}
    names |= {"dcgan": dcgan, "models": models}
    for cell in jupytext.read(REPOSITORY / "notebooks" / "14_adversarial_inpainting.py").cells:
        if "keep" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


def case(channels: int = 1):
    random = torch.Generator().manual_seed(2)
    images, answers = torch.rand(2, 8, channels, 32, 32, generator=random) * 2 - 1
    return images, answers, masks.draw(list(masks.FAMILIES), 8, 32, 32, random)


def same_weights(taught: nn.Module, kept: nn.Module) -> None:
    """Copy the library's weights in their order: only the names may differ."""
    values = kept.state_dict().values()
    taught.load_state_dict(dict(zip(taught.state_dict(), values, strict=True)))


@pytest.mark.parametrize("side", [8, 16, 32])
def test_the_lessons_crop_is_the_librarys(taught, side):
    images, _, holes = case(3)
    both = [one(images, holes, side) for one in (taught["crop_at_hole"], models.crop_at_hole)]
    assert torch.equal(*both)


def test_the_lessons_critics_are_the_librarys(taught):
    torch.manual_seed(3)
    images, _, holes = case(3)
    one, two = taught["Critics"](3, 32, 4), models.Critics(3, 32, 4)
    same_weights(one, two)
    torch.testing.assert_close(one(images, holes), two(images, holes))


def test_the_lessons_step_is_the_librarys(taught):
    recipe = InpaintRecipe(
        steps=3, batch=8, width=4, critic_width=4, adversarial=0.4, r1=0.0, betas=(0.0, 0.99)
    )
    state = inpainting.InpaintState.create(recipe, torch.device("cpu"))
    network, critics = models.UNet(1, 4), models.Critics(1, 32, 4)
    network.load_state_dict(state.generator.state_dict())
    critics.load_state_dict(state.critics.state_dict())
    adams = [
        torch.optim.Adam(one.parameters(), rate, recipe.betas)
        for one, rate in ((network, recipe.rate), (critics, recipe.critic_rate))
    ]
    images, _, holes = case()
    found = taught["adversarial_step"](network, critics, *adams, images, holes, 0.4)
    kept = inpainting.inpaint_step(state, images, holes, torch.Generator())
    for got, name in zip(found, ("loss", "discriminator", "generator"), strict=True):
        torch.testing.assert_close(got, kept[name])
    for one, two, rate in (
        (network, state.generator, recipe.rate),
        (critics, state.critics, recipe.critic_rate),
    ):
        for left, right in zip(one.parameters(), two.parameters(), strict=True):
            # Adam's first step is the rate times the gradient's sign: near zero the sign is noise.
            assert (left - right).abs().mean() < 0.02 * rate
    assert all(weight.requires_grad for weight in critics.parameters())


@pytest.mark.parametrize("spread", [0.0, 0.4, 1.0])
def test_the_lessons_score_is_the_librarys(taught, spread):
    images, answers, holes = case(3)
    other = answers.flip(0)
    torch.testing.assert_close(
        taught["energy_loss"](answers, other, images, holes, spread),
        inpaint_losses.energy_loss(answers, other, images, holes, spread),
    )


def test_the_lessons_weights_and_search_are_the_librarys(taught):
    images, _, holes = case()
    torch.testing.assert_close(
        taught["context_weights"](holes), latent_search.context_weights(holes)
    )
    torch.manual_seed(4)
    generator = dcgan.Generator(latent=6, width=4).eval().requires_grad_(False)
    settings = latent_search.Settings(steps=4, starts=1, rate=0.05, length=0.01)
    z = torch.randn(8, 6, generator=torch.Generator().manual_seed(5))
    kept = latent_search.search(
        generator, images, holes, torch.Generator().manual_seed(5), settings
    )
    found = taught["search"](generator, images, holes, z, 4, 0.05, 0.01)
    torch.testing.assert_close(found, kept.z, atol=1e-4, rtol=1e-3)


def test_the_lessons_noise_is_the_librarys(taught):
    torch.manual_seed(6)
    network = models.UNet(1, 4)
    both = [
        one(network, 3, torch.Generator().manual_seed(7))
        for one in (taught["with_noise"], several_answers.with_noise)
    ]
    states = [one.state_dict() for one in both]
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())
