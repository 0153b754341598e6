"""The command line: what it leaves, how it stops and goes on, what it says when it cannot."""

import csv
import json
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from course_lib import checkpoints, commands, metrics, recipes, results, training
from course_lib.__main__ import main

LEFT = {
    "checkpoint.safetensors",
    "curves.png",
    "generator.safetensors",
    "history.csv",
    "interpolation.png",
    "metrics.json",
    "samples.png",
}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Fewer compared images and a narrow network; everything else is the real command."""
    monkeypatch.setattr(results, "COUNT", 300)
    monkeypatch.setattr(recipes, "CPU", recipes.Budget("fashion-mnist", 60, 16, 32, 4))
    monkeypatch.setattr(training, "faster_dtype", lambda recipe, device: "float32")


def train(out, *options: str) -> int:
    return main(["train", "dcgan", "--out", str(out), "--device", "cpu", *options])


def test_training_leaves_a_whole_folder(tmp_path, capsys):
    out = tmp_path / "run"
    assert train(out, "--steps", "30", "--seed", "3") == 0
    assert {path.name for path in out.iterdir()} == LEFT
    report = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert report["relative_frechet_distance"] > report["floor"] > 0
    assert report["gaussian_sampler"] > report["floor"]
    assert report["seed"] == 3 and report["recipe"]["steps"] == 30
    assert report["images"] == 30 * report["recipe"]["batch"]
    assert report["images_per_second"] > 0 and report["seconds"] > 0
    assert report["dtype"] == "float32"
    assert {"device", "torch", "python", "threads"} <= set(report["environment"])
    with open(out / "history.csv", newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["step"] for row in rows] == ["25", "30"]
    assert all(float(row["discriminator"]) > 0 for row in rows)
    for name in ("samples", "curves", "interpolation"):
        assert min(Image.open(out / f"{name}.png").size) > 200
    generator, info = checkpoints.load_generator(out / "generator.safetensors", torch.device("cpu"))
    assert generator.config["size"] == 32 and info["data"] == "fashion-mnist"
    assert "Now open" in capsys.readouterr().out


@pytest.mark.parametrize("plain", [False, True])
def test_the_rate_is_that_of_the_steps_but_for_the_paper(tmp_path, monkeypatch, plain):
    monkeypatch.setattr(recipes, "LONG", 4)
    assert train(tmp_path, "--steps", "16", *(["--plain"] if plain else [])) == 0
    report = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    expected = recipes.paper_recipe(1).rate if plain else recipes.Recipe.rate / 2
    assert report["recipe"]["rate"] == pytest.approx(expected)


def test_ctrl_c_keeps_a_checkpoint_and_resume_gives_the_same_result(tmp_path, monkeypatch, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(whole, "--steps", "60") == 0
    real_loop = training.train_gan

    def interrupted(*arguments, **options):
        for record in real_loop(*arguments, **options):
            if record.step == 25:
                signal.raise_signal(signal.SIGINT)
            yield record

    monkeypatch.setattr(training, "train_gan", interrupted)
    assert train(parts, "--steps", "60") == 130
    monkeypatch.setattr(recipes, "LONG", 4)  # a later version has another rule: the rate is kept
    assert {path.name for path in parts.iterdir()} == {"checkpoint.safetensors"}
    assert "--resume" in capsys.readouterr().out
    monkeypatch.setattr(training, "train_gan", real_loop)
    assert train(parts, "--resume") == 0
    one, two = (load_file(folder / "generator.safetensors") for folder in (whole, parts))
    assert all(torch.equal(one[name], two[name]) for name in one)
    distances = [
        json.loads((folder / "metrics.json").read_text(encoding="utf-8"))[
            "relative_frechet_distance"
        ]
        for folder in (whole, parts)
    ]
    assert distances[0] == distances[1]


def test_a_checkpoint_is_kept_whenever_its_time_has_come(tmp_path, monkeypatch):
    """A training that is killed, and cannot save at the last moment, loses one interval."""
    saved, save = [], checkpoints.save_state
    monkeypatch.setattr(
        checkpoints,
        "save_state",
        lambda state, *rest: (saved.append(state.step), save(state, *rest)),
    )
    assert train(tmp_path, "--steps", "60") == 0
    assert saved == [60]  # half a minute is longer than that
    saved.clear()
    monkeypatch.setattr(commands, "SAVE_EVERY", 0.0)
    assert train(tmp_path, "--steps", "60") == 0
    assert saved == [25, 50, 60]


def test_the_interrupt_handler_is_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    assert train(tmp_path, "--steps", "2") == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_minutes_choose_the_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(recipes, "LONG", 2)
    monkeypatch.setattr(training, "steps_in", lambda minutes, *rest: int(400 * minutes))
    assert train(tmp_path, "--minutes", "0.02") == 0
    report = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert report["recipe"]["steps"] == 8 and report["seconds"] < 60
    assert report["recipe"]["rate"] == pytest.approx(recipes.Recipe.rate / 2)


def test_minutes_are_measured(tmp_path):
    assert train(tmp_path, "--minutes", "0.01") == 0
    report = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert report["recipe"]["steps"] >= 1 and report["seconds"] < 60


def test_compile_trains_with_both_networks_compiled(tmp_path, monkeypatch):
    compiled = []

    def translate(network, backend):
        compiled.append(type(network).__name__)
        return network

    monkeypatch.setattr(torch, "compile", translate)
    assert train(tmp_path / "run", "--steps", "2", "--compile") == 0
    assert compiled == ["Generator", "Discriminator"]
    assert train(tmp_path / "plain", "--steps", "2") == 0
    assert len(compiled) == 2


def test_a_failing_compiler_is_one_error_and_other_errors_are_not_hidden(
    tmp_path, monkeypatch, capsys
):
    from torch._dynamo.exc import TorchDynamoException

    def failing(*arguments, **options):
        raise failure("no C++ compiler found\nmore of it")
        yield

    monkeypatch.setattr(torch, "compile", lambda network, backend: network)
    monkeypatch.setattr(training, "train_gan", failing)
    failure = TorchDynamoException
    assert train(tmp_path, "--steps", "2", "--compile") == 1
    assert "(no C++ compiler found). Leave out --compile, or" in one_error_line(capsys)
    failure = RuntimeError
    with pytest.raises(RuntimeError, match="more of it"):
        train(tmp_path, "--steps", "2", "--compile")


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError("Unable to allocate 3 TiB"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 TiB.\nmore"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 3 TiB.\nmore"),
    ],
)
def test_too_little_memory_is_one_error(tmp_path, monkeypatch, capsys, failure):
    assert train(tmp_path, "--steps", "2") == 0

    def too_much(*arguments):
        raise failure

    monkeypatch.setattr(metrics, "sample_images", too_much)
    assert main(["sample", "--run", str(tmp_path), "--count", "900000000"]) == 1
    assert "3 TiB" in one_error_line(capsys)


def test_files_that_do_not_name_their_images(tmp_path, capsys):
    assert train(tmp_path, "--steps", "2") == 0
    path = tmp_path / "checkpoint.safetensors"
    state, _ = checkpoints.load_state(path, torch.device("cpu"))
    checkpoints.save_state(state, path, {})
    checkpoints.save_generator(state.average, tmp_path / "generator.safetensors", {})
    assert train(tmp_path, "--resume") == 1
    assert "does not say which images it was trained on" in one_error_line(capsys)
    assert main(["evaluate", "--run", str(tmp_path)]) == 1
    assert "generator.safetensors does not say which images" in one_error_line(capsys)


def test_a_classifier_is_not_written_to_a_folder(tmp_path, capsys):
    assert main(["train", "classifier", "--out", str(tmp_path)]) == 1
    assert "is a folder, expected a file" in one_error_line(capsys)


def test_sample_and_evaluate_use_the_trained_generator(tmp_path, capsys):
    assert train(tmp_path, "--steps", "4") == 0
    run, npy, picture = ["--run", str(tmp_path)], tmp_path / "a" / "x.npy", tmp_path / "grid.png"
    assert main(["sample", *run, "--count", "7", "--npy", str(npy), "--out", str(picture)]) == 0
    images = np.load(npy)
    assert images.shape == (7, 1, 32, 32) and images.dtype == np.float32
    assert -1 <= images.min() < images.max() <= 1
    assert min(Image.open(picture).size) > 50
    assert main(["sample", *run, "--count", "7", "--npy", str(npy), "--seed", "1"]) == 0
    assert not np.array_equal(images, np.load(npy))
    for wrong, said in ((npy / "y.npy", "x.npy: "), (tmp_path, f"{tmp_path}: ")):
        capsys.readouterr()
        assert main(["sample", *run, "--count", "2", "--npy", str(wrong)]) == 1
        line = one_error_line(capsys)
        assert said in line and "Check the path" in line and ".part-" not in line
    capsys.readouterr()
    assert main(["evaluate", *run]) == 0
    printed = json.loads(capsys.readouterr().out)
    kept = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert printed["relative_frechet_distance"] == kept["relative_frechet_distance"]


def test_data_says_that_the_courses_own_set_is_verified(capsys):
    assert main(["data"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("fashion-mnist" in line and "verified" in line for line in lines) == 2
    assert sum("cifar-10" in line for line in lines) == 2


def one_error_line(capsys) -> str:
    lines = capsys.readouterr().err.strip().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1 and errors[0] == lines[-1], lines
    return errors[0]


def test_errors_are_one_line_with_exit_code_one(tmp_path, capsys):
    assert train(tmp_path / "none", "--resume") == 1
    assert "Train first" in one_error_line(capsys)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"x" * 40)
    assert train(tmp_path, "--resume") == 1
    assert "damaged" in one_error_line(capsys)
    assert train(tmp_path, "--resume", "--steps", "9") == 1
    assert "leave out" in one_error_line(capsys)
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    assert train(blocked) == 1
    assert "--out" in one_error_line(capsys)
    assert main(["sample", "--run", str(tmp_path / "none")]) == 1
    assert "Train first" in one_error_line(capsys)
    assert main(["train", "dcgan", "--device", "tpu"]) == 1
    assert "expected device" in one_error_line(capsys)


def test_missing_data_are_one_error(tmp_path, monkeypatch, capsys):
    from course_lib import data

    def nowhere(*arguments):
        raise data.DataError("Fashion-MNIST was not found.\nTried: here.\nDo: that.")

    monkeypatch.setattr(data, "load_images", nowhere)
    assert train(tmp_path) == 1
    assert "error: Fashion-MNIST was not found." in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--steps", "0"],
        ["--steps", "-4"],
        ["--steps", "many"],
        ["--minutes", "nan"],
        ["--minutes", "inf"],
        ["--minutes", "1", "--steps", "5"],
        ["--seed", "-1"],
        ["--seed", "1.5"],
        ["--data", "imagenet"],
    ],
)
def test_nonsense_is_refused_with_exit_code_two(tmp_path, options, capsys):
    with pytest.raises(SystemExit) as stopped:
        train(tmp_path, *options)
    assert stopped.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["train"], ["train", "dcgan"], ["sample"], ["data"]])
def test_every_command_has_help(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--help"])
    assert stopped.value.code == 0
    assert "usage: python -m course_lib" in capsys.readouterr().out


def test_reference_values_of_the_course_classifier_can_be_measured_again(monkeypatch):
    """The floor and the Gaussian sampler's value that are kept with the weights."""
    monkeypatch.setattr(results, "COUNT", 10_000)
    device = torch.device("cpu")
    classifier, info = checkpoints.load_classifier(device)
    again = results.reference(classifier, device)
    for name, value in again.items():
        assert info[name] == pytest.approx(value, rel=0.05), name
