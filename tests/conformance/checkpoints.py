"""What a `CheckpointStore` promises."""

from __future__ import annotations

import threading

import pytest

from agents.checkpoints import KeptResource
from agents.mailbox import Message

__all__ = ["CheckpointsSuite"]


def message(number: int, sender: str = "a") -> Message:
    return Message(sender, number, b"value %d" % number, f"q{number}" if number % 2 else None, None)


def found(store):
    return {each.resource: (each.record, each.content) for each in store.resources()}


class CheckpointsSuite:
    """Derive from it, and give the fixture `store`; for a lasting one also `reopen`, which closes and opens it anew."""

    def test_keeps_what_it_was_given(self, store):
        assert store.load("x") is None and store.stay("x") is None and store.agents() == {}
        store.save("x", 3, b"bundle")
        kept = store.load("x")
        assert (kept.agent, kept.stay, bytes(kept.bundle), kept.journal) == ("x", 3, b"bundle", ())
        assert store.stay("x") == 3 and store.agents() == {"x": 3}

    @pytest.mark.parametrize("size", [0, 1, 300_000, 3_000_000])
    def test_bundles_of_any_size_also_as_views(self, store, size):
        data = bytes(range(256)) * (size // 256 + 1)
        store.save("x", 1, memoryview(data)[:size])
        assert bytes(store.load("x").bundle) == data[:size]
        store.save("x", 2, b"small")
        assert bytes(store.load("x").bundle) == b"small"

    def test_the_journal_keeps_the_order_and_ends_with_the_next_checkpoint(self, store):
        store.save("x", 1, b"one")
        for number in range(20):
            store.note("x", message(number))
        assert store.load("x").journal == tuple(message(number) for number in range(20))
        store.save("x", 1, b"two")
        assert store.load("x").journal == ()

    def test_journals_are_apart(self, store):
        for agent in ("x", "y"):
            store.save(agent, 1, agent.encode())
        for number in range(6):
            store.note("xy"[number % 2], message(number))
        assert [one.number for one in store.load("x").journal] == [0, 2, 4]
        assert [one.number for one in store.load("y").journal] == [1, 3, 5]

    def test_drop(self, store):
        store.drop("x")
        store.save("x", 5, b"bundle")
        store.note("x", message(0))
        store.drop("x", up_to=4)
        assert store.load("x").journal == (message(0),)
        store.drop("x", up_to=5)
        assert store.load("x") is None and store.agents() == {}
        store.save("x", 6, b"again")
        assert store.load("x").journal == (), "the old journal is gone too"
        store.drop("x")
        assert store.load("x") is None

    def test_code_is_kept_once(self, store):
        assert store.code(b"digest") is None
        store.save_code(b"digest", b"first")
        store.save_code(b"digest", b"second")
        assert store.code(b"digest") == b"first"

    def test_rooms_keep_what_is_neither_agent_nor_code(self, store):
        assert store.kept("a", "x") is None and store.keys("a") == []
        store.keep("a", "x", b"1")
        store.keep("b", "x", b"2")
        store.keep("a", "w", b"")
        store.keep("a", "x", b"3")
        assert (store.kept("a", "x"), store.kept("b", "x"), store.kept("a", "w")) == (b"3", b"2", b"")
        assert (store.keys("a"), store.keys("b")) == (["w", "x"], ["x"])
        store.give_up("a", "x")
        store.give_up("a", "x")
        assert store.kept("a", "x") is None and store.keys("a") == ["w"] and store.kept("b", "x") == b"2"

    def test_resources_are_kept_by_their_ids(self, store):
        assert store.resources() == ()
        store.keep_resources([KeptResource("a/x", b"one", b"content"), KeptResource("b/x", b"two")])
        assert found(store) == {"a/x": (b"one", b"content"), "b/x": (b"two", None)}
        store.keep_resources([KeptResource("a/x", b"changed")])
        assert found(store)["a/x"] == (b"changed", b"content"), "without a content, the one that is kept stays"
        store.keep_resources([KeptResource("a/x", b"gone", b""), KeptResource("b/x", None)])
        assert found(store) == {"a/x": (b"gone", b"")}
        store.keep_resources([])
        store.drop("a/x")  # an agent of that name is something else
        assert len(found(store)) == 1

    def test_many_threads(self, store):
        def work(name):
            for number in range(20):
                store.save(name, number, b"b" * number)
                store.note(name, message(0, name))
                store.load(name)

        threads = [threading.Thread(target=work, args=(f"agent-{number}",)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert store.agents() == {f"agent-{number}": 19 for number in range(6)}
        assert all(store.load(name).journal == (message(0, name),) for name in store.agents())


class LastingCheckpointsSuite(CheckpointsSuite):
    """The same for a store that outlives its process."""

    def test_it_outlives_its_process(self, store, reopen):
        store.save("x", 3, b"small")
        store.save("y", 4, bytes(500_000))
        store.save("z", 1, b"gone")
        store.drop("z")
        store.save_code(b"digest", b"code")
        store.keep("room", "key", b"kept")
        store.keep("room", "other", b"given up")
        store.give_up("room", "other")
        store.keep_resources([KeptResource("a/x", b"record", bytes(300_000)), KeptResource("b/x", b"gone", b"")])
        for number in range(3):
            store.note("x", message(number))
        again = reopen()
        assert found(again) == {"a/x": (b"record", bytes(300_000)), "b/x": (b"gone", b"")}
        assert again.agents() == {"x": 3, "y": 4}
        assert again.load("x").journal == tuple(message(number) for number in range(3))
        assert again.keys("room") == ["key"] and again.kept("room", "key") == b"kept"
        assert len(again.load("y").bundle) == 500_000 and again.code(b"digest") == b"code"
