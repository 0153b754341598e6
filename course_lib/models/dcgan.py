"""The deep convolutional GAN of lesson 09: a generator and a discriminator.

Source: Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", ICLR 2016, section 3 and figure 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def _doublings(size: int) -> int:
    """How often 4 must be doubled to reach the image size."""
    if size < 8 or size & (size - 1):
        raise ValueError(f"expected an image size of 8, 16, 32, 64 ...; got {size}: pad or resize")
    return int(math.log2(size)) - 2


def initialise(network: nn.Module, generator: torch.Generator | None = None) -> nn.Module:
    """Draw the weights as the DCGAN paper does, and return the network.

    Convolutions: N(0, 0.02). Batch normalisation: scale N(1, 0.02), shift 0. Scales are centred at
    one, not zero: a scale near zero in the last one leaves the image grey (lesson 09, section 9.4).

    Args:
        network: any module; only convolutions and batch normalisations are touched.
        generator: source of the random numbers; torch's default one if None.

    Source: Radford et al., 2016, section 4.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02, generator=generator)
            nn.init.zeros_(module.bias)
    return network


class Projection(nn.ConvTranspose2d):
    """A transposed convolution of a 1 x 1 map without padding, computed as a matrix product.

    On such a map the layer multiplies the vector (Z,) by its weights, read as a matrix with one row
    for each latent number: figure 1 of the paper calls it "project and reshape".
    Weights, their initial values and their names are those of `nn.ConvTranspose2d`.
    """

    def forward(self, z: Tensor) -> Tensor:
        """(B, Z, 1, 1) -> (B, C, K, K)."""
        height, width = self.kernel_size
        # Rows of the matrix run over height, width, channels: the order of channels-last memory,
        # in which neither the weights nor the result have to be copied.
        matrix = self.weight.permute(0, 2, 3, 1).flatten(1)  # (Z, K K C)
        flat = z.flatten(1) @ matrix
        return flat.unflatten(1, (height, width, -1)).permute(0, 3, 1, 2)


class Generator(nn.Module):
    """Turns latent vectors into images by doubling a 4 x 4 map until it has the image's size.

    Args:
        latent: length Z of the latent vector.
        channels: image channels C.
        size: image height and width, a power of two from 8.
        width: channels of the last hidden layer; each layer before it has twice as many.
        depth: hidden layers at each size from 8: the transposed convolution that doubles the map,
            then depth - 1 convolutions of 3 x 3 that refine it. The paper has 1.
    """

    def __init__(
        self, latent: int = 64, channels: int = 1, size: int = 32, width: int = 32, depth: int = 1
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"expected a depth of at least 1, got {depth}")
        self.config = {
            "latent": latent,
            "channels": channels,
            "size": size,
            "width": width,
            "depth": depth,
        }
        doublings = _doublings(size)
        hidden = width * 2 ** (doublings - 1)
        layers: list[nn.Module] = [
            Projection(latent, hidden, 4, stride=1, padding=0, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU(inplace=True),  # (B, hidden, 4, 4)
        ]
        for _ in range(doublings - 1):
            layers += [
                nn.ConvTranspose2d(hidden, hidden // 2, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(hidden // 2),
                nn.ReLU(inplace=True),  # half the channels, twice the height and width
            ]
            hidden //= 2
            for _ in range(depth - 1):
                layers += [
                    nn.Conv2d(hidden, hidden, 3, padding=1, bias=False),
                    nn.BatchNorm2d(hidden),
                    nn.ReLU(inplace=True),
                ]
        layers += [nn.ConvTranspose2d(hidden, channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    @property
    def latent(self) -> int:
        """Length Z of the latent vector."""
        return self.config["latent"]

    def forward(self, z: Tensor) -> Tensor:
        """Images in [-1, 1] from latent vectors: (B, Z) -> (B, C, size, size)."""
        return self.layers(z[:, :, None, None])


class MinibatchStd(nn.Module):
    """Appends one channel that says how much the images of a group differ from each other.

    The standard deviation of each number in the maps over the images of a group, averaged over
    channels and positions, is the same for all of them. A generator that draws one image over and
    over gets almost 0 there (1e-4).

    Args:
        group: N, images a group, at least 2. Groups are neighbours in the batch.

    Raises:
        ValueError: for a smaller group, or a batch that groups of this size do not divide.

    Source: lesson 09, equation (9.12); Karras et al., 2018, section 3, with the whole batch as one
        group.
    """

    def __init__(self, group: int) -> None:
        super().__init__()
        if group < 2:
            raise ValueError(f"expected groups of at least 2 images, got {group}")
        self.group = group

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C + 1, H, W), for a B that the group's size divides."""
        if len(maps) % self.group:
            raise ValueError(
                f"expected a batch that groups of {self.group} divide, got {len(maps)} images: "
                "change the batch, or build the discriminator with another group"
            )
        precise = maps.to(torch.promote_types(maps.dtype, torch.float32))
        groups = precise.unflatten(0, (-1, self.group))  # (B / N, N, C, H, W)
        # Written out, as torch's var along this axis takes five times as long on a CPU. The small
        # number keeps the root's slope finite where all images of a group agree.
        variance = (groups - groups.mean(1, keepdim=True)).square().mean(1)  # (B / N, C, H, W)
        spread = (variance + 1e-8).sqrt().mean((1, 2, 3))  # (B / N,)
        spread = spread.repeat_interleave(self.group).to(maps.dtype)  # (B,)
        height, width = maps.shape[2:]
        return torch.cat([maps, spread[:, None, None, None].expand(-1, 1, height, width)], 1)

    def extra_repr(self) -> str:
        """What `print(network)` shows."""
        return f"group={self.group}"


class Discriminator(nn.Module):
    """Gives each image one logit, positive for "real", by halving it until it is 4 x 4.

    Args:
        channels: image channels C.
        size: image height and width, a power of two from 8.
        width: channels of the first hidden layer; each layer after it has twice as many.
        norm: "batch" as in the paper, or "none".
        group: images whose spread the last layer sees beside each of them, see `MinibatchStd`; 0
            for none, as in the paper. With a group, a logit depends on all images of its group,
            and `group` must divide the number of images.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 32,
        width: int = 32,
        norm: str = "batch",
        group: int = 0,
    ) -> None:
        super().__init__()
        if norm not in ("batch", "none"):
            raise ValueError(f'expected norm "batch" or "none", got {norm!r}')
        self.config = {
            "channels": channels,
            "size": size,
            "width": width,
            "norm": norm,
            "group": group,
        }
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),  # (B, width, size/2, size/2)
        ]
        for _ in range(_doublings(size) - 1):
            layers.append(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=norm == "none"))
            if norm == "batch":
                layers.append(nn.BatchNorm2d(2 * width))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            width *= 2
        if group:
            layers.append(MinibatchStd(group))  # (B, width + 1, 4, 4)
            width += 1
        layers.append(nn.Conv2d(width, 1, 4, stride=1, padding=0))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images in [-1, 1]: (B, C, size, size) -> (B,)."""
        return self.layers(images).flatten()
