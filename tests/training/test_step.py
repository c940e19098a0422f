"""One step: parts of a batch, compiled code, blocks computed anew."""

import numpy as np
import pytest
import torch

from latentia.core import compiling, storage
from latentia.core.errors import ConfigError
from latentia.networks import ResNet, recompute
from latentia.objectives.total_correlation import Discriminator
from latentia.runs import session
from latentia.training.optimiser import Adam
from latentia.training.step import decay


def images(n=64):
    return np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)


def trained(path, *, say=lambda line: None, **settings):
    """Train for six steps; give the logged losses and the weights."""
    training = {"epochs": 3, "batch_size": 32, "log_every": 1, **settings.pop("training", {})}
    chosen = {
        "model": {"name": "vae", "latent_dim": 3},
        "network": {"name": "mlp", "hidden": [16]},
        **settings,
    }
    chosen |= {"training": training, "data": {"validation": 0.0, "test": 0.0}}
    folder = session.start(images(), chosen, out=path, quiet=True, say=say).folder
    losses = [row["loss"] for row in folder.metrics() if row["split"] == "train"]
    return losses, storage.load_tensors(folder.weights_file)[0]


def assert_close(one, other):
    assert one[0] == pytest.approx(other[0], rel=1e-4)
    assert one[1].keys() == other[1].keys()
    for name, value in one[1].items():
        torch.testing.assert_close(value, other[1][name], rtol=1e-3, atol=1e-5)


def test_parts_of_a_batch_give_the_gradient_of_the_batch(tmp_path):
    whole = trained(tmp_path / "whole", model="autoencoder")
    parts = trained(tmp_path / "parts", model="autoencoder", training={"accumulate": 4})
    assert_close(whole, parts)


def test_the_adversary_too_gets_the_gradient_of_all_parts(tmp_path):
    losses, _ = trained(tmp_path / "run", objective="factor", training={"accumulate": 2})
    assert len(losses) == 6
    assert np.isfinite(losses).all()


def test_each_part_has_noise_of_its_own(tmp_path):
    whole = trained(tmp_path / "whole")
    parts = trained(tmp_path / "parts", training={"accumulate": 2})
    again = trained(tmp_path / "again", training={"accumulate": 2})
    assert whole[0][0] != parts[0][0]
    assert parts[0] == again[0]


def test_the_adversary_has_the_schedule_and_the_clipping_of_the_model(tmp_path, monkeypatch):
    """Each by a gradient of its own: what one of them is clipped to says nothing of the other."""
    rates, norms = [], []
    step = Adam.step

    def noted(self, lr, skipped=None):
        rates.append(lr)
        norms.append(float(torch.nn.utils.get_total_norm([p.grad for p in self.parameters])))
        step(self, lr, skipped)

    monkeypatch.setattr(Adam, "step", noted)
    training = {"lr": 1e-3, "clip": 1e-3, "schedule": {"name": "cosine", "warmup": 0.5, "final": 0.1}}
    trained(tmp_path / "run", objective={"name": "factor", "lr": 1e-2}, training=training)
    assert rates[1::2] == pytest.approx([10 * rate for rate in rates[::2]])
    assert rates[1] < rates[5] and rates[-1] < rates[7]
    assert norms == pytest.approx([1e-3] * 12, rel=1e-2)


def test_a_step_is_left_out_for_both_where_the_gradient_of_one_of_them_is_too_large(tmp_path, monkeypatch):
    left_out = []
    step = Adam.step
    monkeypatch.setattr(
        Adam, "step", lambda self, lr, skipped=None: left_out.append(skipped) or step(self, lr, skipped)
    )
    losses = Discriminator.losses
    monkeypatch.setattr(Discriminator, "losses", lambda self, *judged: 1e9 * losses(self, *judged))
    folder = session.start(
        images(), {"objective": "factor", "network": {"name": "mlp", "hidden": [16]},
                   "training": {"epochs": 1, "batch_size": 32, "skip": 1e6, "log_every": 1}},
        out=tmp_path / "run", quiet=True,
    ).folder  # fmt: skip
    assert len(left_out) > 1 and all(each == 1 for each in left_out)
    assert not [row for row in folder.metrics() if row["split"] == "train"]


def test_parts_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"'training.batch_size' \(32\) must be a multiple of .* \(3\)"):
        trained(tmp_path / "run", training={"accumulate": 3})
    with pytest.raises(ConfigError, match=r"'training.accumulate' is 128, and the training split has 64"):
        trained(tmp_path / "run", training={"accumulate": 128, "batch_size": 128})
    assert not (tmp_path / "run").exists()


def test_compiled_training_draws_the_same_noise_and_follows_the_same_schedule(tmp_path):
    said = []
    settings = {
        "objective": {"beta": 3.0, "schedule": {"name": "linear", "warmup": 0.9}},
        "transform": "binarise",
        "likelihood": "bernoulli",
    }
    eager = trained(tmp_path / "eager", training={"compile": "never"}, **settings)
    fast = trained(tmp_path / "fast", training={"compile": "always"}, say=said.append, **settings)
    assert "compiled, as asked" in said
    assert_close(eager, fast)


def test_code_that_cannot_be_compiled_runs_as_it_is_and_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(compiling, "unavailable", lambda device: "there is no C++ compiler")
    said = []
    asked = trained(tmp_path / "asked", training={"compile": "always"}, say=said.append)
    assert "not compiled: there is no C++ compiler" in said
    assert asked[0] == trained(tmp_path / "eager")[0]


def test_blocks_computed_anew_give_the_same_gradient_and_keep_less():
    torch.manual_seed(0)
    network = ResNet(channels=(8,), blocks=4, hidden=()).encoder((1, 8, 8), (4,))
    x = torch.randn(16, 1, 8, 8)

    def gradients():
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            loss = network(x).square().sum()
        network.zero_grad()
        loss.backward()
        return [p.grad.clone() for p in network.parameters()], sum(kept)

    names = list(network.state_dict())
    plain, much = gradients()
    recompute(network)
    again, little = gradients()
    assert list(network.state_dict()) == names
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(plain, again, strict=True))
    assert little < 0.4 * much


def test_a_network_without_blocks_cannot_be_recomputed(tmp_path):
    with pytest.raises(ConfigError, match=r"'training.recompute' needs a network of residual blocks"):
        trained(tmp_path / "run", training={"recompute": True})
    assert not (tmp_path / "run").exists()


def test_the_average_of_the_weights_forgets_the_random_start(tmp_path):
    """w_n stands in the average with (1 - d_n) times the product of the later d, d_n = (1 + n) / (10 + n)."""
    seen = []
    for steps in (1, 2, 3, 4, 5):  # the weights after each step of one and the same run
        schedule = {"epochs": steps, "batch_size": 64, "schedule": "constant", "ema": 0.4}
        _, averaged = trained(tmp_path / f"ema{steps}", model="autoencoder", training=schedule)
        _, plain = trained(tmp_path / f"plain{steps}", model="autoencoder", training={**schedule, "ema": 0.0})
        seen.append((averaged, plain))
    name = "decoder.1.weight"
    decays = [1 / 10, 2 / 11, 3 / 12, 4 / 13, 5 / 14]
    left = 1.0
    expected = torch.zeros_like(seen[0][1][name])
    for (_, plain), kept in zip(reversed(seen), reversed(decays), strict=True):
        expected += left * (1 - kept) * plain[name]
        left *= kept
    assert left < 1e-3  # what is left of the start, whose weights are of the size of the others
    torch.testing.assert_close(seen[-1][0][name], expected, rtol=0, atol=2e-4)


def test_the_decay_of_the_average_grows_to_the_setting():
    assert decay(0.999, 0) == pytest.approx(0.1)
    assert decay(0.999, 71) == pytest.approx(72 / 81)
    assert decay(0.999, 10**6) == 0.999
    assert decay(0.05, 0) == 0.05
