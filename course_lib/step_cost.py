"""What a training step costs: its multiply-adds, counted, and its seconds, compared (lesson 11).

Convolutions and products of matrices are counted; everything else is left out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn


@torch.no_grad()
def multiply_adds(network: nn.Module, inputs: Tensor) -> list[int]:
    """Multiply-adds of each convolution in one forward pass, in the order of the layers.

    A convolution multiplies its whole kernel at each output position, a transposed one at each
    input position; positions that padding adds or a crop removes count like any other.

    Args:
        network: convolutions, transposed or not; put back into the mode it was found in.
        inputs: what it takes, (B, ...).

    Source: lesson 11, equation (11.12).
    """
    counts: list[int] = []

    def count(layer: nn.Module, given: tuple[Tensor], result: Tensor) -> None:
        positions = (given[0] if isinstance(layer, nn.ConvTranspose2d) else result).shape[2:]
        counts.append(len(result) * positions.numel() * layer.weight.numel())

    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, kinds)]
    mode = network.training
    try:
        network.eval()(inputs)
    finally:
        network.train(mode)
        for hook in hooks:
            hook.remove()
    return counts


def step_multiply_adds(generator: nn.Module, discriminator: nn.Module, z: Tensor) -> dict[str, int]:
    """Multiply-adds of one training step without a penalty, by the line that does them.

    Args:
        generator, discriminator: convolutional, the first layer first.
        z: latent vectors of a batch, (B, Z).

    Returns:
        By line: "generate", "judge real", "judge fake", "discriminator backward", "judge again",
        "generator backward". Their sum is equation (11.13).

    Source: lesson 11, equation (11.13).
    """
    made = multiply_adds(generator, z)
    with torch.no_grad():
        mode = generator.training
        images = generator.eval()(z)
        generator.train(mode)
    judged = multiply_adds(discriminator, images)
    whole_g, whole_d = sum(made), sum(judged)
    return {
        "generate": whole_g,
        "judge real": whole_d,
        "judge fake": whole_d,
        "discriminator backward": 2 * (2 * whole_d - judged[0]),
        "judge again": whole_d,
        "generator backward": whole_d + 2 * whole_g - made[0],
    }


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was given; a CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def interleaved_seconds(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each way to do the same, measured in turn; the first call of each is not counted.

    Each round begins with another way, so that none profits from its place, and a disturbance of
    the machine meets all of them.

    Args:
        ways: each does the work once, to its end (on a GPU: `finish`).
        rounds: at least 1.
        clock: seconds, for tests.

    Returns:
        For each way, a time for each round, in the order of the rounds: ratios can be taken
        round by round.

    Raises:
        ValueError: for no rounds.
    """
    if rounds < 1:
        raise ValueError(f"expected at least 1 round, got {rounds}")
    for work in ways.values():
        work()  # pays for set-up
    names, seconds = list(ways), {name: [] for name in ways}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = clock()
            ways[name]()
            seconds[name].append(clock() - start)
    return seconds


def ratios(seconds: Mapping[str, list[float]], reference: str) -> dict[str, float]:
    """Median over the rounds of each way's seconds over the reference's in the same round."""
    return {
        name: statistics.median(
            own / other for own, other in zip(times, seconds[reference], strict=True)
        )
        for name, times in seconds.items()
    }


def peak(dtype: torch.dtype, device: torch.device, size: int = 1024, trials: int = 5) -> float:
    """Multiply-adds a second of the fastest of a few products of two square matrices.

    Args:
        dtype: of the matrices.
        device: where.
        size: rows of the matrices.
        trials: products; one more is made before them.
    """
    one, two = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))

    def work() -> None:
        one @ two
        finish(device)

    return size**3 / min(interleaved_seconds({"product": work}, trials)["product"])
