"""Checks of the two networks in lesson 09's code clinic: each fault has its own hint."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.lesson09_probes import ask, cause_of, own_randomness, tensor_of

SIDE, PIXELS, FIRST = 28, 28 * 28, (128, 7, 7)
SQUASHING = {"tanh", "tanh_", "sigmoid", "sigmoid_"}
BATCH = 4


class _Trace(TorchFunctionMode):
    """Notes the name and the result's shape of every torch function that a network calls."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str, tuple[int, ...]]] = []

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.steps.append((getattr(func, "__name__", ""), tuple(result.shape)))
        return result

    def heights(self) -> list[int]:
        """Heights of the feature maps in order, repetitions left out."""
        return [height for height, _ in groupby(s[2] for _, s in self.steps if len(s) == 4)]


def _built(answer: Any, name: str, *arguments: Any) -> nn.Module:
    if not (isinstance(answer, type) and issubclass(answer, nn.Module)):
        fail("class", f"{name} must be a class derived from nn.Module; the check makes the object.")
    return ask(answer, *arguments)


def _forward(network: nn.Module, inputs: Tensor) -> Any:
    """Run a network, and explain a name that does not exist."""
    try:
        return ask(network, inputs)
    except CheckFailed as refusal:
        cause = cause_of(refusal)
        if not isinstance(cause, NameError):
            raise
        name = cause.name or "a name"
        raise CheckFailed(
            "undefined",
            f"Your network uses `{name}` before anything of that name exists. A network works on "
            "what it is called with: the argument of `forward`.",
        ) from refusal


def ClinicGenerator(answer: Any) -> None:
    """Exercise 9.10a: from (B, Z) to images (B, 1, 28, 28) in [-1, 1]."""
    with own_randomness(990) as random:
        for latent in (64, 10):
            network = _built(answer, "ClinicGenerator", latent)
            z = torch.randn(BATCH, latent, generator=random)
            trace = _Trace()
            try:
                with trace:
                    images = _forward(network, z)
            except CheckFailed as refusal:
                if refusal.hint == "error":
                    _refuse_shrinking(trace, "and then nothing is left for the next kernel")
                raise
            _refuse_shapes(images, trace)
        _refuse_idle_input(network, torch.randn(BATCH, latent, generator=random), z)
        _refuse_affine(network, z)
        images.sum().backward()
        _refuse_unused(network)
        _expect_range(network, z)
    passed("ClinicGenerator")


def _refuse_shrinking(trace: _Trace, end: str) -> None:
    heights = trace.heights()
    if any(later < earlier for earlier, later in pairwise(heights)):
        path = " to ".join(f"{height} × {height}" for height in heights)
        fail(
            "shrinks",
            f"Your feature maps go from {path}, {end}. A convolution with a stride above 1 makes "
            "maps smaller, as a recogniser needs it. A generator has to enlarge them.",
        )


def _refuse_shapes(images: Any, trace: _Trace) -> None:
    if isinstance(images, Tensor) and images.numel() == BATCH:
        fail(
            "score",
            f"Your generator returns one number for each z, of shape {tuple(images.shape)}. That "
            "is a score, the discriminator's business. An image has a value for every pixel.",
        )
    _refuse_shrinking(trace, "where 28 × 28 is wanted")
    tensor_of(images, (BATCH, 1, SIDE, SIDE))
    hidden = [name for name, s in trace.steps if name in SQUASHING and _each(s) != PIXELS]
    if hidden:
        fail(
            "hidden-tanh",
            f"A hidden layer of yours ends in {hidden[0].rstrip('_')}. It squeezes the features "
            "into a narrow range and its slope vanishes at both ends, so little gradient reaches "
            "the first layer. Guideline 4 in section 9.3 names what stands there.",
        )
    if not any(shape[1:] == FIRST for _, shape in trace.steps):
        fail(
            "start",
            "Nowhere in your generator are there 128 maps of 7 × 7, from which the images were to "
            "grow. The first layer makes them from z.",
        )


def _each(shape: tuple[int, ...]) -> int:
    return torch.Size(shape[1:]).numel()


def _refuse_idle_input(network: nn.Module, other: Tensor, z: Tensor) -> None:
    """Refuse a generator that draws its own noise, or makes the same image of every z."""
    network.eval()
    with torch.no_grad():
        once, again, different = network(z), network(z), network(other)
    network.train()
    if not torch.equal(once, again):
        fail(
            "own-noise",
            "The same z gives another image each time. Your generator draws noise of its own "
            "instead of using the z that it is called with, so no image can be made again.",
        )
    if torch.allclose(once, different) or torch.allclose(once[:1], once):
        fail("ignores-input", "Every z gives the same image. Your generator does not look at z.")


def _refuse_affine(network: nn.Module, z: Tensor) -> None:
    """Refuse a generator that is a linear function of z but for a tanh at its end."""
    network.eval()  # batch normalisation is linear then
    with torch.no_grad():
        up, middle, down = (
            network(factor * z).double().clamp(-0.999, 0.999).atanh() for factor in (1, 0, -1)
        )
    network.train()
    if (up + down - 2 * middle).abs().max() <= 1e-3 * (up - down).abs().max():
        fail(
            "linear",
            "Between your layers stands no ReLU. Several linear layers are one: but for the last "
            "tanh, your image is a sum of fixed pictures, weighted by the numbers in z.",
        )


def _refuse_unused(network: nn.Module) -> None:
    idle = [name for name, value in network.named_parameters() if value.grad is None]
    if idle:
        fail(
            "unused",
            f"No gradient reaches `{idle[0]}`. That layer is built and its result is not used, or "
            "the graph is cut behind it: follow each variable from one line to the next.",
        )


def _expect_range(network: nn.Module, z: Tensor) -> None:
    """Blow the weights up: what comes out then fills the range that the network can reach."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(30)
        images = network(z)
    low, high = float(images.min()), float(images.max())
    if not (low >= -1.0001 and high <= 1.0001):
        fail(
            "unbounded",
            "With large weights your images leave [-1, 1]: nothing bounds the last layer. Pixels "
            "have a darkest and a brightest value, and so should the output.",
        )
    if low >= 0:
        fail(
            "zero-one",
            "Your images never fall below 0, while the data lie in [-1, 1]. Black is -1 there, so "
            "the discriminator tells your images by their background alone.",
        )
    if low > -0.9 or high < 0.9:
        fail(
            "narrow",
            f"Even with large weights your images only reach from {low:.1f} to {high:.1f}. Black "
            "is -1 and white is 1.",
        )


def ClinicDiscriminator(answer: Any) -> None:
    """Exercise 9.10b: one logit for each image, for images of any shape given at the start."""
    with own_randomness(991) as random:
        network = _built(answer, "ClinicDiscriminator", (1, SIDE, SIDE))
        images = _random_images(random, (1, SIDE, SIDE)).requires_grad_()
        scores = _forward(network, images)
        _refuse_scores(scores, images)
        _refuse_deaf(network, images.detach(), _random_images(random, (1, SIDE, SIDE)))
        _refuse_cut(scores, images)
        scores.sum().backward()
        _refuse_unused(network)
        _refuse_probabilities(network, images.detach(), random)
        shape = (3, 32, 20)
        try:
            other = ask(_built(answer, "ClinicDiscriminator", shape), _random_images(random, shape))
            fits = isinstance(other, Tensor) and tuple(other.shape) == (BATCH,)
        except CheckFailed:
            fits = False
    if not fits:
        fail(
            "size-ignored",
            f"Made for images of shape {shape}, your discriminator does not give them (B,) logits. "
            "It takes `shape` and does not use all of it: channels, height and width.",
        )
    passed("ClinicDiscriminator")


def _random_images(random: torch.Generator, shape: tuple[int, int, int]) -> Tensor:
    return 2 * torch.rand(BATCH, *shape, generator=random) - 1


def _refuse_scores(scores: Any, images: Tensor) -> None:
    if isinstance(scores, Tensor) and scores.shape == images.shape:
        fail(
            "onto-itself",
            "Your discriminator returns images: it is a model of x onto itself. What was computed "
            "from x is lost, and so is every judgement. Return the score.",
        )
    if isinstance(scores, Tensor) and tuple(scores.shape) == (BATCH, 1):
        fail(
            "column",
            f"Your logits have shape ({BATCH}, 1) and ({BATCH},) was asked. Subtract a ({BATCH},) "
            f"from a column and you get a {BATCH} × {BATCH} table without any error.",
        )
    tensor_of(scores, (BATCH,))


def _refuse_deaf(network: nn.Module, images: Tensor, others: Tensor) -> None:
    network.eval()
    with torch.no_grad():
        scores, different = network(images), network(others)
    network.train()
    if torch.allclose(scores, different) or torch.allclose(scores[:1], scores):
        fail(
            "ignores-input",
            "Your scores do not depend on the images. The network works on something else than "
            "the argument of `forward`, and the generator could learn nothing from it.",
        )


def _refuse_cut(scores: Tensor, images: Tensor) -> None:
    (slope,) = (
        torch.autograd.grad(scores.sum(), images, retain_graph=True, allow_unused=True)
        if scores.requires_grad
        else (None,)
    )
    if slope is None or not slope.abs().sum() > 0:
        fail(
            "no-gradient",
            "No gradient leads from your scores back to the images. The generator learns through "
            "exactly that gradient.",
        )


def _refuse_probabilities(network: nn.Module, images: Tensor, random: torch.Generator) -> None:
    """Give the network large random weights: logits then spread far, probabilities cannot."""
    scores = []
    with torch.no_grad():
        for _ in range(8):
            for parameter in network.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=random))
            scores.append(network(images))
    low, high = float(torch.cat(scores).min()), float(torch.cat(scores).max())
    if low >= 0 and high <= 1:
        fail(
            "sigmoid",
            "Whatever its weights, your discriminator stays between 0 and 1: it returns "
            "probabilities. The losses take logits, because a sigmoid followed by a logarithm "
            "loses digits where they matter.",
        )
    if low >= 0 or high <= 0:
        fail("one-sided", "Your scores never change sign. A logit is positive for real, else not.")
