"""The roles beside the maker. Their playbooks serve every ticket; they are registered in `playbooks/__init__.py`."""

from __future__ import annotations

import re
from typing import Any

from integrations.standins.model.playbook import Answer, Playbook, bash, play
from integrations.standins.model.request import Call, Request

LOOK_AT_PROGRAM = bash("ls; ls */__main__.py tests/__init__.py 2>/dev/null; head -20 README.md 2>/dev/null")
_PROGRAM = re.compile(r"^(?P<name>[A-Za-z_]\w*)/__main__\.py$", re.MULTILINE)


def _plan_criteria(request: Request) -> Answer:
    """Confirm a list of the ticket's own; else look for the program and propose a small, checkable reading."""
    if request.section("The ticket's own list"):
        confirmed = {"summary": "Each item of the ticket's list can be checked.", "confidence": "high"}
        return play((Answer("The list can be checked as it stands.", (Call("submit_proposal", confirmed),)),), request)
    look = Answer("I look at what there is before I say what done could mean.", (LOOK_AT_PROGRAM,))
    seen = request.shown(LOOK_AT_PROGRAM)
    program = _PROGRAM.search(seen)
    if not seen or not program:
        return play((look, Answer("My proposal.", (Call("submit_proposal", _unknown_program(request)),))), request)
    show = bash(f"python3 -m {program['name']} --help")
    tried = Answer("I try the program as somebody would who does not know it.", (show,))
    proposal = Call("submit_proposal", _known_program(request, program["name"], "tests/__init__.py" in seen))
    return play((look, tried, Answer("My proposal: the smallest reading that helps.", (proposal,))), request)


def _known_program(request: Request, program: str, tests: bool) -> dict[str, Any]:
    shown = f"`python3 -m {program} --help` shows an example of a call"
    criteria = [{"text": shown, "command": f"python3 -m {program} --help | grep -qi example"}]
    if tests:
        test = "a new test calls the help and looks for the example"
        criteria.append({"text": test, "command": "python3 -m unittest tests.test_help -q"})
    criteria.append({"text": "README.md shows the same example", "evidence": "file and line"})
    return {
        "summary": f"Smallest reading of “{request.title[:80]}”: the help of {program} says how it is used.",
        "criteria": criteria,
        "confidence": "low",
        "questions": [
            {
                "text": "What should be better for somebody who uses it?",
                "options": ["the help on the command line", "the messages for wrong input", "the layout of the output"],
            }
        ],
    }


def _unknown_program(request: Request) -> dict[str, Any]:
    return {
        "summary": f"“{request.title[:80]}”, as the ticket says it.",
        "criteria": [
            {"text": f"what the ticket asks for is there: {request.title[:200]}", "evidence": "file and line"},
            {"text": "a new test fails without the change and passes with it", "evidence": "test"},
        ],
        "confidence": "low",
        "questions": [],
    }


PLANNER = Playbook("planner", matches=lambda request: request.role == "planner", answer=_plan_criteria)


FILES = bash("git ls-files | head -100")
MOST_PATHS = 8
_WORD = re.compile(r"[a-z]{4,}")
_PATH = re.compile(r"^\.?/?(?P<path>[\w./-]+\.\w+)$", re.MULTILINE)
_NOT_TELLING = frozenset({"when", "does", "that", "with", "from", "this", "have", "make", "into", "their", "they"})


def _scout(request: Request) -> Answer:
    """List the files, search them for terms of the ticket, and submit a plan."""
    words = [word for word in dict.fromkeys(_WORD.findall(request.title.lower())) if word not in _NOT_TELLING]
    find = bash(f"grep -rlicE '{'|'.join(words) or 'main'}' --include=*.py --include=*.md . | sort | head -20")
    look = Answer("I see what is here, and where the ticket's words come up.", (FILES, find))
    return play((look, Answer("What I found.", (_plan(request, find),))), request)


def _plan(request: Request, find: Call) -> Call:
    found = [match["path"] for match in _PATH.finditer(request.shown(find))]
    paths = [path for path in found if path.endswith(".py")] or found
    code = [path for path in paths if not path.startswith("tests/")]
    tests = [path for path in paths if path.startswith("tests/")]
    steps = [f"read {path}, where the ticket's words come up" for path in code[:3]]
    steps += [f"write the tests first, beside {tests[0]}" if tests else "write a test that fails without the change"]
    steps += ["make the smallest change that meets the contract", "run the contract's commands"]
    first = ", ".join(code[:2]) or "none of them code"
    return Call(
        "submit_plan",
        {
            "summary": f"{request.title}: {len(found)} files speak of it, {first}.",
            "steps": steps,
            "paths": _list_changed(code + tests, request.title),
            "commands": list(dict.fromkeys(request.commands().values()))[:10],
        },
    )


def _list_changed(found: list[str], title: str) -> list[str]:
    """The files that the change is expected in: those with a word of the title in their name, else the first one."""
    words = set(_WORD.findall(title.lower())) - _NOT_TELLING
    named = [path for path in found if words & set(_WORD.findall(path.rpartition("/")[2].lower()))]
    return (named or found[:1])[:MOST_PATHS]


SCOUT = Playbook("scout", matches=lambda request: request.role == "scout", answer=_scout)


LOOK_AT_TREE = bash("ls -la && git log --oneline -3 2>/dev/null; git status --short 2>/dev/null | head -20")
_CHANGED = re.compile(r"^\+\+\+ b/(?P<path>\S+)$", re.MULTILINE)


def _check(request: Request) -> Answer:
    """Inspect the tree with read-only commands, then judge each criterion by existing evidence."""
    own = [bash(command) for command in list(request.commands().values())[:1]]
    look = Answer("I look at the tree, and run the first command of the contract myself.", (LOOK_AT_TREE, *own))
    return play((look, Answer("My verdict, criterion by criterion.", (_verdict(request, own),))), request)


def _verdict(request: Request, own: list[Call]) -> Call:
    results = [_result(name, text, request, own) for name, text in request.criteria().items()]
    failed = [result["criterion"] for result in results if result["result"] != "pass"]
    summary = f"Not done: {', '.join(failed)}." if failed else "Every criterion is met by the evidence."
    return Call(
        "submit_verdict",
        {
            "results": results,
            "summary": summary,
            "findings": [
                {"text": f"{result['criterion']}: {result['reason']}"[:500], "severity": "major"}
                for result in results
                if result["result"] == "fail"
            ],
            "not_checked": ["behaviour that no command of the contract covers"],
            "confidence": "medium" if failed else "high",
            "no_change_needed": not failed and "(empty)" in request.section("Diff"),
            "notes": _note(request),
        },
    )


def _note(request: Request) -> dict[str, Any]:
    """Notes for the reviewer: the ticket, and the changed files."""
    changed = list(dict.fromkeys(_CHANGED.findall(request.section("Diff"))))
    first = [path for path in changed if not path.startswith("tests/")] or changed
    return {
        "what": f"Does what the ticket asks: {request.title}.",
        "risk": f"Only {', '.join(changed[:3])} can behave differently." if changed else "",
        "steps": list(request.commands().values())[:1],
        "first": [{"path": path, "why": "the change itself"} for path in first[:2]],
    }


def _result(name: str, text: str, request: Request, own: list[Call]) -> dict[str, Any]:
    exits = request.exits()
    if name in exits:
        code, line = exits[name]
        result = "unsure" if "FLAKY" in line else "fail" if code else "pass"
        return _said(name, result, line[:300], [_gate(name)])
    if re.search(rf"\brequested\b.*\b{name}\b", request.section("Unchanged")):
        return _said(name, "fail", "nothing was committed for it", [_gate(other) for other in list(exits)[:1]])
    if not exits:
        return _said(name, "unsure", "no command of the contract was run", [])
    red = [other for other, (code, _) in exits.items() if code]
    if red:
        return _said(name, "fail", f"rests on {', '.join(red)}, which failed", [_gate(other) for other in red])
    named = [path for path in _CHANGED.findall(request.section("Diff")) if path in text]
    files = [{"source": "file", "name": path, "shows": "is part of the change"} for path in named[:3]]
    ran = [{"source": "command", "name": call.input["command"], "shows": "I ran it too"} for call in own]
    return _said(name, "pass", "I read the tree", [*files, *(_gate(other) for other in list(exits)[:3]), *ran])


def _said(name: str, result: str, reason: str, evidence: list[dict[str, Any]]) -> dict[str, Any]:
    return {"criterion": name, "result": result, "evidence": evidence, "reason": reason}


def _gate(name: str) -> dict[str, Any]:
    return {"source": "gate", "name": name, "shows": "Loopline's own run"}


CHECKER = Playbook("checker", matches=lambda request: request.role == "checker", answer=_check)


_COMMENT = re.compile(r"^<comment-[^>]*>\n[^\n]*:\n(?P<text>.*?)\n</comment-", re.MULTILINE | re.DOTALL)
_QUESTION = re.compile(
    r"(?:why|what|where|who|when|which|how|is|are|does|do|did|was|were|has|have)\b.*\?", re.IGNORECASE
)
_WISH = re.compile(
    r"\b(?:please|can you|could (?:you|it|the)|should|must|instead|add|remove|rename|use|make|change|round|try|fix)\b",
    re.IGNORECASE,
)


def _classify(request: Request) -> Answer:
    """By its first words: a question is answered with the commands that Loopline ran, a wish is a change."""
    comment = _COMMENT.search(request.brief)
    text = comment["text"].strip() if comment else ""
    if _QUESTION.match(text):
        ran = [f"{name}: exit {code}" for name, (code, _) in request.exits().items()]
        reply = (
            f"The contract's commands ended like this: {', '.join(ran) or 'none was run'}. I am a stand-in for a model."
        )
        found = {"meaning": "question", "reply": reply}
    elif _WISH.search(text):
        found = {"meaning": "change", "reply": ""}
    else:
        found = {"meaning": "unclear", "reply": "I am a stand-in for a model and see neither a question nor a wish."}
    return Answer("", (Call("submit_answer", found),))


ANSWER = Playbook("answer", matches=lambda request: request.role == "answer", answer=_classify)


def _judge(request: Request) -> Answer:
    """Done, unless a command that Loopline ran has failed."""
    missing = [f"{name}: {line[:200]}" for name, (code, line) in request.exits().items() if code or "FLAKY" in line]
    reason = "a command of the contract failed" if missing else "every command of the contract ended with 0"
    judgement = {"done": not missing, "missing": missing, "reason": reason}
    return Answer("", (Call("submit_judgement", judgement),))


JUDGE = Playbook("judge", matches=lambda request: request.role == "judge", answer=_judge)


_RULE = re.compile(r"^[^\n:<>]{1,80}: (?P<rule>(?:Always|Never|Use|Prefer) [^\n<>@\[\]:#]{5,200}\.)", re.MULTILINE)


def _draft_lesson(request: Request) -> Answer:
    """A person's sentence that begins like a rule is the lesson; other corrections give none."""
    found = _RULE.search(request.brief)
    draft = {"rule": found["rule"], "topic": "conventions", "cites": [1]} if found else {}
    return Answer("", (Call("submit_lesson", draft),))


LESSON = Playbook("lesson", matches=lambda request: request.role == "lesson", answer=_draft_lesson)
