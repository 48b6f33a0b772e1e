"""The git hooks inside the stand-in's bare repositories. Written by `hub`, run by git during a push, talked to by
`smart_http` through the environment.
"""

from __future__ import annotations

# Where post-receive writes what was really updated, one "old new ref" a line.
REPORT = "STANDIN_PUSH_REPORT"
# Set for an App without the `workflows` permission.
GUARD = "STANDIN_GUARD_WORKFLOWS"

PRE_RECEIVE = f"""#!/bin/sh
# GitHub refuses workflow files from an App that lacks the `workflows` permission.
[ -z "${GUARD}" ] && exit 0
while read -r old new ref; do
    case $new in *[!0]*) ;; *) continue ;; esac
    for commit in $(git rev-list "$new" --not --all); do
        file=$(git diff-tree --root --no-commit-id --name-only -r "$commit" -- .github/workflows | head -n 1)
        [ -z "$file" ] && continue
        echo "refusing to allow a GitHub App to create or update workflow \\`$file\\`" \\
            "without \\`workflows\\` permission"
        exit 1
    done
done
"""
POST_RECEIVE = f"""#!/bin/sh
[ -n "${REPORT}" ] && cat > "${REPORT}"
"""
SCRIPTS = {"pre-receive": PRE_RECEIVE, "post-receive": POST_RECEIVE}
