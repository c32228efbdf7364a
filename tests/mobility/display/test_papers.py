"""What was signed, and whose signature counts, as it is shown: with marks, in few words, and never as markup."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mobility.trust import TrustList, TrustStore
from tests.mobility.bundle.bundles import check, make
from tests.mobility.display.test_elements import HOSTILE
from tests.mobility.trust.people import BAKU, NOW, OSLO, OWNER, entry, travelled, trusted


def told(html: str) -> str:
    return " ".join("".join(ElementTree.fromstring(html).itertext()).split())


def test_a_trust_store_shows_whom_it_trusts_and_whom_no_more(tmp_path: Path) -> None:
    store = TrustStore(tmp_path / "trusted")
    assert "nobody" in told(store._repr_html_()) and repr(store) == f"<TrustStore in {tmp_path / 'trusted'}>"
    for one in (OWNER, BAKU, OSLO):
        store.trust(one.public, not_before=NOW if one is BAKU else 0, not_after=NOW + 1 if one is BAKU else 2 * NOW)
    store.revoke(OSLO.key_id, from_epoch=3)
    text = told(store._repr_html_())
    assert "survey-lab" in text and BAKU.key_id[:16] in text and "2030-03-17 17:46:40 UTC until" in text
    assert text.count("trusted") == 4 and text.count("revoked from epoch 3 on") == 1  # kind, folder, two keys
    store.revoke(OSLO.key_id)
    assert "revoked" in told(store._repr_html_()) and "epoch" not in told(store._repr_html_())


def test_a_list_that_cannot_be_read_says_so_instead(tmp_path: Path) -> None:
    store = TrustStore(tmp_path)
    store.trust(OWNER.public)
    (tmp_path / "version.json").write_text("{}")
    assert "cannot be shown: store-damaged" in told(store._repr_html_())


@pytest.mark.parametrize("text", [text for text in HOSTILE if len(text) < 100], ids=range(len(HOSTILE) - 1))
def test_names_of_lists_stay_text(text: str) -> None:
    listed = TrustList.of(1, [entry(OWNER)], place=text)
    tags = {one.tag for one in ElementTree.fromstring(listed._repr_html_()).iter()}
    assert tags <= {"div", "span", "bdi", "table", "thead", "tbody", "tr", "th", "td", "code"}


def test_links_that_are_left_out_are_counted() -> None:
    """Else the newest ones of a long way would go without a word."""
    short = travelled("oslo", "lima")
    passport = replace(short, hops=short.hops * 150)
    text = told(passport._repr_html_())
    assert text.count("claimed") == 201  # its own mark, the birth, and 199 hops
    assert "301 links" in text and "The last 101 links are left out." in text
    assert "left out" not in told(short._repr_html_())


def test_what_was_signed_is_one_line_at_a_prompt() -> None:
    passport = travelled("oslo", "lima")
    verified = passport.verify(trusted(), now=NOW, audience="lima")
    bundle = make()
    for one, words in (
        (passport, ("epoch 2", "not verified")),
        (verified, ("surveyor-1", "epoch 2", "place:oslo")),
        (bundle, (f"{bundle.size} bytes", "not verified")),
        (check(bundle), (f"{bundle.size} bytes", "surveyor-1", "by ")),
    ):
        line = repr(one)
        assert all(word in line for word in words) and len(line) < 120 and "\\x" not in line
        assert ("not verified" in line) is (one in (passport, bundle))
