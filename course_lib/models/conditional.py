"""Networks that are told what to draw, or that find out: conditional GANs (lesson 12).

The generator takes a class, or a code that nobody labelled, beside the noise. The discriminators
differ in where the class meets the image: at the input (Mirza and Osindero, 2014), at the last
layer (Miyato and Koyama, 2018), or not at all, as something to be guessed (Odena et al., 2017; Gong
et al., 2019; Chen et al., 2016).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.models import dcgan


class Judgement(NamedTuple):
    """What a discriminator says of images.

    Attributes:
        logits: positive for "real", (B,).
        kinds: logits of the classes or of the categorical code, (B, K); None if it guesses none.
        dials: means of the continuous codes, (B, J); None if it guesses none.
        twin: a second guess of the classes, by a classifier of generated images, (B, K); or None.
    """

    logits: Tensor
    kinds: Tensor | None = None
    dials: Tensor | None = None
    twin: Tensor | None = None


class Generator(nn.Module):
    """A DCGAN generator whose latent vector is extended by an embedded class and by dials.

    Args:
        latent: length Z of the noise.
        kinds: number K of classes, or of values of the categorical code.
        dials: number J of continuous codes.
        embedding: length E of the vector that stands for a class.
        channels, size, width, depth: see `dcgan.Generator`.
    """

    def __init__(
        self,
        latent: int = 64,
        kinds: int = 10,
        dials: int = 0,
        embedding: int = 16,
        **sizes: int,
    ) -> None:
        super().__init__()
        self.latent, self.dials = latent, dials
        self.embedding = nn.Embedding(kinds, embedding)
        self.network = dcgan.Generator(latent + embedding + dials, **sizes)

    def forward(self, z: Tensor, kinds: Tensor, dials: Tensor | None = None) -> Tensor:
        """Images in [-1, 1] from (B, Z), int64 (B,) and, if there are dials, (B, J)."""
        parts = [z, self.embedding(kinds)]  # (B, Z), (B, E)
        if self.dials:
            if dials is None or dials.shape != (len(z), self.dials):
                got = None if dials is None else tuple(dials.shape)
                raise ValueError(f"expected dials of shape {(len(z), self.dials)}, got {got}")
            parts.append(dials)  # (B, J)
        return self.network(torch.cat(parts, dim=1))  # (B, C, size, size)


def label_maps(labels: Tensor, classes: int, height: int, width: int) -> Tensor:
    """A constant map for each class, 1 for the label's and 0 for the others.

    Args:
        labels: int64 (B,), from 0 to classes - 1.

    Returns:
        float32 (B, classes, height, width), a view: it takes the memory of (B, classes).
    """
    one_hot = F.one_hot(labels, classes).float()  # (B, K)
    return one_hot[:, :, None, None].expand(-1, -1, height, width)


class ConcatenatingDiscriminator(nn.Module):
    """A DCGAN discriminator that sees the label as K further channels of the image."""

    def __init__(self, classes: int = 10, channels: int = 1, **sizes: int | str) -> None:
        super().__init__()
        self.classes = classes
        self.network = dcgan.Discriminator(channels=channels + classes, **sizes)

    def forward(self, images: Tensor, labels: Tensor) -> Judgement:
        """Judge images (B, C, H, W) with labels (B,)."""
        maps = label_maps(labels, self.classes, *images.shape[2:])  # (B, K, H, W)
        return Judgement(self.network(torch.cat([images, maps], dim=1)))


def projection_logit(phi: Tensor, psi: Tensor, table: Tensor, labels: Tensor) -> Tensor:
    """The inner product of the features with the label's vector, plus a logit without the label.

    Args:
        phi: features of the images, (B, F).
        psi: the part of the logit that does not depend on the label, (B,).
        table: a vector for each class, (K, F).
        labels: int64 (B,).

    Returns:
        Logits, (B,).

    Source: lesson 12, equation (12.5); Miyato and Koyama, 2018, section 3.
    """
    return (table[labels] * phi).sum(dim=1) + psi


def _body(**sizes: int | str) -> tuple[nn.Module, int]:
    """The layers of a DCGAN discriminator but the last, and the number F of their outputs."""
    network = dcgan.Discriminator(**sizes)
    return network.layers[:-1], 16 * network.layers[-1].in_channels  # maps of 4 x 4


class ProjectionDiscriminator(nn.Module):
    """A DCGAN discriminator whose last layer has one more weight vector for each class.

    The classes' vectors are zero at first: it begins as a discriminator that ignores the label.
    """

    def __init__(self, classes: int = 10, **sizes: int | str) -> None:
        super().__init__()
        self.body, features = _body(**sizes)
        self.psi = nn.Linear(features, 1)
        self.table = nn.Parameter(torch.zeros(classes, features))

    def forward(self, images: Tensor, labels: Tensor) -> Judgement:
        """Judge images (B, C, H, W) with labels (B,)."""
        phi = self.body(images).flatten(1).float()  # (B, F)
        psi = self.psi(phi)[:, 0].float()  # (B,)
        return Judgement(projection_logit(phi, psi, self.table, labels))


class GuessingDiscriminator(nn.Module):
    """A DCGAN discriminator that does not see the class or code, and guesses it.

    With `twin`, it guesses the class twice, from the same features (Gong et al., 2019).
    """

    def __init__(
        self, kinds: int = 10, dials: int = 0, twin: bool = False, **sizes: int | str
    ) -> None:
        super().__init__()
        self.kinds = kinds
        self.body, features = _body(**sizes)
        self.psi = nn.Linear(features, 1)
        self.guess = nn.Linear(features, kinds + dials)
        self.twin = nn.Linear(features, kinds) if twin else None

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Judgement:
        """Judge images (B, C, H, W); the labels are taken and not looked at."""
        phi = self.body(images).flatten(1)  # (B, F)
        guesses = self.guess(phi)  # (B, K + J)
        kinds, dials = guesses[:, : self.kinds], guesses[:, self.kinds :]
        return Judgement(self.psi(phi)[:, 0], kinds, dials, self.twin(phi) if self.twin else None)
