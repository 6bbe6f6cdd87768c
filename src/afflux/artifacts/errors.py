"""What can go wrong with an artifact.

::

    ArtifactError
    |- ArchiveTooLarge     more bytes, files or levels than the limits allow
    |- MalformedArchive    cut short, followed by something else, or not an archive
    |- UnsafeArchive       an entry that could reach outside, or isn't a file or a directory
    |- ArtifactMissing     the file isn't there
    |  `- ArtifactUnconfirmed  it may be there, but its source wasn't looked at yet since we lead
    |- ArtifactTorn        the file's digest isn't the artifact's
    `- DownloadFailed      a foreign store gave no usable answer
"""


class ArtifactError(Exception):
    """Root of this package's errors."""


class ArchiveTooLarge(ArtifactError):
    """More bytes, files or levels than the limits allow; nothing of it is used."""


class MalformedArchive(ArtifactError):
    """Not a whole archive, or more than one."""


class UnsafeArchive(ArtifactError):
    """An entry that could reach outside of its directory, or that isn't a regular file or a directory."""


class ArtifactMissing(ArtifactError):
    """The artifact's file isn't there."""


class ArtifactUnconfirmed(ArtifactMissing):
    """The file may be there, but its source hasn't been looked at since this process leads."""


class ArtifactTorn(ArtifactError):
    """The file's digest isn't the artifact's."""


class DownloadFailed(ArtifactError):
    """A foreign store gave no usable answer."""
