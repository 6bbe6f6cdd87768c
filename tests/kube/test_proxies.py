"""Which servers a proxy of the environment is for."""

import pytest

from afflux.kube.errors import ConfigError
from afflux.kube.proxies import proxy_for

SERVER = "https://api.example.com:6443"


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "p:3128"}, "http://p:3128"),
        ({"HTTP_PROXY": "http://p"}, None),
    ],
)
def test_the_variable_of_the_servers_scheme_counts(environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(SERVER, environment) == proxy


@pytest.mark.parametrize(
    ("server", "exceptions", "direct"),
    [
        (SERVER, "*", True),
        (SERVER, "example.com", True),
        (SERVER, ".example.com", True),
        (SERVER, "*.example.com", True),
        (SERVER, "api.example.com:6443", True),
        (SERVER, "api.example.com:443", False),
        (SERVER, "ple.com, other.org", False),
        ("https://example.com", ".example.com", False),
        ("https://10.1.2.3:6443", "10.0.0.0/8", True),
        ("https://10.1.2.3:6443", "10.1.2.3", True),
        ("https://11.1.2.3:6443", "10.0.0.0/8", False),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        ("https://127.0.0.1:6443", "", True),
        ("https://localhost:6443", "", True),
    ],
)
def test_exceptions_are_hosts_domains_networks_and_ports(server: str, exceptions: str, direct: bool) -> None:
    environment = {"HTTPS_PROXY": "http://p:3128", "NO_PROXY": exceptions}
    assert (proxy_for(server, environment) is None) is direct


def test_a_proxy_that_isnt_http_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError, match="HTTPS_PROXY isn't an http or https URL") as refused:
        proxy_for(SERVER, {"HTTPS_PROXY": "socks5://me:s3cret@p:1080"})
    assert "s3cret" not in str(refused.value)
