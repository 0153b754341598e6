"""The check of lesson 05's exercise 5.5: which parts of a trained network still learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import gaussians


class Scaled(nn.Module):
    """Features with a scale of their own, and whatever stands on them."""

    def __init__(self, features: nn.Module, rest: nn.Module) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.features, self.rest = features, rest

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> logits."""
        return self.rest(self.scale * self.features(images))


def _features() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1)
    )


def _plain() -> tuple[nn.Module, nn.Module]:
    network = nn.Sequential(_features(), nn.Flatten(), nn.Linear(4, 3))
    return network, network[2]


def _nested() -> tuple[nn.Module, nn.Module]:
    """The head has layers of both kinds, and stands deep in a module that is no head."""
    head = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
    rest = nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.Dropout(0.2), head)
    return Scaled(_features(), rest), head


Maker = Callable[[], tuple[nn.Module, nn.Module]]


def freeze(answer: Answer) -> None:
    """Exercise 5.5: flags, modes and the list, in whatever state the network comes."""
    states: tuple[tuple[Maker, Callable[[nn.Module], Any]], ...] = (
        (_plain, lambda network: network.train()),
        (_nested, lambda network: network.train()),
        (_nested, lambda network: network.eval().requires_grad_(False)),
    )
    for seed, (make, prepare) in enumerate(states, start=550):
        with torch.random.fork_rng(devices=[]):  # layers draw their first weights from torch's own
            network, head = make()
        with torch.no_grad():
            for number, one in enumerate([*network.parameters(), *_statistics(network)]):
                one.copy_(1 + 0.1 * gaussians(seed + 10 * number, *one.shape))
        prepare(network)
        _judge_call(answer, network, head)
        network.train()
        _judge_call(answer, network, head)  # as at the beginning of the next epoch
    passed("freeze")


def _statistics(network: nn.Module) -> list[Tensor]:
    return [one for one in network.buffers() if one.is_floating_point()]


def _judge_call(answer: Answer, network: nn.Module, head: nn.Module) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    parts = list(network.modules())
    with torch.random.fork_rng(devices=[]):
        result = asked(answer, network, head)
    if list(network.modules()) != parts or _changed(before, network):
        fail(
            "values-changed",
            "After your call a layer or a number in the network is another one. What was learned "
            "is to stay, and a new head is put in by the caller.",
        )
    inside = {id(one) for one in head.parameters()}
    frozen = [one for one in network.parameters() if id(one) not in inside]
    _judge_flags(frozen, list(head.parameters()))
    _judge_modes(network, head)
    _judge_list(result, frozen, list(head.parameters()))


def _changed(before: dict[str, Tensor], network: nn.Module) -> bool:
    after = network.state_dict()
    return before.keys() != after.keys() or any(
        not torch.equal(value, after[name]) for name, value in before.items()
    )


def _judge_flags(frozen: list[nn.Parameter], trained: list[nn.Parameter]) -> None:
    if not any(one.requires_grad for one in trained):
        fail(
            "head-frozen",
            "After your call no parameter of the head requires a gradient. The head is what is to "
            "learn, also if it came frozen and whatever its name in the network is.",
        )
    if not all(one.requires_grad for one in trained):
        fail("head-frozen", "After your call some parameters of the head require no gradient.")
    if all(one.requires_grad for one in frozen):
        fail(
            "not-frozen",
            "After your call all parameters outside the head still require gradients. `no_grad` "
            "and evaluation mode do not change that. Each parameter has a flag of its own.",
        )
    if any(one.requires_grad for one in frozen):
        fail(
            "part-not-frozen",
            "Some parameters outside the head still require gradients. The head may stand deep in "
            "the network, and a module may have parameters of its own besides its layers.",
        )


def _judge_modes(network: nn.Module, head: nn.Module) -> None:
    inside = set(head.modules())
    layers = [one for one in network.modules() if not list(one.children())]
    outside = [one for one in layers if one not in inside]
    if any(one.training for one in outside if isinstance(one, nn.BatchNorm2d)):
        fail(
            "running-statistics",
            "A batch norm outside the head is in training mode. It normalises with the new "
            "batches, and its running mean and variance drift with each of them. `requires_grad` "
            "does not hold these buffers, for they are no parameters.",
        )
    if any(one.training for one in outside if isinstance(one, nn.Dropout)):
        fail(
            "frozen-dropout",
            "Dropout outside the head is still on. What the frozen layers say about an image then "
            "changes from step to step, although they cannot learn from it.",
        )
    if any(one.training for one in outside):
        fail(
            "frozen-training",
            f"A {next(type(one).__name__ for one in outside if one.training)} outside the head is "
            "in training mode. All layers there are to be in evaluation mode.",
        )
    if not all(one.training for one in layers if one in inside):  # of a container it means nothing
        fail(
            "head-evaluation",
            "The head, or a layer in it, is in evaluation mode. Its dropout is off and its batch "
            "norm learns no statistics, though it is what is trained.",
        )


def _judge_list(result: Any, frozen: list[nn.Parameter], trained: list[nn.Parameter]) -> None:
    if isinstance(result, Iterator):
        fail(
            "type",
            f"A list of parameters is asked for, got a {type(result).__name__}. What `parameters` "
            "returns can be walked through once only: make a list of it.",
        )
    if not isinstance(result, list | tuple):
        fail("type", f"A list of parameters is asked for, got {described(result)}.")
    if not all(isinstance(one, Tensor) for one in result):
        fail("type", f"A list of parameters is asked for, got {described(result)}.")
    ids = [id(one) for one in result]
    known = {id(one) for one in trained}
    if not known.isdisjoint(ids) and not {id(one) for one in frozen}.isdisjoint(ids):
        fail(
            "all-parameters",
            "Your list holds frozen parameters too. Whoever reads it takes them for learning, and "
            "an optimiser with weight decay shrinks each one that has an old gradient.",
        )
    if not {id(one) for one in frozen}.isdisjoint(ids):
        fail("frozen-returned", "Your list holds the frozen parameters. The head's are asked for.")
    if not known.issuperset(ids):
        fail(
            "copies",
            "Your list holds tensors that are not the head's own parameters. An optimiser changes "
            "what it is given, and a copy is not what the network computes with.",
        )
    if known != set(ids):
        fail("missing", "Your list lacks parameters of the head. They would never change.")
    if len(ids) != len(known):
        fail("repeated", "Your list holds a parameter twice. An optimiser would step twice.")
