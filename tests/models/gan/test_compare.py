"""Latency against MACs: prices by brute force, and three rules that differ in their bound alone."""

from __future__ import annotations

import functools
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from hwloop.cli import main  # noqa: E402
from hwloop.profile_command import machine_words  # noqa: E402
from hwloop.search_command import targets_of  # noqa: E402
from models.gan import compare as comparing  # noqa: E402
from models.gan import prices as pricing  # noqa: E402
from models.gan.family import ResNetFamily  # noqa: E402
from models.gan.prices import Prices, costs  # noqa: E402
from models.gan.search import GanSpace  # noqa: E402
from models.gan.space import ChannelSpace  # noqa: E402
from models.search.host import timed  # noqa: E402
from sim.mobile_cost.devices import load_device  # noqa: E402


@pytest.fixture(scope="module")
def prices() -> Prices:
    space = GanSpace(ResNetFamily(ChannelSpace("a", "resnet", ((12, 8),) * 8), (16, 16), blocks=3))
    return Prices.of(space, targets_of("note10")[0])


def test_the_whole_space_is_priced(prices: Prices) -> None:
    space = prices.space
    assert (prices.how, len(prices.macs)) == ("enumerated", 256)
    for place in (0, 100, 255):
        one = prices.described(prices.network(place))
        assert one["macs"] == prices.macs[place] == space.generators.lower(tuple(one["channels"])).macs
        assert one["latency_s"] == pytest.approx(prices.latency_s[place])


def test_a_larger_space_is_sampled(prices: Prices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pricing, "_CHUNK", 7)
    some = Prices.of(prices.space, prices.target, most=40)
    assert some.how == "sampled"
    assert 20 < len(some.macs) <= 40
    table = costs(prices.space, prices.target, some.network(9))
    assert (table["macs"][0], table["latency_s"][0]) == (some.macs[9], some.latency_s[9])


def test_safe_macs_are_the_most_that_promise_the_latency(prices: Prices) -> None:
    low, high = prices.latency_s.min(), prices.latency_s.max()
    limit = float(low + 0.5 * (high - low))
    safe = prices.safe_macs(limit)
    assert safe is not None
    assert (prices.latency_s[prices.macs <= safe] <= limit).all()
    more = prices.macs[prices.macs > safe].min()
    assert (prices.latency_s[prices.macs == more] > limit).any()
    assert prices.safe_macs(float(high)) == prices.macs.max()
    assert prices.safe_macs(float(prices.latency_s[prices.macs.argmin()]) * 0.99) is None


def test_the_misleading_pair_is_the_most_extreme_one(prices: Prices) -> None:
    found = prices.record()
    pairs = [
        (prices.latency_s[one] / prices.latency_s[other], one, other)
        for one, other in itertools.permutations(range(256), 2)
        if prices.macs[one] <= 0.95 * prices.macs[other]
    ]
    factor, slow, fast = max(pairs)
    if factor <= 1:
        assert found["misleading"] is None
    else:
        pair = found["misleading"]
        assert pair["factor"] == pytest.approx(factor)
        assert (pair["slower"]["macs"], pair["faster"]["macs"]) == (prices.macs[slow], prices.macs[fast])
        assert pair["slower"]["macs"] <= 0.95 * pair["faster"]["macs"]
    wrong = [
        (prices.macs[one] - prices.macs[other]) * (prices.latency_s[one] - prices.latency_s[other]) < 0
        for one, other in itertools.combinations(range(256), 2)
    ]
    assert found["pairs_misordered"] == pytest.approx(np.mean(wrong), abs=0.02)  # ties count a half
    assert -1 <= found["spearman"] <= 1


def test_a_pair_is_found_where_there_is_one(prices: Prices) -> None:
    macs, latency = np.array([100, 50, 90, 96]), np.array([1.0, 1.5, 3.0, 4.0])
    four = Prices(prices.space, prices.target, macs, latency, None)
    pair = four.record()["misleading"]
    assert pair["factor"] == 3.0  # 90 beats 100 by three; 96 has not 5 % fewer
    ordered = Prices(prices.space, prices.target, macs, macs / 100, None)
    assert ordered.record()["misleading"] is None
    assert ordered.record()["spearman"] == pytest.approx(1.0)


@pytest.fixture(scope="module")
def record(study_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the command leaves, on the Note10 and on a profile that says it is of this machine."""
    out = tmp_path_factory.mktemp("compare")
    words = f"measured on this host: {machine_words()}, 1 threads, cpu, torch {torch.__version__}, eager"
    here = load_device("note10").model_copy(update={"name": "here", "label": "measured", "description": words})
    here.save(out / "here.toml")
    options = ["--space", str(study_run), "--device", f"{out / 'here.toml'},note10", "--max-latency-ms", "50%"]
    options += ["--compare", "--population", "4", "--generations", "1", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparing, "HOST_SAMPLE", 3)
        patch.setattr(comparing, "timed", functools.partial(timed, budget_s=0.05))
        with pytest.raises(SystemExit) as stop:
            main(["search", "gan", *options])
    assert not stop.value.code
    found: dict[str, Any] = json.loads((out / "compare.json").read_text(encoding="utf-8"))
    return found


def test_rules_differ_in_their_bound_alone(record: dict[str, Any]) -> None:
    for row in record["rows"]:
        mine, same, safe = row["latency"], row["same_macs"], row["safe_macs"]
        assert mine["latency_s"] <= row["limit_s"]
        assert same["macs"] <= same["most_macs"] == mine["macs"]
        assert same["of_budget"] == pytest.approx(same["latency_s"] / row["limit_s"])
        if safe["channels"] is not None:
            assert safe["macs"] <= safe["most_macs"]
            assert safe["latency_s"] <= row["limit_s"]
            assert mine["score"]["kid"] <= safe["score"]["kid"]  # of everything that keeps the latency the best
    assert record["scored"] >= 4


def test_here_is_measured_and_elsewhere_not(record: dict[str, Any]) -> None:
    here, other = record["rows"]
    assert here["latency"]["measured_latency_s"] > 0
    assert other["latency"]["measured_latency_s"] is None
    mine, theirs = record["devices"]
    assert len(mine["measured"]["networks"]) == 3
    assert theirs["measured"] is None


def test_quality_is_that_of_the_exported_network(study_run: Path, record: dict[str, Any]) -> None:
    from models.gan import quality
    from models.gan.search import load_run
    from models.gan.train import translate

    work, net = load_run(study_run)
    one = record["rows"][0]["latency"]
    fake = translate(work.images, net.export(tuple(one["channels"])).eval(), work.images.test)
    assert one["measures"]["psnr_db"]["value"] == pytest.approx(
        float(quality.psnr(fake, work.images.test.targets).mean())
    )


def test_the_tables_show_the_record(record: dict[str, Any]) -> None:
    from analysis.gan_tables import comparison_table, misleading_table

    lines = comparison_table(record).splitlines()
    assert len([line for line in lines if line.startswith("| here, 50 %")]) == 3
    assert f"{1e3 * record['rows'][0]['latency']['latency_s']:.3g}" in lines[2]
    assert "- note10: " in misleading_table(record)


def test_more_than_latency_is_refused(study_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--space", str(study_run), "--compare", "--max-macs", "1e6", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as stop:
        main(["search", "gan", "--device", "note10", *options])
    assert stop.value.code == 2
    told = capsys.readouterr().err
    assert "--compare bounds latency on each device and nothing else; nearest: --max-latency-ms" in told
    assert told.count("\n") == 1
