"""The check of lesson 04's exercise 4.7: which pixels move a logit, with nothing else moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, generator
from course_lib.checks.tensors import Misconception, gaussians, judge, real_tensor

CLASSES = 5


def _network(seed: int, channels: int, training: bool) -> nn.Module:
    """A small network in float64 with batch norm and dropout, whose modes differ in all they do."""
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from torch's own
        network = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Tanh(),
            nn.Dropout(0.5),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, CLASSES),
        ).double()
    with torch.no_grad():
        for number, parameter in enumerate(network.parameters()):
            parameter.copy_(gaussians(seed + 10 * number, *parameter.shape))
        network[1].running_mean.copy_(gaussians(seed + 1, 4))
        network[1].running_var.copy_(
            0.5 + torch.rand(4, dtype=torch.float64, generator=generator(seed + 2))
        )
    for parameter in list(network.parameters())[1:]:  # the first has no gradient yet
        parameter.grad = torch.full_like(parameter, 0.25)
    return network.train(training)


class Probe:
    """A network with its traces: what it was like before, and in which modes it was called."""

    def __init__(self, seed: int, channels: int, training: bool) -> None:
        self.network = _network(seed, channels, training)
        self.was_training = training
        self.modes: list[bool] = []
        self.images: Tensor | None = None  # those that the answer got
        for part in (self.network, self.network[1], self.network[3]):
            part.register_forward_pre_hook(lambda module, _: self.modes.append(module.training))

    def call(self, answer: Answer, images: Tensor, classes: Tensor) -> Tensor:
        """Ask the answer, and look at all that it was not to touch."""

        def remembered(images: Tensor, classes: Tensor) -> Tensor:
            self.images = images
            return answer(self.network, images, classes)

        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(47)  # dropout draws if it is left on
            result = asked(remembered, images, classes)
        self._refuse_wrong_mode()
        self._refuse_traces()
        return result

    def _refuse_wrong_mode(self) -> None:
        if not self.modes:
            fail("not-called", "You never call the network. The gradient comes from its logits.")
        if any(self.modes):
            fail(
                "training-mode",
                "The network is in training mode when you call it. Batch norm then mixes the "
                "images, dropout makes the result random, and the running buffers move.",
            )
        if any(part.training != self.was_training for part in self.network.modules()):
            before, after = ("training", "evaluation")[:: 1 if self.was_training else -1]
            fail(
                "mode-not-restored",
                f"The network came in {before} mode and you leave it in {after} mode. Whoever asks "
                "for a picture in the middle of a training does not expect that. Remember "
                "`network.training` first.",
            )

    def _refuse_traces(self) -> None:
        parameters = list(self.network.parameters())
        if not all(one.requires_grad for one in parameters):
            fail(
                "frozen",
                "After your call some parameters take no gradients any more. The next step of a "
                "training would leave them as they are.",
            )
        kept = all(
            one.grad is not None and torch.equal(one.grad, torch.full_like(one, 0.25))
            for one in parameters[1:]
        )
        if parameters[0].grad is not None or not kept:
            fail(
                "parameter-grads",
                "Your call changes the `.grad` of the parameters. The next step of a training "
                "would use these gradients as its own. Ask for the gradient of the pixels alone.",
            )
        if self.images is not None and (self.images.requires_grad or self.images.grad is not None):
            fail(
                "input-marked",
                "After your call the caller's images require gradients. All that is computed from "
                "them later keeps its graph in memory. Mark a copy.",
            )


def saliency(answer: Answer) -> None:
    """Exercise 4.7, against the gradients of images that are looked at one by one."""
    if not callable(answer):
        fail("type", f"A function is asked for, got {described(answer)}.")
    for seed, batch, channels, training in ((470, 4, 3, True), (471, 3, 1, False), (472, 1, 2, 1)):
        probe = Probe(seed, channels, bool(training))
        images = gaussians(seed + 200, batch, channels, 6, 5)
        classes = torch.randint(CLASSES, (batch,), generator=generator(seed))
        result = probe.call(answer, images, classes)
        real_tensor(result)
        if result.requires_grad:
            fail(
                "attached",
                "Your result still hangs on the graph. It is a picture, and no plotting library "
                "takes it so.",
            )
        network = _network(seed, channels, training=False)
        each = [_one_by_one(network, *pair) for pair in zip(images, classes, strict=True)]
        wanted = torch.stack(each).abs().amax(1)
        wrong = _saliency_misconceptions(network, images, classes, wanted)
        judge(
            result, wanted, wrong, f"For {batch} images with {channels} channels a pixel is wrong"
        )
    passed("saliency")


def _one_by_one(network: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    return _slopes(lambda alone: network(alone[None])[0, label], image)


def _slopes(of: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The gradient of a scalar function of the images."""
    images = images.clone().requires_grad_()
    return torch.autograd.grad(of(images), images)[0]


def _saliency_misconceptions(
    network: nn.Module, images: Tensor, classes: Tensor, right: Tensor
) -> Iterator[Misconception]:
    places = torch.arange(len(images))
    signed = _slopes(lambda x: network(x)[places, classes].sum(), images)
    for one in (signed.amax(1), signed.amax(1).abs(), signed.amax(1).relu()):
        yield (
            "signed",
            one,
            "You take the maximum of the gradients with their signs. A pixel whose brightening "
            "lowers the logit matters as much as one that raises it.",
        )
    size = signed.abs()
    for one in (size.sum(1), size.mean(1), signed.norm(dim=1)):
        yield (
            "channels",
            one,
            "You put the sizes of all channels together. The largest absolute value is asked for: "
            "that of the channel that matters most.",
        )
    for one in (signed.sum(1).abs(), signed.mean(1)):
        yield (
            "channels",
            one,
            "You add up or average the gradients over the channels. The largest absolute value is "
            "asked for: in a sum, channels of opposite signs cancel.",
        )
    for one in (size, size.amax(1, keepdim=True), signed):
        yield (
            "channels-kept",
            one,
            "Your result still has an axis of channels. One number for each pixel is asked for, "
            "the largest over its channels.",
        )
    others: tuple[tuple[str, Callable[[Tensor], Tensor], str], ...] = (
        (
            "probability",
            lambda x: x.softmax(1)[places, classes].sum(),
            "You take the gradient of the probability. It also grows where other classes become "
            "less likely, and vanishes where the network is sure. The logit's does not.",
        ),
        (
            "loss",
            lambda x: F.cross_entropy(x, classes, reduction="sum"),
            "You take the gradient of the loss, or of a log-probability. All logits enter it, and "
            "it vanishes where the network is sure and right.",
        ),
        (
            "loss",
            lambda x: F.cross_entropy(x, classes),
            "You take the gradient of the loss, and of a mean besides. All logits enter it, and it "
            "vanishes where the network is sure and right.",
        ),
        (
            "all-logits",
            lambda x: x.sum(),
            "You add up the logits of all classes. The map is to say what speaks for one class, so "
            "only its logit counts.",
        ),
        (
            "all-pairs",
            lambda x: x[:, classes].sum(),
            "Each of your images answers for the classes of all images. `logits[:, classes]` has "
            "shape (B, B): every row with every class. Each row is to meet its own class.",
        ),
        (
            "predicted",
            lambda x: x.amax(1).sum(),
            "You take the gradient of the largest logit. Which class is meant is given in "
            "`classes`, and the question may well be about another one.",
        ),
        (
            "batch-mean",
            lambda x: x[places, classes].mean(),
            "You take the mean over the batch, so your numbers depend on how many images came "
            "together. In evaluation mode no image hears of the others: their sum keeps them "
            "apart.",
        ),
    )
    for hint, of, message in others:
        yield hint, _slopes(lambda x, of=of: of(network(x)), images).abs().amax(1), message
    yield (
        "times-input",
        (signed * images).abs().amax(1),
        "You multiply the gradient by the pixels. That is another method: a pixel of value 0, "
        "mid grey here, then never counts, however much the logit depends on it.",
    )
    for one in (right / right.amax((1, 2), keepdim=True), right / right.max()):
        yield (
            "normalised",
            one,
            "You divide by the maximum. That is good for a picture, but the numbers lose their "
            "meaning: leave it to the plotting.",
        )
