"""Change a cluster so that it matches manifests, and watch until it works.

What belongs here: the order and stages of an apply, server-side dry runs and drift, ownership of objects and fields,
the inventory and what is pruned by it, the health of what was applied. What doesn't: where manifests come from
(`render`), and when to run and what to tell the user (`controllers`).
"""
