"""YAML as Go reads and writes it: two dialects of reading, kustomize's bytes of writing.

Only the language is here; what documents mean (lists, kinds, empty objects) belongs to the callers.
"""

from afflux.lang.yaml.errors import YamlError
from afflux.lang.yaml.locate import locate
from afflux.lang.yaml.reader import Document, load, load_documents
from afflux.lang.yaml.resolver import KUBERNETES, KUSTOMIZE, Dialect
from afflux.lang.yaml.writer import dump, dump_documents

__all__ = [
    "KUBERNETES",
    "KUSTOMIZE",
    "Dialect",
    "Document",
    "YamlError",
    "dump",
    "dump_documents",
    "load",
    "load_documents",
    "locate",
]
