"""Atomic saving: after any failure the old checkpoint or the new one is there, complete."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ROOT
from tests.tinygpt.small_checkpoint import MODEL, TRAIN, arrays, save, state, step_of
from tinygpt.checkpoints import state_file
from tinygpt.checkpoints.checkpoint import Checkpoint
from tinygpt.checkpoints.layout import ADAPTER, ADAPTER_CONFIG, BASE_CONFIG, FILES, STATE, WEIGHTS
from tinygpt.checkpoints.loading import load_checkpoint
from tinygpt.checkpoints.saving import has_checkpoint, save_checkpoint
from tinygpt.errors import CheckpointError, StorageError
from tinygpt.system.staging import SAVED, SAVING


class Crash(BaseException):
    """A power failure: no code after this runs."""


_CALLS = ("mkdir", "open", "fsync", "rename", "replace", "link", "unlink", "rmdir")


class CrashAfter:
    """Count the file system's calls and raise before the n-th."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, n: int, error: type[BaseException] = Crash) -> None:
        self.calls = 0
        for name in _CALLS:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name), n, error))

    def _counted(self, original: object, n: int, error: type[BaseException]) -> object:
        def call(*args: object, **kwargs: object) -> object:
            self.calls += 1
            if self.calls == n:
                raise error(errno.ENOSPC, "No space left on device")
            return original(*args, **kwargs)  # type: ignore[operator]

        return call


@pytest.mark.parametrize("first", [True, False])
def test_a_crash_at_any_moment_leaves_the_old_or_the_new_version(tmp_path: Path, first: bool) -> None:
    outcomes = set()
    for n in range(1, 100):
        folder = tmp_path / str(n) / "run"
        if not first:
            save(folder, step=1)
            (folder / "notes.txt").write_text("mine")
        with pytest.MonkeyPatch.context() as patch:
            counter = CrashAfter(patch, n)
            with contextlib.suppress(Crash):
                save(folder, step=2)
        if first and not has_checkpoint(folder):
            outcomes.add(0)  # the first save was interrupted: there is nothing to load, and the error says so
            with pytest.raises(CheckpointError, match=r"there is no folder|holds no checkpoint"):
                load_checkpoint(folder)
        else:
            outcomes.add(step_of(folder))
        save(folder, step=3)  # and the next save cleans up
        assert step_of(folder) == 3
        assert [path.name for path in folder.parent.iterdir()] == ["run"]
        assert {path.name for path in folder.iterdir()} - {"notes.txt"} == FILES - {
            ADAPTER,
            ADAPTER_CONFIG,
            BASE_CONFIG,
        }
        if not first:
            assert (folder / "notes.txt").read_text() == "mine"
        if counter.calls < n:  # no call was left to crash in: every moment has been tried
            break
    assert n > 10
    assert outcomes == ({0, 2} if first else {1, 2})


def test_a_full_disk_at_any_moment_leaves_a_complete_version(tmp_path: Path) -> None:
    for n in range(1, 100):
        folder = tmp_path / str(n) / "run"
        save(folder, step=1)
        with pytest.MonkeyPatch.context() as patch:
            counter = CrashAfter(patch, n, OSError)
            try:
                save(folder, step=2)
            except StorageError as error:
                assert "No space left" in str(error) and "\n" not in str(error)
        assert step_of(folder) in (1, 2)
        assert folder.is_dir()
        if counter.calls < n:
            break
    assert n > 10


def test_a_real_file_size_limit_leaves_the_old_version(tmp_path: Path) -> None:
    """The kernel refuses the write in the middle of the weights, as a full disk does."""
    folder = tmp_path / "run"
    save(folder, step=1)
    program = (
        "import resource, sys; sys.path[:0] = sys.argv[2:]; from tests.tinygpt.small_checkpoint import save; "
        "from pathlib import Path; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); save(Path(sys.argv[1]), 2)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(folder), str(ROOT)], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert result.returncode == 1
    assert "StorageError: cannot write" in result.stderr and "File too large" in result.stderr
    assert step_of(folder) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_an_impossible_parent_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        save(tmp_path / "file" / "run")
    with pytest.raises(StorageError, match="cannot write"):
        save(Path("/proc/tinygpt/run"))


def test_foreign_files_survive_a_save(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    save(folder, step=5)
    (folder / "log.txt").write_text("line")
    (folder / "figures").mkdir()
    (folder / "figures" / "a.svg").write_text("<svg/>")
    save(folder, step=6)
    assert step_of(folder) == 6
    assert (folder / "log.txt").read_text() == "line"
    assert (folder / "figures" / "a.svg").read_text() == "<svg/>"


def test_a_linked_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    save(tmp_path / "run", step=1)
    save(tmp_path / "run", step=2)
    assert (tmp_path / "run").is_symlink()
    assert step_of(tmp_path / "run") == step_of(tmp_path / "disk") == 2


def test_a_reader_never_meets_a_half_replaced_folder(tmp_path: Path) -> None:
    """`invoke sample` during a run that saves: every load is one complete version."""
    folder = tmp_path / "run"
    save(folder, step=1)
    program = (
        "import sys; sys.path.insert(0, sys.argv[2]); from pathlib import Path\n"
        "from tests.tinygpt.small_checkpoint import save\n"
        "step = 1\n"
        "while not Path(sys.argv[1] + '.enough').exists():\n"
        "    save(Path(sys.argv[1]), step := step + 1)\n"
        "print(step)"
    )
    command = [sys.executable, "-c", program, str(folder), str(ROOT)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        seen: list[int] = []
        try:
            while len(set(seen)) < 20 and writer.poll() is None:
                seen.append(step_of(folder))
        finally:
            (tmp_path / "run.enough").touch()
        last, _ = writer.communicate(timeout=60)
    assert writer.returncode == 0
    assert seen == sorted(seen) and len(set(seen)) == 20
    assert step_of(folder) == int(last)


def test_files_that_move_while_they_are_read_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The narrowest moment: the state is the old version's, the weights are the new one's."""
    folder = tmp_path / "run"
    save(folder, step=1)
    read_json, reads = state_file.read_json, []

    def read_during_a_save(path: Path) -> dict[str, object]:
        found = read_json(path)
        reads.append(path.name)
        if reads == [STATE]:
            save(folder, step=2)
        return found

    monkeypatch.setattr(state_file, "read_json", read_during_a_save)
    assert step_of(folder) == 2
    assert reads.count(STATE) == 2


# ---- files of others -----------------------------------------------------------------------------------------------


def test_only_marked_folders_are_touched(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    save(folder, step=1)
    for name in (SAVING, SAVED):
        (folder / name).mkdir()
        (folder / name / "thesis.txt").write_text("mine")
        with pytest.raises(StorageError, match=f"{name} is in the way"):
            save(folder, step=2)
        assert (folder / name / "thesis.txt").read_text() == "mine"
        assert step_of(folder) == 1
        (folder / name).rename(tmp_path / f"mine{name}")
    save(folder, step=2)


def test_sibling_folders_are_left_alone(tmp_path: Path) -> None:
    save(tmp_path / "run", step=1)
    for name in (".run.old", ".run.new", ".run.lock"):
        (tmp_path / name).mkdir()
        (tmp_path / name / WEIGHTS).write_text("mine")
    save(tmp_path / "run", step=2)
    assert all((tmp_path / name / WEIGHTS).read_text() == "mine" for name in (".run.old", ".run.new", ".run.lock"))
    with pytest.raises(CheckpointError, match="there is no folder"):
        load_checkpoint(tmp_path / "n")
    (tmp_path / ".n.old").mkdir()
    save(tmp_path / "n", step=1)
    assert (tmp_path / ".n.old").is_dir()


@pytest.mark.parametrize("name", [SAVING, SAVED, *sorted(FILES)])
def test_a_link_is_never_written_through(tmp_path: Path, name: str) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    save(folder, step=1)
    outside.mkdir()
    (outside / WEIGHTS).write_text("mine")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside if name in (SAVING, SAVED) else outside / WEIGHTS)
    with contextlib.suppress(StorageError):
        save(folder, step=2)
    assert (outside / WEIGHTS).read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == [WEIGHTS]


def test_a_kept_checkpoint_is_not_written_through_a_link(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    save(folder, step=1)
    outside.mkdir()
    (folder / "checkpoints").symlink_to(outside)
    with pytest.raises(StorageError, match="checkpoints is a link"):
        save_checkpoint(folder, Checkpoint(MODEL, TRAIN, arrays(2), training=state(2)), keep=2)
    assert list(outside.iterdir()) == []


def test_a_folder_that_cannot_be_renamed_is_saved_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount point refuses to be renamed, and its parent may be read-only."""
    folder = tmp_path / "parent" / "run"
    folder.mkdir(parents=True)
    rename = os.rename

    def no_renaming_of_a_mount(source: object, target: object, **options: object) -> None:
        if folder in (Path(str(source)), Path(str(target))):
            raise OSError(errno.EBUSY, "Device or resource busy")
        rename(source, target, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "rename", no_renaming_of_a_mount)
    folder.parent.chmod(0o555)
    try:
        save(folder, step=1)
        save(folder, step=2)
    finally:
        folder.parent.chmod(0o755)
    assert step_of(folder) == 2
