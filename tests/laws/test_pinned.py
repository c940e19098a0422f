"""What a seed gives stays: the weights of a fresh model of each family, and its loss on some examples.

Whoever changes the order in which parts are built, or draws a number more, changes all published figures. To
pin anew, knowingly: `python -m tests.laws.test_pinned`.
"""

import json
from pathlib import Path

import pytest
import torch

import latentia
from latentia import assembly
from latentia.core import registry
from latentia.core.noise import seeded
from latentia.core.types import Batch
from latentia.training import Training

PINNED = Path(__file__).with_name("pinned.json")
RECIPES = {
    **{name: {"model": {"name": name}} for name in registry.names("model")},
    "vae, conv": {"network": {"name": "conv"}},
    "vae, resnet": {"network": {"name": "resnet"}},
    "vae, flow": {"posterior": {"name": "iaf"}},
    "vae, diffusion": {"prior": {"name": "diffusion"}},
    "vae, vamp": {"prior": {"name": "vamp"}},
    "vae, iwae": {"objective": {"name": "iwae", "samples": 5}},
    "vae, perceptual": {"objective": {"name": "perceptual", "base": {"name": "elbo"}}},
    "vae, rounded": {
        "posterior": {"name": "rounded", "finest": 0.3},
        "prior": {"name": "hyperprior"},
        "objective": {"name": "rate_distortion"},
    },
    "vqvae, fsq": {"model": {"name": "vqvae", "latent_dim": 4}, "posterior": {"name": "finite_scalar"}},
}


def figures(settings):
    """Give how many weights a fresh model has, their sum and sum of squares, and its loss on 64 digits."""
    dataset = latentia.load("digits")
    spec = assembly.complete({**settings, "data": {}}, dataset, Training)
    parts = assembly.fresh(spec, dataset.event, 0)
    assembly.begin(parts, dataset, 0)
    weights = [value.double() for value in parts.model.state_dict().values() if value.is_floating_point()]
    x = parts.transform(torch.from_numpy(dataset.x[:64]))
    c = torch.from_numpy(parts.condition.of(dataset)[:64]) if parts.condition else None
    with torch.no_grad(), seeded(0):
        terms = parts.objective(parts.model(Batch(x, torch.arange(64), c), parts.objective.samples))
    return {
        "weights": sum(value.numel() for value in weights),
        "sum": float(sum(value.sum() for value in weights)),
        "squares": float(sum((value**2).sum() for value in weights)),
        "loss": float(terms.loss.mean()),
    }


@pytest.mark.parametrize("name", RECIPES)
def test_a_seed_gives_what_it_gave(name):
    assert figures(RECIPES[name]) == pytest.approx(json.loads(PINNED.read_text())[name], rel=1e-4, abs=1e-3)


if __name__ == "__main__":
    PINNED.write_text(json.dumps({name: figures(table) for name, table in RECIPES.items()}, indent=1) + "\n")
