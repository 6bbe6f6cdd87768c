"""One module (or a few with its name in front) a Flux kind: what a run of its reconciler does, step by step.

What belongs here: the order of the steps, the kind's rules for `runtime.outcome.settle`, its words, and which objects
it depends on. What doesn't: how things are fetched, built, applied or watched (the engines below), conditions and
requeues (`runtime`). No controller imports another.
"""
