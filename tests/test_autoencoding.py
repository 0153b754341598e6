"""Tests of the VAE, its training, and what lesson 06 measures; and that it teaches the same."""

import math
from pathlib import Path

import jupytext
import pytest
import torch
from torch import Tensor, nn

from course_lib import autoencoding, data, elbo, sharpness
from course_lib.models import vae

LESSON = Path(__file__).parents[1] / "notebooks" / "06_autoencoders_and_vaes.py"


@pytest.fixture(scope="module")
def lesson() -> dict:
    """The names that the lesson defines in its cells tagged `keep`."""
    names = {"nn": nn, "torch": torch, "Tensor": Tensor}
    for cell in jupytext.read(LESSON).cells:
        if "keep" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


def normals(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def stripes() -> data.ImageSet:
    """48 images of 8 x 8, each with one bright row or column."""
    images = torch.zeros(48, 1, 8, 8, dtype=torch.uint8)
    for number in range(48):
        line = images[number, 0] if number % 2 else images[number, 0].T
        line[number // 2 % 8] = 255
    return data.ImageSet("stripes", "train", images, torch.arange(48) % 2, ("a", "b"), "")


@pytest.mark.parametrize(("name", "shape"), [("Encoder", (4, 1, 32, 32)), ("Decoder", (4, 3))])
def test_the_networks_of_the_lesson_are_the_librarys(lesson, name, shape):
    taught, kept = lesson[name](3), getattr(vae, name)(3)
    taught.load_state_dict(kept.state_dict())
    inputs = normals(1, *shape)
    assert torch.equal(taught(inputs), kept(inputs))


def test_the_formulas_of_the_lesson_are_the_librarys(lesson):
    mean, log_variance, noise = normals(1, 5, 3), normals(2, 5, 3), normals(3, 5, 3)
    torch.testing.assert_close(
        lesson["gaussian_kl"](mean, log_variance), elbo.gaussian_kl(mean, log_variance)
    )
    given = mean, log_variance, noise
    assert torch.equal(lesson["reparameterise"](*given), elbo.reparameterise(*given))
    images = normals(4, 5, 2, 6, 6)
    torch.testing.assert_close(
        lesson["gradient_magnitude"](images), sharpness.gradient_magnitude(images)
    )
    codes = normals(5, 300, 2), normals(6, 200, 2), 2 * normals(7, 150, 2)
    assert lesson["hole_share"](*codes) == pytest.approx(autoencoding.hole_share(*codes))


@pytest.mark.parametrize(("channels", "size"), [(1, 32), (3, 8)])
def test_a_vae_keeps_shapes_and_range(channels, size):
    model = vae.VAE(5, channels=channels, size=size, width=16)
    shown, mean, log_variance = model(normals(1, 4, channels, size, size), normals(2, 4, 5))
    assert shown.shape == (4, channels, size, size) and shown.abs().max() <= 1
    assert mean.shape == log_variance.shape == (4, 5)


def test_without_noise_the_mean_is_decoded():
    model = vae.VAE(2, size=8, width=16)
    images = normals(1, 3, 1, 8, 8)
    shown, mean, _ = model(images, torch.zeros(3, 2))
    assert torch.equal(shown, model.decode(mean))


@pytest.mark.parametrize("sigma", [0.0, -0.5])
def test_a_sigma_must_be_above_zero(sigma):
    with pytest.raises(ValueError, match="sigma above 0"):
        vae.VAE(2, sigma)


def test_a_given_sigma_stays_and_an_open_one_learns(stripes):
    for sigma, learns in ((0.5, False), (None, True)):
        torch.manual_seed(0)
        model = vae.VAE(2, sigma, size=8, width=16)
        before = float(model.log_sigma.detach())
        list(autoencoding.train(model, autoencoding.negative_elbo, stripes, steps=5, batch=16))
        assert (float(model.log_sigma.detach()) != before) == learns


def test_the_loss_is_minus_the_elbo_and_names_its_parts(stripes):
    torch.manual_seed(0)
    model = vae.VAE(3, 0.4, size=8, width=16)
    images = stripes.batch(range(6))
    found = autoencoding.negative_elbo(model, images, torch.Generator().manual_seed(2))
    noise = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    shown, mean, log_variance = model(images, noise)
    bound = elbo.elbo(images, shown, mean, log_variance, math.log(0.4))
    torch.testing.assert_close(found["loss"], -bound.mean())
    torch.testing.assert_close(found["rate"], elbo.gaussian_kl(mean, log_variance).mean())
    wanted = (images - shown).square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(found["distortion"], wanted)


def test_training_lowers_the_loss_and_counts(stripes):
    torch.manual_seed(0)
    model = vae.VAE(4, 0.5, size=8, width=32)
    records = list(
        autoencoding.train(
            model, autoencoding.negative_elbo, stripes, steps=150, batch=16, every=40
        )
    )
    assert [record.step for record in records] == [40, 80, 120, 150]
    assert [record.images for record in records] == [640, 1280, 1920, 2400]
    assert records[-1].losses["loss"] < records[0].losses["loss"] - 5
    assert set(records[0].losses) == {"loss", "rate", "distortion"}


def test_an_autoencoder_is_trained_by_the_same_loop(stripes):
    torch.manual_seed(0)
    model = nn.Sequential(vae.Encoder(4, size=8, width=32), vae.Decoder(4, size=8, width=32))
    records = list(
        autoencoding.train(
            model, autoencoding.squared_error, stripes, steps=150, batch=16, every=50
        )
    )
    assert records[-1].losses["loss"] < 0.75 * records[0].losses["loss"]
    error = autoencoding.evaluate(model, autoencoding.squared_error, stripes)["loss"]
    images = stripes.batch(range(48))
    wanted = (model(images) - images).square().sum((1, 2, 3)).mean()
    assert error == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_two_trainings_are_equal_whatever_is_drawn_between_them(stripes):
    weights = []
    for looks in (False, True):
        torch.manual_seed(0)
        model = vae.VAE(2, size=8, width=16)
        training = autoencoding.train(
            model, autoencoding.negative_elbo, stripes, steps=20, batch=16, every=5
        )
        for _ in training:
            if looks:
                torch.randn(7)
                autoencoding.encode(model, stripes)
        weights.append(torch.cat([one.detach().flatten() for one in model.parameters()]))
    assert torch.equal(*weights)


def test_the_noise_is_another_at_each_step_and_for_each_seed(stripes):
    drawn = []

    def looking(model, images, random):
        drawn.append(float(torch.randn((), generator=random)))
        return {"loss": model.log_sigma.square()}

    for seed in (0, 1, 0):
        model = vae.VAE(2, size=8, width=16)
        list(autoencoding.train(model, looking, stripes, steps=4, batch=16, seed=seed))
    assert len(set(drawn[:8])) == 8 and drawn[8:] == drawn[:4]


def test_a_loss_that_is_not_finite_stops_the_training(stripes):
    model = vae.VAE(2, size=8, width=16)

    def broken(model, images, random):
        return {"loss": model.log_sigma * math.nan}

    with pytest.raises(FloatingPointError, match="learning rate"):
        list(autoencoding.train(model, broken, stripes, steps=3, batch=16))


def test_evaluating_and_encoding_do_not_depend_on_the_batch(stripes):
    torch.manual_seed(0)
    model = vae.VAE(2, 0.5, size=8, width=16)
    whole, parts = (autoencoding.encode(model, stripes, batch) for batch in (48, 7))
    for one, two in zip(whole, parts, strict=True):
        assert one.shape == (48, 2)
        torch.testing.assert_close(one, two)
    model = nn.Sequential(vae.Encoder(2, size=8, width=16), vae.Decoder(2, size=8, width=16))
    errors = [
        autoencoding.evaluate(model, autoencoding.squared_error, stripes, batch=batch)["loss"]
        for batch in (48, 7)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=1e-5)


def test_fresh_codes_fall_into_holes_once_in_a_hundred():
    codes, fresh, more = (normals(seed, 3000, 2) for seed in (1, 2, 3))
    assert autoencoding.hole_share(codes, fresh, more) == pytest.approx(0.01, abs=0.007)


def test_the_gap_between_two_clusters_is_a_hole():
    codes, fresh = normals(1, 400, 2), normals(2, 400, 2)
    for some in (codes, fresh):
        some[:, 0] += 50 * some[:, 0].sign()
    points = torch.stack([torch.zeros(2), codes[0], torch.tensor([500.0, 0.0]), codes[1]])
    assert autoencoding.hole_share(codes, fresh, points) == 0.5


def test_near_codes_far_from_zero_keep_their_distances():
    """A distance from squares would lose its digits here, and see holes where there are none."""
    codes = 1000 + normals(1, 300, 2)
    assert autoencoding.hole_share(codes, codes + 1e-2, codes + 0.9e-2) == 0


def test_the_gradient_magnitude_of_a_slope_is_its_steepness():
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(5.0), indexing="ij")
    image = (3 * rows + 4 * columns)[None, None]
    torch.testing.assert_close(sharpness.gradient_magnitude(image), torch.tensor([5.0]))
    assert sharpness.gradient_magnitude(torch.ones(2, 3, 4, 4)).tolist() == [0, 0]


def test_a_blurred_image_has_less_gradient():
    images = normals(1, 3, 1, 16, 16)
    blurred = nn.functional.avg_pool2d(images, 3, 1, 1)
    assert (sharpness.gradient_magnitude(blurred) < sharpness.gradient_magnitude(images)).all()


@pytest.mark.parametrize("shape", [(8, 8), (1, 1, 1, 8)])
def test_the_gradient_magnitude_wants_images(shape):
    with pytest.raises(ValueError, match="2 x 2"):
        sharpness.gradient_magnitude(torch.zeros(shape))
