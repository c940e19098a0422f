"""Parts that training leaves as they are, bit for bit."""

import pytest
import torch

import latentia
from latentia import assembly
from latentia.core import storage
from latentia.core.errors import ConfigError
from latentia.core.processes import Processes
from latentia.models import VAE
from latentia.runs import session
from latentia.training.buffers import MovingBuffers
from latentia.training.folder import RunFolder

TRAINING = {"epochs": 2, "ema": 0.9, "weight_decay": 0.1, "clip": 1.0, "log_every": 2, "batch_size": 256}
CODES = {
    "model": {"name": "vqvae", "latent_dim": 4},
    "network": {"name": "grid", "channels": 8, "blocks": 1},
    "posterior": {"name": "ema_codebook", "size": 16},
}


def trained(out, frozen, training=None, **sections):
    sections = sections or {"network": {"name": "mlp", "hidden": [24]}, "latent_dim": 3}
    return latentia.train(
        "digits", training=TRAINING | {"frozen": frozen} | (training or {}), out=out, **sections
    )


def before(run):
    """The weights that a run began at."""
    parts = assembly.fresh(run.spec, run.dataset.event, 0)
    assembly.begin(parts, run.dataset, 0)
    return parts.model.state_dict()


def moved(run):
    return {
        name.partition(".")[0]
        for name, value in before(run).items()
        if not torch.equal(value, run.model.state_dict()[name])
    }


@pytest.mark.parametrize(
    ("frozen", "parts"),
    [
        ([], {"encoder", "decoder", "likelihood"}),
        (["encoder"], {"decoder", "likelihood"}),
        (["decoder", "likelihood"], {"encoder"}),
    ],
)
def test_a_frozen_part_stays_bit_for_bit_and_the_others_learn(tmp_path, frozen, parts):
    likelihood = {
        "likelihood": "gaussian_optimal",
        "network": {"name": "mlp", "hidden": [24]},
        "latent_dim": 3,
    }
    run = trained(tmp_path / "run", frozen, **likelihood)
    assert moved(run) == parts
    held, _ = storage.load_tensors(sorted(run.folder.checkpoints.glob("*"))[-1])
    parameters = sum(
        not any(name.startswith(f"{part}.") for part in frozen) for name, _ in run.model.named_parameters()
    )
    for what in ("optimiser.first.", "optimiser.second.", "average."):
        assert sum(name.startswith(what) for name in held) == parameters


def test_a_codebook_stands_still_in_parts_of_a_batch_as_in_one(tmp_path):
    for accumulate in (1, 2):
        training = {"accumulate": accumulate, "ema": 0.0, "epochs": 1}
        run = trained(tmp_path / str(accumulate), ["encoder", "posterior"], training, **CODES)
        assert moved(run) == {"decoder", "likelihood"} & moved(run) != set()
    model = assembly.fresh(run.spec, run.dataset.event, 0).model
    assert MovingBuffers(model.posterior, Processes(), 2).modules == []


def test_a_block_is_named_with_dots_and_not_by_half_a_word(tmp_path):
    layer = next(name for name in VAE((1, 8, 8)).state_dict() if name.startswith("encoder.")).rpartition(".")[
        0
    ]
    run = trained(tmp_path / "run", [layer])
    changed = {
        name for name, value in before(run).items() if not torch.equal(value, run.model.state_dict()[name])
    }
    still = {name for name in before(run) if name.startswith(f"{layer}.")}
    assert still and not still & changed
    assert any(name.startswith("encoder.") for name in changed)
    with pytest.raises(ConfigError, match=r"names 'enc', and no weight .* its parts are: decoder, encoder"):
        trained(tmp_path / "half", ["enc"])
    assert not (tmp_path / "half").exists()


def test_nothing_to_train_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="leaves nothing of the model to train"):
        trained(tmp_path / "run", ["encoder", "decoder"])


def test_a_run_with_a_frozen_part_goes_on_bit_for_bit(tmp_path):
    whole = trained(tmp_path / "whole", ["encoder"])
    spec = {"network": {"name": "mlp", "hidden": [24]}, "model": {"latent_dim": 3}}
    spec["training"] = TRAINING | {"frozen": ["encoder"], "max_minutes": 1e-6}
    ended = session.start("digits", spec, out=tmp_path / "parts", quiet=True)
    while not ended.finished:
        ended = session.resume(tmp_path / "parts", quiet=True)
    parts, _ = storage.load_tensors(RunFolder(tmp_path / "parts").weights_file)
    one, _ = storage.load_tensors(whole.folder.weights_file)
    assert all(torch.equal(one[name], parts[name]) for name in one)
