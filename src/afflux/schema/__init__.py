"""Kubernetes' own kinds: what their fields are, how their lists merge, under which names they are served.

What belongs here: the compact data of each Kubernetes minor (``data/``, made by ``tools/build_schemas.py``), and typed
views on it and on the schemas in CRDs. What doesn't: whatever walks an object beside its schema (``manifests``), and
defaults.
"""
