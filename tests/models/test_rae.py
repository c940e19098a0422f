"""The regularised autoencoder: what keeps a decoder smooth, and what the objective makes of it."""

import pytest
import torch

import latentia
from latentia.core.types import Batch
from latentia.models.rae import RAE
from latentia.objectives import Regularised


def roughness(model, x, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        return model(Batch(x, torch.arange(len(x)))).roughness


def test_the_gradient_is_the_squared_norm_of_the_jacobian():
    torch.manual_seed(1)
    model = RAE((6,), 3).eval()
    x = torch.randn(2, 6)
    z = model.encode(x).mean

    def decoded(one):
        return model.decode(one[None]).mean[0]

    exact = torch.stack([torch.autograd.functional.jacobian(decoded, one).square().sum() for one in z])
    drawn = torch.stack([roughness(model, x, seed) for seed in range(4000)])
    assert torch.allclose(drawn.mean(dim=0), exact, rtol=0.05)


def test_weights_are_summed_and_spectral_layers_have_no_singular_value_over_one():
    x = torch.randn(4, 6)
    model = RAE((6,), 3, smooth="weights")
    expected = sum(float(w.detach().square().sum()) for w in model.decoder.parameters())
    assert roughness(model, x).tolist() == pytest.approx([expected] * 4, rel=1e-5)
    model = RAE((6,), 3, smooth="spectral")
    for _ in range(200):  # the power iteration takes a step at each pass of training
        model(Batch(x, torch.arange(4)))
    layers = [layer for layer in model.decoder.modules() if isinstance(layer, torch.nn.Linear)]
    assert all(torch.linalg.matrix_norm(layer.weight, 2) <= 1.01 for layer in layers)
    assert not roughness(model.eval(), x).any()


def test_the_objective_weighs_latents_and_roughness():
    model, x = RAE((6,), 3).eval(), torch.randn(5, 6)
    torch.manual_seed(0)
    state = model(Batch(x, torch.arange(5)))
    terms = Regularised(beta=0.5, weight=2.0)(state)
    expected = 0.25 * state.z[0].square().sum(dim=1) + 2 * state.roughness
    torch.testing.assert_close(terms.penalty, expected)
    assert not terms.rate.any() and not Regularised().bound


@pytest.mark.parametrize("smooth", ["gradient", "spectral"])
def test_it_trains_and_is_sampled_from_a_density_fitted_afterwards(tmp_path, smooth):
    run = latentia.train(
        "digits", model={"name": "rae", "smooth": smooth}, network={"name": "mlp", "hidden": [16]},
        latent_dim=3, epochs=2, out=tmp_path / "rae",
    )  # fmt: skip
    assert run.sample(4, sampler="mixture").shape == (4, 1, 8, 8)
    again = latentia.Run.open(run.folder.path)
    assert (again.encode(run.dataset.x[:3]) == run.encode(run.dataset.x[:3])).all()
    assert run.recipe["objective"]["name"] == "rae"
