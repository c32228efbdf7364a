"""What a node keeps of the rosters on which it stands, and of the round that it is in; apart from the runs' own state.

Runs are forgotten when they end. A roster is not: under the number of a run there shall never be another one.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from federated.masking import Round, VouchedKeys
from federated.nodefile import open_node_file
from mobility.plain import decode, encode

__all__ = ["KeptSeat", "RunKey", "SeatBook"]

#: Run, dataset, digest of the app, and key id of who asks.
RunKey = tuple[int, str, str, str]
_VISIT: Final = "run INTEGER, dataset TEXT, app TEXT, asker TEXT"
_TABLES: Final = f"""
CREATE TABLE IF NOT EXISTS seats ({_VISIT}, envelope BLOB NOT NULL, nonce BLOB NOT NULL, time INTEGER NOT NULL,
    roster BLOB NOT NULL, endorsements BLOB NOT NULL, PRIMARY KEY (run, dataset, app, asker));
CREATE TABLE IF NOT EXISTS rounds (number INTEGER PRIMARY KEY AUTOINCREMENT, {_VISIT}, name TEXT, setup TEXT NOT NULL,
    state BLOB NOT NULL, statement BLOB, UNIQUE (run, dataset, app, asker, name));
CREATE TABLE IF NOT EXISTS vouched ({_VISIT}, name TEXT, number TEXT, key TEXT NOT NULL, keys BLOB NOT NULL,
    parameters BLOB NOT NULL, PRIMARY KEY (run, dataset, app, asker, name, number));
CREATE TABLE IF NOT EXISTS consents ({_VISIT}, name TEXT, key TEXT, statement BLOB NOT NULL,
    PRIMARY KEY (run, dataset, app, asker, name, key));
"""
_HERE: Final = "run=? AND dataset=? AND app=? AND asker=?"


@dataclass(frozen=True, slots=True)
class KeptSeat:
    """A node's seat in a run.

    Attributes
    ----------
    envelope
        As it was signed.
    nonce, time
        That stand in it.
    roster
        The one of this run, as bytes; empty, if there is none yet.
    endorsements
        Of it, as they came; none, if they have not come yet.
    """

    envelope: bytes
    nonce: bytes
    time: int
    roster: bytes = b""
    endorsements: tuple[bytes, ...] = ()


class SeatBook:
    """In a file, or in memory alone; each change is on the disk when its method returns.

    Parameters
    ----------
    path
        Of the file; None: in memory.

    Raises
    ------
    sqlite3.DatabaseError
        If there is a file that is damaged; it is left as it is.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.Lock()
        self._database = open_node_file(path, _TABLES)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    # -- seats

    def seat(self, visit: RunKey) -> KeptSeat | None:
        """The node's seat in a run, if it has taken one."""
        rows = self._rows(f"SELECT envelope, nonce, time, roster, endorsements FROM seats WHERE {_HERE}", *visit)
        for envelope, nonce, time, roster, endorsements in rows:
            return KeptSeat(envelope, nonce, time, roster, tuple(decode(endorsements)))
        return None

    def keep_seat(self, visit: RunKey, kept: KeptSeat) -> None:
        """Keep it in place of the former one."""
        listed = encode(list(kept.endorsements))
        values = (*visit, kept.envelope, kept.nonce, kept.time, kept.roster, listed)
        self._rows("INSERT OR REPLACE INTO seats VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)

    # -- rounds

    def round(self, visit: RunKey) -> Round | None:
        """The round that was set up last."""
        for (state,) in self._rows(f"SELECT state FROM rounds WHERE {_HERE} ORDER BY number DESC LIMIT 1", *visit):
            held: dict[str, Any] = decode(state)
            return Round(**held)
        return None

    def keep_round(self, visit: RunKey, kept: Round) -> None:
        """Keep how far it has come; a setup makes it the last one."""
        state = encode({one.name: getattr(kept, one.name) for one in fields(kept)})
        self._rows(
            "INSERT INTO rounds (run, dataset, app, asker, name, setup, state) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (run, dataset, app, asker, name) DO UPDATE SET state=excluded.state",
            *visit,
            kept.name,
            kept.message,
            state,
        )

    def set_up_by(self, visit: RunKey, name: str) -> str | None:
        """The id of the message that has set a round up."""
        for (setup,) in self._rows(f"SELECT setup FROM rounds WHERE {_HERE} AND name=?", *visit, name):
            return str(setup)
        return None

    def statement(self, visit: RunKey, name: str) -> bytes | None:
        """What the node has signed of a round."""
        for (statement,) in self._rows(f"SELECT statement FROM rounds WHERE {_HERE} AND name=?", *visit, name):
            return None if statement is None else bytes(statement)
        return None

    def state_once(self, visit: RunKey, name: str, statement: bytes) -> bytes | None:
        """Keep what the node is about to sign of a round, if it has signed nothing yet; returns what it has."""
        self._rows(
            f"UPDATE rounds SET statement=? WHERE {_HERE} AND name=? AND statement IS NULL", statement, *visit, name
        )
        return self.statement(visit, name)

    def forget_rounds(self, visit: RunKey) -> None:
        """A run has ended."""
        for table in ("rounds", "vouched", "consents"):
            self._rows(f"DELETE FROM {table} WHERE {_HERE}", *visit)

    # -- what others have signed

    def keep_vouched(self, visit: RunKey, name: str, vouched: VouchedKeys) -> None:
        """Keep what a node has signed about its keys; a later statement takes the place of an earlier one."""
        values = (*visit, name, str(vouched.number), vouched.key, vouched.keys, vouched.parameters)
        self._rows("INSERT OR REPLACE INTO vouched VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", *values)

    def vouched(self, visit: RunKey, name: str) -> list[VouchedKeys]:
        """Of all nodes, for a round."""
        rows = self._rows(f"SELECT number, key, keys, parameters FROM vouched WHERE {_HERE} AND name=?", *visit, name)
        return [VouchedKeys(int(str(number)), str(key), keys, given) for number, key, keys, given in rows]

    def keep_consent(self, visit: RunKey, name: str, key: str, statement: bytes) -> None:
        """Keep what a node has signed of a round."""
        self._rows("INSERT OR REPLACE INTO consents VALUES (?, ?, ?, ?, ?, ?, ?)", *visit, name, key, statement)

    def consents(self, visit: RunKey, name: str) -> list[tuple[str, bytes]]:
        """Of all nodes, for a round: key id and statement."""
        rows = self._rows(f"SELECT key, statement FROM consents WHERE {_HERE} AND name=?", *visit, name)
        return [(str(key), statement) for key, statement in rows]
