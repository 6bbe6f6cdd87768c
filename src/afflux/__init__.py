"""Afflux keeps Kubernetes clusters in step with Git."""

__version__ = "0.1.0"
