"""Commits that the kill tests push on the walk-through's repository."""

from collections.abc import Callable

Edit = Callable[[str], str]


def edits() -> list[tuple[str, Edit]]:
    """The walk-through's commits, and a few more, each with its message."""

    def rename(text: str) -> str:
        return text.replace("nginx", "nginx-new").replace("image: nginx-new", "image: nginx")

    images = [(f"Image {n}", _image(n)) for n in range(1, 5)]
    return [("Rename the app", rename), *images, ("Scale", lambda text: text.replace("replicas: 2", "replicas: 3"))]


def _image(number: int) -> Edit:
    return lambda text: text.replace(f"image: nginx:1.27.{number - 1}", f"image: nginx:1.27.{number}")
