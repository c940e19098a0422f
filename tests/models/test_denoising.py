import numpy as np
import pytest
import torch
from torch import nn

import latentia
from latentia import assembly
from latentia.core.errors import LatentiaError
from latentia.core.types import Batch
from latentia.data.corruptions import Dropout, GaussianNoise, Patches, SaltAndPepper
from latentia.models import Autoencoder, DenoisingAutoencoder, MaskedAutoencoder
from latentia.networks import MLP
from latentia.objectives import MaskedReconstruction, Reconstruction
from latentia.probability import mse
from latentia.training import Training


def batch_of(x):
    return Batch(x, torch.arange(len(x)))


def test_the_best_linear_restoration_is_the_wiener_filter():
    """x ~ N(0, S), x~ = x + sigma e: W = S (S + sigma^2 I)^-1 has no gradient, and no other is as good."""
    generator = torch.Generator().manual_seed(0)
    root = torch.tensor([[1.0, 0.0], [0.8, 0.5]])
    count, sigma = 200_000, 0.7
    x = torch.randn(count, 2, generator=generator) @ root.T
    spread = root @ root.T
    wiener = spread @ torch.linalg.inv(spread + sigma**2 * torch.eye(2))
    model = DenoisingAutoencoder((2,), 2, corruption=GaussianNoise(sigma), network=MLP(()), likelihood=mse())
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    encoder, decoder = layers
    with torch.no_grad():
        for layer, weight in ((encoder, wiener), (decoder, torch.eye(2))):
            layer.weight.copy_(weight)
            layer.bias.zero_()

    def loss():
        torch.manual_seed(1)
        return Reconstruction()(model(batch_of(x))).loss.mean()

    best = loss()
    best.backward()
    for parameter in model.parameters():  # a mean of 200,000 draws of unit size, twice
        assert parameter.grad.abs().max() < 5 * 2 * 2 / count**0.5
    error = torch.trace(spread - wiener @ spread)
    constant = torch.log(torch.tensor(torch.pi))  # two entries with sigma^2 = 1/2: log pi / 2 each
    assert float(best.detach() - constant) == pytest.approx(float(error), rel=0.01)
    with torch.no_grad():
        for change in (0.9, 1.1):
            encoder.weight.copy_(change * wiener)
            assert loss() > best


def test_a_corruption_that_does_nothing_gives_the_plain_autoencoder():
    torch.manual_seed(0)
    model = DenoisingAutoencoder((6,), 2, corruption=GaussianNoise(0.0), network=MLP((5,)))
    plain = Autoencoder((6,), 2, network=MLP((5,)))
    plain.load_state_dict(model.state_dict())
    x = torch.randn(4, 6)
    assert torch.equal(model(batch_of(x)).p_x.mean, plain(batch_of(x)).p_x.mean)


@pytest.mark.parametrize("event", [(1, 8, 8), (6,)], ids=str)
def test_a_mask_of_nothing_is_what_encoding_sees(event):
    model = MaskedAutoencoder(event, 2, corruption=Dropout(0.0), network=MLP((5,)))
    x = torch.randn(4, *event)
    assert torch.equal(model(batch_of(x)).q.mean, model.encode(x).mean)


@pytest.mark.parametrize("corruption", [Dropout(0.5), Patches((2, 8, 8), 0.5, 3)], ids=["dropout", "patches"])
def test_hidden_entries_cannot_reach_the_encoder(corruption):
    torch.manual_seed(0)
    model = MaskedAutoencoder((2, 8, 8), 2, corruption=corruption, network=MLP((5,)))
    x = torch.randn(4, 2, 8, 8, requires_grad=True)
    state = model(batch_of(x))
    state.z.sum().backward()
    assert (x.grad[state.hidden] == 0).all()
    assert (x.grad[~state.hidden] != 0).all()


def test_the_distortion_counts_exactly_the_hidden_entries():
    torch.manual_seed(0)
    model = MaskedAutoencoder((1, 4, 4), 2, corruption=Patches((1, 4, 4), 0.5, 2), network=MLP((5,)))
    state = model(batch_of(torch.rand(3, 1, 4, 4)), 2)
    squared = (state.batch.x - state.p_x.mean) ** 2 + 0.5 * np.log(np.pi)
    counted = torch.where(state.hidden, squared, 0.0).flatten(2).sum(2).mean(0)
    assert torch.allclose(MaskedReconstruction()(state).distortion, counted, atol=1e-5)
    assert torch.allclose(Reconstruction()(state).distortion, squared.flatten(2).sum(2).mean(0), atol=1e-5)


def test_noise_has_the_stated_size_and_share():
    x = torch.full((400, 100), 0.5)
    torch.manual_seed(0)
    seen, _ = GaussianNoise(0.3)(x)
    assert float((seen - x).std()) == pytest.approx(0.3, rel=0.02)
    seen, _ = SaltAndPepper(0.2, 0.0, 2.0)(x)
    counts = [float((seen == value).float().mean()) for value in (0.0, 2.0, 0.5)]
    assert counts == pytest.approx([0.1, 0.1, 0.8], abs=0.01)
    _, hidden = Dropout(0.25)(x)
    assert float(hidden.float().mean()) == pytest.approx(0.25, abs=0.01)


def test_patches_hide_as_many_squares_in_every_image_and_all_its_channels():
    _, hidden = Patches((3, 9, 6), 0.5, 3)(torch.ones(20, 3, 9, 6))
    assert (hidden == hidden[:, :1]).all()
    squares = hidden[:, 0].unflatten(1, (3, 3)).unflatten(3, (2, 3)).float().mean(dim=(2, 4))
    assert ((squares == 0) | (squares == 1)).all()
    assert squares.sum(dim=(1, 2)).tolist() == [3] * 20
    assert len(torch.unique(squares.flatten(1), dim=0)) > 5


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("denoising") / "run"
    return latentia.train(
        "digits", out=out, model="denoising_autoencoder", network={"name": "mlp", "hidden": [64]}, epochs=20,
        lr=4e-3, corruption={"sigma": 0.6},
    )  # fmt: skip


def test_a_denoising_model_takes_noise_away_and_says_how_much(run):
    figures = latentia.evaluate(run, only=("reconstruction",)).figures
    noisy, restored = figures["mse_corrupted"], figures["mse_denoised"]
    assert noisy.value == pytest.approx(0.36, rel=0.05)
    assert restored.value < 0.25 * noisy.value and "gaussian_noise" in restored.protocol


def test_its_report_shows_clean_corrupted_and_restored(run):
    from latentia.report import build

    page = build([run], run.folder.path / "report.html").read_text()
    assert "Clean, corrupted, restored" in page


def test_a_masked_model_trains_on_a_table(tmp_path):
    generator = np.random.default_rng(0)
    x = (generator.normal(size=(300, 1)) + 0.1 * generator.normal(size=(300, 6))).astype(np.float32)
    run = latentia.train(
        x, out=tmp_path / "run", model={"name": "masked_autoencoder", "latent_dim": 1}, epochs=40, lr=1e-2,
        network={"hidden": [16]}, corruption={"share": 0.3}, batch_size=32,
    )  # fmt: skip
    saw, made = run.restore(run.dataset.x, seed=1)
    clean = run.dataset.x
    assert ((made - clean) ** 2).mean() < 0.3 * ((saw - clean) ** 2).mean()


def test_light_pictures_are_restored_as_well_as_dark_ones(tmp_path):
    """Black in the place of what was hidden left light pictures with 3 to 4 times the error of dark ones."""
    rng, side = np.random.default_rng(0), np.arange(12)
    y, x = rng.uniform(3, 8, (2, 400, 1, 1))
    spots = np.exp(-((side[:, None] - y) ** 2 + (side - x) ** 2) / 4)
    dark = (230 * spots + rng.uniform(0, 10, spots.shape)).astype(np.uint8)
    errors = []
    for name, pictures in {"dark": dark, "light": 255 - dark}.items():
        run = latentia.train(
            pictures, out=tmp_path / name, model={"name": "masked_autoencoder", "latent_dim": 4}, epochs=40,
            lr=4e-3, network={"name": "mlp", "hidden": [64]}, batch_size=32,
            corruption={"name": "patches", "share": 0.5, "size": 3},
        )  # fmt: skip
        assert run.spec["corruption"]["fill"] == pytest.approx(pictures.mean() / 255, abs=0.01)
        saw, made = (found.astype(float) for found in run.restore(pictures, seed=1))
        hidden = np.abs(saw - pictures) > 0.5
        errors.append(((made - pictures) ** 2)[hidden].mean() / pictures.var())
    assert max(errors) < 1.3 * min(errors) < 0.13


def test_columns_that_are_standardised_are_hidden_by_zeros():
    table = latentia.load(np.random.default_rng(0).normal(5, 2, (100, 3)))
    settings = {"model": "masked_autoencoder", "data": {}}
    assert assembly.complete(settings, table, Training)["corruption"] == {
        "name": "dropout", "share": 0.3, "fill": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"corruption": {"name": "dropout", "share": 1.5}}, r"'corruption\.share' is a share"),
        ({"corruption": {"name": "patches", "size": 9}}, r"'corruption\.size' must be from 1 to 8"),
        ({"corruption": "gausian_noise"}, "did you mean 'gaussian_noise'"),
        (
            {"objective": {"name": "perceptual", "base": "masked_reconstruction"}},
            r"'masked_reconstruction' counts hidden.*'gaussian_noise' hides none",
        ),
        ({"objective": "masked_reconstruction"}, r"'gaussian_noise' hides none.*corruption\.name=dropout"),
        ({"model": "vae", "corruption": "dropout"}, r"model 'vae' hides nothing.*--model masked_autoencoder"),
        (
            {"model": "autoencoder", "objective": "masked_reconstruction"},
            "'masked_reconstruction' asks for it",
        ),
        ({"objective": "elbo"}, "needs a posterior with a density"),
    ],
)
def test_what_does_not_fit_is_caught_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(LatentiaError, match=message):
        latentia.train(
            "digits", out=tmp_path / "run", epochs=1, **{"model": "denoising_autoencoder", **settings}
        )
    assert not (tmp_path / "run").exists()
