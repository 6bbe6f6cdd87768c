"""Where content comes from: one fetcher a kind of source, and which of its files count.

What belongs here answers two questions for the controllers (what is the revision now, and what are its files) without
knowing Kubernetes. Foreign protocols belong to ``remotes``, archives to ``artifacts``.
"""
