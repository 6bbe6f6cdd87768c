"""The small languages that users write: YAML, durations, regular expressions, substitution, JSONPath, CEL.

Each module reads and writes one language exactly as the Go programs do that users know. Nothing here knows
Kubernetes' schemas, Flux's kinds or a file system: text and values in, values and text out.
"""
