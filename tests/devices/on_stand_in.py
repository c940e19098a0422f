"""A run at work on another device than the CPU: a stand-in that refuses what a GPU refuses."""

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, Normal

import latentia
from latentia.cli import VERBS, main
from latentia.core import noise
from latentia.core.noise import seeded
from latentia.data import load
from latentia.data.loader import loaders
from latentia.data.transforms import Identity
from latentia.evaluation import classifier
from latentia.explorer import requests
from latentia.explorer.jobs import Job
from latentia.explorer.view import View
from latentia.report import group
from latentia.runs.run import Run
from latentia.serving.service import Service
from tests.devices import standin

SMALL = ["--epochs", "1", "--quiet", "--device", standin.NAME]
DENSE = ["--network", "mlp", "--hidden", "8", "--latent-dim", "2"]
FAMILIES = {
    "vae": DENSE,
    "conditional_vae": DENSE,
    "semi_supervised_vae": DENSE,
    "hierarchical_vae": ["--network", "ladder_mlp"],
    "markovian_vae": ["--network", "mlp", "--hidden", "8"],
    "vqvae": [],
    "masked_autoencoder": DENSE,
    "diffusion": ["prior.denoiser.name=denoiser_mlp", "prior.denoiser.width=16", "prior.denoiser.blocks=1"],
}


@pytest.fixture(scope="module", autouse=True)
def device():
    return standin.register()


@pytest.fixture(autouse=True)
def drawn_elsewhere(monkeypatch):
    monkeypatch.setattr(noise, "_elsewhere", lambda: True)


def latentia_(*words):
    """Run the command line, which must end well."""
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert not ended.value.code
    return ended


@pytest.fixture(scope="module")
def runs(tmp_path_factory, device):
    folder = tmp_path_factory.mktemp("runs")
    for name, words in FAMILIES.items():
        rest = [
            word
            for word in SMALL
            if not (name in ("hierarchical_vae", "markovian_vae", "vqvae") and word in ("--latent-dim", "2"))
        ]
        latentia_("train", "digits", "--model", name, *words, *rest, "--out", folder / name)
    return folder


def test_the_stand_in_refuses_what_a_gpu_refuses(device):
    there = torch.arange(3.0).to(device)
    assert there.device.type == standin.NAME and torch.equal((there + 1).cpu(), torch.arange(1.0, 4.0))
    with pytest.raises(RuntimeError, match="meet"):
        there + torch.ones(3)
    with pytest.raises(RuntimeError, match="indexed"):
        torch.arange(3.0)[torch.tensor([0, 1]).to(device)]
    with pytest.raises((RuntimeError, TypeError)):
        there.numpy()


def test_a_seed_draws_the_same_everywhere(device):
    def drawn(place):
        with seeded(3):
            mean = torch.full((4, 3), 0.5, device=place)
            return [
                Normal(mean, mean).sample((2,)),
                torch.rand_like(mean),
                torch.bernoulli(mean),
                torch.randn(5, device=place),
                torch.empty(6, dtype=torch.int64, device=place).random_(-(2**63), None),
                Categorical(probs=mean).sample((9,)),
                torch.nn.functional.gumbel_softmax(mean, hard=True),
            ]

    for here, there in zip(drawn("cpu"), drawn(device), strict=True):
        assert there.device.type == standin.NAME
        assert torch.equal(here, there.cpu())


def test_training_cuts_and_mirrors_the_same_on_it(device):
    dataset = load("digits", crop=6, flip=True)
    crops = []
    for where in ("cpu", device):
        loader = loaders(dataset, Identity(), where)["train"]
        batch = loader.batch(loader.chosen(3, 1, 10, 60), varied=True)
        assert batch.x.device.type == torch.device(where).type
        crops.append(batch.x.cpu())
    assert torch.equal(*crops)
    assert not torch.equal(crops[0], torch.from_numpy(dataset.x).float()[batch.index.cpu()])


def test_every_verb_that_computes_takes_a_device_and_says_in_one_line_that_it_is_not_there(tmp_path, capsys):
    exact = {"compress", "decompress"}  # which compute in whole numbers, the same everywhere
    for verb in set(VERBS) - {"demo", "pack", "list", "settings", "help"} - exact:
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        assert "--device" in capsys.readouterr().out, verb
    with pytest.raises(SystemExit) as ended:
        main(["sample", str(tmp_path), "--device", "xpu:9", "-o", "a.npy"])
    line = capsys.readouterr().err
    assert ended.value.code == 2 and line.startswith("latentia: device 'xpu:9' cannot be used here")


def test_a_run_is_resumed_where_it_was(runs):
    latentia_("train", "--resume", runs / "vae", "--epochs", "2", "--quiet")
    assert Run.open(runs / "vae").spec["training"]["device"] == standin.NAME


VERB_LINES = """
vae: sample -o s.png
vae: sample --truncation 1 --temperature 0.5 --noise -o s.npy
vae: sample --sampler mixture -o s.npy
vae: sample --sampler flow steps=3 -o s.npy
vae: sample --sampler two_stage steps=3 -o s.npy
vae: sample --sampler diffusion fit_steps=3 --steps 3 -o s.npy
diffusion: sample --steps 3 --solver ancestral -o s.npy
diffusion: evaluate --only likelihood,health --quiet
diffusion: report
vae: reconstruct -o r.png
vae: interpolate --path spherical -o i.png
vae: traverse --example 1 -o t.png
vae: encode --sample -o z.npy
vae: encode -o shards
vae: decode z.npy --noise -o d.npy
vae: evaluate --samples 30 --limit 20 --only likelihood,health,reconstruction,generation --quiet
vae: report
vae: export --to onnx -o onnx
vae: export --to hub -o hub
conditional_vae: sample --condition all -o s.npy
conditional_vae: reconstruct --edit 3 -o r.png
conditional_vae: interpolate -o i.png
conditional_vae: traverse -o t.png
conditional_vae: report
semi_supervised_vae: reconstruct -o r.png
semi_supervised_vae: evaluate --samples 4 --limit 8 --only likelihood,health --quiet
hierarchical_vae: sample --temperature 0.5 -o s.png
hierarchical_vae: evaluate --samples 4 --limit 8 --only likelihood,health --quiet
hierarchical_vae: report
markovian_vae: sample -o s.png
markovian_vae: evaluate --samples 4 --limit 8 --only likelihood,health --quiet
markovian_vae: report
vqvae: sample --sampler autoregressive steps=2 -o s.png
vqvae: encode --codes -o k.npy
vqvae: decode k.npy -o d.npy
vqvae: evaluate --only likelihood,health --quiet
vqvae: report
masked_autoencoder: reconstruct -o r.png
masked_autoencoder: evaluate --only reconstruction --quiet
"""


def test_every_verb_works_on_it(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(group, "mapped_for", lambda runs: 60)  # maps are no work of the device's
    monkeypatch.setattr(classifier, "STEPS", (4, 4))
    monkeypatch.setattr(classifier, "EPOCHS", 0)
    for line in VERB_LINES.strip().splitlines():
        run, _, words = line.partition(": ")
        verb, *rest = words.split()
        latentia_(verb, runs / run, *rest, "--device", standin.NAME)


def test_chains_of_annealing_run_on_it(runs, monkeypatch):
    from latentia.evaluation.topics import likelihood

    monkeypatch.setattr(likelihood, "TEMPERATURES", 4)
    found = latentia.evaluate(
        runs / "vae", device=standin.NAME, samples=8, limit=8, ais=2, only=("likelihood",)
    )
    assert np.isfinite(found.figures["log_likelihood_ais"].value)


def test_a_moved_run_gives_what_it_gave(runs):
    here, there = Run.open(runs / "vae"), latentia.open_run(runs / "vae", device=standin.NAME)
    assert there.device.type == standin.NAME
    x = here.dataset.x[:5]
    for ask in (
        lambda run: run.encode(x, sample=True, seed=1),
        lambda run: run.posterior(x)[1],
        lambda run: run.reconstruct(x),
        lambda run: run.sample(4, seed=2, noise=True),
        lambda run: run.sample(4, sampler="mixture"),
        lambda run: run.traverse(x[0], dims=[1]),
        lambda run: run.interpolate(x[0], x[1]),
    ):
        assert np.array_equal(ask(here), ask(there))
    assert there.to("cpu").device.type == "cpu"
    assert np.array_equal(here.sample(4, seed=2), there.sample(4, seed=2))


def test_the_service_computes_on_it(runs):
    service = Service(latentia.open_run(runs / "conditional_vae", device=standin.NAME), fit=True)
    x = service.run.dataset.x[:3]
    z = service.encode(x, 1)[0]
    assert service.decode(z, 1).shape == service.reconstruct(x, [1, 2, 3]).shape == x.shape
    assert len(service.sample(4, sampler="mixture", seed=1)) == 4
    assert np.isfinite(service.score(x, [1, 2, 3], samples=4)["log_likelihood"]).all()
    moved = Service(Run.open(runs / "conditional_vae"))
    moved.run.to(standin.NAME)  # with the samplers that were read before
    assert len(moved.sample(4, sampler="mixture", condition=2)) == 4


@pytest.mark.parametrize("name", ["vae", "vqvae"])
def test_the_explorer_computes_on_it(runs, name):
    view = View(latentia.open_run(runs / name, device=standin.NAME), 0)
    ready = view.ready()
    assert len(ready["centre"]) == view.size
    assert view.quicken().done.wait(300) and isinstance(view.quicken(), Job)
    arrays, _ = requests.sample(view, {"n": 4, "seed": 1})
    assert len(view.decode(arrays["z"])) == 4
    assert view.plane(ready["ways"][0]).points.shape[1] == 2
    found, scored = requests.place(view, b" ".join(b"%d" % value for value in range(64)), False)
    assert np.isfinite(scored["error"]) and isinstance(found["z"], np.ndarray)


def test_a_sweep_ends_on_it(tmp_path, monkeypatch):
    monkeypatch.setattr(group, "mapped_for", lambda runs: 60)
    folder = tmp_path / "sweep"
    latentia_("sweep", "digits", "--over", "objective.beta=0,1", *DENSE, *SMALL, "--out", folder)
    ends = [folder / f"objective.beta={beta}" for beta in (0, 1)]
    rest = ["--only", "reconstruction", "--quiet", "-o", tmp_path / "c.html"]
    latentia_("compare", *ends, "--device", standin.NAME, *rest)
    assert (tmp_path / "c.html").is_file()
