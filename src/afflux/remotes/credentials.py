"""Who we are to a remote place, and whom we trust there."""

import base64
import hashlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, repr=False)
class BasicAuth:
    """User name and password."""

    username: str
    password: str

    @property
    def authorization(self) -> str:
        """The value of the HTTP header ``Authorization``."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


@dataclass(frozen=True, repr=False)
class BearerToken:
    """A token that stands for its owner."""

    token: str

    @property
    def authorization(self) -> str:
        """The value of the HTTP header ``Authorization``."""
        return f"Bearer {self.token}"


Credentials: TypeAlias = BasicAuth | BearerToken


def _system_bundles() -> tuple[str | None, ...]:
    """Where systems keep their authorities in one file."""
    return (
        ssl.get_default_verify_paths().cafile,
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    )


class InvalidTrust(ValueError):
    """A certificate bundle that holds no usable certificate."""


@dataclass(frozen=True, repr=False)
class Trust:
    """Certificate authorities (PEM) that are trusted beside the system's."""

    pem: bytes
    context: ssl.SSLContext = field(compare=False)

    @classmethod
    def from_pem(cls, pem: bytes) -> "Trust":
        """Raises ``InvalidTrust`` where ``pem`` holds no certificate."""
        context = ssl.create_default_context()
        known = len(context.get_ca_certs())
        try:
            context.load_verify_locations(cadata=pem.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise InvalidTrust("no certificate in PEM format found") from None
        if not pem.strip() or len(context.get_ca_certs()) < known:
            raise InvalidTrust("no certificate in PEM format found")
        return cls(pem, context)

    @property
    def digest(self) -> str:
        """Identity of the bundle: sha256 in hex."""
        return hashlib.sha256(self.pem).hexdigest()

    def bundle(self) -> bytes:
        """The system's authorities and these, as one PEM file for tools that know a single bundle."""
        system = next((Path(place) for place in _system_bundles() if place and Path(place).is_file()), None)
        return (system.read_bytes() + b"\n" if system else b"") + self.pem
