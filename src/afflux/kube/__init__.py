"""The door to an API server: configuration, credentials, transport, a client of plain manifests, discovery and watches.

What belongs here speaks HTTP with Kubernetes and maps its answers and errors; manifests go in and come out. What to do
with them, when, and in which order doesn't belong here.
"""
