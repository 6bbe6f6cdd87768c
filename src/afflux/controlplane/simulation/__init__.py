"""Simulated controllers and kubelet: what GitOps tools wait for becomes true without running anything.

Here belongs what a controller manager and a node do to workloads (embedded-api 6). One module a kind holds a pure step:
observed objects in, a ``Decision`` of writes out; ``simulation`` watches, calls the steps and performs the writes by
``ClusterAccess``. What an API server does itself (addresses, defaults, owners, namespaces) isn't here.
"""

from afflux.controlplane.simulation.node import SimulatedNode
from afflux.controlplane.simulation.simulation import DELAY, Simulation
from afflux.controlplane.simulation.steps import EVERYTHING, NODE_ONLY, PROTECTION_ONLY, Part

__all__ = ["DELAY", "EVERYTHING", "NODE_ONLY", "PROTECTION_ONLY", "Part", "SimulatedNode", "Simulation"]
