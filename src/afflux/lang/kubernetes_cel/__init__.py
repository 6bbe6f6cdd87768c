"""Kubernetes' own CEL libraries: what rules of custom resources may call beyond CEL itself.

Here belong the functions that kube-apiserver adds (URLs, regular expressions, lists, quantities, addresses, semantic
versions, named formats); CEL's own extensions are Google's, in ``afflux.lang.cel``. What CEL calls an opaque type is a
map with one tagged entry here: the evaluator has no types that Python can make.
"""

from __future__ import annotations

from afflux.lang.kubernetes_cel.extension import KubernetesLibraries

__all__ = ["KubernetesLibraries"]
