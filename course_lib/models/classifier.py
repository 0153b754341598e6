"""The course's classifier and feature extractor (lesson 04)."""

from __future__ import annotations

from torch import Tensor, nn


class Classifier(nn.Module):
    """A small classifier of 32 x 32 images whose last hidden layer is the feature vector.

    Two convolutions, halve; two convolutions, halve; one convolution, halve; 128 features; logits.
    About 319,000 parameters. Lesson 04 builds it; lesson 10 measures distances in its features.

    Args:
        channels: image channels C.
        classes: number of logits.
        features: length of the feature vector.
    """

    def __init__(self, channels: int = 1, classes: int = 10, features: int = 128) -> None:
        super().__init__()

        def block(inside: int, outside: int) -> list[nn.Module]:
            return [
                nn.Conv2d(inside, outside, 3, padding=1, bias=False),
                nn.BatchNorm2d(outside),
                nn.ReLU(inplace=True),
            ]

        self.body = nn.Sequential(
            *block(channels, 32),
            *block(32, 32),
            nn.MaxPool2d(2),  # (B, 32, 16, 16)
            *block(32, 64),
            *block(64, 64),
            nn.MaxPool2d(2),  # (B, 64, 8, 8)
            *block(64, 96),
            nn.MaxPool2d(2),  # (B, 96, 4, 4)
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(96 * 4 * 4, features, bias=False),
            nn.BatchNorm1d(features),
            nn.ReLU(inplace=True),  # (B, features)
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(features, classes))

    def features(self, images: Tensor) -> Tensor:
        """Feature vectors of images in [-1, 1]: (B, C, 32, 32) -> (B, features), at least 0."""
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images in [-1, 1]: (B, C, 32, 32) -> (B, classes)."""
        return self.head(self.features(images))
