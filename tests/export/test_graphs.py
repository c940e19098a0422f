"""Every registered component as an ONNX graph: what it computes is what torch computes."""

import pytest
import torch

from latentia.core import registry
from latentia.core.errors import LatentiaError
from latentia.data.transforms import Scale
from latentia.export import parity
from latentia.export.graphs import as_onnx
from tests.laws.test_components import CODED, COLUMNS, model_of

EVENT = (1, 8, 8)
OTHER_NETWORKS = [("vae", "conv"), ("vae", "resnet"), ("vqvae", "grid"), ("hierarchical_vae", "conv")]
LOSSES = ("mse", "bce", "l1", "gaussian")
"""Other names of likelihoods, and the one that the models have anyway."""
USUAL = ("delta", "diagonal_gaussian", "ema_codebook", "spline")
"""Posteriors that the models have anyway, and one whose inverse is too rough for the tolerance; see below."""


def exported(model, what):
    """Export a graph of a model and give the largest difference of each output."""
    model = model.eval().requires_grad_(False)
    encoder, decoder = parity.random_inputs(model, Scale())
    given = {"encoder": encoder, "decoder": decoder}[what]
    graph = parity.GRAPHS[what](model, Scale())
    return parity.difference(graph, as_onnx(graph, tuple(value[:2] for value in given)), given)


@pytest.mark.parametrize("what", ["encoder", "decoder"])
@pytest.mark.parametrize("name", registry.names("model"))
def test_a_model_computes_the_same_as_a_graph(name, what):
    torch.manual_seed(0)
    gaps = exported(model_of(name, EVENT), what)
    assert max(gaps.values()) <= parity.TOLERANCE
    named = {"encoder": {"mean", "std", "classes"}, "decoder": {"x", "std"}}[what]
    assert set(gaps) <= named


@pytest.mark.parametrize("what", ["encoder", "decoder"])
@pytest.mark.parametrize(("name", "network"), OTHER_NETWORKS)
def test_a_network_computes_the_same_as_a_graph(name, network, what):
    torch.manual_seed(0)
    model = model_of(name, EVENT) if network == "grid" else model_of(name, EVENT, network=network)
    assert max(exported(model, what).values()) <= parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in registry.names("posterior") if name not in USUAL])
def test_a_posterior_computes_the_same_as_a_graph(name):
    torch.manual_seed(0)
    model = model_of("vqvae" if name in CODED else "vae", EVENT, posterior=name)
    assert max(exported(model, "encoder").values()) <= parity.TOLERANCE


@pytest.mark.parametrize("name", [name for name in registry.names("likelihood") if name not in LOSSES])
def test_a_likelihood_computes_the_same_as_a_graph(name):
    torch.manual_seed(0)
    columns = name == "columns"
    model = model_of("vae", (7,) if columns else EVENT, likelihood=COLUMNS if columns else name)
    assert max(exported(model, "decoder").values()) <= parity.TOLERANCE


def test_another_number_of_rows_is_taken_and_another_model_is_refused():
    torch.manual_seed(0)
    model, other = (model_of("vae", EVENT).eval().requires_grad_(False) for _ in range(2))
    given = parity.random_inputs(model, Scale())[1]
    graph, stranger = (parity.GRAPHS["decoder"](each, Scale()) for each in (model, other))
    written = as_onnx(graph, tuple(value[:2] for value in given))
    for rows in (1, 3, 200):
        (x,) = parity.session(written).run(["x"], {"z": torch.randn(rows, *model.latent).numpy()})
        assert x.shape == (rows, *EVENT)
    with pytest.raises(LatentiaError, match=r"the decoder's 'x' differs from torch by .*nothing was written"):
        parity.checked(stranger, written, given, "decoder")


def test_the_graph_names_no_file_and_no_line_of_source():
    model = model_of("vae", EVENT).eval().requires_grad_(False)
    for what, given in zip(("encoder", "decoder"), parity.random_inputs(model, Scale())):
        written = as_onnx(parity.GRAPHS[what](model, Scale()), tuple(value[:2] for value in given))
        assert not [word for word in (b".py", b"site-packages", b"/home", b"stack_trace") if word in written]
