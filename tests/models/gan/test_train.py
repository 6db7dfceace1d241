"""Losses, distillation, steps, stages that resume exactly, configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from torch import nn  # noqa: E402

from models.gan import losses, train_config  # noqa: E402
from models.gan.distill import Distiller, Taps, tap_widths  # noqa: E402
from models.gan.memory import TeacherMemory  # noqa: E402
from models.gan.stage import Stage, require_identity, run_stage  # noqa: E402
from models.gan.supernet import Supernet, sample  # noqa: E402
from models.gan.train import Compression, images_of, train  # noqa: E402
from models.gan.train_config import SHIPPED, read_config, student_family  # noqa: E402
from models.gan.train_step import Translation, make_discriminator  # noqa: E402
from models.ofa.train_state import load_tensors  # noqa: E402
from sim.errors import ConfigError, InputError  # noqa: E402

SMALL = ("data.count=60",)
TASKS = ("test", "test-labels", "test-unpaired")


def test_losses_by_hand() -> None:
    one, zero = [torch.ones(1, 1, 2, 2)], [torch.zeros(1, 1, 2, 2)]
    assert losses.discriminator_loss("lsgan", one, zero) == 1.0
    assert losses.discriminator_loss("lsgan", zero, one) == 0.0
    assert losses.discriminator_loss("hinge", zero, zero) == 1.0
    assert losses.discriminator_loss("hinge", [one, zero], [one, zero]) == pytest.approx((2 + 0 + 1 + 1) / 4)
    assert losses.generator_loss("hinge", one) == -1.0
    assert losses.generator_loss("lsgan", zero) == 1.0
    fake, real = [torch.ones(2), torch.ones(2), torch.ones(2)], [torch.zeros(2), torch.ones(2), torch.zeros(2)]
    assert losses.feature_matching(fake, real) == 1.0
    assert losses.feature_matching([fake, fake], [real, real]) == 1.0
    with pytest.raises(ConfigError, match="nearest: hinge"):
        losses.generator_loss("hing", one)
    with pytest.raises(ConfigError, match="nearest: smooth-l1"):
        losses.reconstruction("smooth-l2", one[0], one[0])


def test_distillation_is_the_error_of_the_mapped_features() -> None:
    torch.manual_seed(0)
    distiller = Distiller([4, 4], [6, 6])
    student, teacher = [torch.rand(2, 3, 5, 5) for _ in range(2)], [torch.rand(2, 6, 5, 5) for _ in range(2)]
    direct = 0.0
    for layer, mine, theirs in zip(distiller.maps, student, teacher, strict=True):
        mapped = torch.einsum("oc,nchw->nohw", layer.weight[:, :3, 0, 0], mine) + layer.bias[:, None, None]
        direct += float(((mapped - theirs) ** 2).mean().detach())
    assert float(distiller(student, teacher).detach()) == pytest.approx(direct, rel=1e-5)
    with pytest.raises(InputError, match="2 taps of the student and 1"):
        Distiller([4, 4], [6])


def test_taps_are_where_they_are_published() -> None:
    config = read_config("test", ("blocks=9",))
    family = student_family(config, images_of(config))
    assert family.taps == ("model.9", "model.12", "model.15", "model.18")
    net = family.build((8,) * 8)
    assert tap_widths(net, family.taps, family.example()) == [32] * 4
    assert isinstance(net.get_submodule("model.9"), nn.ReLU)
    with Taps(net, family.taps) as taps:
        net(family.example())
    assert not net.get_submodule("model.9")._forward_hooks
    assert len(taps.outputs) == 4


def trainer_of(config: Any, seed: int = 0) -> Translation:
    images = images_of(config)
    family = student_family(config, images)
    torch.manual_seed(seed)
    net, teacher = Supernet(family), family.build(tuple(max(one) for one in family.space.choices))
    return Translation(
        config,
        images,
        net,
        make_discriminator(config, images),
        teacher=teacher,
        family=family,
        sampled=lambda step: sample(family, seed, step),
        seed=seed,
    )


@pytest.mark.parametrize("name", TASKS)
def test_a_stage_that_was_killed_ends_with_the_same_weights(name: str, tmp_path: Path) -> None:
    config = read_config(name, SMALL)
    stage = Stage("supernet", 2, 3, {"seed": 0})
    whole = run_stage(stage, trainer_of(config), tmp_path / "whole" if _made(tmp_path / "whole") else tmp_path)
    folder = tmp_path / "killed"
    folder.mkdir()

    def kill(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(stage, trainer_of(config), folder, every_s=0.0, progress=kill)
    _, note = load_tensors(folder / "supernet.checkpoint.safetensors")
    assert note["step"] == 2
    resumed = run_stage(stage, trainer_of(config, seed=0), folder)
    first, second = (load_tensors(one / "supernet.safetensors")[0] for one in (tmp_path / "whole", folder))
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert whole["curve"] == resumed["curve"]
    assert not (folder / "supernet.checkpoint.safetensors").exists()
    with pytest.raises(InputError, match="holds a run of seed 0, not 1"):
        run_stage(Stage("supernet", 2, 3, {"seed": 1}), trainer_of(config), folder)


def _made(folder: Path) -> bool:
    folder.mkdir()
    return True


def test_a_step_trains_what_it_should() -> None:
    trainer = trainer_of(read_config("test", SMALL))
    before = {name: one.clone() for name, one in trainer.generator.named_parameters()}
    teacher = {name: one.clone() for name, one in trainer.memory.teacher.state_dict().items()}
    found = trainer.step(0)
    assert set(found) == {"discriminator", "gan", "reconstruction", "distillation", "loss"}
    weights = trainer.config.losses
    total = weights.gan * found["gan"] + weights.reconstruction * found["reconstruction"]
    assert found["loss"] == pytest.approx(total + weights.distillation * found["distillation"], rel=1e-5)
    assert any(not torch.equal(before[name], one) for name, one in trainer.generator.named_parameters())
    assert all(torch.equal(teacher[name], one) for name, one in trainer.memory.teacher.state_dict().items())


def test_students_of_pairs_aim_at_the_teacher_where_told() -> None:
    trainer = trainer_of(read_config("test", (*SMALL, "losses.target='teacher'")))
    x, y = trainer.batch(0)
    trainer.generator.set_active(sample(trainer.generator.generators, 0, 0))
    with torch.no_grad():
        made, taught = trainer.generator(x), trainer.memory.teacher(x)
    found = trainer.step(0)["reconstruction"]
    assert found == pytest.approx(float(nn.functional.l1_loss(made, taught)), rel=1e-5)
    assert abs(found - float(nn.functional.l1_loss(made, y))) > 1e-3


def test_a_memory_changes_no_byte_and_keeps_its_limit() -> None:
    trainer = trainer_of(read_config("test", SMALL))
    teacher, taps = trainer.memory.teacher, trainer.memory.taps
    memories = [TeacherMemory(teacher, taps, limit) for limit in (2**30, 0)]
    calls = []
    handle = teacher.register_forward_hook(lambda *_: calls.append(1))
    for step in (0, 0, 1):
        x, _ = trainer.batch(step)
        keys = trainer.images.keys(trainer.config.batch, trainer.seed, step, flip=trainer.config.data.flip)
        (first, hints), (second, others) = (one(keys, x) for one in memories)
        assert torch.equal(first, second)
        assert all(torch.equal(one, other) for one, other in zip(hints, others, strict=True))
    handle.remove()
    seen = len(memories[0].kept)
    assert len(calls) == seen + 3 * trainer.config.batch  # each once, and each time
    assert memories[0].bytes == sum(one.nbytes for kept in memories[0].kept.values() for one in kept)
    assert not memories[1].kept


def test_mirror_images_have_names_of_their_own() -> None:
    trainer = trainer_of(read_config("test", SMALL))
    size, images = trainer.config.batch, trainer.images
    found: dict[int, torch.Tensor] = {}
    for step in range(40):
        x, _ = images.batch(size, 0, step)
        for key, one in zip(images.keys(size, 0, step), x, strict=True):
            assert torch.equal(found.setdefault(key, one), one)
    both = [key for key in found if key % 2 == 0 and key + 1 in found]
    assert both
    assert all(torch.equal(found[key].flip(-1), found[key + 1]) for key in both)


def test_unpaired_students_aim_at_the_teacher() -> None:
    trainer = trainer_of(read_config("test-unpaired", SMALL))
    x, _ = trainer.batch(0)
    trainer.generator.set_active(sample(trainer.generator.generators, 0, 0))
    with torch.no_grad():
        wanted = nn.functional.l1_loss(trainer.generator(x), trainer.memory.teacher(x))
    assert trainer.step(0)["reconstruction"] == pytest.approx(float(wanted), rel=1e-5)


def test_the_rate_falls_to_zero_in_the_second_part() -> None:
    stage = Stage("s", 2, 3, {})
    assert [stage.rate(step) for step in range(5)] == [1.0, 1.0, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("name", TASKS)
def test_the_pipelines_run_whole(name: str, tmp_path: Path) -> None:
    record = train(name, tmp_path / "run", settings=SMALL)
    assert [one["name"] for one in record["stages"]] == ["teacher", "supernet"]
    assert record["networks"]["smallest"]["macs"] < record["networks"]["largest"]["macs"]
    assert record["history"]
    with pytest.raises(InputError, match="go on with it by --resume"):
        train(name, tmp_path / "run", settings=SMALL)
    assert train(name, tmp_path / "run", settings=SMALL, resume=True) == record
    with pytest.raises(InputError, match=r"batch = 2, not 3"):
        train(name, tmp_path / "run", settings=(*SMALL, "batch=3"), resume=True)


def test_the_full_pipeline_hands_the_discriminator_along(tmp_path: Path) -> None:
    settings = (*SMALL, "pipeline=full", "teacher.separable=true", "student.distill_steps=2", "student.steps=0")
    settings = (*settings, "student.decay_steps=0", "student.choices=[6, 4]")
    record = train("test", tmp_path, settings=settings)
    assert [one["name"] for one in record["stages"]] == ["teacher", "distilled", "supernet"]
    parts = [load_tensors(tmp_path / f"{name}.safetensors")[0] for name in ("distilled", "supernet")]
    for key, one in parts[0].items():
        if key.startswith(("discriminator/", "generator/")):
            assert torch.equal(one, parts[1][key])


def test_students_begin_with_the_teachers_discriminator_where_told(tmp_path: Path) -> None:
    settings = (*SMALL, "student.steps=0", "student.decay_steps=0", "discriminator.start=teacher")
    config = read_config("test", settings)
    work = Compression(config, images_of(config), tmp_path)
    net = work.supernet()
    work.student("taught", net.narrowest, 0, 0)
    work.student("untaught", net.narrowest, 0, 0, distil=False)
    names = ("teacher", "supernet", "taught", "untaught")
    parts = {name: load_tensors(tmp_path / f"{name}.safetensors")[0] for name in names}
    for key, one in parts["teacher"].items():
        if key.startswith("discriminator/") and key.endswith("weight"):
            assert torch.equal(one, parts["supernet"][key])
            assert torch.equal(one, parts["taught"][key])
            assert not torch.equal(one, parts["untaught"][key])


def test_a_run_of_before_a_setting_came_goes_on(tmp_path: Path) -> None:
    kept = {"seed": 0, "settings": read_config("test").model_dump(exclude={"run", "study"})}
    wanted = read_config("test", ("discriminator.start=teacher",)).model_dump(exclude={"run", "study"})
    del kept["settings"]["discriminator"]["start"]
    now = read_config("test").model_dump(exclude={"run", "study"})
    require_identity(tmp_path, kept, {"seed": 0, "settings": now})
    with pytest.raises(InputError, match=r"discriminator.start = fresh, not teacher"):
        require_identity(tmp_path, kept, {"seed": 0, "settings": wanted})


def test_fine_tuning_goes_on_from_the_supernet(tmp_path: Path) -> None:
    config = read_config("test", SMALL)
    work = Compression(config, images_of(config), tmp_path)
    net = work.supernet()
    student = work.student("student", net.narrowest, 0, 0, start=net)
    image = torch.rand(1, 3, 32, 32)
    net.set_active(net.narrowest)
    with torch.no_grad():
        assert torch.equal(student(image), net(image))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configurations_are_sound(name: str) -> None:
    assert read_config(name).batch >= 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("blocks=4", "blocks = 4: not a multiple of 3; nearest: 3"),
        ("pipeline=full", "nearest: teacher.separable = true"),
        ("teacher.widht=3", "unknown setting 'teacher.widht'; nearest: teacher.width"),
        ("batch=many", "batch = 'many'"),
        ("student.choices=[0]", "channels are at least 1"),
        ("losses.mode=wgan", "losses.mode"),
    ],
)
def test_bad_settings_are_named(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_config("test", (setting,))
    with pytest.raises(ConfigError, match="no configuration 'tset'.*nearest: test"):  # noqa: RUF043
        read_config("tset")
    assert train_config.SHIPPED
