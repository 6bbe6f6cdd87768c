"""Certificates that change while we speak to a server."""

import base64
from pathlib import Path
from typing import Any

import pytest

from afflux.kube.config import in_cluster_config, load_config
from afflux.kube.errors import Unreachable
from afflux.kube.transport import Request, Transport
from afflux.net.tls import Authority


@pytest.fixture
async def other_server(https_server: Any, answer_with: Any) -> Any:
    https_server.answers = [answer_with({"ok": True})]
    return https_server


async def test_an_authority_that_is_rotated_in_the_kubeconfig_is_trusted(other_server: Any, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    right = other_server.kubeconfig()
    old = base64.b64encode(Authority.create().ca_pem).decode()
    kubeconfig.write_text(right.replace(base64.b64encode(other_server.authority.ca_pem).decode(), old))
    transport = Transport(load_config(kubeconfig))
    with pytest.raises(Unreachable, match="certificate"):
        await transport.send(Request("GET", "/version"))
    kubeconfig.write_text(right)
    with pytest.raises(Unreachable, match="certificate"):
        await transport.send(Request("GET", "/version"))
    assert await transport.send(Request("GET", "/version")) == b'{"ok": true}'
    await transport.close()


async def test_an_authority_that_is_rotated_in_a_pod_is_trusted(other_server: Any, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(Authority.create().ca_pem)
    (tmp_path / "namespace").write_text("flux-system")
    (tmp_path / "token").write_text("t0ken")
    config = in_cluster_config(tmp_path)
    assert config.reread is not None
    (tmp_path / "ca.crt").write_bytes(other_server.authority.ca_pem)
    assert config.reread().ca == other_server.authority.ca_pem


async def test_a_kubeconfig_that_can_not_be_read_again_changes_nothing(other_server: Any, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    right = base64.b64encode(other_server.authority.ca_pem).decode()
    old = base64.b64encode(Authority.create().ca_pem).decode()
    kubeconfig.write_text(other_server.kubeconfig().replace(right, old))
    transport = Transport(load_config(kubeconfig))
    kubeconfig.write_text("half a")
    with pytest.raises(Unreachable, match="certificate"):
        await transport.send(Request("GET", "/version"))
    await transport.close()
