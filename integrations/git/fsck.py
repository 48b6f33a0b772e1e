"""Severities of git's object checks during a fetch, by message id of `git help fsck`. Called by `repository`; pure.

An object with an error stops the fetch of its branch; one with a warning is stored. Agents' packs are not affected:
`quarantine.index_pack` treats every defect as an error. git skips ids that it does not know.
"""

from __future__ import annotations

ERRORS = {
    # Structure: without it git cannot parse the object, or no tool can.
    **dict.fromkeys(("nulInHeader", "unterminatedHeader"), "git cannot parse the header and allows no other severity"),
    **dict.fromkeys(("badTree", "badTreeSha1", "badParentSha1", "badObjectSha1"), "names no valid object"),
    **dict.fromkeys(("badType", "unknownType", "missingType", "missingTypeEntry"), "has no valid type"),
    **dict.fromkeys(("missingTree", "missingObject", "missingTag", "missingTagEntry"), "lacks a required part"),
    # Paths: a checkout could write outside of the work tree or into .git, or two readers could see different files.
    **dict.fromkeys(("hasDot", "hasDotdot", "hasDotgit", "fullPathname"), "could leave the work tree"),
    **dict.fromkeys(("emptyName", "nullSha1", "duplicateEntries", "treeNotSorted"), "makes paths ambiguous"),
    "largePathname": "exceeds the limits of file systems (git 2.43)",
    # Submodules: configuration that could run a command or write outside, for people who clone recursively.
    **dict.fromkeys(("gitmodulesName", "gitmodulesPath", "gitmodulesUpdate"), "could write outside or run a command"),
    **dict.fromkeys(
        ("gitmodulesSymlink", "gitmodulesBlob", "gitmodulesMissing", "gitmodulesLarge"), "hides its content"
    ),
    "gitattributesMissing": "lacks a required part",
}
"""Ids that stop the fetch, with the reason. They are git's defaults under `--strict`."""

WARNINGS = {
    # Metadata of commits and tags: shown to readers, used by nothing else.
    **dict.fromkeys(("missingEmail", "badEmail", "missingNameBeforeEmail", "badName"), "old tools wrote such authors"),
    **dict.fromkeys(("missingSpaceBeforeEmail", "multipleAuthors"), "old tools wrote such authors"),
    **dict.fromkeys(("missingAuthor", "missingCommitter", "missingTaggerEntry"), "old tools wrote none"),
    **dict.fromkeys(("badDate", "badDateOverflow", "zeroPaddedDate", "badTimezone"), "old tools wrote such dates"),
    **dict.fromkeys(("missingSpaceBeforeDate", "extraHeaderEntry", "badTagName"), "old tools wrote such headers"),
    "nulInCommit": "git shows the message up to the NUL",
    # Trees and special files that git reads safely.
    **dict.fromkeys(("zeroPaddedFilemode", "badFilemode"), "git reads the same mode"),
    **dict.fromkeys(("gitattributesLineLength", "gitattributesLarge"), "git 2.39.1 and newer ignores such lines"),
    "gitattributesBlob": "git ignores a folder of this name",
    **dict.fromkeys(("gitattributesSymlink", "gitignoreSymlink", "mailmapSymlink"), "git does not follow the link"),
    # Used by a recursive clone only: the host never enters submodules, and the sandbox has no network.
    **dict.fromkeys(("gitmodulesUrl", "gitmodulesParse"), "Loopline enters no submodules"),
}
"""Ids that are tolerated in the history of a repository, with the reason."""

SETTINGS = tuple(f"fetch.fsck.{name}=warn" for name in WARNINGS)
