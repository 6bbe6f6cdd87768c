"""A Kubernetes-compatible control plane in one process: the API that clients can't tell from a real server.

What belongs here: serving the API (discovery, verbs, watches, tables), the object store, admission and defaulting,
custom resources, and the simulated controllers. What doesn't: anything of Flux (the plane is a stranger to it), and
what needs a schema but no server (``manifests``).

The seams inside the package
    ``served_kind``    ``ServedKind``: one kind at one version. ``custom_kinds`` makes them from a CRD.
    ``kind_registry``  what is served: ``KindRegistry.lookup(group, version, plural)``, ``add_crd``, ``remove_crd``.
    ``store``          objects and events: ``StoreReader`` (synchronous, in the loop) for whoever only reads.
    ``access``         ``ClusterAccess``: the Protocol through which garbage collection, namespaces and simulation act;
                       asynchronous, so that a client of a real server can stand in for the store.
    ``pipeline``       the one road of a write. It calls, in this order:

        decode     ``typed.decode_typed`` (built-ins) or ``structural.prune(kind, manifest) -> (manifest, [path])``
        merge      PUT body, patch, or ``server_side_apply``
        stamp      uid, creationTimestamp, generation, namespace: nobody else sets them
        default    ``defaults.apply_defaults(kind, manifest) -> Manifest`` or ``structural.default(kind, manifest)``
        admit      ``admission.admit(context, new, old) -> Manifest``; raises ``ApiStatusError``
        validate   ``validation.validate(kind, new, old) -> list[FieldError]``, or ``structural.validate(...)`` likewise
                   (where rules may take long: ``RulingNeeded``; ``RuleCourt`` asks a worker, the write is walked again)
        own        ``managed_fields``
        store      nothing when the result equals the live object; else one number, one event

    Functions on that road never change the manifest they are given: they return it, or a new one that shares what is
    unchanged. ``old`` is None for a create. Deletions pass ``admission.admit_deletion(context, old)``.

    ``WriteContext`` (in ``pipeline``) is what admission may know beyond the object. Admission is what an API server has
    plugins for: the namespace life cycle (404 absent, 403 terminating), clusterIP and nodePort allocation, what a new
    Namespace or CRD gets. Quantities are made canonical by ``defaults``; nulls, unknown fields and wrong types of
    built-ins are dealt with in ``typed``. Metadata (names, labels, finalizers) is validated in ``metadata``.

The living parts are started by ``control_plane`` in this order, each as one task with ``async run() -> None``:
    ``crds.CrdController(store, access, registry)``             conditions, ``registry.add_crd``, the clean-up finalizer
    ``namespaces.NamespaceController(store, access, registry)`` system namespaces, default content, emptying
    ``garbage.GarbageCollector(store, access, registry)``       owners, ``foregroundDeletion``, ``orphan``
    ``simulation.Simulation(access_factory, delay)``            workloads; ``access_factory(manager) -> ClusterAccess``
"""
