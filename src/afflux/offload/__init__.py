"""Supervised worker processes for pure work, so that a large build never stalls a watch.

``await offload.run(function, *args)`` runs a module-level function in a worker while a pool is open, and inline where
none is (the command line). What crosses is picklable data: paths and bytes. A worker has no credentials, may not open
connections or start processes, and lives under limits. What doesn't belong here: any knowledge of what the work is.
"""

from afflux.offload.pool import TaskCrashed, TaskFailed, TaskTimedOut, WorkerPool, run, run_within

__all__ = ["TaskCrashed", "TaskFailed", "TaskTimedOut", "WorkerPool", "run", "run_within"]
