"""What ships: small, the same every time, and what it says of itself is true."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from models.gan import quality, ship  # noqa: E402
from models.gan.reference import TrainedTeacher, open_teacher, read_column  # noqa: E402
from models.gan.search import load_run  # noqa: E402
from models.gan.train import translate  # noqa: E402
from models.gan.train_config import read_config  # noqa: E402
from models.ofa.train_state import load_tensors  # noqa: E402
from sim.errors import InputError  # noqa: E402


def test_a_shipped_supernet_is_that_of_the_run(study_run: Path, shipped_run: Path) -> None:
    _, before = load_run(study_run)
    work, after = load_run(shipped_run)
    assert all(torch.equal(one, after.state_dict()[name]) for name, one in before.state_dict().items())
    tensors, _ = load_tensors(shipped_run / "supernet.safetensors")
    assert {name.partition("/")[0] for name in tensors} == {"generator"}
    assert work.images.sha256 == json.loads((shipped_run / "made_by.json").read_text())["data"]["sha256"]


def test_what_ships_of_the_teacher_is_what_it_was(study_run: Path, shipped_run: Path) -> None:
    work, _ = load_run(study_run)
    trained, kept = TrainedTeacher(work, None), open_teacher(load_run(shipped_run)[0], None)
    assert not list(shipped_run.glob("teacher.safetensors"))
    assert np.array_equal(trained.images(), kept.images())
    assert kept.images().shape == (8, 16, 16, 3)
    mine, theirs = kept.record(), trained.record()
    assert (mine["macs"], mine["params"]) == (theirs["macs"], theirs["params"])
    assert mine["measures"]["psnr_db"]["value"] == pytest.approx(theirs["measures"]["psnr_db"]["value"])
    assert (mine["recorded"], theirs["recorded"]) == (True, False)


def test_the_generator_is_chosen_on_search_images(study_run: Path, shipped_run: Path) -> None:
    described = json.loads((shipped_run / "generator.json").read_text())
    work, _ = load_run(study_run)
    scores = {}
    for name in ("compressed-0", "compressed-1"):
        net = work.family.build((4,) * 8)
        net.load_state_dict(load_tensors(study_run / f"generator-{name}.safetensors")[0])
        fake = translate(work.images, net.eval(), work.images.search)
        scores[name] = float(quality.psnr(fake, work.images.search.targets).mean())
    best = max(scores, key=lambda name: scores[name])
    assert described["name"] == best
    assert described["chosen"]["scores"] == pytest.approx(scores)
    shipped, _ = load_tensors(shipped_run / "generator.safetensors")
    source, _ = load_tensors(study_run / f"generator-{best}.safetensors")
    assert all(torch.equal(one, source[name]) for name, one in shipped.items())


def test_the_same_run_gives_the_same_bytes(study_run: Path, shipped_run: Path, tmp_path: Path) -> None:
    record = ship.ship(study_run, tmp_path / "again")
    for one in sorted(shipped_run.iterdir()):
        assert (tmp_path / "again" / one.name).read_bytes() == one.read_bytes(), one.name
    for name, told in record["files"].items():
        assert hashlib.sha256((shipped_run / name).read_bytes()).hexdigest() == told["sha256"]
    sizes = [one.stat().st_size for one in shipped_run.iterdir() if one.name not in ("teacher.png", "made_by.json")]
    assert record["bytes"] == sum(sizes) < ship.MOST_BYTES


def test_the_commands_make_it_again() -> None:
    settings = ("data.side=16", "student.choices=[12, 8]", "run.threads=1", "study.workers=1")
    assert ship.command(read_config("line-to-colour", settings), 3) == (
        "hwloop train gan --config line-to-colour --set data.side=16 --set 'student.choices=[12, 8]' --seed 3 --study "
        "--out RUN; python -m models.gan.ship RUN OUT"
    )


def test_what_cannot_ship_is_refused(
    study_run: Path, shipped_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"cannot read .*study.json.*nearest: hwloop train gan"):
        ship.ship(tmp_path, tmp_path / "out")
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="no record of a finished study"):
        ship.ship(tmp_path, tmp_path / "out")
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").touch()
    with pytest.raises(InputError, match=r"holds 'mine.txt', which does not ship"):
        ship.ship(study_run, other)
    assert [one.name for one in other.iterdir()] == ["mine.txt"]
    with pytest.raises(InputError, match="16 x 128 pixels, not 16 x 112"):
        read_column(shipped_run / "teacher.png", 7, 16)
    monkeypatch.setattr(ship, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match=r"have 0\.\d+ MB together, more than 0\.001"):
        ship.ship(study_run, tmp_path / "out")


@pytest.mark.slow
def test_the_command_says_an_error_in_one_line(tmp_path: Path) -> None:
    told = [sys.executable, "-m", "models.gan.ship", str(tmp_path), str(tmp_path / "out")]
    done = subprocess.run(told, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: cannot read ")
