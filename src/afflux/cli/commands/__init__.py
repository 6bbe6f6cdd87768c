"""One module a verb; ``main`` imports it when it is called, so that ``--help`` stays quick."""
