"""The Flux kinds as types: what users may write, what a controller says back, and the CRDs made from both.

One module a kind. Nothing here acts on an object or knows a cluster; names, defaults, limits and reasons only.
"""
