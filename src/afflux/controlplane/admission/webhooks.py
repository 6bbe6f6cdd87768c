"""Webhooks are stored, not called: who makes one is told."""

from __future__ import annotations

from afflux.controlplane.pipeline import WriteContext
from afflux.objects.manifest import Manifest


def create(context: WriteContext, new: Manifest) -> Manifest:
    """The configuration as it is, with a warning."""
    context.warnings.append("webhooks are not called by this control plane")
    return new
