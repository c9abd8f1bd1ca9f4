"""The episodes of a feed, whatever else is in it."""

from datetime import UTC, datetime

import pytest

from tests import loopback
from whisper import podcasts
from whisper.podcasts import Episode, FeedError
from whisper.web import Guard, WebError

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel>
<title>Vetenskap &amp; väder</title><language>sv-SE</language>
<item><guid isPermaLink="false">a-1</guid><title>Ett</title>
<pubDate>Mon, 02 Nov 2026 06:00:00 +0100</pubDate>
<enclosure url="http://cdn.example.org/1.mp3?key=a" type="audio/mpeg" length="1"/></item>
<item><guid>a-2</guid><title>Två &lt;script&gt;</title>
<pubDate>Tue, 03 Nov 2026 06:00:00 GMT</pubDate>
<enclosure url="https://cdn.example.org/2.m4a" length="1"/></item>
<item><title>Bara text</title><link>https://example.org/text</link></item>
<item><title>Bild</title><enclosure url="https://example.org/a.jpg" type="image/jpeg"/></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="it"><title>Notizie</title>
<entry><id>urn:1</id><title>Uno</title><updated>2026-11-04T10:00:00Z</updated>
<link rel="enclosure" type="video/mp4" href="https://cdn.example.org/uno.mp4"/></entry></feed>"""
BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>
<rss version="2.0"><channel><title>&b;</title></channel></rss>"""
FILE = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<rss version="2.0"><channel><title>&a;</title></channel></rss>"""


def test_the_episodes_of_a_podcast_come_newest_first():
    found = podcasts.read(RSS.encode())
    assert found.title == "Vetenskap & väder"
    assert found.episodes == [
        Episode(
            "a-2",
            "Två <script>",
            "https://cdn.example.org/2.m4a",
            datetime(2026, 11, 3, 6, tzinfo=UTC),
            "sv",
        ),
        Episode(
            "a-1",
            "Ett",
            "https://cdn.example.org/1.mp3?key=a",
            datetime(2026, 11, 2, 5, tzinfo=UTC),
            "sv",
        ),
    ]


def test_an_atom_feed_is_read_too():
    (episode,) = podcasts.read(ATOM.encode()).episodes
    assert (episode.guid, episode.address) == ("urn:1", "https://cdn.example.org/uno.mp4")
    assert (episode.language, episode.published.day) == ("it", 4)


def test_no_more_than_the_newest_are_taken():
    assert [one.guid for one in podcasts.read(RSS.encode(), most=1).episodes] == ["a-2"]


@pytest.mark.parametrize("text", [BOMB, FILE, BOMB.replace("<!ENTITY", "<!eNTITY")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_entities_are_refused_in_every_encoding(text, encoding):
    with pytest.raises(FeedError, match=r"^the feed declares entities"):
        podcasts.read(text.encode(encoding))


@pytest.mark.parametrize("data", [b"", b"<html><body>Hello</body></html>", b"/etc/passwd"])
def test_what_is_no_feed_is_refused(data):
    with pytest.raises(FeedError, match="is no feed of a podcast"):
        podcasts.read(data)


def test_elements_without_end_cost_no_more_than_their_limit():
    deep = b"<rss version='2.0'><channel>" + b"<item>" * 300_000
    with pytest.raises(FeedError):
        podcasts.read(deep, limits=podcasts.Limits(seconds=3, processor=2, memory=2**29))


def test_a_feed_is_fetched_through_the_guard():
    with loopback.serving() as service:
        service.answer("/feed.xml", RSS.encode(), Content_Type="application/rss+xml")
        allowed = Guard(frozenset({service.address.removeprefix("http://")}))
        found = podcasts.fetch(f"{service.address}/feed.xml", guard=allowed)
        assert len(found.episodes) == 2
        with pytest.raises(WebError):
            podcasts.fetch(f"{service.address}/feed.xml")
