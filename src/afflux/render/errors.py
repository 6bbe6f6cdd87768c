"""Why manifests could not be rendered.

RenderFailed
├── PathNotFound
├── UnknownFields
├── SubstitutionFailed
└── EncryptedSecret
"""

from afflux.kustomize.errors import Place


class RenderFailed(Exception):
    """A build that gave no manifests; the message names the file, the document, the line and the field where known."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PathNotFound(RenderFailed):
    """The directory to build is not in the artifact."""


class UnknownFields(RenderFailed):
    """Strict field validation: fields that their kinds don't have."""


class SubstitutionFailed(RenderFailed):
    """A variable that isn't set, a bad expression, or a bad name of a variable. No value is in the message."""


class EncryptedSecret(RenderFailed):
    """A Secret that SOPS encrypted, with no decryption configured."""


def with_relative_paths(message: str, place: Place) -> str:
    """The message with the files of ``place`` named from the artifact's root on, which is ``/`` for kustomize."""
    for file in (place.file, place.kustomization):
        if file.startswith("/"):
            message = message.replace(file, file.lstrip("/"))
    return message
