"""The textbook loop: DCGAN as tutorials write it. What the course's training is measured against.

float32, images in the usual memory order, a DataLoader with transforms, a sigmoid at the end of
the discriminator with binary cross-entropy, losses read at every step, and Adam as it comes. The
networks are handed in. `advised` follows two pieces of usual advice: channels last in memory, and
a loss that takes logits.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.transforms.functional import to_pil_image

from benchmarks.measuring import run_for
from course_lib import data
from course_lib.models import dcgan

BATCH, LATENT = 128, 100  # of the paper


class Pictures(Dataset):
    """Fashion-MNIST as a Dataset of PIL pictures, as torchvision's own class serves it."""

    def __init__(self) -> None:
        self.images = data.load_images("fashion-mnist", "train").images
        self.transform = transforms.Compose(
            [transforms.Pad(2), transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.transform(to_pil_image(self.images[index]))


def loader(batch: int) -> DataLoader:
    """Shuffled batches of pictures, (batch, 1, 32, 32) in [-1, 1]."""
    return DataLoader(Pictures(), batch_size=batch, shuffle=True, drop_last=True)


def steps(
    generator: nn.Module,
    discriminator: nn.Module,
    batches: DataLoader,
    latent: int,
    advised: bool = False,
) -> Iterator[int]:
    """Train both networks without end, and yield the number of real images after each step.

    Args:
        generator: (B, latent) -> (B, 1, 32, 32), changed in place.
        discriminator: (B, 1, 32, 32) -> (B,) logits, changed in place.
        batches: from `loader`.
        latent: length of the latent vector.
        advised: channels last, and the loss of logits.
    """
    order = torch.channels_last if advised else torch.contiguous_format
    generator.to(memory_format=order), discriminator.to(memory_format=order)
    critic = discriminator if advised else nn.Sequential(discriminator, nn.Sigmoid())
    criterion = nn.BCEWithLogitsLoss() if advised else nn.BCELoss()
    adam_g = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    adam_d = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.5, 0.999))
    batch, device = batches.batch_size, next(generator.parameters()).device
    ones, zeros = torch.ones(batch, device=device), torch.zeros(batch, device=device)
    while True:
        for real in batches:
            real = real.to(device, memory_format=order)  # (B, 1, 32, 32)
            critic.zero_grad()
            loss_real = criterion(critic(real), ones)
            loss_real.backward()
            fake = generator(torch.randn(batch, latent, device=device))
            loss_fake = criterion(critic(fake.detach()), zeros)
            loss_fake.backward()
            adam_d.step()
            generator.zero_grad()
            loss_g = criterion(critic(fake), ones)
            loss_g.backward()
            adam_g.step()
            _ = loss_real.item(), loss_fake.item(), loss_g.item()  # printed by the tutorials
            yield len(real)


def fresh(seed: int, device: torch.device) -> tuple[dcgan.Generator, Iterator[int]]:
    """A generator of the paper's, and the steps that train it with the paper's settings."""
    torch.manual_seed(seed)
    generator = dcgan.initialise(dcgan.Generator(latent=LATENT)).to(device)
    discriminator = dcgan.initialise(dcgan.Discriminator()).to(device)
    return generator, steps(generator, discriminator, loader(BATCH), LATENT)


def train(seconds: float, seed: int, device: torch.device) -> tuple[dcgan.Generator, int]:
    """Train the paper's networks with its settings for so many seconds.

    Returns:
        The generator in evaluation mode, and the number of real images seen.
    """
    generator, training = fresh(seed, device)
    seen, _ = run_for(training, seconds)
    return generator.eval(), seen
