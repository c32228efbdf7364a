"""Letting an agent in: verify, judge the environment, decode, write down. Nothing of it runs, and nothing is believed
before it is verified.

Code that is not known here is fetched from the sender by its SHA-256, once, however many agents need it at that moment;
what comes is checked against the digest that the owner signed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from agents.cell import Landed, describe
from agents.checkpoints import LARGE, Checkpoint
from agents.errors import DirectoryUnreachable, LandingRefused, StoreFailed
from agents.handoff import NEVER, Row, Status, is_rubbish
from agents.here import Here, Surroundings
from agents.luggage import Luggage
from agents.place.binding import Binding
from agents.place.core import PlaceCore
from agents.place.deferring import check_start
from agents.place.judging import Judging
from agents.place.resident import Staged
from agents.protocol import FetchCode, Fetched, Transfer, TransferRefused
from agents.standing import Fresh
from mobility.bundle import Bundle, VerifiedBundle
from mobility.errors import MobilityError
from mobility.trust.errors import Expired, UntrustedSigner

__all__ = ["Admission"]

_LONGEST_FETCH = 20.0


@dataclass(slots=True, eq=False)
class Admission:
    """Of one place.

    Attributes
    ----------
    meet
        Asks the directory for the keys of the other places; whether that brought any news.
    """

    core: PlaceCore
    surroundings: Surroundings
    judging: Judging
    meet: Callable[[], bool]
    binding: Binding
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _fetching: dict[bytes, Future[bytes | None]] = field(default_factory=dict, init=False)

    def admit(self, transfer: Transfer) -> Staged:
        """Verify and decode what came in, and write it down; it is dormant.

        Raises
        ------
        LandingRefused
            Says why, for the sender. Nothing is kept.
        """
        try:
            began = time.perf_counter()
            self._check_open(transfer.source)
            bundle = Bundle.from_bytes(transfer.bundle, self.core.options.limits)
            verified = self._verified(bundle, transfer.source)
            if verified.passport.agent != transfer.agent:
                raise LandingRefused(
                    self.core.name,
                    "another-agent",
                    f"it was announced as {transfer.agent}, and is {verified.passport.agent}",
                    "Send it under its own id.",
                )
            luggage = self._luggage(verified)
            self._check_epoch(transfer, verified, luggage)
            check_start(self.core.name, self.binding.holdings.names, luggage, verified.passport)
            self._check_disk(transfer)
            landed = self.judging.landing(verified, luggage, transfer.epoch)
            if isinstance(landed, TransferRefused):
                raise LandingRefused(
                    self.core.name,
                    landed.why,
                    landed.problem,
                    landed.remedy,
                    reasons=landed.reasons,
                    verdict=landed.verdict,
                )
            checked = time.perf_counter()
            staged = self._decoded_and_saved(transfer, verified, bundle, luggage, landed)
            staged.verify_ms = (checked - began) * 1000
            staged.thaw_ms = (time.perf_counter() - checked) * 1000
            return staged
        except LandingRefused:
            raise
        except MobilityError as error:
            raise self._refusal(error) from error
        except Exception as error:  # whatever an agent's own classes raise when they are made
            raise LandingRefused(
                self.core.name,
                "landing-failed",
                f"it could not be made there, for {type(error).__name__}: {describe(error)[1][:500]}",
                "Mend the class that raises when it is made, or leave its object behind.",
            ) from error

    def _decoded_and_saved(
        self, transfer: Transfer, verified: VerifiedBundle, bundle: Bundle, luggage: Luggage, landed: Landed
    ) -> Staged:
        """Both; at once if it is large, since the one mostly copies memory and the other waits for the system."""

        def decode() -> Staged:
            ties = self.binding.landing(luggage.bindings, restored=False, by_place=bool(verified.passport.hops))
            staged = self._decoded(verified, bundle, luggage, landed, transfer.source, transfer.started)
            staged.ties = ties
            return staged

        if len(transfer.bundle) <= LARGE or not memoryview(transfer.bundle).readonly:
            # First to disk: memory that can be written to is the agent's own once it is decoded.
            self._save(transfer, verified, bundle)
            try:
                return decode()
            except BaseException:
                self.core.store.drop(transfer.agent, up_to=transfer.epoch + 1)
                raise
        with ThreadPoolExecutor(1, thread_name_prefix="sojourn-save") as beside:
            saving = beside.submit(self._save, transfer, verified, bundle)
            try:
                staged = decode()
            except BaseException:
                if saving.exception() is None:  # waits for it
                    self.core.store.drop(transfer.agent, up_to=transfer.epoch + 1)
                raise
        try:
            saving.result()
        except BaseException:
            staged.cell.leave()  # as above
            raise
        return staged

    def _save(self, transfer: Transfer, verified: VerifiedBundle, bundle: Bundle) -> None:
        self.core.store.save_code(verified.manifest.code[0], verified.code[0])
        lean = transfer.bundle if bundle.omits_code else bundle.without_code().to_bytes()
        self.core.store.save(transfer.agent, transfer.epoch + 1, lean)

    def reopen(self, checkpoint: Checkpoint) -> Staged:
        """The same for a checkpoint of this place's own, with the messages that came after it.

        Raises
        ------
        mobility.errors.MobilityError
        """
        bundle = Bundle.from_bytes(checkpoint.bundle, self.core.options.limits)
        verified = self._verified_of_old(bundle)
        luggage = self._luggage(verified)
        for message in checkpoint.journal:
            luggage.mailbox.deliver(message)
        landed = self.judging.landing(verified, luggage, checkpoint.stay, restored=True)
        if isinstance(landed, TransferRefused):
            raise LandingRefused(self.core.name, landed.why, landed.problem, landed.remedy)
        staged = self._decoded(verified, bundle, luggage, landed, None, time.time())
        staged.restored = True
        staged.ties = self.binding.landing(luggage.bindings, restored=True, by_place=True)
        staged.stay = checkpoint.stay
        last = verified.passport.hops[-1] if verified.passport.hops else None
        staged.own = last is not None and last.origin == self.core.name and last.destination in (None, self.core.name)
        return staged

    def _verified_of_old(self, bundle: Bundle) -> VerifiedBundle:
        """Also of an agent whose lifetime is over: it comes back to be ended."""
        try:
            return self._verified(bundle, None)
        except Expired as error:
            verified = self._checked(bundle, None, now=error.not_after)
            if verified.passport.birth.certificate.not_after + 1 > time.time():
                raise  # it was a key that has expired
            return verified

    def _luggage(self, verified: VerifiedBundle) -> Luggage:
        if verified.luggage is None:  # packed by hand, as for a first bundle
            return Luggage(verified.passport.agent, NEVER, Fresh())
        return Luggage.from_bytes(verified.luggage)

    def _check_epoch(self, transfer: Transfer, verified: VerifiedBundle, luggage: Luggage) -> None:
        """It must be offered under the epoch under which it was signed; only a file is for any."""
        hops = verified.passport.hops
        is_file = bool(hops) and hops[-1].destination is None
        if luggage.epoch != transfer.epoch and not (is_file and luggage.epoch is None):
            raise LandingRefused(
                self.core.name,
                "stale-epoch",
                f"it was sent under another epoch than {transfer.epoch}",
                "Nobody can bring in an old copy; look for the agent with: sojourn ps",
            )

    def _check_open(self, source: str | None) -> None:
        """While the place is being emptied, only its own agents have children here, which leave with them."""
        if self.core.draining and source != self.core.name:
            name = self.core.name
            raise LandingRefused(
                name,
                "place-draining",
                "it is being emptied, and lets nobody in",
                f"Go to another place. If {name} is to stay, have it let agents in again: sojourn reopen {name}",
            )

    def _check_disk(self, transfer: Transfer) -> None:
        """What lies here of the agent may be all that there is of it: it must not be overwritten."""
        stay = self.core.store.stay(transfer.agent)
        if stay is None:
            return
        try:
            _, row = self.core.transport.ask_directory(
                "locate", transfer.agent, timeout=self.core.options.directory_seconds
            )
        except DirectoryUnreachable as error:
            raise LandingRefused(self.core.name, error.slug, error.reason, error.remedy) from error
        if not is_rubbish(row, self.core.name, stay) and not self._is_older_file(transfer.agent, stay, row):
            raise LandingRefused(
                self.core.name,
                "recovering",
                "it has a checkpoint of that agent, and is just taking it back",
                "Try again in a moment.",
            )

    def _is_older_file(self, agent: str, stay: int, row: Row | None) -> bool:
        """Whether what lies here came out of a file that was not the newest, and was not granted for that."""
        if row is None or row.status is not Status.FROZEN or row.epoch != stay - 1:
            return False
        kept = self.core.store.load(agent)
        if kept is None:
            return True
        passport = Bundle.from_bytes(kept.bundle, self.core.options.limits).passport
        return (passport.hops or (passport.birth,))[-1].digest != row.record

    def _verified(self, bundle: Bundle, source: str | None) -> VerifiedBundle:
        try:
            return self._checked(bundle, source)
        except UntrustedSigner:
            if not self.meet():
                raise
        return self._checked(bundle, source)  # a place has joined since the last look

    def _checked(self, bundle: Bundle, source: str | None, now: float | None = None) -> VerifiedBundle:
        return bundle.verify(
            self.core.trust,
            audience=self.core.name,
            now=now,
            codes=lambda digest: self.code(digest, source),
            limits=self.core.options.limits,
        )

    def _decoded(
        self,
        verified: VerifiedBundle,
        bundle: Bundle,
        luggage: Luggage,
        landed: Landed,
        source: str | None,
        started: float,
    ) -> Staged:
        passport = verified.passport
        here = Here(self.surroundings, passport.agent)
        return Staged(
            cell=self.core.cell_kind(verified, here, luggage.terms, landed),
            here=here,
            luggage=luggage,
            passport=passport,
            entry_point=verified.manifest.entry_point,
            size=bundle.size,
            started=started,
            source=source,
            verify_ms=0.0,
            thaw_ms=0.0,
        )

    def _refusal(self, error: MobilityError) -> LandingRefused:
        problem = (getattr(error, "reason", None) or str(error)).removeprefix(f"{self.core.name} refused the message: ")
        remedy = getattr(error, "remedy", "")
        if isinstance(error, UntrustedSigner):
            remedy = f"On {self.core.name} run:  sojourn key trust FILE.pub  with the public key of that signer."
        if isinstance(error, StoreFailed):
            problem, remedy = f"it cannot write it down ({error.reason})", error.remedy
        return LandingRefused(self.core.name, error.slug, problem, remedy)

    # -- code

    def code(self, digest: bytes, source: str | None) -> bytes | None:
        """A code segment: what is kept here, else what the sender gives; None if neither has it."""
        known = self.core.store.code(digest)
        if known is not None or source is None or source == self.core.name:
            return known
        with self._lock:
            fetching = self._fetching.get(digest)
            mine = fetching is None
            if fetching is None:
                fetching = self._fetching[digest] = Future()
        if not mine:
            return fetching.result(_LONGEST_FETCH)
        data: bytes | None = None
        try:
            reply = self.core.transport.ask_place(source, FetchCode(digest), timeout=_LONGEST_FETCH / 2)
            data = reply.data if isinstance(reply, Fetched) else None
        finally:
            with self._lock:
                del self._fetching[digest]
            fetching.set_result(data)
        return data
