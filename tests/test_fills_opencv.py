"""What lesson 13 says of OpenCV's two fills, where OpenCV is installed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from course_lib import data, fills, masked_metrics
from course_lib import masks as holes

cv2 = pytest.importorskip("cv2")

METHODS = {"Telea": cv2.INPAINT_TELEA, "Navier-Stokes": cv2.INPAINT_NS}
RADII = (1, 3, 5)  # pixels about a missing one that OpenCV looks at
COUNT = 200


def opencv(method: int, radius: int) -> Callable[[Tensor, Tensor], Tensor]:
    """OpenCV's fill of grey images, called as those of `fills`; it works on bytes."""

    def fill(images: Tensor, masks: Tensor) -> Tensor:
        values = ((holes.hide(images, masks) + 1) * 127.5).round().byte().numpy()
        missing = masks.byte().numpy()
        filled = [
            torch.from_numpy(cv2.inpaint(image, hole, radius, method))
            for image, hole in zip(values[:, 0], missing[:, 0], strict=True)
        ]
        return holes.composite(torch.stack(filled)[:, None] / 127.5 - 1, images, masks)

    return fill


@pytest.fixture(scope="module")
def errors() -> dict[str, dict[str, float]]:
    """Masked L1 by family and fill on test images."""
    images = data.load_images("fashion-mnist", "test", 32).batch(range(COUNT))
    training = data.load_images("fashion-mnist", "train", 32).take(20_000)
    ways = {
        "harmonic": fills.harmonic_fill,
        "biharmonic": fills.biharmonic_fill,
        "nearest images": fills.NearestImages(training, 15),
    }
    ways |= {
        f"{name} {radius}": opencv(method, radius)
        for name, method in METHODS.items()
        for radius in RADII
    }
    found = {}
    for family in holes.FAMILIES:
        masks = holes.draw(family, COUNT, 32, 32, torch.Generator().manual_seed(13))
        found[family] = {
            name: float(masked_metrics.masked_l1(fill(images, masks), images, masks).mean())
            for name, fill in ways.items()
        }
    return found


def of_opencv(errors: dict[str, float]) -> dict[str, float]:
    return {name: error for name, error in errors.items() if name.split()[0] in METHODS}


def test_opencv_continues_a_ramp():
    """The adapter hands over the right pixels, upright and in the right range."""
    ramp = torch.linspace(-0.5, 0.5, 32).expand(1, 1, 32, 32).contiguous()
    mask = holes.draw("random box", 1, 32, 32, torch.Generator().manual_seed(1))
    for method in METHODS.values():
        found = opencv(method, 3)(ramp, mask)
        torch.testing.assert_close(found, fills.harmonic_fill(ramp, mask), atol=0.2, rtol=0)


@pytest.mark.parametrize("family", ["centre square", "random box"])
def test_with_a_radius_of_one_opencv_beats_the_smooth_fills_on_boxes(errors, family):
    smooth = min(errors[family]["harmonic"], errors[family]["biharmonic"])
    for name in METHODS:
        assert errors[family][f"{name} 1"] < smooth


def test_on_scattered_pixels_the_biharmonic_fill_beats_opencv(errors):
    found = errors["scattered pixels"]
    assert found["biharmonic"] < min(of_opencv(found).values())


@pytest.mark.parametrize("family", holes.FAMILIES)
def test_nearest_images_beat_opencv_on_every_family(errors, family):
    assert errors[family]["nearest images"] < min(of_opencv(errors[family]).values())
