"""Doors to places that hold content: Git servers (later registries, buckets, key services).

What belongs here speaks a foreign protocol and gives its answers as plain values, with errors that name what went wrong
and never repeat what a server said or what a credential is. What a Flux source makes of the content doesn't belong
here.
"""
