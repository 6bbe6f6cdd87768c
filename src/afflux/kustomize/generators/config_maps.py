"""``configMapGenerator`` and ``secretGenerator``."""

import base64

from afflux.kustomize.errors import InvalidKustomization
from afflux.kustomize.generators.key_values import pairs
from afflux.kustomize.kustomization_file import Generator, GeneratorOptions, SecretGenerator
from afflux.kustomize.loader import Loader
from afflux.kustomize.resource import Origin, Resource
from afflux.kustomize.scalars import Quoted
from afflux.objects.manifest import Json, Manifest

BASE64_LINE = 70
"""kustomize breaks long base64 text after so many characters."""
DEFAULT_SECRET_TYPE = "Opaque"


def config_map(generator: Generator, loader: Loader, origin: Origin) -> Resource:
    """The ConfigMap of a generator. Values that aren't UTF-8 go to ``binaryData``."""
    manifest = _object("ConfigMap", generator)
    for key, value in sorted(pairs(generator, loader).items()):
        field, text = "data", _text(value)
        if text is None:
            field, text = "binaryData", wrapped_base64(value)
        manifest.setdefault(field, {})[key] = _styled(text)
    return _generated(manifest, generator, origin)


def secret(generator: SecretGenerator, loader: Loader, origin: Origin) -> Resource:
    """The Secret of a generator, its values in base64."""
    manifest = _object("Secret", generator)
    manifest["type"] = generator.type or DEFAULT_SECRET_TYPE
    manifest["data"] = {key: _styled(wrapped_base64(value)) for key, value in sorted(pairs(generator, loader).items())}
    return _generated(manifest, generator, origin)


def wrapped_base64(value: bytes) -> str:
    """Base64, broken into lines that all end with a newline where there are several."""
    encoded = base64.b64encode(value).decode()
    if len(encoded) < BASE64_LINE:
        return encoded
    lines = [encoded[at : at + BASE64_LINE] for at in range(0, len(encoded), BASE64_LINE)]
    return "".join(f"{line}\n" for line in lines)


def merged_options(own: GeneratorOptions | None, everyones: GeneratorOptions | None) -> GeneratorOptions | None:
    """A generator's options with those of ``generatorOptions``, which its own win over."""
    if everyones is None or own is None:
        return own or everyones
    return GeneratorOptions(
        labels={**everyones.labels, **own.labels},
        annotations={**everyones.annotations, **own.annotations},
        disable_name_suffix_hash=own.disable_name_suffix_hash or everyones.disable_name_suffix_hash,
        immutable=own.immutable or everyones.immutable,
    )


def _object(kind: str, generator: Generator) -> Manifest:
    if not generator.name:
        raise InvalidKustomization("a configmap must have a name")
    metadata: dict[str, Json] = {"name": generator.name}
    if generator.namespace:
        metadata["namespace"] = generator.namespace
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata}


def _generated(manifest: Manifest, generator: Generator, origin: Origin) -> Resource:
    options = generator.options or GeneratorOptions()
    for field, values in (("labels", options.labels), ("annotations", options.annotations)):
        if values:
            manifest["metadata"][field] = {key: Quoted(value) for key, value in sorted(values.items())}
    if options.immutable:
        manifest["immutable"] = True
    resource = Resource(manifest, origin)
    resource.needs_hash = not options.disable_name_suffix_hash
    resource.behavior = _behavior(generator.behavior)
    return resource


def _behavior(text: str) -> str:
    return text if text in ("replace", "merge", "create") else "unspecified"


def _text(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _styled(text: str) -> str:
    return Quoted(text) if "\n" in text else text
