"""A Flux spec and a tree of files become manifests; no cluster, no network, no clock.

What belongs here: what Flux does around a kustomize build (the generated kustomization.yaml, the fields of the spec
merged into it, substitution, labels, normalisation, field validation). The build itself belongs to `kustomize`; what
happens to the manifests afterwards, to `apply`.
"""
