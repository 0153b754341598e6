"""Training and testing classifiers of images (lessons 04 and 05)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import augmentation, runtime
from course_lib.data import EpochSampler, ImageSet
from course_lib.models.classifier import Classifier
from course_lib.training import Record


def train_classifier(
    classifier: nn.Module,
    images: ImageSet,
    *,
    epochs: int,
    batch: int = 128,
    rate: float = 4e-3,
    dtype: str = "float32",
    seed: int = 0,
    every: int = 50,
    augment: Callable[[Tensor], Tensor] = augmentation.mirror,
) -> Iterator[Record]:
    """Train a classifier (lesson 04), and yield records with the mean "cross-entropy".

    AdamW with a one-cycle learning rate.

    Args:
        classifier: from images (B, C, H, W) in [-1, 1] to logits (B, classes); changed in place,
            and its device is the one that is used.
        images: labelled training images.
        epochs: passes over the images.
        batch: images a step.
        rate: largest learning rate of the cycle.
        dtype: "float32" or "bfloat16" for convolutions and linear layers.
        seed: of the order of images, the augmentation and dropout; torch's global generator is
            seeded with it and the step, at each step.
        every: steps between records.
        augment: changes each batch (B, C, H, W) before it is used (lesson 05), drawing from torch's
            global generator; by default each image is mirrored with probability one half.
    """
    device = next(classifier.parameters()).device
    images, sampler = images.to(device), EpochSampler(len(images), batch, seed)
    steps = epochs * (len(images) // batch)
    adam = torch.optim.AdamW(classifier.parameters(), rate, weight_decay=0.05)
    cycle = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps)
    classifier.train()
    total, start, seconds = torch.zeros((), device=device), time.perf_counter(), 0.0
    for step in range(steps):
        torch.manual_seed(seed * 1_000_003 + step)
        indices = sampler.indices(step).to(device)
        inputs = augment(images.batch(indices))  # (B, C, H, W)
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
            logits = classifier(inputs).float()  # (B, classes)
        loss = F.cross_entropy(logits, images.labels[indices])
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        cycle.step()
        total += loss.detach()
        done = step + 1
        if done % every == 0 or done == steps:
            since = done % every or every
            spent = time.perf_counter() - start
            seconds += spent
            mean = float(total) / since
            losses = {"cross-entropy": mean}
            yield Record(done, done * batch, seconds, since * batch / spent, losses)
            total, start = torch.zeros((), device=device), time.perf_counter()


def faster_dtype(device: torch.device, batch: int = 128) -> str:
    """The number format in which this machine trains the classifier faster, for `dtype`."""
    classifier = Classifier().to(device, memory_format=torch.channels_last)
    images = torch.zeros(batch, 1, 32, 32, device=device)

    def probe(dtype: torch.dtype) -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            logits = classifier(images)
        logits.float().sum().backward()

    return str(runtime.compute_dtype(device, probe)).removeprefix("torch.")


@torch.no_grad()
def accuracy(classifier: nn.Module, images: ImageSet, batch: int = 500) -> float:
    """Share of images whose largest logit is the right class, 0 to 1.

    Args:
        classifier: from images (B, C, H, W) in [-1, 1] to logits (B, classes); put into
            evaluation mode, and left there.
        images: labelled images.
        batch: images at a time, which bounds the memory and changes nothing else.
    """
    device = next(classifier.parameters()).device
    images = images.to(device)
    classifier.eval()
    right = 0
    for indices in torch.arange(len(images), device=device).split(batch):
        right += int((classifier(images.batch(indices)).argmax(1) == images.labels[indices]).sum())
    return right / len(images)
