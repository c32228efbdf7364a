"""``sojourn places`` shows how resources are tied to their place."""

from __future__ import annotations

from agents.cli._rows import place_as_data, place_row
from agents.resources import Resource
from agents.testing.local import LocalPlatform


def test_the_attachment_is_shown_unless_it_is_fixed() -> None:
    given = {
        "oslo": {
            "plain": 1,
            "loose": Resource(2, attachment="unattached", type="n"),
            "heavy": Resource(3, attachment="fastened"),
        }
    }
    with LocalPlatform(["oslo"], resources=given) as platform:
        (place,) = platform.places(details=True)
    assert place_row(place)[-1] == "heavy (fastened), loose (unattached), plain"
    told = place_as_data(place)
    assert told["resources"] == ["heavy", "loose", "plain"] and told["moved"] == {}
    assert told["declared"]["loose"] == {"resource": "oslo/loose", "attachment": "unattached", "type": "n"}
