"""The transformers of kustomize, one module each: functions that change the resources of a map in place.

In here: what a transformer does to resources. Not in here: which transformers a kustomization asks for and in which
order they run (``afflux.kustomize.stages``), and how resources are found (``selection``, ``resource_map``).
"""
