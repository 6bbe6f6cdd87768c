"""An object as data: identity, selectors, JSON and merge patches.

What belongs here needs no schema, no I/O and no knowledge of any kind. The lowest row: it imports nothing of Afflux.
"""
