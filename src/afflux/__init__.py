"""Afflux keeps Kubernetes clusters in step with Git."""
