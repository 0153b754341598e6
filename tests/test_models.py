"""Shapes, sizes, initialisation and the one-device rule of the networks."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from course_lib import losses
from course_lib.models import dcgan
from course_lib.models.classifier import Classifier
from course_lib.models.gaussian import GaussianSampler


@pytest.mark.parametrize("size", [8, 16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_generator_and_discriminator_fit_each_other(size, channels, norm):
    generator = dcgan.Generator(latent=7, channels=channels, size=size, width=4)
    discriminator = dcgan.Discriminator(channels=channels, size=size, width=4, norm=norm)
    images = generator(torch.randn(3, 7))
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    assert discriminator(images).shape == (3,)


@pytest.mark.parametrize("size", [8, 32])
def test_depth_adds_that_many_layers_at_each_size_from_8(size):
    def convolutions(depth: int) -> list[tuple[int, ...]]:
        network = dcgan.Generator(latent=7, size=size, width=4, depth=depth)
        assert network(torch.randn(3, 7)).shape == (3, 1, size, size)
        return [tuple(layer.weight.shape) for layer in network.layers if hasattr(layer, "padding")]

    plain, deep = convolutions(1), convolutions(3)
    doublings = {8: 0, 32: 2}[size]  # hidden ones: the last doubling makes the image
    assert len(deep) == len(plain) + 2 * doublings
    added = sorted(shape for shape in deep if shape[2:] == (3, 3))
    hidden = [4, 8][:doublings]
    assert added == sorted((width, width, 3, 3) for width in hidden for _ in range(2))


def test_a_depth_below_one_is_refused():
    with pytest.raises(ValueError, match="depth of at least 1, got 0"):
        dcgan.Generator(depth=0)


@pytest.mark.parametrize("size", [0, 4, 12, 28])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="image size of 8, 16, 32"):
        dcgan.Generator(size=size)


def test_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="norm"):
        dcgan.Discriminator(norm="layer")


def test_initialise_centres_scales_at_one_and_weights_at_zero():
    random = torch.Generator().manual_seed(0)
    network = dcgan.initialise(dcgan.Generator(width=64), random)
    weights = network.layers[3].weight
    assert weights.mean().abs() < 1e-3 and abs(weights.std() - 0.02) < 1e-3
    scale = network.layers[1].weight
    assert abs(scale.mean() - 1) < 0.01 and abs(scale.std() - 0.02) < 0.005


def test_initialise_repeats_with_the_seed():
    first, second = (
        dcgan.initialise(dcgan.Discriminator(width=4), torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_classifier_features_and_logits():
    classifier = Classifier().eval()
    images = torch.rand(2, 1, 32, 32) * 2 - 1
    assert classifier.features(images).shape == (2, 128)
    assert classifier.features(images).min() >= 0
    assert classifier(images).shape == (2, 10)


def test_gaussian_sampler_has_the_mean_and_covariance_of_its_images():
    random = torch.Generator().manual_seed(0)
    mixing = torch.randn(4, 4, generator=random) * 0.1
    images = (torch.randn(5000, 4, generator=random) @ mixing).reshape(5000, 1, 2, 2)
    drawn = GaussianSampler(images).sample(20_000, seed=1).flatten(1)
    assert torch.allclose(drawn.mean(0), images.flatten(1).mean(0), atol=0.01)
    assert torch.allclose(torch.cov(drawn.T), torch.cov(images.flatten(1).T), atol=0.003)


def test_models_and_losses_run_on_a_gpu_they_were_moved_to():
    """A tensor made on the wrong device fails here, without a GPU."""
    with FakeTensorMode():
        with torch.device("cuda"):  # only the weights: the forward pass gets no default device
            generator, discriminator = dcgan.Generator(width=4), dcgan.Discriminator(width=4)
            classifier = Classifier()
            z = torch.empty(2, 64)
        images = generator(z)
        logits = discriminator(images)
        total = losses.discriminator_loss(logits, logits) + losses.generator_loss(logits)
        total = total + losses.relativistic_loss(logits, logits)
        assert total.device.type == "cuda"
        assert classifier(images).device.type == "cuda"


def test_projection_is_a_transposed_convolution_of_one_pixel():
    torch.manual_seed(0)
    layers = nn.ConvTranspose2d(5, 6, 4, bias=False), dcgan.Projection(5, 6, 4, bias=False)
    layers[1].load_state_dict(layers[0].state_dict())
    z, found = torch.randn(3, 5, 1, 1), []
    for layer in layers:
        layer.to(memory_format=torch.channels_last)
        images = layer(z)
        assert images.is_contiguous(memory_format=torch.channels_last)
        images.square().sum().backward()
        found.append((images, layer.weight.grad))
    torch.testing.assert_close(found[0], found[1])


def test_the_minibatch_std_is_numpys_and_the_same_for_a_group():
    maps = torch.randn(6, 2, 3, 5)
    seen = dcgan.MinibatchStd(3)(maps)
    assert seen.shape == (6, 3, 3, 5)
    assert torch.equal(seen[:, :2], maps)
    for group in (slice(0, 3), slice(3, 6)):
        expected = float(maps[group].numpy().std(axis=0).mean())
        torch.testing.assert_close(seen[group, 2], torch.full((3, 3, 5), expected))


def test_a_group_of_equal_images_has_no_spread_and_a_finite_slope():
    maps = torch.randn(1, 2, 4, 4).expand(4, -1, -1, -1).clone().requires_grad_()
    spread = dcgan.MinibatchStd(4)(maps)[:, -1]
    assert spread.max() <= 1.01e-4
    spread.sum().backward()
    assert maps.grad.isfinite().all()


def test_the_minibatch_std_stays_in_the_format_of_the_maps():
    maps = torch.randn(4, 2, 4, 4).bfloat16()
    seen = dcgan.MinibatchStd(2)(maps)
    assert seen.dtype == torch.bfloat16
    expected = maps[:2].float().std(0, correction=0).mean()
    assert float(seen[0, -1, 0, 0]) == pytest.approx(float(expected), rel=2**-8)


def test_a_discriminator_with_groups_tells_equal_images_from_different_ones():
    """What no discriminator of single images can: the same image, in another group."""
    network, images = dcgan.Discriminator(width=4, norm="none", group=4), torch.randn(4, 1, 32, 32)
    alike = images[:1].expand(4, -1, -1, -1)
    assert network.config["group"] == 4
    assert not torch.isclose(network(images)[0], network(alike)[0])
    alone = dcgan.Discriminator(width=4, norm="none")
    torch.testing.assert_close(alone(images)[0], alone(alike)[0])
    # Another group of the batch does not matter.
    torch.testing.assert_close(network(torch.cat([images, alike]))[:4], network(images))


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        dcgan.MinibatchStd(1)
    with pytest.raises(ValueError, match="groups of 4 divide, got 6 images"):
        dcgan.Discriminator(width=4, norm="none", group=4)(torch.randn(6, 1, 32, 32))
