"""Who we are to a remote place, and whom we trust there."""

import base64
import hashlib
import ssl
from dataclasses import dataclass, field
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
        system = ssl.create_default_context().get_ca_certs(binary_form=True)
        return b"".join(ssl.DER_cert_to_PEM_cert(der).encode() for der in system) + self.pem
