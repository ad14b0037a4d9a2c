"""`Accept` as WebOb 1.8 reads it; what it answered to each of these was written down from itself."""

import pytest

from cloudd.core.http.accept import HTML, JSON, TEXT, chosen, written


@pytest.mark.parametrize(("accept", "form"), [
    ("", TEXT), ("*/*", HTML), ("application/json", JSON), ("application/*", JSON), ("text/html", HTML), ("text/*", HTML),
    ("text/plain", TEXT), ("application/xml", TEXT), ("image/png", TEXT), ("application/octet-stream", TEXT),
    ("application/json, */*", HTML), ("text/html, application/json", HTML), ("application/json, text/html", HTML),
    ("application/json;q=0.5, text/html;q=0.4", JSON), ("application/json;q=0.5, */*", HTML), ("*/*;q=0.8, text/html;q=0", JSON),
    ("text/html;q=0, */*", JSON), ("application/json;q=0", TEXT), ("*/*;q=0.1", HTML), ("nonsense", HTML), ("gzip, */*", HTML),
    ("application/json;q=x", HTML), ("text/html;level=1, application/json", JSON), ("text/html;level=1", TEXT),
    ("application/json; charset=utf-8", TEXT), ("APPLICATION/JSON", JSON), ("*/json", HTML),
    ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML)])
def test_the_form_is_the_one_that_webob_would_take(accept, form):
    assert chosen(accept) == form


def test_words_of_an_error_are_no_markup():
    body, headers = written(HTML, "404 Not Found", "<script>&", {})
    assert b"&lt;script&gt;&amp;<br />" in body and b"<title>404 Not Found</title>" in body
    assert headers["Content-Type"].startswith("text/html")
