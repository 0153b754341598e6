"""Networks that fill holes: no leak, equations of the convolutions, sizes, and the two critics."""

import copy
import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from course_lib import data, fills, inpaint_losses, latent_search
from course_lib import masks as holes
from course_lib.models import hole_convolutions, inpainting

KINDS = list(hole_convolutions.BLOCKS)


def networks(channels: int = 1) -> dict[str, torch.nn.Module]:
    found = {kind: inpainting.UNet(channels, 4, kind) for kind in KINDS}
    guide = fills.NearestImages(some_images(channels), 3, held=True).median
    found["guided"] = inpainting.GuidedUNet(guide, channels, width=4)
    return found | {"context": inpainting.ContextEncoder(channels, 32, 4)}


def some_images(channels: int) -> data.ImageSet:
    random = torch.Generator().manual_seed(11)
    pixels = torch.randint(0, 256, (20, channels, 32, 32), generator=random).to(torch.uint8)
    return data.ImageSet("any", "train", pixels, torch.zeros(20).long(), ("any",), "a test")


def draw(name, count: int = 3, side: int = 32) -> torch.Tensor:
    return holes.draw(name, count, side, side, torch.Generator().manual_seed(8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", networks())
def test_the_answer_cannot_leak_into_the_input(name, channels):
    torch.manual_seed(0)
    network = networks(channels)[name].train()
    images, masks = torch.rand(3, channels, 32, 32) * 2 - 1, draw(["random box", "free form"])
    spoilt = torch.where(masks > 0, torch.tensor(math.nan), images)
    found = network(images, masks)
    assert found.shape == images.shape and found.abs().max() <= 1
    assert torch.equal(found, network(spoilt, masks))
    # What is known does reach the answer, and the gradient every weight.
    changed = images + 0.5 * (1 - masks)
    assert not torch.allclose(found, network(changed, masks), atol=1e-4)
    found.square().sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())


@pytest.mark.parametrize("kernel,stride", [(3, 1), (5, 1), (4, 2), (3, 2)])
def test_a_partial_convolution_keeps_a_constant_under_an_averaging_kernel(kernel, stride):
    layer = hole_convolutions.PartialConv2d(2, 1, kernel, stride).double()
    torch.nn.init.constant_(layer.convolution.weight, 1 / (2 * kernel**2))
    masks = torch.cat([draw(name, 1) for name in holes.FAMILIES]).double()
    images = torch.full((len(masks), 2, 32, 32), 0.7).double()
    found, known = layer(holes.hide(images, masks), 1 - masks)
    assert torch.equal(known, known.bool().double()) and known.shape == found.shape
    torch.testing.assert_close(found, 0.7 * known)  # at the image's border too
    plain = layer.convolution(holes.hide(images, masks))
    assert (plain - 0.7).abs().max() > 0.1  # without the normalisation it is not


def test_a_partial_convolution_is_its_equation_pixel_by_pixel():
    torch.manual_seed(1)
    layer = hole_convolutions.PartialConv2d(3, 2, 3, 1).double()
    torch.nn.init.normal_(layer.bias)
    images, masks = torch.randn(1, 3, 8, 8).double(), draw("free form", 1, 8).double()
    found, known = layer(images, 1 - masks)
    weight, bias = layer.convolution.weight, layer.bias.flatten()
    for row in range(1, 7):
        for column in range(1, 7):
            there = (1 - masks)[0, :, row - 1 : row + 2, column - 1 : column + 2]
            patch = images[0, :, row - 1 : row + 2, column - 1 : column + 2]
            expected = torch.zeros(2).double()
            if there.sum() > 0:
                expected = (weight * patch * there).sum(dim=(1, 2, 3)) * 9 / there.sum() + bias
            torch.testing.assert_close(found[0, :, row, column], expected)
            assert known[0, 0, row, column] == float(there.sum() > 0)


def test_a_partial_convolution_of_a_whole_image_is_a_convolution_inside():
    torch.manual_seed(2)
    layer, images = hole_convolutions.PartialConv2d(2, 3, 3, 1), torch.randn(2, 2, 8, 8)
    found, known = layer(images, torch.ones(2, 1, 8, 8))
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(found[inside], layer.convolution(images)[inside])
    assert known.all()


def test_known_channels_beside_unknown_ones_count_by_their_share():
    """One convolution of joined maps is that of the paper, with a mask for every channel."""
    torch.manual_seed(3)
    layer = hole_convolutions.PartialConv2d(5, 2, 3, 1).double()
    first, second = torch.randn(1, 2, 6, 6).double(), torch.randn(1, 3, 6, 6).double()
    there = [1 - draw("free form", 2, 6)[index : index + 1].double() for index in (0, 1)]
    x = torch.cat([first * there[0], second * there[1]], dim=1)
    found, known = layer(x, (2 * there[0] + 3 * there[1]) / 5)
    every = torch.cat([there[0].expand(1, 2, 6, 6), there[1].expand(1, 3, 6, 6)], dim=1)
    count = F.conv2d(every, torch.ones(1, 5, 3, 3).double(), padding=1)
    expected = layer.convolution(x) * torch.where(count > 0, 45 / count.clamp(min=1), 0.0)
    torch.testing.assert_close(found, expected)
    assert torch.equal(known, (count > 0).double())


def test_unknown_features_of_a_partial_block_stay_zero():
    """Batch normalisation shifts zeros too; what is joined with known channels must not be that."""
    block = hole_convolutions.PartialBlock(2, 3, 3, 1).train()
    torch.nn.init.constant_(block.after[0].bias, 0.7)
    known = torch.ones(2, 1, 8, 8)
    known[:, :, 2:7, 2:7] = 0  # of this 5 x 5 square 3 x 3 are still unknown after the block
    found, now = block(torch.randn(2, 2, 8, 8), known)
    assert int((now == 0).sum()) == 2 * 9
    assert (found[(now == 0).expand_as(found)] == 0).all() and found.abs().sum() > 0


def test_a_partial_u_net_joins_maps_with_the_share_that_is_known():
    network, seen = inpainting.UNet(1, 4, "partial", bottom=0), []
    masks = draw("centre square", 1)
    for part in (network.stem, *network.down):
        part.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[1]))
    network.up[-1].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    network(torch.zeros(1, 1, 32, 32), masks)
    stem, share = seen[0], seen[-1]
    assert (stem == 0).any() and share.shape == stem.shape
    # The map from below has 8 channels, all known by now; the skip has 4, unknown in the hole.
    torch.testing.assert_close(share, (8 + 4 * stem) / 12)


@pytest.mark.parametrize("family", holes.FAMILIES)
def test_of_the_last_features_of_a_partial_u_net_all_are_known(family):
    network, seen = inpainting.UNet(1, 4, "partial"), []
    network.up[-1].register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[1]))
    network(torch.zeros(4, 1, 32, 32), draw(family, 4))
    # The last layer's window reaches one pixel further.
    assert F.max_pool2d(seen[0], 3, 1, 1).all()


def test_a_gated_convolution_is_its_equation():
    torch.manual_seed(4)
    layer, x = hole_convolutions.GatedConv2d(2, 3, 3, 1), torch.randn(2, 2, 8, 8)
    weight, bias = layer.both.weight, layer.both.bias
    features = F.conv2d(x, weight[:3], bias[:3], padding=1)
    gates = F.conv2d(x, weight[3:], bias[3:], padding=1)
    torch.testing.assert_close(layer(x), F.elu(features) / (1 + torch.exp(-gates)))
    with torch.no_grad():
        bias[3:] = 50.0  # an open gate lets everything through
        weight[3:] = 0.0
    torch.testing.assert_close(layer(x), F.elu(features))


def test_the_channelwise_layer_joins_places_and_not_channels():
    torch.manual_seed(5)
    layer, x = inpainting.ChannelwiseLinear(3, 4), torch.randn(2, 3, 4, 4)
    expected = torch.stack([x[:, c].flatten(1) @ layer.weight[c] for c in range(3)], dim=1)
    torch.testing.assert_close(layer(x), expected.view(2, 3, 4, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_a_u_net_fills_any_size_that_divides(kind):
    network = inpainting.UNet(1, 4, kind).eval()
    masks = torch.zeros(1, 1, 24, 40)
    masks[:, :, 4:9, 5:20] = 1
    assert network(torch.zeros(1, 1, 24, 40), masks).shape == (1, 1, 24, 40)
    with pytest.raises(ValueError, match="multiples of 8, got 28 x 24"):
        network(torch.zeros(1, 1, 28, 24), torch.zeros(1, 1, 28, 24))
    with pytest.raises(ValueError, match="exactly 32, got 64 x 32"):
        inpainting.ContextEncoder(1, 32, 4)(torch.zeros(1, 1, 64, 32), torch.zeros(1, 1, 64, 32))


def test_noise_reaches_the_answer_and_is_asked_for():
    torch.manual_seed(6)
    network = inpainting.UNet(1, 4, noise=5).eval()
    images, masks, z = torch.zeros(2, 1, 16, 16), draw("random box", 2, 16), torch.randn(2, 5)
    assert not torch.equal(network(images, masks, z), network(images, masks, -z))
    for wrong in (None, z[:1], z[:, :4]):
        with pytest.raises(ValueError, match="noise of shape"):
            network(images, masks, wrong)
    with pytest.raises(ValueError, match="noise of shape None"):
        inpainting.UNet(1, 4)(images, masks, z)


def test_what_is_given_beside_the_image_reaches_the_answer():
    torch.manual_seed(6)
    network = inpainting.UNet(3, 4, condition=2).eval()
    images, masks, condition = (
        torch.zeros(2, 3, 16, 16),
        draw("random box", 2, 16),
        torch.ones(2, 2, 16, 16),
    )
    assert not torch.equal(
        network(images, masks, None, condition), network(images, masks, None, -condition)
    )
    for wrong in (None, condition[:1], condition[:, :1], condition[..., :8]):
        with pytest.raises(ValueError, match=r"a condition of shape \(2, 2, 16, 16\), got"):
            network(images, masks, None, wrong)
    with pytest.raises(ValueError, match="a condition of shape None"):
        inpainting.UNet(3, 4)(images, masks, None, condition)


def test_a_guided_network_sees_its_guide_in_full_precision_and_copies_share_it():
    torch.manual_seed(6)
    training, seen = some_images(1), []
    lookup = fills.NearestImages(training, held=True)

    def guide(images, masks):
        found = lookup.median(images, masks)
        seen.append((found.dtype, (images @ images.mT).dtype))
        return found

    network = inpainting.GuidedUNet(guide, width=4).eval()
    images, masks = training.batch(range(4)), draw("random box", 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = network(images, masks)
    assert seen == [(torch.float32, torch.float32)] and found.dtype == torch.bfloat16
    # An image of the set is its own nearest one: the guide is the answer.
    truth = network.network(images, masks, None, images)
    torch.testing.assert_close(network(images, masks), truth)
    assert copy.deepcopy(lookup) is lookup


def test_networks_that_cannot_be():
    partial = [{"kind": "partial", "noise": 4}, {"kind": "partial", "condition": 1}]
    for wrong in ({"kind": "full"}, {"levels": 0}, {"condition": -1}, *partial):
        with pytest.raises(ValueError, match="expected a kind"):
            inpainting.UNet(**wrong)
    with pytest.raises(ValueError, match="size of 8"):
        inpainting.ContextEncoder(size=24)


def test_the_square_is_about_the_hole_and_inside_the_image():
    images = torch.arange(32.0 * 32).view(1, 1, 32, 32).expand(4, 2, 32, 32)
    masks = torch.zeros(4, 1, 32, 32)  # the last one without a hole
    masks[0, :, 8:24, 8:24] = 1  # in the middle
    masks[1, :, :3, :2] = 1  # in the corner
    masks[2, :, 10:12, 28:30] = 1  # near the right side
    found = inpainting.crop_at_hole(images, masks, 16)
    assert found.shape == (4, 2, 16, 16)
    for index, (row, column) in enumerate(((8, 8), (0, 0), (3, 16), (0, 0))):
        expected = images[index, :, row : row + 16, column : column + 16]
        assert torch.equal(found[index], expected)


def test_critics_give_two_logits_and_see_the_mask():
    torch.manual_seed(7)
    critics = inpainting.Critics(3, 32, 4)
    images, masks = torch.rand(4, 3, 32, 32), draw("random box", 4)
    found = critics(images, masks)
    assert found.shape == (4, 2)
    assert not torch.allclose(found, critics(images, draw("centre square", 4)))
    # The second sees nothing outside its square.
    far = images.clone()
    masks = torch.zeros(4, 1, 32, 32)
    masks[:, :, :8, :8] = 1
    far[:, :, 20:, 20:] = 0
    before, after = critics(images, masks), critics(far, masks)
    assert torch.equal(before[:, 1], after[:, 1]) and not torch.equal(before[:, 0], after[:, 0])


def test_everything_forward_runs_on_a_gpu_it_was_moved_to():
    """A tensor made on the wrong device fails here, without a GPU."""
    with FakeTensorMode():
        with torch.device("cuda"):  # only weights and data: the passes get no default device
            filling = [*networks().values(), inpainting.UNet(1, 4, noise=3)]
            critics = inpainting.Critics(1, 32, 4)
            images, masks, z = (
                torch.empty(2, 1, 32, 32),
                torch.ones(2, 1, 32, 32),
                torch.empty(2, 3),
            )
        for network in filling:
            answers = network(images, masks, z if getattr(network, "noise", 0) else None)
            composites = holes.composite(answers, images, masks)
            loss = inpaint_losses.reconstruction_loss(answers, images, masks, "l2", 0.1)
            loss = loss + inpaint_losses.energy_loss(answers, answers, images, masks)
            logits = critics(composites, masks)
            weights = latent_search.context_weights(masks)
            for one in (answers, composites, loss, logits, weights):
                assert one.device.type == "cuda"
