"""What stands in several places agrees: dependencies, versions, commands, devices, lessons."""

import json
import re
import tomllib
from pathlib import Path

import pytest

import course_lib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_environment_yml_adds_nothing_to_pyproject():
    lines = (ROOT / "environment.yml").read_text(encoding="utf-8").splitlines()
    entries = [line.strip()[2:] for line in lines if line.strip().startswith("- ")]
    assert entries == [
        "conda-forge",
        f"python{PROJECT['project']['requires-python']}",
        "pip",
        "pip:",
        "-e .[all]",
    ]
    assert f"name: {PROJECT['project']['name']}" in lines


def test_dependencies_have_lower_bounds_only():
    extras = PROJECT["project"]["optional-dependencies"]
    for entry in PROJECT["project"]["dependencies"] + [
        e for group in extras.values() for e in group
    ]:
        assert re.fullmatch(r"[a-z0-9-]+>=[0-9.]+", entry), entry


def test_every_module_is_installed_with_the_package():
    listed = set(PROJECT["tool"]["setuptools"]["packages"])
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "course_lib").rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert found == listed


def test_the_version_is_the_same_everywhere():
    version = PROJECT["project"]["version"]
    assert course_lib.__version__ == version
    assert f"version: {version}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def recipes() -> dict[str, str]:
    """Target -> command of the Makefile, with the environment's Python written out."""
    found = re.findall(r"^(\w+): .*\n\t(.+)$", MAKEFILE, flags=re.M)
    return {target: command.replace("$(RUN)", ".venv/bin/python") for target, command in found}


@pytest.mark.parametrize("target", ["train", "lab", "test", "notebooks", "bench"])
def test_the_readme_shows_the_command_behind_each_target(target):
    assert f"| `make {target}` | `{recipes()[target]}` |" in README


def test_continuous_integration_runs_the_readmes_test_command():
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert commands[-1] == "make test" and "make test" in README


def test_the_readme_links_every_lesson_that_exists_and_no_other():
    linked = set(re.findall(r"\((notebooks/[^)]+\.ipynb)\)", README))
    assert linked == {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_no_code_names_a_device_but_the_module_that_chooses_it():
    """Without a GPU at hand, a literal is how code that runs only here gets in."""
    literal = re.compile(r"""\.cuda\(|\.cpu\(\)\.numpy|to\(["'](cuda|cpu)|device=["'](cuda|cpu)""")
    for path in (ROOT / "course_lib").rglob("*.py"):
        if path.name != "runtime.py":
            assert not literal.search(path.read_text(encoding="utf-8")), path
    for path in (ROOT / "notebooks").glob("*.py"):
        assert not literal.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(("tag", "digits"), [("4.7", 3), ("9.4", 2), ("9.7", 3)])
def test_the_readme_states_the_recorded_values_of_the_lesson(tag, digits):
    record = ROOT / "notebooks" / "claims" / f"{int(tag.split('.')[0]):02d}.json"
    recorded = json.loads(record.read_text(encoding="utf-8"))
    values = recorded["claims"][tag]["values"]
    assert f"{min(values):.{digits}f} to {max(values):.{digits}f}" in README
