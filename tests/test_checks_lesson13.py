"""Answers to lesson 13's exercises, and what the lesson writes out does what the library keeps."""

from __future__ import annotations

import jupytext
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib import fills, inpainting, masked_metrics, masks
from course_lib.inpaint_recipes import InpaintRecipe
from course_lib.models import hole_convolutions
from course_lib.models import inpainting as models
from course_lib.sources import REPOSITORY


def partial(x, known, weight, bias):
    layer = hole_convolutions.PartialConv2d(x.shape[1], len(weight), 3)
    layer.convolution.weight, layer.bias = nn.Parameter(weight), nn.Parameter(bias[:, None, None])
    return layer(x, known)


def replicated(state, m):
    around = F.pad(state, (1, 1, 1, 1), mode="replicate")
    total = around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
    return torch.where(m > 0, (total + around[..., 1:-1, 2:] + around[..., 1:-1, :-2]) / 4, state)


def diffused(state, m):
    """Neighbour by neighbour, each shifted over the image and counted."""
    total, count = torch.zeros_like(state), torch.zeros_like(state)
    for here, there in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        total[:, :, here] += state[:, :, there]
        total[..., here] += state[..., there]
        count[:, :, here] += 1
        count[..., here] += 1
    return torch.where(m > 0, total / count, state)


def in_place(state, m):
    after, (height, width) = state.clone(), state.shape[2:]
    for r in range(height):
        for c in range(width):
            near = [(r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)]
            near = [after[:, :, i, j] for i, j in near if 0 <= i < height and 0 <= j < width]
            mean = sum(near) / len(near)
            after[:, :, r, c] = torch.where(m[:, :, r, c] > 0, mean, after[:, :, r, c])
    return after


def of_known_neighbours(state, m):
    cross = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 1, 0]]).expand(state.shape[1], 1, 3, 3)
    known = (1 - m).expand_as(state)
    total, count = (
        F.conv2d(values, cross, padding=1, groups=state.shape[1])
        for values in (state * known, known)
    )
    return torch.where(m > 0, total / count.clamp(min=1), state)


def filled(mean, covariance, x, missing):
    h, k = missing > 0, missing == 0
    gap = torch.linalg.solve(covariance[k][:, k], x[k] - mean[k])
    return x.masked_scatter(h, mean[h] + covariance[h][:, k] @ gap)


#: The library's own functions among them: what is taught and what is kept must agree.
RIGHT = {
    "masked_l1": masked_metrics.masked_l1,
    "composite": masks.composite,
    "network_input": lambda x, m: torch.cat([masks.hide(x, m), m], dim=1),
    "diffuse": diffused,
    "conditional_mean": filled,
    "partial_convolution": partial,
}
ALSO_RIGHT = [
    (
        "masked_l1",
        lambda a, x, m: (a - x).abs().mean(1).mul(m[:, 0]).sum((1, 2)) / m.sum((1, 2, 3)),
    ),
    ("composite", lambda a, x, m: a.masked_scatter(m == 0, x[(m == 0).expand_as(x)])),
]
WRONG = [
    ("masked_l1", lambda a, x, m: (a - x).abs().mean(dim=(1, 2, 3)), "not-masked"),
    ("masked_l1", lambda a, x, m: ((a - x).abs() * m).sum(dim=(1, 2, 3)), "sum"),
    (
        "masked_l1",
        lambda a, x, m: ((a - x) ** 2 * m).sum(dim=(1, 2, 3)) / m.sum(dim=(1, 2, 3)) / 3,
        "squared",
    ),
    (
        "masked_l1",
        lambda a, x, m: ((a - x).abs() * m).sum((1, 2, 3)) / (3 * m.sum((1, 2, 3))),
        "three",
    ),
    ("composite", lambda a, x, m: torch.nan_to_num(m * a + (1 - m) * x), "product"),
    ("masked_l1", lambda a, x, m: a.mean(dim=(1, 2, 3)), "wrong"),
    ("masked_l1", lambda a, x, m: (a - x).abs().mean(), "shape"),
    ("composite", lambda a, x, m: x, "unfilled"),
    ("composite", lambda a, x, m: x + a * m, "added"),
    ("composite", lambda a, x, m: torch.where(m > 0, a, x * (1 + 2e-7)), "not-to-the-bit"),
    ("composite", lambda a, x, m: x.copy_(a), "input-changed"),
    ("composite", lambda a, x, m: x / 2, "wrong"),
    ("network_input", lambda x, m: torch.cat([x * (1 - m), m], 1), "product"),
    ("network_input", lambda x, m: torch.cat([x * (1 - m), 1 - m], 1), "known-channel"),
    ("network_input", lambda x, m: torch.cat([m, x * (1 - m)], 1), "mask-first"),
    ("network_input", lambda x, m: torch.cat([x.masked_fill(m > 0, -1), m], 1), "black"),
    ("network_input", lambda x, m: torch.cat([x / 2, m], 1), "wrong"),
    ("diffuse", replicated, "replicate"),
    ("diffuse", lambda state, m: diffused(state, 1 - m), "inverted"),
    ("diffuse", lambda state, m: state + m, "wrong"),
    ("diffuse", in_place, "in-place"),
    ("diffuse", of_known_neighbours, "known-only"),
    ("conditional_mean", lambda mu, s, x, m: x * 0 + mu, "known-changed"),
    ("conditional_mean", lambda mu, s, x, m: filled(mu, s, x, 1 - m), "inverted"),
    (
        "conditional_mean",
        lambda mu, s, x, m: torch.where(m > 0, filled(mu, s, x, m) - mu, x),
        "no-mean",
    ),
    ("conditional_mean", lambda mu, s, x, m: x + m, "wrong"),
    ("partial_convolution", lambda x, k, w, b: F.conv2d(x, w, b, padding=1), "type"),
    ("partial_convolution", lambda x, k, w, b: (partial(x, k, w, b)[0], k), "mask-stale"),
    (
        "partial_convolution",
        lambda x, k, w, b: (partial(x, k, w, b)[0], -F.max_pool2d(-F.pad(k, (1,) * 4), 3, 1)),
        "all-known",
    ),
    ("partial_convolution", lambda x, k, w, b: partial(x, 1 - k, w, b), "inverted"),
    (
        "partial_convolution",
        lambda x, k, w, b: (
            partial(x, k, w, b)[0],
            F.max_pool2d(F.pad(k, (1,) * 4, value=1), 3, 1),
        ),
        "border",
    ),
    (
        "partial_convolution",
        lambda x, k, w, b: (partial(x, k, w, b)[0] * 2, partial(x, k, w, b)[1]),
        "wrong",
    ),
]


def test_the_conditional_mean_is_the_fills():
    """The exercise's formula fills an image as `GaussianFill` does."""
    fill = fills.GaussianFill.__new__(fills.GaussianFill)
    random = torch.Generator().manual_seed(1)
    mixing = torch.randn(16, 16, generator=random, dtype=torch.float64) / 20
    fill.mean = torch.zeros(16, dtype=torch.float64)
    fill.covariance = mixing @ mixing.T + 0.01 * torch.eye(16, dtype=torch.float64)
    image = torch.rand(1, 1, 4, 4, generator=random, dtype=torch.float64) * 0.1
    mask = masks.draw("random box", 1, 4, 4, random).double()

    expected = filled(fill.mean, fill.covariance, image.flatten(), mask.flatten())
    torch.testing.assert_close(fill(image, mask).flatten(), expected)


@pytest.fixture(scope="module")
def taught() -> dict:
    """The names that the lesson defines in its cells tagged `keep`."""
    names = {"torch": torch, "Tensor": torch.Tensor, "nn": nn, "F": F}
    for cell in jupytext.read(REPOSITORY / "notebooks" / "13_inpainting_with_cnns.py").cells:
        if "keep" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


def case(channels: int = 1):
    random = torch.Generator().manual_seed(2)
    images, answers = torch.rand(2, 4, channels, 32, 32, generator=random) * 2 - 1
    return images, answers, masks.draw(["random box", "free form"], 4, 32, 32, random)


def same_weights(taught: nn.Module, kept: nn.Module) -> None:
    """Copy the library's weights in their order: only the names may differ."""
    values = kept.state_dict().values()
    taught.load_state_dict(dict(zip(taught.state_dict(), values, strict=True)))


def test_the_lessons_functions_are_the_librarys(taught):
    images, answers, holes = case(3)
    assert torch.equal(taught["hide"](images, holes), masks.hide(images, holes))
    composites = [one(answers, images, holes) for one in (taught["composite"], masks.composite)]
    assert torch.equal(*composites)
    torch.testing.assert_close(
        taught["masked_l1"](answers, images, holes),
        masked_metrics.masked_l1(answers, images, holes),
    )


@pytest.mark.parametrize("training_mode", [True, False])
def test_the_lessons_u_net_is_the_librarys(taught, training_mode):
    torch.manual_seed(3)
    one, two = taught["UNet"](3, 4), models.UNet(3, 4)
    same_weights(one, two)
    images, _, holes = case(3)
    found = [network.train(training_mode)(images, holes) for network in (one, two)]
    torch.testing.assert_close(*found)


def test_the_lessons_hole_convolutions_are_the_librarys(taught):
    torch.manual_seed(4)
    x, _, holes = case(2)
    for sizes in ((2, 3), (2, 3, 4, 2)):
        one, two = taught["PartialConv2d"](*sizes), hole_convolutions.PartialConv2d(*sizes)
        same_weights(one, two)
        for got, kept in zip(one(x, 1 - holes), two(x, 1 - holes), strict=True):
            torch.testing.assert_close(got, kept)
        one, two = taught["GatedConv2d"](*sizes), hole_convolutions.GatedConv2d(*sizes)
        same_weights(one, two)
        torch.testing.assert_close(one(x), two(x))


def test_the_lessons_training_step_is_the_librarys(taught):
    recipe = InpaintRecipe(steps=3, batch=4, width=4)
    state = inpainting.InpaintState.create(recipe, torch.device("cpu"))
    network = taught["UNet"](1, 4)
    same_weights(network, state.generator)
    images, _, holes = case()
    adam = torch.optim.Adam(network.parameters(), recipe.rate, recipe.betas)
    loss = taught["train_step"](network, adam, images, holes)
    kept = inpainting.inpaint_step(state, images, holes, torch.Generator())
    torch.testing.assert_close(loss, kept["loss"])
    for one, two in zip(network.parameters(), state.generator.parameters(), strict=True):
        # Adam's first step is the rate times the gradient's sign: near zero the sign is noise.
        assert (one - two).abs().mean() < 0.02 * recipe.rate
