"""What ``kubectl get`` shows of built-in kinds: one table of columns and cells for each kind.

Cells are pure functions of the object and of the time. Tables as answers (and columns of custom resources) are
``printing``; here is only what is particular to a kind.
"""

from __future__ import annotations

from typing import Final

from afflux.controlplane.printers import cluster, configuration, network, plain, workloads
from afflux.controlplane.printers.column import Printer

PRINTERS: Final[dict[tuple[str, str], Printer]] = {
    **workloads.PRINTERS,
    **network.PRINTERS,
    **configuration.PRINTERS,
    **cluster.PRINTERS,
    **plain.PRINTERS,
}
"""By group and kind. A kind without a printer shows its name and its creation time."""
