"""Watch, queue, reconcile, settle: what every Flux controller has in common.

What belongs here knows of objects, conditions and time, and of no particular kind. A reconciler (in ``controllers``)
is straight-line code of named steps on a ``reconciler.Run``; it returns an end (``ends``), and ``outcome.settle`` turns
the log of the run into conditions, events, history and a requeue by the kind's ``rules``. What a kind does, and how a
cluster is changed, doesn't belong here.
"""
