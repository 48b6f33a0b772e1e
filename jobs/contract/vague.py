"""Tells criteria that nobody can check from those that somebody can. Pure; called by `jobs.contract.agreement`.

Errs on the side of 'can be checked': words that it does not know count as something to look for, so that no language
and no trade is shut out. What slips through meets the checker, which needs evidence for a pass.
"""

from __future__ import annotations

import re

_CODE = re.compile(r"`[^`]+`")
_CONCRETE = re.compile(r"\d|\"[^\"]+\"|“[^”]+”|'[^' ]+'|\w/\w|\w\.\w{1,5}\b|--\w|https?:")
_ELSEWHERE = re.compile(
    r"\b(?:as|like|what) (?:we |i |you |was |were |just |already )*"
    r"(?:discussed|agreed|talked|said|mentioned|described)\b"
    r"|\bas per (?:our|the) (?:call|chat|meeting|discussion|conversation)\b"
    r"|\bsee (?:slack|above|below|figma|the (?:thread|call|chat|design|designs|meeting))\b"
    r"|\btb[dac]\b|\bt\.b\.d\b|\bto ?do\b|\bto be (?:defined|determined|decided|discussed|done|confirmed)\b|\?\?\?",
    re.IGNORECASE,
)
_FILLING_WORDS = """
a an the this that these those it its is are be been being am was were and or but so than then of on in at to for
from with without by as into about over we you i they he she our your their my me us them there here when where
which who what how if all any some every everything anything something nothing each both more most much many less
least very really quite just also too only again still even now always never not no can could should shall must will
would may might has have had do does did done get gets make makes made making let lets keep keeps feel feels felt
look looks looking seem seems behave behaves behaviour behavior act acts give gives want wants need needs expected
intended possible sense way ways bit lot sure please time times end day whole overall general state art
"""
_VAGUE_WORDS = """
good better best well nice nicer great awesome amazing excellent perfect perfectly beautiful pretty cool fine ok
okay clean cleaner cleaned clear clearer tidy neat elegant simple simpler easy easier easily fast faster fastest
quick quickly quicker slow smooth smoothly smoother snappy performant performance efficient efficiently efficiency
scalable robust robustly solid stable reliable reliably reliability secure safe safely modern professional polished
polish pleasant intuitive friendly usable usability user-friendly responsive maintainable readable readability
understandable consistent consistently flexible modular quality improved improve improves improvement improvements
improving enhanced enhance enhancement optimized optimised optimize optimise fix fixes fixed work works working
worked run runs running function functions functional functioning correct correctly proper properly right
appropriate appropriately reasonable reasonably adequate acceptable suitable sensible normal normally usual usually
happy satisfied satisfying delightful delight discussed agreed asap finished complete completed completely ready
implemented
"""
_GENERAL_WORDS = """
app apps application code codebase software system product project site website page pages thing things stuff
solution feature features change changes ui ux design interface experience look-and-feel user users customer
customers people everyone everybody team stakeholders ticket task issue story requirement requirements criteria
issues problems problem
"""
_EMPTY = frozenset(f"{_FILLING_WORDS} {_VAGUE_WORDS} {_GENERAL_WORDS}".split())


def uncheckable(text: str) -> bool:
    """Whether nobody could tell if this holds: no command, number, name or behaviour, only words like 'works well'.

    Words that point elsewhere ('as discussed', 'TBD') make it so too, unless it names code."""
    if _CODE.search(text):
        return False
    if _ELSEWHERE.search(text):
        return True
    if _CONCRETE.search(text):
        return False
    words = re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*", text.lower().replace("’", "'"))
    return all(word in _EMPTY for word in words)
