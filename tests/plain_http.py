"""Plain requests to any API server that a kubeconfig names: one connection, one request at a time."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

import yaml


class Server:
    """A server, with the credentials of a kubeconfig: a token or a client certificate."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        trust = ssl.create_default_context(cadata=authority)
        if "client-certificate-data" in user:
            parts = [base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")]
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(b"\n".join(parts))
                pair.flush()
                trust.load_cert_chain(pair.name)
        address = urllib.parse.urlsplit(cluster["server"])
        self.connection = http.client.HTTPSConnection(address.netloc, context=trust, timeout=30)
        self.headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        """Status and parsed answer."""
        data = None if body is None else json.dumps(body)
        self.connection.request(method, path, data, self.headers | {"Content-Type": kind})
        response = self.connection.getresponse()
        answer = response.read()
        is_json = "json" in (response.getheader("Content-Type") or "")  # an unknown path is answered in plain text
        return response.status, json.loads(answer) if is_json else {"text": answer.decode(errors="replace")}
