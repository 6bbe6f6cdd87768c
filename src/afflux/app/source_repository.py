"""What `afflux up SOURCE` follows: a folder's committed state in an embedded repository, or a URL as it is.

A folder is only ever read: neither its files nor its Git repository are touched.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ROOT_REF = "refs/afflux/copied"
"""In the embedded repository: the last state that was copied from the folder."""


class SourceError(Exception):
    """SOURCE can't be used; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """What to follow. ``url`` is set for a remote repository; else ``repository`` is the embedded bare one."""

    branch: str
    url: str | None = None
    repository: Path | None = None
    warnings: tuple[str, ...] = field(default=())


def is_url(source: str) -> bool:
    """Whether SOURCE is followed as it is."""
    return "://" in source


async def prepare_source(source: str | None, branch: str | None, repository: Path) -> Source:
    """Makes or resumes what `up` follows. ``repository`` is the place of the embedded bare repository.

    Raises ``SourceError``.
    """
    if source is not None and is_url(source):
        if not source.startswith(("http://", "https://")):
            raise SourceError(f"{source.split('://')[0]}:// is not supported yet; use an http:// or https:// URL")
        return Source(branch=branch or "main", url=source)
    if source is None:
        await _init(repository, branch or "main")
        return Source(branch=await _head_branch(repository), repository=repository)
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise SourceError(f"{source} is neither a folder nor a URL")
    if (folder / ".git").exists():
        return await _copy_work_tree(folder.resolve(), branch, repository)
    return await _commit_folder(folder.resolve(), branch or "main", repository)


async def list_folders(source: Source, parent: str) -> list[str]:
    """Names of the folders directly below ``parent`` in the embedded repository's branch; none where it is empty."""
    if source.repository is None:
        return []
    code, output, _ = await _git(source.repository, "ls-tree", "-d", "--name-only", "-z", source.branch, f"{parent}/")
    return [Path(name).name for name in output.split("\0") if name] if code == 0 else []


async def _copy_work_tree(folder: Path, branch: str | None, repository: Path) -> Source:
    """Copies the branch that is checked out (or ``branch``) into the embedded repository; forward only."""
    git_dir = folder / ".git"
    wanted = branch or await _head_branch(git_dir)
    if await _resolve(git_dir, f"refs/heads/{wanted}") is None:
        if branch is not None or await _resolve(git_dir, "HEAD") is not None:
            raise SourceError(f"{folder} has no branch {wanted!r}; name one that exists with --branch")
        await _init(repository, wanted)
        return Source(wanted, repository=repository, warnings=(f"{folder} has no commit yet",))
    await _init(repository, wanted)
    await _must(repository, "fetch", "--quiet", "--no-tags", str(folder), f"+refs/heads/{wanted}:{_ROOT_REF}")
    warnings = await _uncommitted(folder, git_dir)
    warnings += await _advance(repository, wanted, folder)
    return Source(wanted, repository=repository, warnings=tuple(warnings))


async def _advance(repository: Path, branch: str, folder: Path) -> list[str]:
    """Moves the embedded branch to the copied state unless people pushed something else there."""
    theirs = await _resolve(repository, _ROOT_REF)
    ours = await _resolve(repository, f"refs/heads/{branch}")
    if ours is None or await _is_ancestor(repository, ours, _ROOT_REF):
        await _must(repository, "update-ref", f"refs/heads/{branch}", theirs or _ROOT_REF)
        return []
    if await _is_ancestor(repository, _ROOT_REF, ours):
        return []
    return [f"the embedded repository has commits that {folder} lacks; it stays as it is (pull from it, then push)"]


async def _uncommitted(folder: Path, git_dir: Path) -> list[str]:
    code, output, _ = await _git(git_dir, "status", "--porcelain", "--untracked-files=normal", work_tree=folder)
    changed = [line[3:] for line in output.splitlines() if line.strip()] if code == 0 else []
    if not changed:
        return []
    shown = ", ".join(changed[:5]) + (f" and {len(changed) - 5} more" if len(changed) > 5 else "")
    return [f"uncommitted changes are not synced: {shown}"]


async def _commit_folder(folder: Path, branch: str, repository: Path) -> Source:
    """Commits a plain folder once; what people push later is kept."""
    await _init(repository, branch)
    if await _resolve(repository, f"refs/heads/{branch}") is not None:
        return Source(branch, repository=repository)
    index = {"GIT_INDEX_FILE": str(repository / "afflux-index")}
    await _must(repository, "add", "--all", "--force", ".", work_tree=folder, extra=index)
    tree = await _must(repository, "write-tree", extra=index)
    commit = await _must(repository, "commit-tree", "-m", f"Import {folder.name}", tree)
    await _must(repository, "update-ref", f"refs/heads/{branch}", commit)
    (repository / "afflux-index").unlink(missing_ok=True)
    return Source(branch, repository=repository)


async def _init(repository: Path, branch: str) -> None:
    if (repository / "HEAD").exists():
        return
    repository.mkdir(parents=True, exist_ok=True)
    await _must(repository, "init", "--quiet", "--bare", f"--initial-branch={branch}", str(repository))


async def _head_branch(git_dir: Path) -> str:
    code, output, _ = await _git(git_dir, "symbolic-ref", "--short", "HEAD")
    if code != 0:
        raise SourceError(f"{git_dir.parent} is not on a branch (detached HEAD); name one with --branch")
    return output.strip()


async def _resolve(git_dir: Path, revision: str) -> str | None:
    code, output, _ = await _git(git_dir, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    return output.strip() if code == 0 else None


async def _is_ancestor(git_dir: Path, older: str, newer: str) -> bool:
    code, _, _ = await _git(git_dir, "merge-base", "--is-ancestor", older, newer)
    return code == 0


async def _must(git_dir: Path, *arguments: str, work_tree: Path | None = None, extra: Mapping[str, str] = {}) -> str:
    code, output, errors = await _git(git_dir, *arguments, work_tree=work_tree, extra=extra)
    if code != 0:
        reason = errors.strip().splitlines()[-1] if errors.strip() else f"exit code {code}"
        raise SourceError(f"git {arguments[0]} failed for {work_tree or git_dir}: {reason}")
    return output.strip()


async def _git(
    git_dir: Path, *arguments: str, work_tree: Path | None = None, extra: Mapping[str, str] = {}
) -> tuple[int, str, str]:
    """Runs git with no hook and no prompt; returns exit code, output and errors.

    The user's own configuration counts (``safe.directory`` above all), as it would if they ran git on their folder.
    """
    location = [f"--git-dir={git_dir}", *([f"--work-tree={work_tree}"] if work_tree else [])]
    settings = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.autocrlf=false", "gc.auto=0")
    options = [part for setting in settings for part in ("-c", setting)]
    process = await asyncio.create_subprocess_exec(
        "git",
        *options,
        *location,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=work_tree or git_dir.parent,
        env={**_environment(), **extra},
    )
    output, errors = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace")


def _environment() -> dict[str, str]:
    person = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _PERSON.items()}
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/nonexistent"),
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        **person,
    }


_PERSON = {"NAME": "afflux", "EMAIL": "afflux@localhost"}
