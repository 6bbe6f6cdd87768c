"""Which proxy the environment names for a server, by Go's rules (golang.org/x/net/http/httpproxy)."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from afflux.kube.errors import ConfigError


def proxy_for(server: str, environment: Mapping[str, str]) -> str | None:
    """The proxy's URL, or None. Raises ``ConfigError`` for a proxy that isn't http or https, without its password."""
    parts = urlsplit(server)
    variable = f"{parts.scheme}_proxy"
    proxy = environment.get(variable.upper()) or environment.get(variable)
    if not proxy or not parts.hostname:
        return None
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    if _goes_direct(parts.hostname, port, environment.get("NO_PROXY") or environment.get("no_proxy") or ""):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise ConfigError(f"{variable.upper()} isn't an http or https URL: {urlsplit(proxy).scheme}:// isn't supported")
    return proxy


def _goes_direct(host: str, port: int, exceptions: str) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(entry.strip().lower(), host.lower(), port) for entry in exceptions.split(",") if entry.strip())


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    network = _network(entry)
    if network is not None:
        return address is not None and address.version == network.version and address in network
    name, _, entry_port = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
    if entry_port and entry_port != str(port):
        return False
    name = name.removeprefix("*")
    if name.startswith("."):
        return host.endswith(name)
    return host == name or (address is None and host.endswith(f".{name}"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None
