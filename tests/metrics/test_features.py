"""Feature spaces: Inception with weights of its own making."""

import numpy as np
import pytest
import torch

from latentia.core import storage
from latentia.core.errors import LatentiaError
from latentia.metrics.inception import Inception, InceptionFeatures


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights with the shapes of the FID network."""
    path = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Inception()
    tensors = {name: value for name, value in network.state_dict().items() if value.is_floating_point()}
    storage.save_tensors(path, tensors)
    return path


def test_inception_has_torchvisions_parameters():
    with torch.device("meta"):
        network = Inception()
    count = sum(value.numel() for name, value in network.named_parameters() if not name.startswith("fc."))
    assert count == 23_834_568 - (2048 * 1000 + 1000)  # torchvision's, without its last layer
    names = set(network.state_dict())
    assert {
        "Conv2d_1a_3x3.conv.weight",
        "Conv2d_4a_3x3.bn.running_var",
        "Mixed_5b.branch_pool.conv.weight",
        "Mixed_6a.branch3x3dbl_3.bn.bias",
        "Mixed_6e.branch7x7dbl_5.conv.weight",
        "Mixed_7a.branch7x7x3_4.bn.weight",
        "Mixed_7c.branch3x3dbl_3b.conv.weight",
        "fc.weight",
    } <= names


def test_inception_pools_as_the_graph_does():
    with torch.device("meta"):
        network = Inception()
    corner = torch.zeros(1, 1, 4, 4)
    corner[0, 0, 0, 0] = 1
    for block in (network.Mixed_5b, network.Mixed_6c, network.Mixed_7b):
        assert block.pool(corner)[0, 0, 0, 0] == pytest.approx(1 / 4)  # four places, not nine with padding
    assert network.Mixed_7c.pool(corner)[0, 0, 1, 1] == 1


def test_inception_gives_the_same_features_from_the_same_file(weights):
    x = np.random.default_rng(0).integers(0, 256, (2, 3, 20, 24), dtype=np.uint8)
    space = InceptionFeatures(weights, quiet=True)
    first = space(x)
    assert first.shape == (2, 2048)
    assert space.name == "Inception v3 pool features (weights inception.safetensors)"
    assert (InceptionFeatures(weights, quiet=True)(x) == first).all()
    scaled = InceptionFeatures(weights, high=1.0, quiet=True)
    assert np.allclose(scaled(x.astype(np.float32) / 255), first, rtol=1e-4, atol=1e-6)


def test_inception_sees_grey_images_in_three_channels_and_no_fourth(weights):
    space = InceptionFeatures(weights, high=16, quiet=True)
    grey = torch.rand(2, 1, 8, 8) * 16
    prepared = space.prepare(grey)
    assert prepared.shape == (2, 3, 299, 299)
    assert torch.equal(prepared, space.prepare(grey.repeat(1, 4, 1, 1)))
    for value, scaled in ((16.0, 1.0), (8.0, 0.0), (0.0, -1.0)):
        assert torch.allclose(space.prepare(torch.full((1, 3, 5, 5), value)), torch.tensor(scaled), atol=1e-6)
    with pytest.raises(LatentiaError, match="images of 1, 3 or 4 channels, and the data have shape 13"):
        space(np.zeros((4, 13), dtype=np.float32))


def refused(path):
    with pytest.raises(LatentiaError) as caught:
        InceptionFeatures(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_pickle_is_refused_in_one_line(tmp_path):
    path = tmp_path / "pt_inception-2015-12-05-6726825d.pth"
    path.write_bytes(b"\x80\x02")
    message = refused(path)
    assert "no .safetensors file" in message
    assert "python -c" in message


def test_weights_that_do_not_fit_are_named(weights, tmp_path):
    tensors, _ = storage.load_tensors(weights)
    path = tmp_path / "other.safetensors"

    lacking = {name: value for name, value in tensors.items() if name != "Mixed_6b.branch1x1.bn.weight"}
    storage.save_tensors(path, lacking)
    assert "lacks the tensor 'Mixed_6b.branch1x1.bn.weight'" in refused(path)

    storage.save_tensors(path, {**tensors, "fc.weight": torch.zeros(1000, 2048)})
    assert "'fc.weight' is 1000x2048 and must be 1008x2048" in refused(path)

    storage.save_tensors(path, {**tensors, "AuxLogits.fc.bias": torch.zeros(1000)})
    assert "has a tensor 'AuxLogits.fc.bias'" in refused(path)


def test_a_missing_file_of_weights_is_one_line(tmp_path):
    assert "nosuch.safetensors" in refused(tmp_path / "nosuch.safetensors")


def test_the_counter_of_batches_may_be_there(weights, tmp_path):
    tensors, _ = storage.load_tensors(weights)
    path = tmp_path / "counted.safetensors"
    storage.save_tensors(path, {**tensors, "Conv2d_1a_3x3.bn.num_batches_tracked": torch.tensor(7)})
    assert InceptionFeatures(path).name.endswith("counted.safetensors)")
