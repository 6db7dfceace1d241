"""Light and dynamic convolution against a direct loop over positions, taps and channels, in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.lite_transformer import convolution
from models.lite_transformer.convolution import Convolution, DynamicConv, LightConv, banded, windowed
from sim.errors import ConfigError


def direct(x: torch.Tensor, taps: torch.Tensor, before: int) -> torch.Tensor:
    """out[b, t, c] = sum over k of taps[b, t, head of c, k] x[b, t - before + k, c]; taps are normalised."""
    batch, length, width = x.shape
    heads, kernel = taps.shape[-2:]
    out = torch.zeros_like(x)
    for b in range(batch):
        for t in range(length):
            for c in range(width):
                head = c // (width // heads)
                for k in range(kernel):
                    place = t - before + k
                    if 0 <= place < length:
                        out[b, t, c] += taps[b, t, head, k] * x[b, place, c]
    return out


def made(dynamic: bool, width: int, taps: int, heads: int, causal: bool) -> Convolution:
    module = (DynamicConv if dynamic else LightConv)(width, taps, heads, causal=causal).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter)
    return module.eval()


def taps_of(module: Convolution, x: torch.Tensor) -> torch.Tensor:
    """Normalised taps for each position, computed with exponentials by hand."""
    if isinstance(module, DynamicConv):
        raw = (x @ module.predict.weight.T).reshape(*x.shape[:2], module.heads, module.taps)
    else:
        raw = module.get_parameter("weight").squeeze(1).expand(*x.shape[:2], -1, -1)
    return raw.exp() / raw.exp().sum(-1, keepdim=True)


@given(
    st.booleans(), st.booleans(), st.integers(1, 3), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3),
    st.sampled_from([1, 3, 5, 9, 15]), st.integers(0, 10**6),
)  # fmt: skip
def test_equals_a_direct_loop(
    dynamic: bool, causal: bool, batch: int, length: int, heads: int, channels: int, taps: int, seed: int
) -> None:
    torch.manual_seed(seed)
    module = made(dynamic, heads * channels, taps, heads, causal)
    x = torch.randn(batch, length, heads * channels, dtype=torch.float64)
    padding = torch.arange(length)[None] >= torch.randint(1, length + 1, (batch, 1))
    x = x.masked_fill(padding[..., None], 0.0)
    expected = direct(x, taps_of(module, x), module.before)
    with torch.no_grad():
        assert (module(x) - expected).abs().max() < 1e-6
        weights = module.kernels(x)
        assert (banded(x, weights, module.before) - expected).abs().max() < 1e-6
        padded = torch.nn.functional.pad(x, (0, 0, module.before, taps - 1 - module.before))
        assert (windowed(padded, weights, heads, length) - expected).abs().max() < 1e-6


def test_a_kernel_longer_than_the_sentence_keeps_its_softmax_over_all_taps() -> None:
    torch.manual_seed(0)
    module = made(True, 4, 9, 2, True)
    x = torch.ones(1, 5, 4, dtype=torch.float64)
    taps = taps_of(module, x)
    kept = taps[0, 0, 0, -1:].sum()  # the first position sees itself only
    assert module(x)[0, 0, 0].item() == pytest.approx(kept.item())
    assert kept.item() < 0.9  # renormalised, it would be 1


def test_both_forms_have_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    for dynamic in (False, True):
        module = made(dynamic, 6, 5, 3, False)
        x = torch.randn(2, 7, 6, dtype=torch.float64, requires_grad=True)
        first = torch.autograd.grad(module(x).square().sum(), [x, *module.parameters()])
        with monkeypatch.context() as patch:
            patch.setattr(convolution, "BAND_TOKENS", -100)
            second = torch.autograd.grad(module(x).square().sum(), [x, *module.parameters()])
        assert all(torch.allclose(one, two) for one, two in zip(first, second, strict=True))


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("taps", [3, 9])
def test_step_by_step_equals_at_once(dynamic: bool, taps: int) -> None:
    torch.manual_seed(0)
    module = made(dynamic, 4, taps, 2, True)
    x = torch.randn(2, 6, 4, dtype=torch.float64)
    past = x[:, :0]
    for step in range(6):
        now = module(x[:, step : step + 1], past)
        assert torch.allclose(now[:, 0], module(x)[:, step])
        past = torch.cat((past, x[:, step : step + 1]), dim=1)[:, -(taps - 1) :]


@pytest.mark.parametrize(
    ("width", "taps", "heads", "message"),
    [
        (8, 4, 2, "a kernel of 4 taps has no middle; nearest: 3 or 5"),
        (8, 3, 3, "3 heads do not divide a width of 8; nearest: 2"),
        (8, 0, 2, "a kernel of 0 taps has no middle; nearest: 1 or 1"),
    ],
)
def test_bad_shapes_are_refused(width: int, taps: int, heads: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LightConv(width, taps, heads, causal=True)
