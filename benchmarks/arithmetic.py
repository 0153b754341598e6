"""How much arithmetic a training step needs, and how much of it this machine can do in a second.

Convolutions and products of matrices are counted: everything else is less than a hundredth of the
multiplications. A multiply-add is one multiplication with its addition. Padded and cropped
positions are multiplied like any other, as in lesson 02.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode

from course_lib import data, training
from course_lib.recipes import Recipe

SIZES = (512, 1024, 2048)  # of the square matrices that find the machine's peak
TRIALS = 3  # products of each size; the fastest counts
PLAYERS = ("discriminator", "generator")
KINDS = ("forward", "backward_to_data", "backward_to_weights")


class ProductCounter(TorchDispatchMode):
    """Counts the multiply-adds inside a `with` block, gradients included.

    torch.utils.flop_counter does the same, but fails on the gradient of a gradient of the R1
    penalty and does not tell the two directions of the backward pass apart.

    Attributes:
        player: who learns at present; the counts go to this name.
        counts: multiply-adds by player and kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self.player = PLAYERS[0]
        self.counts = {player: dict.fromkeys(KINDS, 0) for player in PLAYERS}
        self._matrices: set[torch.Size] = set()  # shapes of weights that inputs are multiplied by

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: Mapping | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket is torch.ops.aten.convolution:
            image, weight, transposed = args[0], args[1], args[6]
            self._count("forward", multiply_adds(image, weight, result, transposed))
        elif function.overloadpacket is torch.ops.aten.convolution_backward:
            gradient, image, weight, transposed, wanted = *args[:3], args[7], args[10]
            cost = multiply_adds(image, weight, gradient, transposed)
            for kind, needed in zip(KINDS[1:], wanted[:2], strict=True):
                self._count(kind, cost if needed else 0)
        elif function.overloadpacket is torch.ops.aten.mm:
            left, right = args
            if torch.is_grad_enabled():
                kind = "forward"
                self._matrices.add(right.shape)
            else:  # autograd switches gradients off while it goes back
                to_weights = result.shape in self._matrices
                kind = "backward_to_weights" if to_weights else "backward_to_data"
            self._count(kind, left.numel() * right.shape[1])
        return result

    def _count(self, kind: str, cost: int) -> None:
        self.counts[self.player][kind] += cost

    def total(self) -> int:
        """All multiply-adds so far."""
        return sum(sum(kinds.values()) for kinds in self.counts.values())


def multiply_adds(image: Tensor, weight: Tensor, output: Tensor, transposed: bool) -> int:
    """Multiply-adds of a convolution, and of each of its two gradients: they need as many.

    Args:
        image: input (B, C_in, H, W).
        weight: (C_out, C_in / groups, K, K), or (C_in, C_out / groups, K, K) if transposed.
        output: (B, C_out, H', W').
        transposed: whether the kernel is laid at each input position, not at each output position.
    """
    positions = (image if transposed else output).shape[2:].numel()
    return len(image) * positions * weight.numel()


def _learns(optimiser: torch.optim.Optimizer, network: nn.Module) -> bool:
    own = {id(parameter) for parameter in network.parameters()}
    groups = optimiser.param_groups
    return any(id(parameter) in own for group in groups for parameter in group["params"])


def of_a_step(recipe: Recipe, images: data.ImageSet, device: torch.device) -> dict[str, Any]:
    """The multiply-adds of one training step, as real steps are counted.

    Returns:
        For "discriminator" and "generator", the players whose step it is: the counts by kind, in a
        step without a penalty. "penalty": what R1 adds, divided over the steps between two.
        "step": the sum.
    """
    state = training.GanState.create(recipe, device)
    steps = training.train_gan(state, images, every=1)
    counters = []
    for _ in range(2):  # step 0 has the penalty, step 1 has none
        counter = ProductCounter()

        def passed_on(optimiser: Any, *_: Any, counter: ProductCounter = counter) -> None:
            # After the discriminator's step comes the generator's.
            counter.player = PLAYERS[not _learns(optimiser, state.generator)]

        hook = register_optimizer_step_post_hook(passed_on)
        try:
            with counter:
                next(steps)
        finally:
            hook.remove()
        counters.append(counter)
    plain = counters[1]
    penalty = round((counters[0].total() - plain.total()) / recipe.r1_every)
    return {**plain.counts, "penalty": penalty, "step": plain.total() + penalty}


def peak(dtype: torch.dtype, device: torch.device) -> float:
    """Multiply-adds a second, in units of 10^9, of the fastest product of two square matrices."""
    best = 0.0
    for size in SIZES:
        first, second = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        for _ in range(TRIALS + 1):  # the first product pays for set-up, and is never the fastest
            start = time.perf_counter()
            first @ second
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            best = max(best, size**3 / (time.perf_counter() - start) / 1e9)
    return best
