"""The encoder, the decoder and the variational autoencoder of lesson 06, fully connected.

Source: Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR 2014.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from course_lib import elbo


class Encoder(nn.Module):
    """Turns an image into a few numbers through two hidden layers.

    Args:
        outputs: numbers that come out.
        channels: image channels C.
        size: image height and width.
        width: units of the first hidden layer; the second has half as many.
    """

    def __init__(self, outputs: int, channels: int = 1, size: int = 32, width: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),  # (B, C size size)
            nn.Linear(channels * size**2, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, width // 2),
            nn.ReLU(inplace=True),
            nn.Linear(width // 2, outputs),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, size, size) in [-1, 1] -> (B, outputs)."""
        return self.layers(images)


class Decoder(nn.Module):
    """Turns a latent vector into an image; the encoder's mirror image.

    Args:
        latent: length Z of the latent vector.
        channels: image channels C.
        size: image height and width.
        width: units of the last hidden layer; the first has half as many.
    """

    def __init__(self, latent: int, channels: int = 1, size: int = 32, width: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, width // 2),
            nn.ReLU(inplace=True),
            nn.Linear(width // 2, width),
            nn.ReLU(inplace=True),
            nn.Linear(width, channels * size**2),
            nn.Tanh(),
            nn.Unflatten(1, (channels, size, size)),
        )

    def forward(self, z: Tensor) -> Tensor:
        """(B, Z) -> (B, C, size, size) in [-1, 1]."""
        return self.layers(z)


class VAE(nn.Module):
    """A model p(x) = integral of N(z; 0, I) N(x; decoder(z), sigma^2 I), and an encoder for it.

    Args:
        latent: length Z of the latent vector.
        sigma: standard deviation of a pixel about the decoder's mean, in units of images in
            [-1, 1]; None to learn it with the weights, from 0.3.
        channels, size, width: of both networks, see `Encoder`.

    Raises:
        ValueError: if sigma is not above 0.
    """

    def __init__(
        self,
        latent: int = 16,
        sigma: float | None = None,
        channels: int = 1,
        size: int = 32,
        width: int = 512,
    ) -> None:
        super().__init__()
        if sigma is not None and not sigma > 0:
            raise ValueError(f"expected a sigma above 0, or None to learn it, got {sigma}")
        self.latent = latent
        self.encoder = Encoder(2 * latent, channels, size, width)
        self.decoder = Decoder(latent, channels, size, width)
        start = torch.tensor(math.log(0.3 if sigma is None else sigma))
        self.log_sigma = nn.Parameter(start, requires_grad=sigma is None)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x): (B, C, size, size) -> two of (B, Z)."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """Mean image of p(x|z), in [-1, 1]: (B, Z) -> (B, C, size, size)."""
        return self.decoder(z)

    def forward(self, images: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decode one sample of q(z|x) for each image.

        Args:
            images: (B, C, size, size) in [-1, 1].
            noise: independent standard Gaussians, (B, Z).

        Returns:
            The decoder's means (B, C, size, size), and mean and log-variance of q(z|x), (B, Z).
        """
        mean, log_variance = self.encode(images)
        return self.decode(elbo.reparameterise(mean, log_variance, noise)), mean, log_variance
