"""The suites over what is shipped: sqlite and memory, cells in the process, and a platform within one process."""

from __future__ import annotations

import shutil

import pytest

from agents.cell import InlineCell
from agents.checkpoints import MemoryCheckpoints, SqliteCheckpoints
from agents.directory_service import DirectoryService
from agents.errors import StoreFailed
from agents.place import PlaceOptions
from agents.processes.cell import ProcessCell
from agents.testing.local import LocalNet, LocalPlatform
from tests.conformance.cell import CellSuite
from tests.conformance.checkpoints import CheckpointsSuite, LastingCheckpointsSuite
from tests.conformance.handoff import HandoffSuite
from tests.conformance.transport import TransportSuite


class TestMemoryCheckpoints(CheckpointsSuite):
    @pytest.fixture
    def store(self):
        return MemoryCheckpoints()


class TestSqliteCheckpoints(LastingCheckpointsSuite):
    @pytest.fixture
    def stores(self, tmp_path):
        stores = [SqliteCheckpoints(tmp_path, place="oslo")]
        yield stores
        stores[-1].close()

    @pytest.fixture
    def store(self, stores):
        return stores[0]

    @pytest.fixture
    def reopen(self, stores, tmp_path):
        def reopen():
            stores[-1].close()
            stores.append(SqliteCheckpoints(tmp_path, place="oslo"))
            return stores[-1]

        return reopen


def test_a_folder_that_is_removed_is_noticed(tmp_path):
    """Else agents would be let in, and be nowhere on disk."""
    folder = tmp_path / "oslo"
    store = SqliteCheckpoints(folder, place="oslo")
    store.save("a", 0, b"kept")
    shutil.rmtree(folder)
    with pytest.raises(StoreFailed, match="was removed while it worked there"):
        store.save("b", 0, b"lost")
    SqliteCheckpoints(folder, place="oslo").close()  # somebody else has made it anew: it is not this one's
    with pytest.raises(StoreFailed, match="was removed"):
        store.save("b", 0, b"lost")
    store.close()


class TestInlineCell(CellSuite):
    @pytest.fixture
    def kind(self):
        return InlineCell


class TestProcessCell(CellSuite):
    @pytest.fixture
    def kind(self):
        cells = []

        def kind(*given):
            cells.append(ProcessCell(*given))
            return cells[-1]

        yield kind
        for cell in cells:
            cell.leave()


class Network:
    def __init__(self, folder):
        self.transport = LocalNet()
        self.folder = folder
        self.directory = None
        self.start_directory()

    def serve(self, place, server):
        self.transport.join(place, server)

    def kill(self, place):
        self.transport.cut(place)

    def start_directory(self):
        self.directory = DirectoryService(self.folder)
        self.transport.serve_directory(self.directory)

    def kill_directory(self):
        self.transport.serve_directory(None)
        self.directory.close()


class TestLocalTransport(TransportSuite):
    @pytest.fixture
    def network(self, tmp_path):
        network = Network(tmp_path)
        yield network
        network.kill_directory()
        network.transport.end()


@pytest.fixture(scope="module")
def platform():
    with LocalPlatform(options=PlaceOptions(transfer_seconds=4.0, retry_seconds=0.05)) as platform:
        yield platform
        assert not sum(place._defects for place in platform.running.values())


class TestLocalHandoff(HandoffSuite):
    """With the platform above."""
