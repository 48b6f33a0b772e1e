"""Texts within a limit, and texts without hidden characters. A text that is cut shows it, so that no reader takes a
part for the whole. Pure.
"""

from __future__ import annotations

import re
import unicodedata


def cut(text: str, most: int, tail: int = 0) -> str:
    """`text` in at most `most` characters, the last `tail` of them from its end; marked where it is cut."""
    if len(text) <= most:
        return text
    mark = f"\n\n[cut by Loopline: {len(text):,} characters in all]" + "\n\n" * bool(tail)
    if most < 200:
        return f"{text[: most - 1]}…"
    return text[: most - tail - len(mark)] + mark + (text[-tail:] if tail else "")


# Unicode's Default_Ignorable_Code_Point with the unassigned ranges, controls but for tab and line ends, separators,
# interlinear annotations, and the braille blank. Variation selectors and joiners are allowed in emoji alone.
_HIDDEN = re.compile(
    "[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_JOINER, _JOINERS, _EMOJI_STYLES = "\u200d", "\u200c\u200d", "\ufe0e\ufe0f"


def show_hidden(text: str) -> str:
    """`text` with each invisible character in the form ⟨U+200B⟩: zero-width, bidirectional, tag and control characters,
    and variation selectors that carry data. Emoji and scripts that need joiners keep theirs."""
    return _HIDDEN.sub(lambda found: _show(text, found.start()), text)


def _show(text: str, at: int) -> str:
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    is_styled = _is_symbol(before) or before in "#*0123456789"
    if text[at] in _EMOJI_STYLES and before and is_styled:
        return text[at]
    if text[at] == _JOINER and before and after and _is_symbol(after) and (_is_symbol(before) or before == "\ufe0f"):
        return text[at]
    if text[at] in _JOINERS and _is_joining(before) and _is_joining(after):
        return text[at]
    return f"⟨U+{ord(text[at]):04X}⟩"


def _is_joining(character: str) -> bool:
    """Whether it is a letter of a script that needs joiners, such as Persian or Hindi."""
    return "\u0600" <= character <= "\u1fff" and unicodedata.category(character)[0] in "LM"


def _is_symbol(character: str) -> bool:
    return bool(character) and unicodedata.category(character) in {"So", "Sk"}


_HIDDEN_MARKUP = re.compile(
    r"(?P<comment><!--)|(?P<collapsed><details\b)|(?P<definition>^[ >\t]*\[[^\]\n]*\]:)"
    r"|(?P<unseen><[a-z][^<>]*?(?:\bhidden\b|display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0|font-size\s*:\s*0"
    r"|(?:width|height)\s*[:=]\s*[\"']?0|color\s*[:=]\s*[\"']?(?:white|#fff\w*|transparent))[^<>]*>)"
    r"|(?P<alternative>!\[|<img\b)",
    re.IGNORECASE | re.MULTILINE,
)
_MARKUP_NAMES = {
    "comment": "hidden comment",
    "collapsed": "collapsed text",
    "definition": "hidden definition",
    "unseen": "hidden element",
    "alternative": "image",
}


def show_hidden_markup(text: str) -> str:
    """`show_hidden`, and a mark such as ⟨hidden comment⟩ before markup that people do not see in rendered Markdown:
    comments, collapsed or invisible elements, link definitions, texts of images."""
    return _HIDDEN_MARKUP.sub(lambda found: f"⟨{_MARKUP_NAMES[found.lastgroup or '']}⟩{found[0]}", show_hidden(text))
