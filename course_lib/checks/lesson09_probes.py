"""What the checks of lesson 09 share: calling an answer safely, and tiny networks with known
gradients.

Both tiny networks are linear, so that every gradient of the two losses can be written down
(`pull` and `push`) and needs neither autograd nor the library that the checks judge.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks import CheckFailed, fail
from course_lib.checks.answers import Answer, asked, described, tensor_from

RATE = 0.5  # of the optimisers in the checks: the step divided by it is the gradient that was used
OURS = tuple(str(Path(file).parent) for file in (torch.__file__, __file__))


@contextmanager
def own_randomness(seed: int) -> Iterator[torch.Generator]:
    """Seed torch's CPU generator for a with block, put it back afterwards, and yield another."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def ask(answer: Answer, *arguments: Any) -> Any:
    """Call an answer as `asked` does; after an exception, quote the line where it happened too.

    What the answer draws from torch's generator on the CPU shifts no later draw.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            return asked(answer, *arguments)
    except CheckFailed as refusal:
        cause = refusal.__context__
        line = _line_of(cause) if refusal.hint == "error" and cause else ""
        if not line:
            raise
        message = f"{str(refusal).rstrip('.')}. It happened in the line `{line}`."
        raise CheckFailed(refusal.hint, message) from cause


def _line_of(error: BaseException) -> str:
    """The last line of the student's own code that an exception went through, or nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.line for frame in frames if not frame.filename.startswith(OURS)]
    return (own[-1] or "") if own else ""


def cause_of(refusal: CheckFailed) -> BaseException | None:
    """The exception inside an answer that led to its refusal."""
    return refusal.__cause__ or refusal.__context__


def refuse_frozen(*networks: nn.Module) -> None:
    """Refuse an answer after which some weights of a network are frozen."""
    if not all(weight.requires_grad for network in networks for weight in network.parameters()):
        fail(
            "not-restored",
            "After your function some weights no longer require gradients. The next step of their "
            "network will fail, or leave it as it is for ever: put back what you switched off.",
        )


def tensor_of(value: Any, shape: tuple[int, ...]) -> Tensor:
    """Return a floating-point tensor of this shape without its graph, or refuse what came."""
    result = tensor_from(value, shape)
    if not result.is_floating_point():
        fail("type", f"A floating-point tensor is asked for, got {described(result)}.")
    return result.detach()


def number_of(value: Any, what: str) -> float:
    """Return a number or a tensor of one element as a float, or refuse what came instead."""
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value.detach())
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, Tensor):
        fail(
            "shape",
            f"Your {what} has shape {tuple(value.shape)}, and one number was expected. "
            "Take the mean over the batch.",
        )
    fail("type", f"Your {what} must be a number or a tensor of shape (), got {described(value)}.")


def loss_of(value: Any, what: str) -> float:
    """Return a reported loss as a float; refuse one that still carries its graph."""
    number = number_of(value, what)
    if isinstance(value, Tensor) and value.requires_grad:
        fail(
            "graph",
            f"Your {what} still carries its graph. Whoever collects losses for a curve then keeps "
            "the operations of every step in memory. Return the number without it.",
        )
    return number


def close(left: Tensor, right: Tensor, tolerance: float = 1e-3) -> bool:
    """Whether two tensors differ by less than a part `tolerance` of the second's length."""
    left, right = left.double(), right.double()
    return bool((left - right).norm() <= tolerance * right.norm() + 1e-6)


def refuse_match(measured: Tensor, candidates: Mapping[str, tuple[Tensor, str]]) -> None:
    """Refuse an answer whose result is that of a known misconception: hint -> (result, message)."""
    for hint, (result, message) in candidates.items():
        if close(measured, result):
            fail(hint, message)


class TinyGenerator(nn.Module):
    """Images linear in z: (B, 3) -> (B, 1, side, side). The diary gets each z and its images."""

    def __init__(self, random: torch.Generator, diary: list, side: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, side * side, generator=random) / 2)
        self.side, self.diary = side, diary

    def forward(self, z: Tensor) -> Tensor:
        """Images of latent vectors."""
        images = (z @ self.weight).view(len(z), 1, self.side, self.side)
        self.diary.append(("generator", z.detach().clone(), False))
        self.diary.append(("images", images.detach().clone(), False))
        return images

    def images(self, z: Tensor) -> Tensor:
        """The images of z as they are now, with no entry in the diary."""
        return (z @ self.weight.detach()).view(len(z), 1, self.side, self.side)


class TinyDiscriminator(nn.Module):
    """Logits linear in the pixels: (B, 1, side, side) -> (B,). Each call goes to the diary."""

    def __init__(self, random: torch.Generator, diary: list, side: int = 2) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(side * side, generator=random) / side)
        self.bias = nn.Parameter(torch.randn(1, generator=random) / 2)
        self.diary = diary

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images."""
        if not images.is_floating_point():
            fail(
                "unscaled",
                f"The discriminator received {images.dtype}. Bytes become numbers in [-1, 1] "
                "before a network sees them.",
            )
        self.diary.append(("discriminator", images.detach().clone(), images.requires_grad))
        return images.flatten(1) @ self.weight + self.bias

    def flat(self) -> Tensor:
        """Weight and bias as one vector, float64, a copy."""
        return torch.cat([self.weight, self.bias]).detach().double().clone()


class RecordingSGD(torch.optim.SGD):
    """Plain gradient descent: unlike Adam's, its step shows the gradient's size.

    Each step goes to the diary, with a copy of the gradient that `watched` had at that time.
    """

    def __init__(self, network: nn.Module, diary: list, name: str, watched: nn.Parameter) -> None:
        super().__init__(network.parameters(), lr=RATE)
        self.diary, self.name, self.watched = diary, name, watched

    def step(self, closure: Callable | None = None) -> Any:
        """One step, noted in the diary."""
        grad = self.watched.grad
        self.diary.append((self.name, None if grad is None else grad.clone(), False))
        return super().step(closure)


def leave_gradients(network: nn.Module, random: torch.Generator) -> Tensor:
    """Give every parameter a random gradient, as an earlier step leaves it; return them flat."""
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=random)
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()]).double()


def logits_of(theta: Tensor, images: Tensor) -> Tensor:
    """Logits of the tiny discriminator with weight and bias `theta`: float64, (B,)."""
    return images.flatten(1).double() @ theta[:-1] + theta[-1]


def pull(theta: Tensor, images: Tensor, label: float) -> Tensor:
    """Gradient in `theta` of the mean logarithmic loss of images called `label`, 1 for real.

    For -log D and for -log(1 - D) alike the slope in the logit is D - label.
    """
    slope = torch.sigmoid(logits_of(theta, images)) - label  # (B,)
    pixels = torch.cat([images.flatten(1).double(), torch.ones(len(images), 1)], dim=1)
    return (slope[:, None] * pixels).mean(dim=0)


def push(theta: Tensor, images: Tensor, z: Tensor, *, saturating: bool = False) -> Tensor:
    """Gradient in the tiny generator's weight of its loss, (3, side * side), float64."""
    score = torch.sigmoid(logits_of(theta, images))  # (B,)
    slope = -score if saturating else score - 1
    return z.double().T @ (slope[:, None] * theta[:-1]) / len(z)
