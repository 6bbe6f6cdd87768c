"""Which files are left out, by the rules of Flux's source-controller."""

import time

import pytest

from afflux.artifacts.archive import Directory, Entry, File
from afflux.sources import ignore
from afflux.sources.glob import compile_name
from afflux.sources.ignore import TooManyPatterns, ignore_rules


def tree(*paths: str, **ignore_files: str) -> list[Entry]:
    """Files and their directories; ``ignore_files`` are the texts of .sourceignore by directory (root: ``_``)."""
    entries: dict[str, Entry] = {}
    texts = {("" if place == "_" else f"{place}/") + ".sourceignore": text for place, text in ignore_files.items()}
    for path in sorted([*paths, *texts]):
        parts = path.split("/")
        for depth in range(1, len(parts)):
            directory = "/".join(parts[:depth])
            entries.setdefault(directory, Directory(directory))
        if not path.endswith("/"):
            entries[path] = File(path, False, texts.get(path, "").encode)
    return list(entries.values())


def kept(entries: list[Entry], spec_ignore: str | None = None) -> list[str]:
    ignored = ignore_rules(entries, spec_ignore)
    return [
        entry.path
        for entry in entries
        if isinstance(entry, File) and not ignored(entry.path, False) and not entry.path.endswith(".sourceignore")
    ]


def test_version_control_and_defaults_are_left_out() -> None:
    entries = tree(
        "a.yaml", ".gitignore", "sub/.gitattributes", "logo.png", "sub/x.tar.gz", ".github/workflows/a.yaml",
        "sub/.sops.yaml", ".sops.yaml", "sub/.github/b.yaml", ".gitmodules", "x.jpgx",
    )  # fmt: skip
    assert kept(entries) == ["a.yaml", "x.jpgx"]


def test_a_pattern_of_the_users_replaces_the_defaults_but_not_version_control() -> None:
    entries = tree("a.yaml", "b.txt", "logo.png", ".gitignore", ".github/a.yaml")
    assert kept(entries, "*.txt") == [".github/a.yaml", "a.yaml", "logo.png"]
    assert kept(entries, "# only a comment\n\n") == ["a.yaml", "b.txt"]


def test_an_ignore_file_speaks_for_its_directory_and_the_spec_has_the_last_word() -> None:
    entries = tree("a.txt", "b.txt", "sub/a.txt", "sub/b.txt", "sub/deep/a.txt", sub="a.txt\n")
    assert kept(entries) == ["a.txt", "b.txt", "sub/b.txt"]
    assert kept(entries, "!sub/deep/a.txt") == ["a.txt", "b.txt", "sub/b.txt", "sub/deep/a.txt"]


def test_a_deeper_ignore_file_decides_over_the_root_one() -> None:
    entries = tree("x.txt", "sub/x.txt", _="*.txt", sub="!x.txt")
    assert kept(entries) == ["sub/x.txt"]


def test_a_file_can_be_brought_back_from_a_directory_that_is_left_out() -> None:
    entries = tree("apps/a.yaml", "apps/keep/b.yaml", "infra/c.yaml", "root.yaml")
    assert kept(entries, "/*\n!/apps/keep\n") == ["apps/keep/b.yaml"]
    assert kept(entries, "/*\n!/infra/\n!root.yaml\n") == ["infra/c.yaml", "root.yaml"]


@pytest.mark.parametrize(
    ("pattern", "left_out"),
    [
        ("build", ["build", "x/build", "x/build/f", "x/y/build/f"]),
        ("build/", ["x/build/f", "x/y/build/f"]),
        ("/build", ["build"]),
        ("x/build", ["x/build", "x/build/f"]),
        ("x/**/f", ["x/build/f", "x/y/build/f", "x/f"]),
        ("**/build/f", ["x/build/f", "x/y/build/f"]),
        ("x/*/f", ["x/build/f"]),
        ("x/**", ["x/build", "x/build/f", "x/y/build/f", "x/f"]),
        ("x/bu[a-z]ld/", ["x/build/f"]),
        ("x/[^b]", ["x/y/build/f", "x/f"]),
        ("x/?", ["x/y/build/f", "x/f"]),
        ("\\#note", ["#note"]),
        ("#note", []),
        ("f   ", ["x/build/f", "x/y/build/f", "x/f"]),
        ("[", []),
        ("x/b**d/f", []),
    ],
)
def test_patterns(pattern: str, left_out: list[str]) -> None:
    paths = ["build", "x/build", "x/build/f", "x/y/build/f", "x/f", "#note"]
    ignored = ignore_rules([], pattern)
    assert [path for path in paths if ignored(path, False)] == left_out


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "", True),
        ("a*c", "abbbc", True),
        ("a*c", "abbb", False),
        ("a*b?d", "axxbcd", True),
        ("*.tar.*", "x.tar.gz", True),
        ("[]a]", "a", False),
        ("[\\]a]", "]", True),
        ("[a-", "a", False),
        ("a\\", "a", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[!a]", "!", True),
        ("?", "é", True),
        ("ä*", "äb", True),
    ],
)
def test_names_match_as_go_matches_them(pattern: str, name: str, matches: bool) -> None:
    assert compile_name(pattern)(name) is matches


def test_a_pattern_made_to_be_slow_is_fast() -> None:
    started = time.perf_counter()
    assert not compile_name("*a" * 40 + "b")("a" * 255)
    assert time.perf_counter() - started < 0.5


def test_a_flood_of_patterns_is_refused() -> None:
    with pytest.raises(TooManyPatterns):
        ignore_rules([], "x\n" * 20_000)


def test_patterns_that_would_be_matched_for_hours_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ignore, "MAX_SECONDS", 0.2)
    patterns = "\n".join("**/" + "*a" * 40 + f"b{number}" for number in range(5000))
    files = [File("/".join(["a" * 200] * 5) + f"/{number}", False, bytes) for number in range(1000)]
    ignored = ignore_rules(files, patterns)
    with pytest.raises(TooManyPatterns, match="more patterns than can be matched"):
        [ignored(file.path, False) for file in files]
