"""What a network that fills holes is trained to make small (lessons 13 and 14)."""

from __future__ import annotations

from torch import Tensor

from course_lib import masks as holes


def reconstruction_loss(
    answers: Tensor, images: Tensor, masks: Tensor, kind: str = "l1", known: float = 0.0
) -> Tensor:
    """Mean error over the missing pixels of each image, averaged over the batch.

    Every image counts as much, however large its hole is.

    Args:
        answers, images: (B, C, H, W) in [-1, 1].
        masks: (B, 1, H, W), 1 for missing.
        kind: "l1" for absolute, "l2" for squared errors.
        known: weight of the mean error over known pixels, which is added.

    Returns:
        (), at least 0.

    Raises:
        ValueError: for another kind, or answers of another shape than the images.
        MaskError: for masks that do not fit the images, see `masks.check_shape`.

    Source: lesson 13, equation (13.3).
    """
    if kind not in ("l1", "l2"):
        raise ValueError(f'expected "l1" or "l2", got {kind!r}')
    if answers.shape != images.shape:
        raise ValueError(
            f"expected answers of the images' shape {tuple(images.shape)}, got "
            f"{tuple(answers.shape)}"
        )
    holes.check_shape(masks, images)
    errors = answers - images
    errors = (errors.abs() if kind == "l1" else errors.square()).mean(dim=1, keepdim=True)
    loss = _mean_over(errors, masks)
    return loss + known * _mean_over(errors, 1 - masks) if known else loss


def energy_loss(
    first: Tensor, second: Tensor, images: Tensor, masks: Tensor, spread: float = 1.0
) -> Tensor:
    """Distance of two random answers from the truth, less half of that from each other.

    With spread 1 this is, pixel by pixel, an unbiased estimate of the continuous ranked
    probability score, whose mean is least when each pixel's answers have the distribution of its
    truth given what is known. How pixels go together it does not see. With less spread the best
    answers keep to the middle of that distribution; with spread 0 the best answer is the median.

    Args:
        first, second: answers from independent noise, (B, C, H, W) in [-1, 1].
        images: (B, C, H, W) in [-1, 1].
        masks: (B, 1, H, W), 1 for missing.
        spread: weight of the reward for different answers, 0 to 1.

    Returns:
        The mean over missing pixels, then over the batch, (); never below 0 on average.

    Source: lesson 14, equations (14.9) and (14.10); Gneiting, Raftery, "Strictly Proper Scoring
    Rules, Prediction, and Estimation", Journal of the American Statistical Association, 2007,
    section 4.2.
    """
    apart = reconstruction_loss(first, second, masks)
    truth = reconstruction_loss(first, images, masks) + reconstruction_loss(second, images, masks)
    return truth / 2 - spread * apart / 2


def _mean_over(errors: Tensor, weights: Tensor) -> Tensor:
    """Mean over the pixels of weight one, then over the batch: (B, 1, H, W) twice -> ()."""
    total = (errors * weights).sum(dim=(1, 2, 3))
    return (total / weights.sum(dim=(1, 2, 3)).clamp(min=1)).mean()
