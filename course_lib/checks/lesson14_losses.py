"""Checks of the exercises of lesson 14 on the losses of critic and network, and on the score."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson09_probes import ask, close, number_of, refuse_match

WEIGHT = 0.3


class LinearCritic(nn.Module):
    """Logits linear in the pixels and in the mask: (B, C, H, W), (B, 1, H, W) -> (B,)."""

    def __init__(self, random: torch.Generator, numbers: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(numbers, generator=random) / 4)
        self.asked = 0

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Logits; how often it was asked is counted."""
        self.asked += 1
        return torch.cat([images, masks], dim=1).flatten(1) @ self.weight


def _case(seed: int) -> tuple[LinearCritic, Tensor, Tensor, Tensor]:
    """A critic, answers and images (3, 3, 4, 5), masks with holes of 3, 7 and 10 pixels."""
    random = torch.Generator().manual_seed(seed)
    answers, images = torch.rand(2, 3, 3, 4, 5, generator=random) * 2 - 1
    masks = torch.zeros(3, 20)
    for row, count in zip(masks, (3, 7, 10), strict=True):
        row[torch.randperm(20, generator=random)[:count]] = 1
    return LinearCritic(random, 80), answers, images, masks.view(3, 1, 4, 5)


def _pieces(critic: LinearCritic, answers: Tensor, images: Tensor, masks: Tensor) -> dict:
    """Logits of the real images, of the composites, of answers, and of inverted composites."""
    with torch.no_grad():
        found = {
            "real": critic(images, masks),
            "filled": critic(images * (1 - masks) + answers * masks, masks),
            "answer": critic(answers, masks),
            "inverted": critic(answers * (1 - masks) + images * masks, masks),
        }
    return {name: one.double() for name, one in found.items()}


def _pairing(better: Tensor, worse: Tensor) -> Tensor:
    return torch.log1p(torch.exp(worse - better)).mean()


def _called(
    answer: Answer, critic: LinearCritic, answers: Tensor, *rest: object
) -> tuple[Tensor, Tensor | None]:
    """The loss that the answer returns, and the gradient that reaches `answers` (None: none)."""
    held: list[Tensor] = []

    def with_graph(critic: nn.Module, plain: Tensor, *others: object) -> Tensor:
        graph = plain.detach().requires_grad_()
        held.append(graph)
        return answer(critic, graph * 1.0, *others)

    loss = ask(with_graph, critic, answers, *rest)
    number_of(loss, "loss")
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        fail(
            "no-graph",
            "Your loss has no graph, so nothing can be learnt from it. Return the tensor itself, "
            "without item(), float() or no_grad().",
        )
    critic.zero_grad()
    try:
        loss.backward()
    except RuntimeError:
        fail("backward", "Return the loss without calling backward(): the check does that.")
    return loss.detach().double().view(1), held[0].grad


def critic_loss(answer: Answer) -> None:
    """Exercise 14.3, against logits of a linear critic."""
    critic, answers, images, masks = _case(143)
    found, slope = _called(answer, critic, answers, images, masks)
    got = _pieces(critic, answers, images, masks)
    refuse_match(
        found,
        {
            "sees-the-answer": (
                _pairing(got["real"], got["answer"]).view(1),
                "Your critic sees the whole answer. It can then tell it by pixels outside the "
                "hole, which nobody is shown: give it the composite.",
            ),
            "swapped": (
                _pairing(got["filled"], got["real"]).view(1),
                "Your critic learns to score the filled image above the real one. Exchange the "
                "two logits.",
            ),
            "inverted": (
                _pairing(got["real"], got["inverted"]).view(1),
                "Your composite shows the image in its hole and the answer elsewhere. In a mask 1 "
                "means missing.",
            ),
            "separate": (
                torch.nn.functional.softplus(-got["real"]).mean().view(1)
                + torch.nn.functional.softplus(got["filled"]).mean(),
                "This is the loss of lesson 07, each logit on its own. The relativistic one "
                "compares the two logits of a pair.",
            ),
            "sum": (
                3 * _pairing(got["real"], got["filled"]).view(1),
                "You add up the batch. A mean is asked for, so that the step does not grow with "
                "the batch.",
            ),
        },
    )
    if not close(found, _pairing(got["real"], got["filled"]).view(1)):
        fail("wrong", "Asked is the mean of -log sigmoid(real logit - logit of the composite).")
    if slope is not None and bool((slope != 0).any()):
        fail(
            "not-detached",
            "A gradient of the critic's loss reaches the answers. It would teach the network to "
            "be caught: cut the graph before the critic sees the composite.",
        )
    learnt = critic.weight.grad
    composites = images * (1 - masks) + answers * masks
    loss = _pairing(critic(images, masks), critic(composites, masks))
    (expected,) = torch.autograd.grad(loss, critic.weight)
    if learnt is None or not close(learnt, expected):
        fail(
            "half-a-graph",
            "The value is right, and the critic's weights get another gradient: one of the two "
            "logits is cut from the graph. In the critic's step only the answers are detached.",
        )
    passed("critic_loss")


def network_loss(answer: Answer) -> None:
    """Exercise 14.4: the value, and where its gradient goes."""
    critic, answers, images, masks = _case(144)
    found, slope = _called(answer, critic, answers, images, masks, WEIGHT)
    got = _pieces(critic, answers, images, masks)
    gaps, hole, channels = (answers - images).abs().double(), masks.double(), images.shape[1]

    def l1(weights: Tensor) -> Tensor:
        return ((gaps * weights).sum((1, 2, 3)) / (channels * weights.sum((1, 2, 3)))).mean()

    masked, towards = l1(hole), _pairing(got["filled"], got["real"])

    def total(error: Tensor, game: Tensor) -> Tensor:
        return (error + WEIGHT * game).view(1)

    refuse_match(
        found,
        {
            "known-pixels": (
                total(l1(1 - hole), towards),
                "Your L1 is over known pixels. In a mask 1 means missing; the network would learn "
                "to copy what it is given.",
            ),
            "whole-image": (
                total(gaps.mean(), towards),
                "Your L1 is over all pixels. What is answered for known ones is never shown.",
            ),
            "swapped": (
                total(masked, _pairing(got["real"], got["filled"])),
                "This is the critic's loss. The network wants the filled image to score above the "
                "real one.",
            ),
            "sees-the-answer": (
                total(masked, _pairing(got["answer"], got["real"])),
                "Your critic sees the whole answer. Its opinion of known pixels would change what "
                "nobody is shown: give it the composite.",
            ),
            "no-weight": (
                (masked + towards).view(1),
                "Your weight is not used. It decides between a small error and realism.",
            ),
            "no-critic": (masked.view(1), "Your loss has no adversarial term."),
            "pooled": (
                total((gaps * hole).sum() / (channels * hole.sum()), towards),
                "You divide by the missing pixels of the whole batch. Divide for each image by its "
                "own, then average: every image counts alike.",
            ),
            "channels": (
                total(channels * masked, towards),
                "Your L1 is too large by the number of channels. The mask has one channel, so its "
                "sum counts pixels and not numbers.",
            ),
            "inverted": (
                total(masked, _pairing(got["inverted"], got["real"])),
                "Your composite shows the image in its hole and the answer elsewhere. In a mask 1 "
                "means missing.",
            ),
        },
    )
    if not close(found, total(masked, towards)):
        fail("wrong", "Asked is the masked L1 plus weight times -log sigmoid(filled - real).")
    pixels, expected = answers.clone().requires_grad_(), None
    numbers = channels * masks.sum((1, 2, 3))  # missing ones, of each image
    errors = ((pixels - images).abs() * masks).sum((1, 2, 3)) / numbers
    filled = images * (1 - masks) + pixels * masks
    game = torch.nn.functional.softplus(critic(images, masks) - critic(filled, masks)).mean()
    (expected,) = torch.autograd.grad(errors.mean() + WEIGHT * game, pixels)
    errors = ((pixels - images).abs() * masks).sum((1, 2, 3)) / numbers
    (alone,) = torch.autograd.grad(errors.mean(), pixels)
    slope = torch.zeros_like(answers) if slope is None else slope
    if close(slope, alone, 1e-4):
        fail(
            "detached",
            "The critic's opinion does not reach the answers: the graph is cut before it. Only "
            "the critic's own step detaches.",
        )
    if not close(slope, expected, 1e-4):
        fail("wrong-slope", "The value is right, but its gradient in the answers is not.")
    passed("network_loss")


def energy_score(answer: Answer) -> None:
    """Exercise 14.5, against a loop over images in float64."""
    _, first, images, masks = _case(145)
    _, second, _, _ = _case(1450)
    found = torch.tensor([number_of(ask(answer, first, second, images, masks), "score")]).double()
    hole = masks.bool().expand_as(images)

    def apart(one: Tensor, other: Tensor, where: Callable = lambda hole: hole) -> Tensor:
        gaps = (one - other).abs().double()
        return torch.stack([g[where(h)].mean() for g, h in zip(gaps, hole, strict=True)]).mean()

    def score(where: Callable = lambda hole: hole) -> tuple[Tensor, Tensor]:
        truth = (apart(first, images, where) + apart(second, images, where)) / 2
        return truth.view(1), apart(first, second, where).view(1)

    truth, between = score()
    whole, known = score(lambda h: torch.ones_like(h)), score(lambda h: ~h)
    refuse_match(
        found,
        {
            "plus": (
                truth + between / 2,
                "You add the distance of the two answers. It has to be subtracted: the network is "
                "rewarded for answers that differ.",
            ),
            "not-halved": (
                truth - between,
                "You subtract the whole distance of the two answers. With half of it the score is "
                "least for the truth; with all of it answers flee from each other.",
            ),
            "no-spread": (
                truth,
                "Your score does not look at how far the answers are apart. Its best answers are "
                "the same twice, the median.",
            ),
            "whole-image": (
                whole[0] - whole[1] / 2,
                "Your score is over all pixels. What is answered for known ones is never shown.",
            ),
            "inverted": (
                known[0] - known[1] / 2,
                "Your score is over known pixels. In a mask 1 means missing.",
            ),
            "not-averaged": (
                2 * truth - between,
                "Your score is twice too large. Take the mean of both distances from the truth, "
                "and half of the distance between the answers.",
            ),
            "sum-of-both": (
                2 * truth - between / 2,
                "You add the distances of both answers from the truth. Take their mean.",
            ),
            "pooled": (
                (
                    ((first - images).abs() + (second - images).abs() - (first - second).abs())
                    .double()[hole]
                    .mean()
                    / 2
                ).view(1),
                "You divide by the missing pixels of the whole batch. Divide for each image by its "
                "own, then average: every image counts alike.",
            ),
            "channels": (
                images.shape[1] * (truth - between / 2),
                "Your score is too large by the number of channels. The mask has one channel, so "
                "its sum counts pixels and not numbers.",
            ),
            "one-answer": (
                apart(first, images).view(1) - between / 2,
                "Only your first answer is compared with the truth. That is right on average, but "
                "the second one is there to be used.",
            ),
        },
    )
    if not close(found, truth - between / 2):
        fail(
            "wrong", "Asked is the mean distance from the truth less half of that from each other."
        )
    passed("energy_score")
