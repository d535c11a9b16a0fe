"""A page taken apart with the standard library's parser: closed elements, words, and no loads."""

from html.parser import HTMLParser

VOID = {"meta", "br", "wbr", "col"}
# Attributes by which a page fetches something; a link inside the page is none.
LOADS = {"src", "srcset", "href", "data", "poster", "action", "background", "xlink:href"}


class Page(HTMLParser):
    """What a page holds. Raises AssertionError where elements do not close in their order."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.section = ""
        self.words: dict[str, list[str]] = {"": []}
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(content)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        assert len(names) == len(attrs), f"an attribute twice: {tag} {attrs}"
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = names["id"]
            self.words[self.section] = []

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
        if tag == "section":
            self.section = ""

    def handle_data(self, words):
        if "style" not in self.open and words.strip():
            self.words[self.section].append(words)

    def text(self, section: str | None = None) -> str:
        """Return the words of a section, or of the whole page."""
        chosen = self.words if section is None else {section: self.words[section]}
        return " ".join(" ".join(" ".join(words).split()) for words in chosen.values())

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute, of all elements."""
        return [value for _, attribute, value in self.attributes if attribute == name]


def check_alone(page: Page, content: str) -> None:
    """Assert that the page loads and runs nothing."""
    assert not {"script", "link", "iframe", "object", "embed", "img", "form"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in LOADS or (tag == "a" and value.startswith("#")), (tag, name, value)
    assert "url(" not in content
    assert "@import" not in content
