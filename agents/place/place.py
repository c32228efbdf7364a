"""A place: admits agents, hosts and steps them, offers resources, and answers what is asked of it.

It knows no engine: requests come in by `serve`, and go out by a `Transport`. `agents._ray` puts it into an actor on
each node; `agents.testing` runs several in one process.
"""

from __future__ import annotations

import os
import platform as machine
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from agents.cell import CellKind, InlineCell
from agents.checkpoints import CheckpointStore
from agents.directory import Registration, WriterOver
from agents.errors import DirectoryUnreachable, PlaceUnreachable
from agents.eventlog import EventKind
from agents.place.admission import Admission
from agents.place.asking import Asking
from agents.place.branching import Branching
from agents.place.controlling import Controlling
from agents.place.core import PlaceCore, PlaceOptions
from agents.place.deferring import Deferring
from agents.place.gathering import Gathering
from agents.place.keeping import Keeping
from agents.place.landing import Landing
from agents.place.lease import Lease, clock
from agents.place.moving import Moving
from agents.place.noting import Notebook
from agents.place.performing import Performing
from agents.place.posting import Post
from agents.place.resident import Resident
from agents.place.trusting import MemberTrust
from agents.protocol import (
    Control,
    Deliver,
    Description,
    Failure,
    FetchCode,
    Fetched,
    LooksAt,
    PlaceReply,
    PlaceRequest,
    Transfer,
)
from agents.resources import Resources
from agents.transport import Transport
from mobility.errors import MobilityError
from mobility.trust import Identity, PublicIdentity, TrustSource

__all__ = ["Place"]


class Place:
    """One place.

    Parameters
    ----------
    name
        By which agents hop to it.
    identity
        With which it signs moves; its name must be the place's.
    transport
        To the other places and the directory.
    store
        Its disk.
    trust
        Its own list of trusted keys.
    owners
        Keys of owners that whoever starts it vouches for. A place with inline cells runs what these have signed with
        its own rights, and admits nobody else.
    resources
        What it offers.
    about
        What it tells of itself, beside host, process and versions.
    handle_of
        Makes what an agent gets as a handle of another one, from its id.
    """

    def __init__(
        self,
        name: str,
        *,
        identity: Identity,
        transport: Transport,
        store: CheckpointStore,
        handle_of: Callable[[str], Any],
        trust: TrustSource | None = None,
        owners: Sequence[PublicIdentity] = (),
        resources: Resources | None = None,
        about: Mapping[str, Any] | None = None,
        options: PlaceOptions | None = None,
        cell_kind: CellKind = InlineCell,
    ) -> None:
        if identity.name != name:
            raise ValueError(f"the place {name} cannot sign as {identity.name}")
        writer = secrets.token_hex(8)
        self.trust = MemberTrust(name, trust, tuple(owners))
        self._notebook = Notebook(name, writer, transport)
        self._resources = resources or Resources(name)
        self._about = {
            "host": machine.node(),
            "pid": os.getpid(),
            "python": machine.python_version(),
            "cells": "inline: runs what owners that it trusts have signed with its own rights",
            **(about or {}),
        }
        self.core = PlaceCore(
            name=name,
            writer=writer,
            identity=identity,
            trust=self.trust,
            transport=transport,
            store=store,
            resources=self._resources,
            note=self._notebook.note,
            failed=self._failed,
            options=options or PlaceOptions(),
            cell_kind=cell_kind,
            about=self._about,
        )
        self.moving = Moving(self.core, Asking(self.core), self._run)
        self.landing = Landing(self.core, Admission(self.core, self, self.refresh_members), self.moving)
        branching = Branching(self.core, self.moving, self.landing)
        self.controlling = Controlling(self.core, self.moving, branching, self._run)
        self.post = Post(self.core, self._run)
        gathering = Gathering(self.core, self.moving, self._run)
        deferring = Deferring(self.core, self.moving, self._run)
        keeping = Keeping(self.core, self.moving, branching)
        self._performing = Performing(
            self.core, self.moving, self.controlling, self.post, gathering, deferring, keeping, handle_of
        )
        self._lease: Lease | None = None
        self._members_version = -1
        self._defects = 0
        self._dead = False
        self._closing = threading.Lock()

    @property
    def name(self) -> str:
        return self.core.name

    # -- beginning and ending

    def start(self, *, timeout: float = 30.0) -> int:
        """Register, take back what an earlier process of this place has left, and serve.

        Returns
        -------
        int
            How many agents came back from their checkpoints.

        Raises
        ------
        DirectoryUnreachable
        mobility.errors.MobilityError
            If the directory does not accept it.
        """
        registered, asked = self._registered(timeout)
        self._lease = Lease(
            self.core,
            self.moving,
            self.landing,
            registered.lease_seconds,
            self._members_changed,
            self._superseded,
            asked,
        )
        self.core.leased = True
        self._members_changed(registered.members_version)
        self._lease.start()
        self.core.event(EventKind.PLACE_JOINED, None, about={key: str(value) for key, value in self._about.items()})
        return self._lease.take_back()

    def _registered(self, timeout: float) -> tuple[Registration, float]:
        """Become the place, after whoever is it now; and when that was asked."""
        # The store's lock shows that whoever worked in it before is dead; nothing shows it of a process elsewhere.
        dead = self.core.store.sign_in(self.core.writer)
        deadline = clock() + timeout
        while True:
            left = max(0.1, deadline - clock())
            members = self.core.transport.ask_directory("members", timeout=left)
            former = next((member.writer for member in members if member.place == self.name), None)
            asked = clock()
            try:
                registered: Registration = self.core.transport.ask_directory(
                    "register",
                    self.name,
                    self.core.writer,
                    self.core.identity.public.to_bytes(),
                    former in dead,
                    self._about,
                    follows=former,
                    timeout=left,
                )
            except WriterOver:  # a request of a dead process was heard meanwhile: look again
                if clock() >= deadline:
                    raise
            else:
                return registered, asked

    def close(self, *, timeout: float = 10.0) -> None:
        """Stop; agents that are here come back when the place is started again with the same store."""
        with self._closing:
            if self.core.closed:
                return
            self.core.close(timeout / 2)  # first of all: nothing runs when the lease is given back
            if self._lease is not None:
                self._lease.close(timeout / 4)
                self.core.event(EventKind.PLACE_LEFT, None)
                try:
                    self.core.transport.ask_directory("leave", self.name, self.core.writer, timeout=timeout / 4)
                except MobilityError as error:
                    self._failed(error)
            self._notebook.close(timeout / 4)
            self.core.let_go()
            self.core.store.close()

    def die(self) -> None:
        """Stop at once and say nothing, as if the process had been killed; for tests within one process."""
        with self._closing:
            self._dead = True
            self.core.store.close()  # what it has not written by now is not written
            self.core.close(0.1)
            if self._lease is not None:
                self._lease.close(0.1)
            self._notebook.abandon()
            self.core.let_go()

    def refresh_members(self) -> bool:
        """Ask who else is there, without waiting for the next renewal of the lease; whether that brought any news."""
        try:
            return self.trust.look(self.core.transport, timeout=self.core.options.directory_seconds)
        except DirectoryUnreachable:
            return False  # asked again at the next renewal

    def _superseded(self) -> None:
        self._failed(RuntimeError(f"another process is the place {self.name} now; this one serves no more"))

    # -- serving

    def serve(self, request: PlaceRequest) -> PlaceReply:
        """Answer a request; used by many threads at once."""
        try:
            if self.core.closed:
                raise PlaceUnreachable(self.name, "it has closed", unsent=True)
            match request:
                case Deliver():
                    return self.post.take_in(request)
                case Transfer():
                    return self.landing.receive(request)
                case FetchCode():
                    return Fetched(self.core.store.code(request.digest))
                case Control():
                    return self.controlling.wish(request)
                case LooksAt():
                    return self.describe(agents=request.agents)
        except MobilityError as error:
            return Failure(error)

    def describe(self, *, agents: bool = False) -> Description:
        """What it tells of itself."""
        here = [resident for resident in self.core.residents() if not resident.is_away]
        about = {
            **self._about,
            "agents": len(here),
            "resources": list(self._resources.names),
            "threads": self.core.pool.threads,
            "leased": self.core.leased,
            "defects": self._defects,
        }
        return Description(self.name, about, tuple(r.describe() for r in here) if agents else ())

    def _run(self, resident: Resident) -> None:
        self._performing.run(resident)

    # -- what an agent sees of it

    def resource(self, agent: str, name: str) -> Any:
        return self._resources.get(name)

    def resource_names(self) -> tuple[str, ...]:
        return self._resources.names

    def said(self, agent: str, text: str) -> None:
        self.core.event(EventKind.SAID, agent, text=text[:10_000])

    def labels(self) -> Mapping[str, str]:
        return {key: str(value) for key, value in self._about.items()}

    # -- members and defects

    def _members_changed(self, version: int) -> None:
        if version != self._members_version:
            with suppress(DirectoryUnreachable):  # asked again at the next renewal
                self.trust.look(self.core.transport, timeout=self.core.options.directory_seconds)
                self._members_version = version

    def _failed(self, error: BaseException) -> None:
        """Something that should not happen: told in the log and on stderr, and never swallowed."""
        if self._dead:
            return
        self._defects += 1
        trace = "".join(traceback.format_exception(error)).rstrip()
        print(f"sojourn: place {self.core.name}: {trace}", file=sys.stderr, flush=True)
        self._notebook.note(EventKind.SAID, None, -1, {"text": f"defect: {trace[-4000:]}"}, time.time())
