"""HTML by construction: text is escaped when it enters, elements are closed when they are made.

Whatever is not Markup already is text from somewhere: control, invisible and direction-turning
characters become visible escapes (recorder/escape.py), then HTML's own characters theirs.
"""

import html

from engine.recorder.escape import shown_text

_VOID = frozenset(("meta", "br", "wbr", "col"))


class Markup(str):
    """HTML that is whole: made by the functions of this module only."""

    __slots__ = ()


def text(content: object) -> Markup:
    """Return any value as escaped text; Markup as it is."""
    if isinstance(content, Markup):
        return content
    return Markup(html.escape(shown_text(str(content)), quote=True))


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element. Of an attribute's name a last _ is left out, another is a hyphen.

    A value of None or False leaves the attribute out; True gives it no value.
    """
    words = [name]
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(key)
        elif value is not None and value is not False:
            words.append(f'{key}="{text(value)}"')
    if name in _VOID:
        assert not children, name
        return Markup(f"<{' '.join(words)}>")
    return Markup(f"<{' '.join(words)}>{''.join(map(text, children))}</{name}>")


def joined(*children: object) -> Markup:
    """Return several pieces, one behind the other."""
    return Markup("".join(map(text, children)))


def raw_style(rules: str) -> Markup:
    """Return a style element of our own rules, which HTML does not unescape."""
    assert "<" not in rules
    return Markup(f"<style>{rules}</style>")


def table(heads: tuple[object, ...], rows: list[tuple[object, ...]], **attributes) -> Markup:
    """Return a table. A head that begins with # is that of a column of numbers.

    On narrow screens it scrolls in its own box.
    """
    numbers = [str(head).startswith("#") for head in heads]
    classes = ["number" if number else None for number in numbers]
    first = element(
        "tr",
        *(
            element("th", str(head).removeprefix("#"), class_=kind, scope="col")
            for head, kind in zip(heads, classes, strict=True)
        ),
    )
    body = [
        element(
            "tr",
            *(element("td", cell, class_=kind) for cell, kind in zip(row, classes, strict=True)),
        )
        for row in rows
    ]
    inner = element("table", element("thead", first), element("tbody", *body), **attributes)
    return element("div", inner, class_="scroll")
