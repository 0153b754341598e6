"""The checks of lesson 11's exercises 11.3 and 11.4: clipping gradients, and clipping weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import gaussians, same

RATE = 0.5


class _Case:
    """A linear network with known gradients, and gradients left from an earlier step."""

    def __init__(self, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            self.network = nn.Linear(3, 2).double()
        x, y = gaussians(seed, 6, 3), gaussians(seed + 1, 6, 2)
        with torch.no_grad():
            self.network.weight.copy_(gaussians(seed + 2, 2, 3))
            self.network.bias.copy_(gaussians(seed + 3, 2))
        self.loss = (self.network(x) - y).square().sum(1).mean()
        error = (x @ self.network.weight.T + self.network.bias - y).detach()
        self.true = [2 * error.T @ x / len(x), 2 * error.mean(0)]  # of weight and bias
        self.old = [gaussians(seed + 4, 2, 3), gaussians(seed + 5, 2)]
        for parameter, left in zip(self.network.parameters(), self.old, strict=True):
            parameter.grad = left.clone()
        self.before = [one.detach().clone() for one in self.network.parameters()]
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=RATE)

    def used(self) -> Tensor:
        """The gradient that the step went along, as one vector."""
        moved = [
            (old - new.detach()) / RATE
            for old, new in zip(self.before, self.network.parameters(), strict=True)
        ]
        return _flat(moved)


def _flat(parts: list[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])


def _shortened(parts: list[Tensor], limit: float) -> Tensor:
    vector = _flat(parts)
    return vector * min(1.0, limit / float(vector.norm()))


def clipped_step(answer: Answer) -> None:
    """Exercise 11.3, with a gradient longer than the limit, and with a shorter one."""
    for seed, part in ((1110, 0.2), (1120, 2.0)):
        case = _Case(seed)
        length = float(_flat(case.true).norm())
        limit = part * length
        result = asked(answer, case.network, case.loss, case.optimiser, limit)
        _judge_step(case, limit, length)
        if not isinstance(result, float | int | Tensor) or isinstance(result, bool):
            fail("type", f"The norm is asked for as a number, got {described(result)}.")
        if isinstance(result, Tensor) and result.numel() != 1:
            fail("type", f"The norm is asked for as a number, got {described(result)}.")
        if abs(float(result) - length) > 1e-5 * length:
            fail(
                "returned",
                "The step is right, and the number returned is not the norm before clipping. That "
                "one shows whether the limit is ever reached.",
            )
    passed("clipped_step")


def _judge_step(case: _Case, limit: float, length: float) -> None:
    got, true = case.used(), _flat(case.true)
    if same(got, _shortened(case.true, limit)):
        return
    if not got.any():
        fail(
            "no-step",
            "The weights are as they were: no step was made, or the gradient had been cleared "
            "before it.",
        )
    if length > limit and same(got, true):
        fail(
            "unclipped",
            "The step went along the whole gradient. Clipping belongs between `backward`, which "
            "makes the gradient, and `step`, which uses it.",
        )
    both = [new + old for new, old in zip(case.true, case.old, strict=True)]
    before = [  # clipped first, then added to by backward
        new + old * min(1.0, limit / float(_flat(case.old).norm()))
        for new, old in zip(case.true, case.old, strict=True)
    ]
    if any(same(got, one) for one in (_flat(both), _shortened(both, limit), _flat(before))):
        fail(
            "not-zeroed",
            "The gradients of an earlier step are still in your step. `backward` adds to what is "
            "there.",
        )
    if same(got, _flat([_shortened([one], limit) for one in case.true])):
        fail(
            "per-tensor",
            "You clip the gradient of each tensor on its own. That turns the direction of the "
            "step; one common factor for all keeps it.",
        )
    if same(got, true.clamp(-limit, limit)):
        fail(
            "per-value",
            "You cut each number of the gradient to the limit. The norm of all of them together "
            "is what has to be bounded.",
        )
    if same(got, true * limit / length):
        fail(
            "lengthened",
            "Your step always has the length of the limit. A gradient that is shorter stays as it "
            "is.",
        )
    fail("wrong", "Your step did not go along the clipped gradient of this loss.")


def clip_weights(answer: Answer) -> None:
    """Exercise 11.4, on a network with buffers."""
    limit = 0.3
    with torch.random.fork_rng(devices=[]):
        network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    named = [*network.named_parameters(), *network.named_buffers()]
    with torch.no_grad():
        for number, (_, value) in enumerate(named):
            if value.is_floating_point():
                value.copy_(gaussians(1130 + number, *value.shape))
        network[1].num_batches_tracked.fill_(7)
    before = {name: value.detach().clone() for name, value in named}
    objects = dict(network.named_parameters())
    try:
        asked(answer, network, limit)
    except CheckFailed as refusal:
        if refusal.hint == "error" and "leaf" in str(refusal):
            fail(
                "no-grad",
                "torch refuses to change a weight in place while it records operations. The cut "
                "is no part of the function that is learned: record nothing.",
            )
        raise
    if any(objects[name] is not one for name, one in network.named_parameters()):
        fail(
            "rebound",
            "The network has other parameter objects than before. Its optimiser still holds the "
            "old ones and would go on changing those.",
        )
    after = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    weights = {name: after[name].detach() for name in objects}
    if all(torch.equal(weights[name], before[name]) for name in weights):
        fail(
            "unchanged",
            "No weight has changed. A new tensor with the same name in your function is not the "
            "network's.",
        )
    for name, got in weights.items():
        old = before[name]
        if same(got.double(), old.double().clamp(-limit, limit)):
            continue
        if torch.equal(got, old):
            fail("some", f"The weights {name} were left as they were. Every parameter counts.")
        if same(got.double(), old.double().clamp(max=limit)):
            fail(
                "one-sided", "You cut weights above the limit only, and left those far below zero."
            )
        if float(got.norm()) <= limit * 1.001 and same(
            got.double() / got.norm(), old.double() / old.norm()
        ):
            fail(
                "rescaled",
                "You scale all weights of a tensor until its norm is the limit. Asked is that each "
                "single number lies between -limit and limit.",
            )
        fail("wrong", f"The weights {name} are not the old ones cut to [-0.3, 0.3].")
    for name, value in network.named_buffers():
        if not torch.equal(value, before[name]):
            fail(
                "buffers",
                f"You cut {name} too. It is a measured statistic, no weight: a variance of 2 must "
                "stay 2.",
            )
    passed("clip_weights")
