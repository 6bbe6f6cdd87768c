"""What kustomize does to folded scalars (``>``): it writes them and reads them back, not always unchanged.

Go's emitter looks at the start of the text where it should look ahead, so a line break before an indented line or
at the kept end of a text is doubled. Users' ConfigMaps carry that scar, so ours do.
"""

import re

from yaml._yaml import CParser
from yaml.events import ScalarEvent

NOT_IN_BLOCKS = re.compile(r"[ ]\n|[ ]\Z|[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
"""Texts in which Go's emitter leaves block style for double quotes, which keep everything."""


def refolded(text: str) -> str:
    """A folded scalar's text after it was written and read once more."""
    if not text or NOT_IN_BLOCKS.search(text):
        return text
    parser = CParser(f"a: >{_hints(text)}\n{_written(text)}\n")
    while True:
        event = parser.get_event()
        if isinstance(event, ScalarEvent) and event.style == ">":
            return str(event.value)


def _hints(text: str) -> str:
    indent = "2" if text[0] in " \n" else ""
    if not text.endswith("\n"):
        return indent + "-"
    return indent + "+" if text == "\n" or text.endswith("\n\n") else indent


def _written(text: str) -> str:
    start = text.lstrip("\n")
    doubles = bool(start) and start[0] not in " \t"
    lines: list[str] = []
    indented = True
    after_break = True
    for character in text:
        if character == "\n":
            if doubles and not after_break and not indented:
                lines.append("\n")
            lines.append("\n")
            after_break = True
            continue
        if after_break:
            lines.append("  ")
            indented = character in " \t"
        lines.append(character)
        after_break = False
    return "".join(lines).removesuffix("\n")
