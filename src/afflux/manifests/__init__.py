"""What needs a schema: field sets, structured and strategic merge, readiness, normalisation, quantities.

What belongs here is pure and knows any kind by its schema or by Kubernetes' published rules. What doesn't: the API
server's bookkeeping and errors (``controlplane``), rendering (``kustomize``, ``render``), plain patches (``objects``).
"""
