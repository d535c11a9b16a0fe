"""Text that enters a page stays text: whatever it holds, the parser gives it back, made visible.

Method: drawn texts, with what breaks out of HTML among them, through elements and attributes, and
back with the standard library's parser. What it cannot show: what a browser's own parser does.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.recorder.escape import shown_text
from engine.report.markup import Markup, element, joined, raw_style, table, text
from tests.unit.report.pages import Page

BREAKING = ("</script>", "<!--", "]]>", "&lt;", "&#x3c;", '"', "'", "\u202e", "\x00", "\x1b[2J")
TEXTS = st.lists(st.sampled_from(BREAKING) | st.text(max_size=6), max_size=6).map("".join)


@given(TEXTS)
def test_text_comes_back_as_shown(content):
    page = Page(element("section", f"[{content}]", id="here"))
    assert "".join(page.words["here"]) == f"[{shown_text(content)}]"
    assert page.tags == ["section"]


@given(TEXTS)
def test_attribute_comes_back_as_shown(content):
    page = Page(element("p", title=content))
    assert page.attributes == [("p", "title", shown_text(content))]


@given(TEXTS, TEXTS)
def test_cells_hold_nothing_but_their_text(one, other):
    page = Page(table(("a", "#b"), [(f"x{one}", f"y{other}")]))
    assert page.tags == ["div", "table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert "".join(page.words[""]) == f"abx{shown_text(one)}y{shown_text(other)}"


def test_markup_is_not_escaped_twice():
    inner = element("b", "a < b")
    assert text(inner) == inner
    assert joined(inner, "&") == "<b>a &lt; b</b>&amp;"


def test_attribute_names_are_words_of_html():
    made = element("meta", name_="x", class_="y", aria_label="z", open=True, left=None, out=False)
    assert made == '<meta name="x" class="y" aria-label="z" open>'


def test_rules_cannot_end_their_element():
    assert isinstance(raw_style("p { }"), Markup)
    with pytest.raises(AssertionError):
        raw_style("</style>")
