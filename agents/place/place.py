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

from agents.breaking import Shielded
from agents.cell import CellKind, cell_for
from agents.checkpoints import CheckpointStore
from agents.declared import DeclaredEnvironment
from agents.directory import Registration, WriterOver
from agents.errors import DirectoryUnreachable, PlaceUnreachable
from agents.eventlog import EventKind
from agents.extensions import Extensions
from agents.fetching import Units
from agents.itinerary import Way, way_of
from agents.place.admission import Admission
from agents.place.asking import Asking
from agents.place.binding import Binding
from agents.place.branching import Branching
from agents.place.controlling import Controlling
from agents.place.core import PlaceCore, PlaceOptions
from agents.place.deferring import Deferring
from agents.place.draining import Draining
from agents.place.expiring import Expiring
from agents.place.forcing import Forcing
from agents.place.fragments import Fragments
from agents.place.gathering import Gathering
from agents.place.holdings import Holdings
from agents.place.judging import Judging
from agents.place.keeping import Keeping
from agents.place.landing import Landing
from agents.place.lease import Lease, clock
from agents.place.moving import Moving
from agents.place.noting import Notebook
from agents.place.performing import Performing
from agents.place.posting import Post
from agents.place.pulling import Pulling
from agents.place.repository import Repository
from agents.place.requesting import Requesting
from agents.place.resident import Resident
from agents.place.serving import Serving
from agents.place.travelling import Travelling
from agents.place.trusting import MemberTrust
from agents.protocol import (
    CallService,
    Control,
    Deliver,
    Description,
    Done,
    Drain,
    Failure,
    FetchCode,
    Fetched,
    FetchUnit,
    Judges,
    LooksAt,
    PlaceReply,
    PlaceRequest,
    PublishUnit,
    PullUnit,
    RemoveFragment,
    Reopen,
    Transfer,
    UseResource,
)
from agents.resources import Resources
from agents.services import ServiceMaker
from agents.sockets import traffic
from agents.transport import Transport
from agents.units import UnitMakings, VerifiedUnit
from agents.verdicts import Verdicts
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
    services
        By name: what gives the function of each service when it is first called.
    about
        What it tells of itself, beside host, process and versions.
    environment
        What it is declared to offer, in the stead of what its host tells.
    extensions
        What other packages offer there; opened here, and closed with the place.
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
        cell_kind: CellKind = cell_for,
        services: Mapping[str, ServiceMaker] | None = None,
        environment: DeclaredEnvironment | None = None,
        extensions: Extensions | None = None,
    ) -> None:
        if identity.name != name:
            raise ValueError(f"the place {name} cannot sign as {identity.name}")
        writer = secrets.token_hex(8)
        self.trust = MemberTrust(name, trust, tuple(owners))
        self._notebook = Notebook(name, writer, transport)
        self._resources = resources or Resources(name)
        self.judging = Judging(name, environment or DeclaredEnvironment())
        self._about = {
            "host": machine.node(),
            "pid": os.getpid(),
            **self.judging.facts(),
            "cells": "inline: runs what owners that it trusts have signed with its own rights; or in a process",
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
        self.binding = Binding(self.core, Holdings(name, self._resources, store))
        self.moving = Moving(
            self.core, Asking(self.core), self._run, self._activated, Verdicts(transport), self.binding
        )
        admission = Admission(self.core, Shielded(self), self.judging, self.refresh_members, self.binding)
        self.landing = Landing(self.core, admission, self.moving)
        branching = Branching(self.core, self.moving, self.landing)
        forcing = Forcing(self.core, self.moving)
        self.controlling = Controlling(self.core, self.moving, branching, forcing, self._run)
        self.draining = Draining(self.core, self.controlling.wish)
        self.post = Post(self.core, self._run)
        self.units = Units(transport, lambda: self.trust, meet=self.refresh_members, store=store)
        self.repository = Repository(self.core, self.units, self.refresh_members)
        self._extensions = extensions
        offered, problem = dict(services or {}), self._resources.problem
        if extensions is not None:
            extensions.open(name, identity, self.trust)
            offered |= extensions.services
            problem = problem or extensions.problem
        self.serving = Serving(self.core, self, offered, problem)
        self.fragments = Fragments(self.core, self, self.serving, self.refresh_members)
        self._requesting = Requesting(self.core, self.units, self.repository, branching)
        self._pulling = Pulling(self.core, self, self.units, self.landing)
        self._expiring = Expiring(self.core, self.moving, forcing, self._run)
        self._performing = Performing(
            self.core,
            self.moving,
            self.controlling,
            self.post,
            Gathering(self.core, self.moving, self._run),
            Deferring(self.core, self.moving, self._run),
            Keeping(self.core, self.moving, branching),
            handle_of,
            self._requesting,
            self.fragments,
            Travelling(self.core, self.moving),
            self._expiring,
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
        self.repository.load()
        self.fragments.load()
        self.draining.load()
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
        self._expiring.start()
        self.core.event(EventKind.PLACE_JOINED, None, about={key: str(value) for key, value in self._about.items()})
        count = self._lease.take_back()
        self.draining.go_on()
        self.core.soon(self.binding.resolve)
        return count

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
            self._close_rooms()
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
            try:
                self.binding.holdings.save_changes()
            except MobilityError as error:
                self._failed(error)
            self.core.store.close()

    def die(self) -> None:
        """Stop at once and say nothing, as if the process had been killed; for tests within one process."""
        with self._closing:
            self._dead = True
            self.core.store.close()  # what it has not written by now is not written
            self._close_rooms()
            self.core.close(0.1)
            if self._lease is not None:
                self._lease.close(0.1)
            self._notebook.abandon()
            self.core.let_go()

    def _close_rooms(self) -> None:
        self.serving.close()
        self._requesting.close()
        for error in self._extensions.close() if self._extensions is not None else ():
            self._failed(error)

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
                case UseResource():
                    return self.binding.referring.serve(request)
                case LooksAt():
                    return self.describe(agents=request.agents)
                case CallService():
                    return self.serving.call(request)
                case FetchUnit():
                    return self.repository.find(request)
                case PublishUnit():
                    return Done(self.repository.publish(request.bundle))
                case PullUnit():
                    return self._pulling.pull(request)
                case RemoveFragment():
                    self.fragments.remove(request.service)
                    return Done()
                case Drain():
                    return self.draining.drain(request)
                case Reopen():
                    self.draining.reopen()
                    return Done()
                case Judges():
                    return self.judging.answer(request)
        except MobilityError as error:
            return Failure(error)

    def describe(self, *, agents: bool = False) -> Description:
        """What it tells of itself."""
        here = [resident for resident in self.core.residents() if not resident.is_away]
        about = {
            **self._about,
            "agents": len(here),
            "resources": list(self.binding.holdings.names),
            "declared": self.binding.holdings.declared(),
            "moved": self.binding.holdings.moved(),
            "services": list(self.serving.names),
            "units": self.repository.names,
            "threads": self.core.pool.threads,
            "leased": self.core.leased,
            "draining": self.core.draining,
            "defects": self._defects,
            **self.trust.about(),
            "traffic": {"sent": traffic.sent, "received": traffic.received},
        }
        return Description(self.name, about, tuple(r.describe() for r in here) if agents else ())

    def _run(self, resident: Resident) -> None:
        self._performing.run(resident)

    def _activated(self, resident: Resident) -> None:
        self._expiring.watch(resident)

    # -- what an agent sees of it

    def resource(self, agent: str, name: str) -> Any:
        return self.binding.get(agent, name)

    def resource_names(self) -> tuple[str, ...]:
        return self.binding.holdings.names

    def bind(
        self,
        agent: str,
        name: str | None,
        kind: str,
        type_: str | None,
        prefer: str | None,
        otherwise: tuple[str, ...],
        seconds: float,
    ) -> str:
        return self.binding.bind(agent, name, kind, type_, prefer, otherwise, seconds)

    def use_bound(
        self, agent: str, binding: str, method: str | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        return self.binding.use(agent, binding, method, args, kwargs)

    def tell_bound(self, agent: str, binding: str) -> Mapping[str, Any]:
        return self.binding.tell(agent, binding)

    def release_bound(self, agent: str, binding: str) -> None:
        self.binding.release(agent, binding)

    def way(self, agent: str) -> Way | None:
        resident = self.core.known(agent)
        if resident is None:
            return None
        with resident.lock:
            if resident.passport is None or resident.luggage is None:
                return None
            return way_of(resident.passport, self.name, resident.luggage.way)

    def said(self, agent: str, text: str) -> None:
        self.core.event(EventKind.SAID, agent, text=text[:10_000])

    def load_unit(self, name: str, version: str, digest: str, source: str) -> Any:
        return self._unit(name, version, digest, source).load()

    def give_unit(self, name: str, version: str, digest: str, source: str) -> UnitMakings:
        return self._unit(name, version, digest, source).makings()

    def _unit(self, name: str, version: str, digest: str, source: str) -> VerifiedUnit:
        unit, _ = self.units.get(source, name, version, digest, timeout=self.core.options.transfer_seconds)
        return unit

    def labels(self) -> Mapping[str, str]:
        return {key: str(value) for key, value in self._about.items()}

    # -- members and defects

    def _members_changed(self, version: int) -> None:
        if version != self._members_version:
            self.moving.verdicts.forget()  # a place may be another process now
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
