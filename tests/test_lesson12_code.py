"""What lesson 12 writes out does what the library keeps."""

import math
from pathlib import Path

import jupytext
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import conditional, directions, losses, recipes
from course_lib.models import conditional as models
from course_lib.models import dcgan

LESSON = Path(__file__).parents[1] / "notebooks" / "12_conditions_and_codes.py"


@pytest.fixture(scope="module")
def taught() -> dict:
    names = {"nn": nn, "F": F, "math": math, "torch": torch, "Tensor": Tensor}
    names |= {"losses": losses, "dcgan": dcgan}
    for cell in jupytext.read(LESSON).cells:
        if "keep" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


def test_the_networks_are_the_librarys(taught):
    labels, images = torch.tensor([3, 0, 9, 3]), torch.rand(4, 1, 32, 32) * 2 - 1
    z = torch.randn(4, 64)
    mine, kept = taught["Generator"](), models.Generator()
    mine.load_state_dict(kept.state_dict())
    torch.testing.assert_close(mine(z, labels), kept(z, labels))
    for name in ("ConcatenatingDiscriminator", "ProjectionDiscriminator"):
        mine, kept = taught[name](), getattr(models, name)(norm="none")
        if name == "ProjectionDiscriminator":
            nn.init.normal_(kept.table, 0.0, 0.1)
        mine.load_state_dict(kept.state_dict())
        torch.testing.assert_close(mine(images, labels), kept(images, labels).logits)


def test_the_functions_are_the_librarys(taught):
    labels = torch.tensor([1, 0, 2])
    assert torch.equal(taught["label_maps"](labels, 3, 2, 5), models.label_maps(labels, 3, 2, 5))
    given = torch.randn(3, 4), torch.randn(3), torch.randn(5, 4), labels
    assert torch.equal(taught["projection_logit"](*given), models.projection_logit(*given))
    logits = torch.randn(3, 4)
    assert taught["information_bound"](logits, labels) == conditional.information_bound(
        logits, labels
    )
    z, shown = torch.randn(9, 4), torch.arange(9) % 3 == 0
    assert torch.equal(taught["mean_difference"](z, shown), directions.mean_difference(z, shown))
    walk = z, torch.tensor([1.0, 0, 0, 0]), torch.tensor([-1.0, 2.0])
    assert torch.equal(taught["walk"](*walk), directions.walk(*walk))
    pair = (
        function(5, 6, 0.7, torch.Generator().manual_seed(2))
        for function in (taught["truncated_normal"], directions.truncated_normal)
    )
    assert torch.equal(*pair)


def test_the_step_is_the_librarys(taught):
    recipe = recipes.Recipe(steps=5, batch=8, depth=1, r1=0.0, width=32, decay="none")
    state = conditional.ConditionalState.create("projection", recipe, torch.device("cpu"))
    networks = taught["Generator"](), taught["ProjectionDiscriminator"]()
    adams = []
    for mine, kept in zip(networks, (state.generator, state.discriminator), strict=True):
        mine.load_state_dict(kept.state_dict())
        adams.append(torch.optim.Adam(mine.parameters(), recipe.rate, recipe.betas))
    # Adam's first step is the rate times the gradient's sign, and near zero the sign is noise. A
    # large epsilon makes it proportional to the gradient.
    for adam in (*adams, state.generator_adam, state.discriminator_adam):
        adam.param_groups[0]["eps"] = 1e-3
    begun = [[one.detach().clone() for one in mine.parameters()] for mine in networks]
    torch.manual_seed(0)
    real, labels = torch.rand(8, 1, 32, 32) * 2 - 1, torch.arange(8) % 10
    z = torch.randn(8, 64, generator=torch.Generator().manual_seed(5))
    taught["train_step"](*networks, *adams, real, labels, z)
    conditional.conditional_step(state, real, labels, torch.Generator().manual_seed(5))
    players = state.generator, state.discriminator
    for mine, kept, before in zip(networks, players, begun, strict=True):
        trios = list(zip(mine.parameters(), kept.parameters(), before, strict=True))
        moved = sum(float((two - old).detach().abs().sum()) for _, two, old in trios)
        apart = sum(float((one - two).detach().abs().sum()) for one, two, _ in trios)
        assert moved > 0 and apart < 1e-3 * moved
