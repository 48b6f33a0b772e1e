"""The maker's answer to a review: the request is written to a file of the repository, so that there is a commit.

Called by the playbooks after their own work. A stand-in cannot follow arbitrary requests; its reply states that.
"""

from __future__ import annotations

import re

from integrations.standins.model.playbook import Answer, bash
from integrations.standins.model.request import Request

PEOPLE = "Guidance"
_FENCE = re.compile(r"</?guidance-\w+>")


def review_script(request: Request, run_all: str) -> tuple[Answer, ...]:
    """Write the request to CHANGES.md, run the suite, report."""
    words = "\n".join((request.section(PEOPLE), *request.steering)).strip() or "nothing was said"
    quoted = "\n".join(f"> {line}".rstrip() for line in words.splitlines()[:20] if not _FENCE.fullmatch(line))
    note = f"cat >> CHANGES.md <<'END_OF_NOTE'\n\n## Asked for in review\n\n{quoted}\nEND_OF_NOTE"
    return (
        Answer("The code does what the ticket asks. I write down what the review asked for.", (bash(note),)),
        Answer("And the whole suite once more.", (bash(run_all),)),
        Answer(
            "I noted the review's words in `CHANGES.md` and ran the suite. I am a stand-in for a model: a real one "
            "would have changed the code as asked."
        ),
    )
