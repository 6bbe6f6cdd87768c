"""The network as every row above sees it: one bounded HTTP session, and TLS.

What belongs here knows no Git, no registry and no API server; it knows bytes, limits, certificates and time-outs.
"""
