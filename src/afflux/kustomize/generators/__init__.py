"""The generators of kustomize: objects made from literals, files and a few arguments.

In here: what a generator makes, and the hash that its name ends with. Not in here: where generated objects go in the
build, and how they merge with those that are there (``afflux.kustomize.stages``).
"""
