"""What is said of a build that failed: file, line and problem, once.

kustomize wraps an error at each level that it passes; for a file that can't be read as Kubernetes objects, that is
noise around what people need.
"""

from afflux.kustomize.errors import KustomizeError, Place
from afflux.kustomize.filesystem import FileSystem
from afflux.lang import yaml
from afflux.objects.manifest import Json, metadata_of
from afflux.render.errors import with_relative_paths
from afflux.render.overlay import Overlay

_NO_OBJECT = "not a Kubernetes object"
_ELSE = "; exclude the file in .sourceignore, or name what to build in a kustomization.yaml"


def build_failure(error: KustomizeError, over: Overlay, filesystem: FileSystem) -> str:
    """The message, with Flux's words in front: it checks the files that it puts into a generated kustomization by
    itself, and says so. A file that was generated is never named."""
    place = error.place
    problem = _problem(place, filesystem)
    if over.generated and place.file:
        instead = _ELSE if problem and problem.endswith(_NO_OBJECT) else ""
        return (
            f"failed to decode Kubernetes YAML from {problem or f'{_shown(place)}: {_without(over, error)}'}{instead}"
        )
    if problem is None:
        return f"kustomize build failed: {_without(over, error)}"
    by = f" (in {place.kustomization.lstrip('/')}: {place.entry})" if place.kustomization and place.entry else ""
    return f"kustomize build failed: {problem}{by}"


def _shown(place: Place) -> str:
    return f"{place.file.lstrip('/')}{f':{place.line}' if place.line else ''}"


def _without(over: Overlay, error: KustomizeError) -> str:
    """kustomize's message without the place in a file that nobody wrote, and with paths as the repository has them."""
    message = str(error)
    if over.generated:
        message, _, _ = message.partition(f" (in {over.file}")
    return with_relative_paths(message, error.place)


def _problem(place: Place, filesystem: FileSystem) -> str | None:
    """``file:line: problem`` where the error is about a file that doesn't hold Kubernetes objects."""
    if not place.file or place.file == place.kustomization:
        return None
    try:
        documents = yaml.load_documents(filesystem.read(place.file), dialect=yaml.KUSTOMIZE)
    except KustomizeError:
        return None
    except yaml.YamlError as mistake:
        return f"{_shown(Place(file=place.file, line=mistake.line))}: {mistake.problem}"
    for document in documents:
        if complaint := _complaint(document.value):
            return f"{_shown(Place(file=place.file, line=document.line))}: {complaint}"
    return None


def _complaint(value: Json) -> str | None:
    """Why a document is no Kubernetes object; None where it is one."""
    if not isinstance(value, dict) or not (value.get("apiVersion") or value.get("kind")):
        return _NO_OBJECT
    for field in ("apiVersion", "kind"):
        if not value.get(field):
            return f"no {field}"
    metadata = metadata_of(value)
    if metadata.get("name") or str(value["kind"]).endswith("List"):
        return None
    return "no metadata.name (generateName is not enough)" if metadata.get("generateName") else "no metadata.name"
