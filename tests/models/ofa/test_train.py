"""Training: the loss falls, a killed run ends with the same bytes, two processes do what one does."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.data.fashion_mnist import load_small  # noqa: E402
from models.data.images import DataPair, memory_images  # noqa: E402
from models.ofa import train_state  # noqa: E402
from models.ofa.space import space  # noqa: E402
from models.ofa.supernet import Supernet  # noqa: E402
from models.ofa.train import Task, Trainer, build  # noqa: E402
from models.ofa.train_config import LR_BATCH, SHIPPED, read_config  # noqa: E402
from models.ofa.train_phases import Phase, alone, epochs_of_all, progressive, sample_all, sampled  # noqa: E402
from models.ofa.train_runs import supernet_task, train  # noqa: E402
from models.ofa.train_step import Losses, add_gradients  # noqa: E402
from sim.errors import ConfigError, InputError  # noqa: E402

MINI = space("mini")
FEW = ("data.held_out=1800", "evaluation.curve_images=50", "evaluation.calibration_images=100", "batch=20")
PHASES = ("full", "kernel", "depth1", "depth2", "width1", "width2", "finish")
SHORT = (*FEW, *(f"{name}.epochs=0.3" for name in PHASES))


@pytest.fixture(scope="module")
def data() -> DataPair:
    return load_small()


def stopping_at(step: int) -> Callable[[str, int, int], None]:
    """A progress that interrupts after `step` steps."""

    def progress(_name: str, done: int, _total: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    return progress


def weights(folder: Path) -> bytes:
    return (folder / train_state.WEIGHTS).read_bytes()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    record = train("test", folder, settings=SHORT)
    return weights(folder), record


def test_the_loss_falls(data: DataPair, tmp_path: Path) -> None:
    settings = (*FEW, "full.epochs=8", "full.lr=0.03", "evaluation.curve_images=0", "data.held_out=1600")
    others = tuple(f"{name}.epochs=0" for name in ("kernel", "depth1", "depth2", "width1", "width2"))
    record = Trainer(supernet_task(read_config("test", (*settings, *others)), data, 0), tmp_path / "run").run()
    losses = [one["loss"] for one in record["history"]]
    assert len(losses) == 8
    assert losses[-1] < 0.75 * losses[0]


def test_all_phases_are_run_and_recorded(uninterrupted: tuple[bytes, dict[str, Any]]) -> None:
    _, record = uninterrupted
    assert [one["phase"] for one in record["history"]] == [*PHASES]
    assert all(math.isfinite(one["loss"]) for one in record["history"])
    assert all(0 <= value <= 1 for one in record["history"] for value in one["accuracy"].values())
    assert set(record["wall_s"]) == set(record["phases"])


@pytest.mark.parametrize("step", [2, 3, 11])
def test_a_killed_run_ends_with_the_same_bytes(
    step: int, tmp_path: Path, uninterrupted: tuple[bytes, dict[str, Any]]
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train("test", folder, settings=(*SHORT, "run.checkpoint_every_s=0.0"), progress=stopping_at(step))
    assert not (folder / train_state.WEIGHTS).exists()
    record = train("test", folder, settings=(*SHORT, "run.checkpoint_every_s=1000.0"), resume=True)
    assert weights(folder) == uninterrupted[0]
    assert record["history"] == uninterrupted[1]["history"]


def test_another_seed_ends_elsewhere(tmp_path: Path, uninterrupted: tuple[bytes, dict[str, Any]]) -> None:
    train("test", tmp_path / "run", settings=SHORT, seed=1)
    assert weights(tmp_path / "run") != uninterrupted[0]


def test_another_run_is_refused_and_the_checkpoint_untouched(data: DataPair, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train("test", folder, settings=(*SHORT, "run.checkpoint_every_s=0.0"), progress=stopping_at(1))
    before = (folder / train_state.FILE).read_bytes()
    for options, message in (
        ({"resume": False}, "holds a run; add --resume"),
        ({"seed": 1}, "holds a run of seed 0, not 1"),
        ({"settings": (*SHORT, "full.lr=0.1")}, r"holds a run of full\.lr = 0\.05, not 0\.1"),
        ({"settings": (*SHORT, "space='mbv3-w1.0'")}, "images of 1 channels; mbv3-w1.0 takes 3"),
    ):
        with pytest.raises(InputError, match=message):
            train("test", folder, **({"settings": SHORT, "resume": True} | options))
    task = supernet_task(read_config("test", SHORT), data, 0)
    other = Task(task.config, MINI.__class__(**{**fields(), "name": "other"}), task.phases, data)
    with pytest.raises(InputError, match="holds a run of space mini, not other"):
        Trainer(other, folder, resume=True)
    assert (folder / train_state.FILE).read_bytes() == before
    (folder / train_state.FILE).write_bytes(before[: len(before) // 2])
    with pytest.raises(InputError, match="cut short"):
        train("test", folder, settings=SHORT, resume=True)


def fields() -> dict[str, Any]:
    return {name: getattr(MINI, name) for name, one in MINI.__dataclass_fields__.items() if one.init}


def test_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    images, labels = np.zeros((40, 1, 28, 28), np.uint8), np.arange(40) % 11
    part = memory_images(images, labels, tuple("abcdefghijk"))
    with pytest.raises(InputError, match="11 classes; mini has 10"):
        Trainer(supernet_task(read_config("test"), DataPair("mine", part, part), 0), tmp_path / "run")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="is a file; it must be a folder"):
        train("test", tmp_path / "file")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("full.epoch=3",), "unknown setting 'full.epoch'; nearest: full.epochs"),
        (("optimiser.momentum=0.9",), "nearest: optimizer.momentum"),
        (("full.lr=-1.0",), r"full\.lr = -1\.0: .*greater than 0"),
        (("batch='many'",), "batch = 'many': "),
        (("space='mni'",), "space = 'mni': no such space; nearest: mini"),
        (("run.precision='float16'",), "run.precision = 'float16'"),
        (("run.micro_batches=3",), "batch = 50: not a multiple of run.micro_batches = 3"),
    ],
)
def test_settings_are_checked(settings: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config("test", settings)


def test_configurations_are_found_or_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration 'min'.*nearest: mini"):
        read_config("min")
    (tmp_path / "mine.toml").write_text("[full]\nepochs = 3.5\n", encoding="utf-8")
    assert read_config(str(tmp_path / "mine.toml")).full.epochs == 3.5
    for name in SHIPPED:
        assert progressive(read_config(name), space(read_config(name).space))


def test_the_paper_configuration_is_the_published_table() -> None:
    config = read_config("paper")
    rows = {one.name: one for one in progressive(config, space(config.space))}
    assert config.batch == 32 * LR_BATCH
    assert {name: (one.epochs, one.warmup_epochs, one.lr / 32, one.subnets) for name, one in rows.items()} == {
        "full": (180.0, 5.0, pytest.approx(0.08125), 1),
        "kernel": (125.0, 5.0, pytest.approx(0.03), 1),
        "depth1": (25.0, 0.0, pytest.approx(0.0025), 2),
        "depth2": (125.0, 5.0, pytest.approx(0.0075), 2),
        "width1": (25.0, 0.0, pytest.approx(0.0025), 4),
        "width2": (125.0, 5.0, pytest.approx(0.0075), 4),
    }
    chosen = {name: (one.space.kernels, one.space.depths, one.space.expansions) for name, one in rows.items()}
    assert chosen["full"] == ((7,), (4,), (6,))
    assert chosen["depth1"] == ((3, 5, 7), (3, 4), (6,))
    assert chosen["width1"] == ((3, 5, 7), (2, 3, 4), (4, 6))
    assert [one.sort_stage for one in rows.values()] == [None, None, None, None, 0, 1]
    assert [one.distil for one in rows.values()] == [False, True, True, True, True, True]


def test_rivals_see_as_many_images() -> None:
    config = read_config("mini")
    passes = sum(one.epochs for one in progressive(config, MINI))
    assert epochs_of_all(config) == passes
    single = alone(config, MINI, MINI.smallest)
    assert [(one.epochs, one.subnets, one.distil) for one in single] == [(passes, 1, False)]
    assert single[0].space.resolutions == (MINI.smallest.r,)
    rival = sample_all(config, MINI)
    assert {one.space for one in rival} == {MINI}
    assert not any(one.distil for one in rival)
    for one, other in zip(rival, progressive(config, MINI), strict=True):
        assert (one.epochs, one.lr, one.subnets, one.warmup_epochs) == (
            other.epochs,
            other.lr,
            other.subnets,
            other.warmup_epochs,
        )


def test_the_rate_warms_up_and_ends_at_zero() -> None:
    phase = Phase("x", MINI, epochs=2, warmup_epochs=0.5, lr=0.8)
    rates = [phase.rate(step, 20) for step in range(phase.steps(20))]
    assert rates[:10] == pytest.approx([0.8 * (step + 1) / 11 for step in range(10)])
    assert rates[10] == 0.8
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.01


def test_sampled_networks_follow_from_the_step() -> None:
    phase = progressive(read_config("mini"), MINI)[3]
    one, again = sampled(phase, 0, 3, 17), sampled(phase, 0, 3, 17)
    assert one == again
    assert len(one) == phase.subnets
    assert len({arch.r for arch in one}) == 1
    assert sampled(phase, 1, 3, 17) != one
    many = [arch for step in range(60) for arch in sampled(phase, 0, 3, step)]
    assert {e for arch in many for e in arch.e} == {MINI.expansions[-1]}
    assert {d for arch in many for d in arch.d} == set(MINI.depths)
    assert {arch.r for arch in many} == set(MINI.resolutions)


def test_gradients_of_sub_networks_are_summed_and_the_teacher_is_full() -> None:
    torch.manual_seed(0)
    net, teacher = Supernet(MINI).train(), Supernet(MINI)
    images, labels = torch.randn(8, 1, 28, 28), torch.arange(8)
    archs = [MINI.smallest, MINI.largest]
    mean = add_gradients(net, teacher, images, labels, archs, Losses())
    summed = {name: one.grad.clone() for name, one in net.named_parameters() if one.grad is not None}
    net.zero_grad()
    with torch.no_grad():
        soft = torch.softmax(teacher.train()(images), 1)
    total = 0.0
    for arch in archs:
        net.set_active(arch)
        logits = net(images)
        smooth = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
        loss = smooth - (soft * torch.log_softmax(logits, 1)).sum(1).mean()
        loss.backward()
        total += loss.item()
    assert mean == pytest.approx(total / 2, rel=1e-5)
    for name, one in net.named_parameters():
        assert (one.grad is None) == (name not in summed)
        if one.grad is not None:
            torch.testing.assert_close(summed[name], one.grad, rtol=1e-4, atol=1e-6)
    assert all(one.grad is None for one in teacher.parameters())


def test_bfloat16_is_close_to_float32() -> None:
    torch.manual_seed(0)
    net = Supernet(MINI).train()
    images, labels = torch.randn(16, 1, 28, 28), torch.arange(16) % 10
    exact, rounded = (
        add_gradients(net, None, images, labels, [None], Losses(precision=one))
        for one in (torch.float32, torch.bfloat16)
    )
    assert exact != rounded
    assert rounded == pytest.approx(exact, rel=0.05)


TWO = """
import sys
from pathlib import Path
from models.ofa.train_runs import train
train("test", Path(sys.argv[1]), settings=tuple(sys.argv[2:]))
"""


@pytest.mark.slow
def test_two_processes_do_what_one_does(data: DataPair, tmp_path: Path) -> None:
    """A step of the first and one of the last phase: only rounding may differ, and training makes that grow quickly."""
    script = tmp_path / "two.py"
    script.write_text(TWO, encoding="utf-8")
    lengths = {"full": 0.5, "kernel": 0, "depth1": 0, "depth2": 0, "width1": 0, "width2": 0.5}
    settings = (*FEW[:-1], "batch=100", "run.micro_batches=2", "evaluation.curve_images=0")
    settings += tuple(f"{name}.epochs={length}" for name, length in lengths.items())
    run = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script), str(tmp_path / "two")]
    subprocess.run([sys.executable, "-m", *run, *settings], check=True, capture_output=True, timeout=300)
    record = train("test", tmp_path / "one", settings=settings)
    assert [(one["phase"], one["step"]) for one in record["history"]] == [("full", 1), ("width2", 1)]
    (one, note), (two, other) = (
        train_state.load_tensors(tmp_path / name / train_state.WEIGHTS) for name in ("one", "two")
    )
    assert note == other
    start = build(supernet_task(read_config("test", settings), data, 0)).state_dict()
    for name, value in one.items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(value, two[name], rtol=1e-3, atol=1e-4)
    assert max(float((one[name] - start[name]).abs().max()) for name in one if name.endswith("weight")) > 0.01


@pytest.mark.slow
def test_a_step_of_the_paper_configuration_at_full_size(tmp_path: Path) -> None:
    """Two images in each of two parts instead of 64 on each of 32 GPUs; everything else is as configured."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for label in range(4):
        (tmp_path / "data" / f"class{label}").mkdir(parents=True)
        for number in range(4):
            pixels = rng.integers(0, 256, (300, 260, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / f"class{label}" / f"{number}.jpg")
    settings = ("batch=4", "run.micro_batches=2", "data.held_out=4", "run.precision='float32'")
    config = read_config("paper", settings)
    from models.data.sources import open_data

    task = supernet_task(config, open_data(str(tmp_path / "data"), config.data.side), 0)
    trainer = Trainer(task, tmp_path / "run")
    train_state.save_tensors(tmp_path / "run" / train_state.TEACHER, trainer.net.state_dict(), {})
    phase = task.phases[-1]
    assert (phase.name, phase.subnets, phase.distil) == ("width2", 4, True)
    before = trainer.net.classifier.linear.weight.clone()
    trainer._enter(phase)
    trainer._find_teacher(phase)
    loss = trainer.step(phase, 5, 100)
    assert 0 < loss < 50
    assert not torch.equal(before, trainer.net.classifier.linear.weight)


def test_records_are_plain(uninterrupted: tuple[bytes, dict[str, Any]]) -> None:
    assert json.loads(json.dumps(uninterrupted[1])) == uninterrupted[1]


def test_the_sandwich_holds_both_ends() -> None:
    config = read_config("mini", ("width2.sandwich=true", "width2.subnets=3", "full.sandwich=true"))
    phases = {one.name: one for one in progressive(config, MINI)}
    largest, smallest, other = sampled(phases["width2"], 0, 5, 9)
    assert (largest.ks, largest.e, largest.d) == (MINI.largest.ks, MINI.largest.e, MINI.largest.d)
    assert (smallest.ks, smallest.e, smallest.d) == (MINI.smallest.ks, MINI.smallest.e, MINI.smallest.d)
    assert largest.r == smallest.r == other.r
    assert not phases["full"].sandwich  # one sub-network a step
    rival = {one.name: one for one in sample_all(config, MINI)}
    assert rival["all_width2"].sandwich
    assert not any(one.sandwich for one in alone(config, MINI, MINI.smallest))
