"""Recognizes a person's request to bring the branch up to date, which needs no agent. Pure.

Only a comment that asks for nothing else: any further sentence makes it guidance for the agent.
"""

from __future__ import annotations

import re

_SPLIT = re.compile(r"[,.;!?\n]+|\b(?:and|then)\b")
_COURTESY = re.compile(
    r"\b(?:please|pls|thanks|thank you|can you|could you|would you|will you|let's|just|now|also|again|first|the|this"
    r"|your|its|any|all|latest|newest|changes from|changes of)\b"
)


def is_update_request(text: str, base_branch: str) -> bool:
    """Whether the text asks to merge the base branch, or to resolve conflicts with it, and for nothing else."""
    plain = text.lower().replace("`", " ").replace("up-to-date", "up to date")
    clauses = [" ".join(_COURTESY.sub(" ", clause).split()) for clause in _SPLIT.split(plain)]
    wanted = [clause for clause in clauses if clause]
    forms = _compile_forms(base_branch.lower())
    return bool(wanted) and all(forms.fullmatch(clause) for clause in wanted)


def _compile_forms(branch: str) -> re.Pattern[str]:
    base = rf"(?:(?:origin/)?(?:{re.escape(branch)}|main|master)(?: branch)?|base(?: branch)?|upstream)"
    own = r"(?:feature )?(?:branch|pr|pull request|it|work)"
    return re.compile(
        rf"(?:merge|pull)(?: in)? {base}(?: in| (?:into|to|with) {own}| in {own})?"
        rf"|(?:rebase|sync|synchronize)(?: {own})?(?: (?:onto|on|with|to|from) {base})?"
        rf"|(?:bring|get|keep) {own} up to date(?: with {base})?"
        rf"|update {own}(?: (?:from|with|to) {base})?"
        rf"|(?:resolve|solve|fix) (?:merge )?conflicts?(?: with {base})?"
    )
