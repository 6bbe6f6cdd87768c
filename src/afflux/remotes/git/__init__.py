"""Git over HTTP(S): what a reference is worth now, a bare mirror of a repository, and the files of a commit.

Polling one reference is ours (protocol v2 on the HTTP session); fetching is the ``git`` program's, in an environment
that holds nothing of the user's; reading is libgit2's. Work trees are never made: nothing from a repository is
executed, smudged or written under a name of its choosing. Revisions, ignore rules and artifacts don't belong here.
"""
