"""Artifacts on disk: packing and unpacking archives, the store, its server, and downloads from other stores.

What belongs here knows files, digests and retention. Where the content of an artifact comes from, and which files of it
count, doesn't belong here.
"""
