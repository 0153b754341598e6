"""Files appear whole or not at all."""

import json

import numpy as np
import pytest

from course_lib import files


def test_whole_renames_on_success_and_makes_parents(tmp_path):
    target = tmp_path / "new" / "folder" / "a.bin"
    with files.whole(target) as aside:
        assert aside.parent == target.parent
        aside.write_bytes(b"abc")
        assert not target.exists()
    assert target.read_bytes() == b"abc"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.skipif(files.fcntl is None, reason="Windows has no such rights")
def test_a_file_can_be_read_by_whom_a_new_one_can(tmp_path):
    (tmp_path / "usual").touch()
    usual = (tmp_path / "usual").stat().st_mode
    target = tmp_path / "a"

    def write() -> None:
        with files.whole(target) as aside:
            aside.touch(mode=0o600)  # as safetensors does

    write()
    assert target.stat().st_mode == usual
    target.chmod(0o640)  # the owner's wish
    write()
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_whole_leaves_the_old_file_on_failure(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(error), files.whole(target) as aside:
        aside.write_text("half", encoding="utf-8")
        raise error
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_whole_keeps_the_suffix_that_savers_look_at(tmp_path):
    target = tmp_path / "a.npy"
    with files.whole(str(target)) as aside:
        np.save(aside, np.arange(3))
    assert np.load(target).tolist() == [0, 1, 2]
    assert list(tmp_path.iterdir()) == [target]


def test_two_writers_at_once_do_not_share_a_temporary_file(tmp_path):
    with files.whole(tmp_path / "a") as first, files.whole(tmp_path / "a") as second:
        assert first != second
        first.write_text("1", encoding="utf-8")
        second.write_text("2", encoding="utf-8")


def test_a_block_that_writes_nothing_fails(tmp_path):
    with pytest.raises(FileNotFoundError), files.whole(tmp_path / "a"):
        pass


def test_write_text_is_utf8_with_one_line_end_everywhere(tmp_path):
    files.write_text(tmp_path / "a.txt", "Fréchet\nσ\n")
    assert (tmp_path / "a.txt").read_bytes() == "Fréchet\nσ\n".encode()


def test_write_json_reads_back_and_ends_its_last_line(tmp_path):
    value = {"name": "Fréchet", "values": [1, 2.5, None]}
    files.write_json(tmp_path / "a.json", value)
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert json.loads(text) == value
    assert text.endswith("}\n")
    assert "Fréchet" in text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_write_json_refuses_what_json_has_not_and_writes_nothing(tmp_path, value):
    with pytest.raises((ValueError, TypeError)):
        files.write_json(tmp_path / "a.json", {"value": value})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_used_is_called_by_its_own_name():
    error = OSError(2, "No such file or directory", "/a/.part-0123abcd-x.npy")
    said = files.said_of(error)
    assert said.startswith("cannot use /a/x.npy: No such file or directory.")
    assert files.said_of(OSError("no network")) == "no network"
