"""Four families of networks: shapes, what their blocks compute, and what they cost."""

import copy

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.architectures import BUDGETS
from course_lib.models import architectures, blocks

every_family = pytest.mark.parametrize("family", architectures.FAMILIES)


@every_family
@pytest.mark.parametrize("width", [1, 7.3, 16])
def test_images_become_logits(family, width):
    network = architectures.build(family, width, channels=3, classes=7)
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    assert network(images).shape == (2, 7)


@every_family
def test_the_three_stages_have_16_8_and_4_pixels_a_side(family):
    network = architectures.build(family, 8)
    sides = []
    x = network.stem(torch.zeros(2, 1, 32, 32))
    assert x.shape == (2, 8, 16, 16)
    for module in network.body:
        x = module(x)
        sides.append(x.shape[-1])
    assert list(dict.fromkeys(sides)) == [16, 8, 4]


@every_family
def test_the_same_seed_draws_the_same_network_and_each_parameter_learns(family):
    def drawn() -> nn.Module:
        torch.manual_seed(5)
        return architectures.build(family, 6)

    first, second = drawn(), drawn()
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )
    F.cross_entropy(first(torch.randn(16, 1, 32, 32)), torch.arange(16) % 10).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in first.parameters())


@every_family
def test_networks_run_on_a_gpu_they_were_moved_to(family):
    with FakeTensorMode():
        with torch.device("cuda"):
            network = architectures.build(family, 6)
        assert network(torch.empty(2, 1, 32, 32, device="cuda")).device.type == "cuda"


@every_family
def test_convolutions_start_as_he_says(family):
    torch.manual_seed(0)
    network = architectures.build(family, 32)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 4000:
            expected = (2 / module.weight[0].numel()) ** 0.5
            assert abs(module.weight.std() / expected - 1) < 0.1


def test_unknown_families_and_widths_are_refused():
    with pytest.raises(ValueError, match="vgg, resnet, inception, densenet; got 'lenet'"):
        architectures.build("lenet", 8)
    for width in (0.5, -3, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="width of at least 1"):
            architectures.build("vgg", width)


def test_a_residual_block_whose_last_scale_is_zero_is_a_relu():
    block = blocks.ResidualBlock(6, 6)
    nn.init.zeros_(block.layers[-1].weight)
    x = torch.randn(4, 6, 8, 8)
    assert torch.equal(block(x), F.relu(x))


def test_a_residual_block_adds_its_input_before_the_last_relu():
    block = blocks.ResidualBlock(6, 9, stride=2).eval()
    x = torch.randn(4, 6, 8, 8)
    y = block(x)
    assert y.shape == (4, 9, 4, 4)
    assert torch.equal(y, F.relu(block.shortcut(x) + block.layers(x)))
    assert (block.layers(x) < 0).any() and (block.shortcut(x) < 0).any()


def test_a_dense_layer_keeps_its_input_as_the_first_channels():
    x = torch.randn(4, 5, 8, 8)
    before = x.clone()
    y = blocks.DenseLayer(5, 3)(x)
    assert y.shape == (4, 8, 8, 8)
    assert torch.equal(y[:, :5], before) and torch.equal(x, before)
    assert blocks.DenseLayer(5, 3).layers[2].out_channels == 12


@pytest.mark.parametrize("outside", [1, 5, 32, 33])
def test_the_branches_of_an_inception_block_stand_side_by_side(outside):
    block = blocks.InceptionBlock(6, outside).eval()
    x = torch.randn(2, 6, 8, 8)
    parts = [branch(x) for branch in (block.point, block.middle, block.far, block.pool)]
    assert torch.equal(block(x), torch.cat(parts, dim=1))
    assert block(x).shape == (2, block.outside, 8, 8)
    assert outside <= block.outside <= outside + 3


@pytest.mark.parametrize(
    ("branch", "reach"), [("point", 0), ("middle", 1), ("far", 2), ("pool", 1)]
)
def test_each_branch_sees_a_neighbourhood_of_its_own(branch, reach):
    block = blocks.InceptionBlock(2, 64).eval()
    seen = torch.zeros(11, 11, dtype=torch.bool)
    for seed in range(20):  # a ReLU or a maximum hides a pixel, but not each time
        torch.manual_seed(seed)
        x = torch.randn(1, 2, 11, 11, requires_grad=True)
        getattr(block, branch)(x)[0, :, 5, 5].sum().backward()
        seen |= x.grad[0].ne(0).any(0)
    inside = torch.zeros(11, 11, dtype=torch.bool)
    inside[5 - reach : 6 + reach, 5 - reach : 6 + reach] = True
    assert torch.equal(seen, inside)


def test_costs_of_a_small_network_by_hand():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1),  # (4, 4, 3)
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 6, 1, groups=2, bias=False),
        nn.Flatten(),
        nn.Linear(72, 5),
    )
    assert architectures.multiply_adds(network, (3, 8, 6)) == 4 * 12 * 27 + 6 * 12 * 2 + 72 * 5
    assert architectures.parameters(network) == 4 * 27 + 4 + 8 + 6 * 2 + 72 * 5 + 5


@every_family
def test_multiply_adds_are_half_the_operations_that_torch_counts(family):
    network = architectures.build(family, 9.4, channels=3).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, 32, 32))
    assert 2 * architectures.multiply_adds(network, (3, 32, 32)) == counter.get_total_flops()


def test_counting_leaves_the_network_as_it_was():
    network = architectures.build("vgg", 4)
    network.body.eval()  # modes may be mixed
    modes = [module.training for module in network.modules()]
    before = copy.deepcopy(network.state_dict())
    random = torch.get_rng_state()
    architectures.multiply_adds(network, (1, 32, 32))
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    assert torch.equal(torch.get_rng_state(), random)


def test_counting_leaves_the_network_as_it_was_when_the_shape_is_wrong():
    network = architectures.build("vgg", 4)
    with pytest.raises(RuntimeError):
        architectures.multiply_adds(network, (3, 32, 32))
    assert all(module.training and not module._forward_hooks for module in network.modules())


@every_family
@pytest.mark.parametrize(
    "budget",
    [*({name: target} for name, target in BUDGETS.items()), {"parameters": 30_000}],
    ids=str,
)
def test_budgets_are_met_within_three_percent(family, budget):
    random = torch.get_rng_state()
    width = architectures.width_for(family, **budget)
    assert torch.equal(torch.get_rng_state(), random)
    (target,) = budget.values()

    def cost(width: float) -> int:
        with torch.device("meta"):
            network = architectures.build(family, width)
        if "parameters" in budget:
            return sum(parameter.numel() for parameter in network.parameters())
        return architectures.multiply_adds(network, (1, 32, 32))

    found = cost(width)
    assert abs(found - target) <= 0.03 * target
    for other in range(-6, 7):  # none nearby is closer
        assert abs(found - target) <= abs(cost(width + other / 10) - target)


def test_channels_and_classes_belong_to_the_budget():
    width = architectures.width_for("vgg", parameters=20_000, channels=3, classes=100)
    network = architectures.build("vgg", width, channels=3, classes=100)
    assert abs(architectures.parameters(network) - 20_000) <= 600


@pytest.mark.parametrize("budgets", [{}, {"parameters": 10_000, "multiply_adds": 10_000}])
def test_exactly_one_budget_is_asked_for(budgets):
    with pytest.raises(ValueError, match="expected one budget"):
        architectures.width_for("vgg", **budgets)


@pytest.mark.parametrize("budget", [{"parameters": 10}, {"multiply_adds": -5}, {"parameters": 0}])
def test_budgets_that_no_network_meets_are_refused(budget):
    with pytest.raises(ValueError, match=r"the resnet that comes closest to .* at width 1\.0"):
        architectures.width_for("resnet", **budget)
