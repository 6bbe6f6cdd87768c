"""Settings, and the assembly of one process: which parts run, wired to which.

What belongs here connects packages of the rows below; it decides nothing about kinds, manifests or Git.
"""
