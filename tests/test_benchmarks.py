"""The benchmarks run, and what the README and the lesson say of them is what was measured."""

import json
import re
import statistics
from pathlib import Path

import pytest
import torch

from benchmarks import __main__ as benchmarks
from benchmarks import architectures, guidelines, textbook
from course_lib import data, recipes
from course_lib.models.architectures import FAMILIES

RESULTS = Path(benchmarks.RESULTS)


@pytest.mark.parametrize("rule", guidelines.RULES)
def test_every_rule_gives_networks_that_fit_each_other(rule):
    generator, discriminator = guidelines.networks(rule)
    images = generator(torch.randn(4, 64))
    assert images.shape == (4, 1, 32, 32)
    assert discriminator(images).shape == (4,)


def test_every_broken_rule_differs_from_the_paper():
    def described(rule: str) -> str:
        generator, discriminator = guidelines.networks(rule)
        scale = max(float(one.detach().mean()) for one in generator.parameters())
        return f"{generator}{discriminator}{scale > 0.5}"

    plain = described(guidelines.PLAIN)
    changed = [rule for rule in guidelines.RULES[1:] if not rule.startswith("Adam")]
    assert all(described(rule) != plain for rule in changed)


def test_the_textbook_loop_trains():
    generator, seen = textbook.train(seconds=0.01, seed=0)
    assert seen == 128 and not generator.training
    assert generator(torch.randn(2, 100)).shape == (2, 1, 32, 32)


def test_spread_keeps_the_values():
    found = benchmarks.spread([3.0, 1.0, 2.0])
    assert found == {"median": 2.0, "least": 1.0, "largest": 3.0, "values": [3.0, 1.0, 2.0]}


def tiny_set(split: str) -> data.ImageSet:
    return data.load_images("fashion-mnist", split, 32).take(256)


def test_families_are_compared_at_each_budget(capsys):
    found = architectures.compare_families(
        2,
        torch.device("cpu"),
        tiny_set("train"),
        tiny_set("test"),
        budgets={"parameters": 10_000, "multiply_adds": 500_000},
        epochs=1,
    )
    assert (found["images"], found["epochs"], found["batch"]) == (256, 1, 128)
    for budget, target in (("parameters", 10_000), ("multiply_adds", 500_000)):
        assert found["budgets"][budget]["target"] == target
        families = found["budgets"][budget]["families"]
        assert tuple(families) == FAMILIES
        for row in families.values():
            assert abs(row[budget] - target) <= 0.03 * target
            for name in ("accuracy", "seconds", "images_per_second"):
                assert len(row[name]["values"]) == 2 and row[name]["least"] > 0
            assert row["accuracy"]["largest"] <= 1
            for seconds, rate in zip(
                row["seconds"]["values"], row["images_per_second"]["values"], strict=True
            ):
                assert seconds * rate == pytest.approx(256, rel=0.01)
    json.dumps(found)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 16 and lines[-1].endswith("; 0 min left")
    assert [line[:6] for line in lines] == ["seed 0"] * 8 + ["seed 1"] * 8  # interleaved


def test_policies_are_compared_on_the_first_images():
    found = architectures.compare_policies(
        1,
        torch.device("cpu"),
        tiny_set("train"),
        tiny_set("test"),
        count=128,
        epochs=2,
        parameters=10_000,
    )
    assert (found["images"], found["epochs"], found["family"]) == (128, 2, "resnet")
    assert abs(found["parameters"] - 10_000) <= 300
    assert tuple(found["policies"]) == tuple(architectures.POLICIES)
    for row in found["policies"].values():
        assert 0 < row["accuracy"]["median"] <= 1 and 0 < row["training_accuracy"]["median"] <= 1
    json.dumps(found)


def test_each_policy_makes_other_images_of_the_same_shape():
    images = data.normalise(tiny_set("train").images)
    made = {}
    for name, augment in architectures.POLICIES.items():
        torch.manual_seed(0)
        made[name] = augment(images)
        assert made[name].shape == images.shape
    assert torch.equal(made.pop("none"), images)
    names = ["none", *made]
    different = [images, *made.values()]
    for index, name in enumerate(names):
        for other in range(index):
            assert not torch.equal(different[index], different[other]), (name, names[other])


@pytest.mark.parametrize("name", ["architectures", "augmentation"])
def test_the_command_writes_what_was_found_with_date_and_machine(name, tmp_path, monkeypatch):
    function = {"architectures": "compare_families", "augmentation": "compare_policies"}[name]
    given = []
    monkeypatch.setattr(architectures, function, lambda *a: given.extend(a) or {"rows": 1})
    monkeypatch.setattr(benchmarks, "RESULTS", tmp_path)
    monkeypatch.setattr("sys.argv", ["benchmarks", name, "--seeds", "4"])
    assert benchmarks.main() == 0
    seeds, _, images, test = given
    assert (seeds, len(images), len(test)) == (4, 60_000, 10_000)
    stored = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert stored["rows"] == 1 and stored["date"] and stored["environment"]["device_name"]


def test_stored_results_say_where_they_come_from_and_cover_every_rule():
    stored = json.loads((RESULTS / "guidelines.json").read_text(encoding="utf-8"))
    assert set(stored["rules"]) == set(guidelines.RULES)
    assert all(len(found["values"]) >= 3 for found in stored["rules"].values())
    assert stored["date"] and stored["environment"]["device_name"]
    assert (stored["steps"], stored["batch"]) == (guidelines.STEPS, guidelines.BATCH)


def test_what_the_lesson_says_of_the_rules_is_what_was_measured():
    rules = json.loads((RESULTS / "guidelines.json").read_text(encoding="utf-8"))["rules"]
    plain = rules[guidelines.PLAIN]
    for worse in (
        "no batch normalisation",
        "batch normalisation at the image too",
        "sigmoid instead of tanh",
        "N(0, 0.02) for every parameter",
        "Adam with beta1 = 0.9",
    ):
        assert rules[worse]["least"] > plain["largest"], worse
    for alike in ("ReLU in the discriminator", "a fully connected hidden layer"):
        assert rules[alike]["least"] < plain["largest"], alike
        assert rules[alike]["largest"] > plain["least"], alike
    assert rules["fixed pooling and upsampling"]["largest"] < plain["least"]
    assert (
        max(found["median"] for found in rules.values())
        == (rules["sigmoid instead of tanh"]["median"])
    )


def test_the_course_beats_the_textbook_loop_five_times_on_every_seed():
    stored = json.loads((RESULTS / "textbook.json").read_text(encoding="utf-8"))
    course = stored["course"]["relative_frechet_distance"]
    assert len(course["values"]) >= 3
    assert course["largest"] <= 0.045
    assert stored["ratio_of_distances"]["largest"] <= 0.2
    recipe = recipes.course_recipe(torch.device("cpu"))
    assert (stored["steps"], stored["batch"]) == (recipe.steps, recipe.batch)


def test_the_readme_states_what_the_benchmark_measured():
    stored = json.loads((RESULTS / "textbook.json").read_text(encoding="utf-8"))
    readme = (RESULTS.parents[1] / "README.md").read_text(encoding="utf-8")
    for name in ("course", "textbook"):
        found = stored[name]["relative_frechet_distance"]
        assert f"{found['least']:.3f} to {found['largest']:.3f}" in readme
        assert f"median {found['median']:.3f}" in readme
    assert (
        f"{stored['seconds']['least']:.0f} to {stored['seconds']['largest']:.0f} seconds" in readme
    )
    assert f"{stored['course']['images_per_second']['median']:.0f} images a" in readme


def lead(stored: dict, family: str, budget: str) -> tuple[float, float]:
    """Mean and half-width of a family's lead over vgg, in percentage points, five seeds."""
    families = stored["budgets"][budget]["families"]
    pairs = zip(
        families[family]["accuracy"]["values"], families["vgg"]["accuracy"]["values"], strict=True
    )
    differences = [100 * (one - other) for one, other in pairs]
    assert len(differences) == 5
    return statistics.mean(differences), 2.776 * statistics.stdev(differences) / 5**0.5


def test_each_benchmark_has_as_many_seeds_as_its_stored_result():
    assert set(benchmarks.SEEDS) == set(benchmarks.BENCHMARKS)
    assert {path.stem for path in RESULTS.glob("*.json")} == set(benchmarks.BENCHMARKS)
    for name, seeds in benchmarks.SEEDS.items():
        stored = (RESULTS / f"{name}.json").read_text(encoding="utf-8")
        found = re.findall(r'"values": \[([^\]]*)\]', stored)
        assert found and {len(values.split(",")) for values in found} == {seeds}, name


def test_what_the_lesson_says_of_the_families_is_what_was_measured():
    stored = json.loads((RESULTS / "architectures.json").read_text(encoding="utf-8"))
    assert {name: found["target"] for name, found in stored["budgets"].items()} == (
        architectures.BUDGETS
    )
    assert (stored["epochs"], stored["batch"]) == (architectures.EPOCHS, architectures.BATCH)
    clear = {
        (family, budget): abs(mean) > half
        for family in ("resnet", "inception", "densenet")
        for budget in stored["budgets"]
        for mean, half in [lead(stored, family, budget)]
    }
    assert [pair for pair, beyond in clear.items() if beyond] == [
        ("resnet", "multiply_adds"),
        ("inception", "multiply_adds"),
        ("densenet", "parameters"),
    ]
    parameters, arithmetic = (stored["budgets"][name]["families"] for name in architectures.BUDGETS)
    medians = [
        {family: row["accuracy"]["median"] for family, row in rows.items()}
        for rows in (parameters, arithmetic)
    ]
    assert max(medians[0], key=medians[0].get) == "densenet"
    assert min(medians[1], key=medians[1].get) == "densenet"
    seconds = {family: row["seconds"]["median"] for family, row in arithmetic.items()}
    assert 1.8 < seconds["inception"] / seconds["vgg"] < 2.4


def test_what_the_lesson_says_of_augmentation_is_what_was_measured():
    stored = json.loads((RESULTS / "augmentation.json").read_text(encoding="utf-8"))
    assert (stored["images"], stored["epochs"]) == (architectures.FEW, architectures.FEW_EPOCHS)
    rows = stored["policies"]
    clear, means = [], {}
    for policy, row in rows.items():
        pairs = zip(row["accuracy"]["values"], rows["none"]["accuracy"]["values"], strict=True)
        differences = [100 * (one - other) for one, other in pairs]
        assert len(differences) == 5
        means[policy] = statistics.mean(differences)
        if abs(means[policy]) > 2.776 * statistics.stdev(differences) / 5**0.5:
            clear.append(policy)
    assert clear == ["mirror", "shift", "mirror and shift", "erase"]
    assert all(0.7 < means[policy] < 1.3 for policy in ("mirror", "shift", "erase"))
    assert means["mirror and shift"] < means["shift"]
    assert rows["mirror and shift"]["training_accuracy"]["median"] < 0.95
    assert min(rows, key=lambda policy: rows[policy]["accuracy"]["median"]) == "upside down"
