"""How tests ask a server in this process."""

from fastapi.testclient import TestClient

ADDRESS = "http://127.0.0.1:8000"


def asked_at(app, **settings):
    return TestClient(app, base_url=ADDRESS, **settings)
