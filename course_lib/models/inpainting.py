"""Networks that fill holes, and those that judge the result (lessons 13 and 14).

Every filling network is called with images (B, C, H, W) in [-1, 1] and masks (B, 1, H, W), 1 for
missing, and answers with whole images in [-1, 1]. It hides the hole itself before it looks, so the
answer cannot leak into its input. `masks.composite` puts the known pixels back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import masks as holes
from course_lib.models import dcgan
from course_lib.models.hole_convolutions import BLOCKS, ResidualBlock


class ContextEncoder(nn.Module):
    """An encoder, a layer that joins all places of a channel, and a decoder, without skips.

    Args:
        channels: image channels C.
        size: image height and width, a power of two from 8; no other size can be filled.
        width: channels of the first hidden layer; each encoding layer after it has twice as many.

    Source: Pathak, Krähenbühl, Donahue, Darrell, Efros, "Context Encoders: Feature Learning by
    Inpainting", CVPR 2016, section 3; here with a mask channel, and the whole image as answer.
    """

    def __init__(self, channels: int = 1, size: int = 32, width: int = 32) -> None:
        super().__init__()
        if size < 8 or size & (size - 1):
            raise ValueError(f"expected an image size of 8, 16, 32, 64 ...; got {size}")
        self.config = {"channels": channels, "size": size, "width": width}
        self.size = self.multiple = size
        sizes, inside, layers = size, channels + 1, []
        while sizes > 4:
            layers += [
                nn.Conv2d(inside, width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.2, inplace=True),  # half the height and width
            ]
            sizes, inside, width = sizes // 2, width, 2 * width
        layers += [
            ChannelwiseLinear(inside, 4),
            nn.Conv2d(inside, inside, 1, bias=False),
            nn.BatchNorm2d(inside),
            nn.ReLU(inplace=True),  # (B, inside, 4, 4)
        ]
        while sizes < size // 2:
            layers += [
                nn.ConvTranspose2d(inside, inside // 2, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(inside // 2),
                nn.ReLU(inplace=True),
            ]
            sizes, inside = 2 * sizes, inside // 2
        layers += [nn.ConvTranspose2d(inside, channels, 4, stride=2, padding=1), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor, masks: Tensor, z: Tensor | None = None) -> Tensor:
        """(B, C, size, size), (B, 1, size, size) -> (B, C, size, size); z is not used."""
        _check_sizes(images, self.multiple, fixed=True)
        return self.layers(torch.cat([holes.hide(images, masks), masks], dim=1))


class ChannelwiseLinear(nn.Module):
    """For each channel a matrix of its own from all places to all: (B, C, S, S) -> (B, C, S, S).

    A fully connected layer between the same maps would have C times as many weights.

    Source: Pathak et al., 2016, section 3.1, "Channel-wise fully-connected layer".
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        places = side**2
        bound = places**-0.5  # as nn.Linear draws its weights
        self.weight = nn.Parameter(torch.empty(channels, places, places).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, S, S) -> (B, C, S, S)."""
        joined = torch.einsum("bci,cio->bco", x.flatten(2), self.weight)
        return joined.view_as(x)


class UNet(nn.Module):
    """Shrinks the image step by step, enlarges it again, and on the way joins maps of one size.

    Args:
        channels: image channels C.
        width: channels at full size; each halving of height and width doubles them.
        kind: of the convolutions, "plain", "partial" or "gated". The last layer is always plain.
        levels: halvings; height and width must be multiples of 2^levels.
        bottom: residual blocks at the smallest size, where one sees all of a small image.
        noise: length Z of a latent vector that joins the smallest map at every place; 0 for none.
        condition: channels E of maps that are given beside the image, without a hole; 0 for none.

    Raises:
        ValueError: for an unknown kind, no level, or noise or a condition with partial
            convolutions, which would have to call it known or unknown.

    Source: Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image
    Segmentation", MICCAI 2015, figure 1.
    """

    def __init__(
        self,
        channels: int = 1,
        width: int = 16,
        kind: str = "plain",
        levels: int = 3,
        noise: int = 0,
        bottom: int = 2,
        condition: int = 0,
    ) -> None:
        super().__init__()
        wrong = kind not in BLOCKS or levels < 1 or min(noise, bottom, condition) < 0
        if wrong or ((noise or condition) and kind == "partial"):
            raise ValueError(
                f"expected a kind in {list(BLOCKS)}, at least one level, and noise, bottom and "
                "condition not below 0 (noise and condition 0 with partial convolutions), "
                f"got {kind!r}, {levels}, {noise}, {bottom}, {condition}"
            )
        self.config = {
            "channels": channels,
            "width": width,
            "kind": kind,
            "levels": levels,
            "noise": noise,
            "bottom": bottom,
            "condition": condition,
        }
        self.condition = condition
        self.noise, self.multiple, self.partial = noise, 2**levels, kind == "partial"
        block = BLOCKS[kind]
        widths = [width * 2**level for level in range(levels + 1)]
        self.stem = block(channels if self.partial else channels + 1 + condition, width, 3, 1)
        self.down = nn.ModuleList(
            block(above, below, 4, 2) for above, below in itertools.pairwise(widths)
        )
        self.bottom = nn.ModuleList(ResidualBlock(kind, widths[-1]) for _ in range(bottom))
        self.up = nn.ModuleList()
        below = widths[-1] + noise
        for skip in reversed(widths[:-1]):
            self.up.append(block(below + skip, skip, 3, 1))
            below = skip
        self.last = nn.Sequential(nn.Conv2d(width, channels, 3, padding=1), nn.Tanh())

    def forward(
        self,
        images: Tensor,
        masks: Tensor,
        z: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """(B, C, H, W), (B, 1, H, W), and (B, Z) if there is noise -> (B, C, H, W) in [-1, 1].

        `condition` are maps without a hole, (B, E, H, W), if the network was built for them.

        Raises:
            ValueError: if height or width do not divide, or the noise or the maps do not fit.
        """
        _check_sizes(images, self.multiple)
        given = None if z is None else tuple(z.shape)
        wanted = (len(images), self.noise) if self.noise else None
        if given != wanted:
            raise ValueError(f"expected noise of shape {wanted}, got {given}")
        given = None if condition is None else tuple(condition.shape)
        wanted = (len(images), self.condition, *images.shape[2:]) if self.condition else None
        if given != wanted:
            raise ValueError(f"expected a condition of shape {wanted}, got {given}")
        x = holes.hide(images, masks)
        known = 1 - masks if self.partial else None
        if not self.partial:
            beside = [] if condition is None else [condition]
            x = torch.cat([x, masks, *beside], dim=1)  # (B, C + 1 + E, H, W)
        x, known = self.stem(x, known)  # (B, width, H, W)
        skips = []
        for block in self.down:
            skips.append((x, known))
            x, known = block(x, known)  # twice the channels, half the height and width
        for block in self.bottom:
            x, known = block(x, known)
        if z is not None:
            x = torch.cat([x, z[:, :, None, None].expand(-1, -1, *x.shape[2:]).to(x)], dim=1)
        for block in self.up:
            skip, skip_known = skips.pop()
            x = F.interpolate(x, scale_factor=2.0)  # nearest neighbour
            if self.partial:
                known = F.interpolate(known, scale_factor=2.0)
                parts = x.shape[1], skip.shape[1]
                known = (parts[0] * known + parts[1] * skip_known) / sum(parts)
            x, known = block(torch.cat([x, skip], dim=1), known)
        return self.last(x)


class GuidedUNet(nn.Module):
    """A U-Net that is shown a classical answer beside the image with its hole.

    Args:
        guide: a function (images, masks) -> whole images (B, C, H, W) that does not read what is in
            the holes, such as `fills.NearestImages.median`. In training it must not know the images
            that are filled: it would give away the answer.
        channels: image channels C.
        settings: of the `UNet`, but for `condition`.

    Source: lesson 13, section 13.11.
    """

    def __init__(
        self, guide: Callable[[Tensor, Tensor], Tensor], channels: int = 1, **settings: object
    ) -> None:
        super().__init__()
        self.guide = guide
        self.network = UNet(channels, condition=channels, **settings)

    def forward(self, images: Tensor, masks: Tensor, z: Tensor | None = None) -> Tensor:
        """(B, C, H, W), (B, 1, H, W), and noise if the U-Net has any -> (B, C, H, W) in [-1, 1]."""
        # Distances of images lose too many digits in the number format of the convolutions.
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            shown = self.guide(images, masks)
        return self.network(images, masks, z, shown)


def _check_sizes(images: Tensor, multiple: int, fixed: bool = False) -> None:
    height, width = images.shape[-2:]
    if (height, width) != (multiple, multiple) if fixed else height % multiple or width % multiple:
        kind = "exactly" if fixed else "multiples of"
        raise ValueError(
            f"expected height and width of {kind} {multiple}, got {height} x {width}: pad the image"
        )


class Critics(nn.Module):
    """Two judges of a filled image: one sees all of it, one a square about the hole.

    Both see the mask as well, and are discriminators of lesson 09 without batch normalisation.

    Args:
        channels: image channels C.
        size: image height and width, a power of two from 16; the square has half the side.
        width: channels of the first hidden layer of each.

    Source: Iizuka, Simo-Serra, Ishikawa, "Globally and Locally Consistent Image Completion",
    SIGGRAPH 2017, section 3.3; there the two are joined into one number.
    """

    def __init__(self, channels: int = 1, size: int = 32, width: int = 24) -> None:
        super().__init__()
        self.config = {"channels": channels, "size": size, "width": width}
        self.side = size // 2
        seen = channels + 1  # the mask is one more channel
        self.whole = dcgan.Discriminator(seen, size, width, norm="none")
        self.local = dcgan.Discriminator(seen, self.side, width, norm="none")

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        """Logits of the whole and of the square, positive for "real".

        (B, C, size, size) in [-1, 1], (B, 1, size, size) -> (B, 2).
        """
        seen = torch.cat([images, masks], dim=1)
        square = crop_at_hole(seen, masks, self.side)
        return torch.stack([self.whole(seen), self.local(square)], dim=1)


def crop_at_hole(images: Tensor, masks: Tensor, side: int) -> Tensor:
    """A square about each hole's centre of mass, moved inside where it would stick out.

    Args:
        images: (B, C, H, W).
        masks: (B, 1, H, W), 1 for missing. Where nothing is missing, the square is the first one.
        side: of the square, at most H and W.

    Returns:
        (B, C, side, side)
    """
    rows = _start(masks.sum(dim=(1, 3)), side) + torch.arange(side, device=images.device)
    columns = _start(masks.sum(dim=(1, 2)), side) + torch.arange(side, device=images.device)
    index = torch.arange(len(images), device=images.device)[:, None, None]
    square = images[index, :, rows[:, :, None], columns[:, None, :]]  # (B, side, side, C)
    return square.permute(0, 3, 1, 2)


def _start(profile: Tensor, side: int) -> Tensor:
    """First row of a window about the middle of a profile: (B, H) -> (B, 1), int64."""
    length = profile.shape[1]
    places = torch.arange(length, device=profile.device, dtype=profile.dtype)
    middle = (profile * places).sum(dim=1) / profile.sum(dim=1).clamp(min=1)  # (B,)
    start = (middle - (side - 1) / 2).round().long().clamp(0, length - side)
    return start[:, None]
