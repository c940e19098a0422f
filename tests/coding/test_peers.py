"""General compressors beside files of a run."""

import numpy as np
import pytest

from latentia.coding import peers


def test_zstd_is_left_out_where_nothing_installed_has_it(monkeypatch):
    x = np.tile(np.arange(200, dtype=np.uint8), 50)
    pyarrow = pytest.importorskip("pyarrow")
    found = peers.peers(x, x.tobytes(), False)
    content = pyarrow.Codec("zstd", compression_level=22).compress(x.tobytes(), asbytes=True)
    assert found[peers.ZSTD] == len(content) < 300
    assert pyarrow.decompress(content, len(x), "zstd", asbytes=True) == x.tobytes()
    monkeypatch.setattr(peers, "installed", lambda package: False)
    assert set(peers.peers(x, x.tobytes(), False)) == {"gzip -9", "bz2 -9", "xz -9e"}
