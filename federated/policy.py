"""What the owner of a data set allows: which apps, which messages, what may leave, hidden how well, how often.

A policy is written in Python, or in the place's TOML file, which `federated.policyfile` reads::

    [place.datasets.ward.policy]
    signers = ["5f0c..."]                      # key ids; or digests of apps. Without either, no app is admitted
    messages = ["train", "evaluate"]           # patterns as of file names: "train.*" has all actions of that name
    keys = ["arrays.*", "metrics.metrics.train_loss", "metrics.metrics.num-examples"]    # KIND.RECORD.KEY, see below
    exact = ["metrics.metrics.num-examples"]   # of these keys, what leaves as it is, neither clipped nor noised
    dtypes = ["float32"]
    most_bytes = 10_000_000
    like_sent = true                           # arrays only as they were sent: same key, shape and dtype
    clip_norm = 1.0                            # L2, of all released arrays together
    noise = { epsilon = 0.5, delta = 1e-6 }    # of one release; or { multiplier = 1.1 }, times clip_norm
    neighbours = "replace"                     # or "zero"
    counts = [{ key = "metrics.metrics.cases", epsilon = 0.1, sensitivity = 1 },
              { key = "metrics.metrics.by_age", epsilon = 0.1, sensitivity = 2, length = 12 }]
    queries = [{ kinds = ["mean"], columns = ["age"], askers = ["*"] }]    # without an app: `federated.queryrules`
    allowance = { rounds = 10, rounds_in_all = 100, epsilon = 4.0, delta = 1e-5, counting_epsilon = 1.0 }

A key of a reply has three parts with dots between: the kind of its record (``arrays``, ``metrics`` or ``configs``), the
record's name in the reply, and the key in the record. In ``RecordDict({"metrics": MetricRecord({"loss": 0.2})})`` the
loss is ``metrics.metrics.loss``. A ``*`` in a pattern stands for dots too.

Rules
-----
1. What is not allowed is forbidden: an empty list admits nothing, and a key that nobody named does not leave.
2. The policy works on what the app returns, after it has returned; nothing in the app can weaken it.
3. The *update* of an array is the array that is returned, minus the one that was sent under the same key (zero, if
   none was). All updates of a reply are one vector; it is clipped to `clip_norm`, gets noise, and is added to what was
   sent. What was sent is known to the server, so what leaves tells no more than the clipped update with noise does.
4. Two neighbouring data sets (`neighbours`) differ in everything that the node has: by ``"replace"`` the update
   may become any other one of that norm, so the sensitivity is ``2 * clip_norm``; by ``"zero"`` it may become zero, so
   it is `clip_norm`, as it is usual in federated averaging with privacy of each client. ``"replace"`` protects each
   single record too, since who changes one record changes the update by no more; ``"zero"`` protects that the node took
   part at all. Counts protect single records: two data sets are neighbours there if one record is exchanged for
   another, which moves a count by 1, and a histogram by 2.
5. Where `noise` or `counts` are set, each value that leaves is noised, is a count with noise of its own, or is named in
   `exact`. What is named in `exact` (the number of examples, a loss) is outside the guarantee of epsilon: that is the
   owner's choice, and stands in the policy.
6. Where `noise` is set, arrays that get it are exactly those that were sent, with their shapes and dtypes, all or none
   of them; counts have the keys and lengths that the policy names; keys are put in order. Else names, shapes and order
   could carry what the numbers may not.
7. Numbers that are not finite never leave.

Not handled: whether an app answers, when, and which of the allowed keys it fills: a few bits of a message that noise
does not cover. What a key that is allowed can be abused for: an app that may send arrays without noise can send the
data in them. Whoever admits an app without noise trusts its signer, or has read it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Final

from federated.accounting import Allowance, Cost, Spent, mu_for
from federated.queries import Query, QueryNoise
from federated.queryrules import QueryRule, against_query
from federated.verdicts import Objection, Rule, Ruling

__all__ = ["AppRequest", "CountRule", "Neighbours", "NoiseRule", "ReleasePolicy"]

_HEX: Final = re.compile("[0-9a-f]{64}")
_DTYPES: Final = frozenset(
    ["bool", "float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]
)


class Neighbours(StrEnum):
    """Which data sets an observer shall not be able to tell apart."""

    #: One has any other data instead.
    REPLACE = "replace"
    #: One contributes an update of zero instead.
    ZERO = "zero"


@dataclass(frozen=True, slots=True)
class AppRequest:
    """What is asked of a data set, as far as a policy looks at it.

    Attributes
    ----------
    digest
        Of the app: SHA-256, as hexadecimal digits.
    signers
        Key ids whose signatures over the app have been verified.
    message
        Type of the message: ``"train"``, ``"query.count"``.
    asker
        Key id of who wants it, for the audit.
    """

    digest: str
    signers: tuple[str, ...]
    message: str
    asker: str = ""


@dataclass(frozen=True, slots=True)
class NoiseRule:
    """Gaussian noise for the update of one release: by what it has to give, or as a multiple of `clip_norm`."""

    epsilon: float | None = None
    delta: float | None = None
    multiplier: float | None = None

    def __post_init__(self) -> None:
        if (self.epsilon is None) != (self.delta is None) or (self.epsilon is None) == (self.multiplier is None):
            raise ValueError("it is either epsilon and delta, or multiplier")
        if self.multiplier is not None:
            if not 1e-6 <= self.multiplier <= 1e12:
                raise ValueError(f"multiplier is between 1e-6 and 1e12, not {self.multiplier!r}")
        else:
            self.mu(1.0)

    def mu(self, sensitivity: float) -> float:
        """Sensitivity over sigma; `sensitivity` counts in clip norms."""
        if self.multiplier is not None:
            return sensitivity / self.multiplier
        assert self.epsilon is not None and self.delta is not None
        return mu_for(self.epsilon, self.delta)


@dataclass(frozen=True, slots=True)
class CountRule:
    """Laplace noise for whole numbers.

    Attributes
    ----------
    key
        Under which they leave, with dots; no pattern.
    epsilon
        Of one release of all of them together.
    sensitivity
        By how much all of them together may change if one record is exchanged for another (L1).
    length
        Of a list or an array of counts, as for a histogram; None for a single number.
    """

    key: str
    epsilon: float
    sensitivity: int = 1
    length: int | None = None

    def __post_init__(self) -> None:
        _require_positive("epsilon", self.epsilon)
        if self.length is not None and (type(self.length) is not int or self.length < 1):
            raise ValueError(f"length is a whole number of at least 1, not {self.length!r}")
        if type(self.sensitivity) is not int or self.sensitivity < 1:
            raise ValueError(f"sensitivity is a whole number of at least 1, not {self.sensitivity!r}")

    @property
    def scale(self) -> Fraction:
        """Of the Laplace noise."""
        return Fraction(self.sensitivity) / Fraction(self.epsilon)


def _require_positive(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is a number above 0, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePolicy:
    """Of one data set; the module's text has the rules and the fields in an example.

    Raises
    ------
    ValueError
        For fields that contradict each other, or cannot be.
    """

    dataset: str
    signers: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ("float32", "float64")
    most_bytes: int = 256 << 20
    like_sent: bool = False
    clip_norm: float | None = None
    noise: NoiseRule | None = None
    neighbours: Neighbours = Neighbours.REPLACE
    counts: tuple[CountRule, ...] = ()
    queries: tuple[QueryRule, ...] = ()
    allowance: Allowance = Allowance()

    def __post_init__(self) -> None:
        for name in ("signers", "digests"):
            for value in getattr(self, name):
                if not _HEX.fullmatch(value):
                    raise ValueError(f"{name} has {value[:80]!r}, which is not 64 lower-case hexadecimal digits")
        for dtype in self.dtypes:
            if dtype not in _DTYPES:
                raise ValueError(f"dtypes has {dtype[:40]!r}; there are {', '.join(sorted(_DTYPES))}")
        if type(self.most_bytes) is not int or self.most_bytes < 0:
            raise ValueError(f"most_bytes is a whole number of at least 0, not {self.most_bytes!r}")
        if self.clip_norm is not None and not 1e-30 <= self.clip_norm <= 1e30:
            raise ValueError(f"clip_norm is between 1e-30 and 1e30, not {self.clip_norm!r}")
        if len({rule.key for rule in self.counts}) != len(self.counts):
            raise ValueError("counts have a key twice")
        if self.noise is not None and self.clip_norm is None:
            raise ValueError("noise needs clip_norm: noise for a vector of any size hides nothing")
        if self.allowance.epsilon is not None and self.noise is None and not self.queries:
            raise ValueError("the allowance has an epsilon, and there is no noise that could keep it")
        if self.allowance.counting_epsilon is not None and not self.counts and not self.queries:
            raise ValueError("the allowance has a counting_epsilon, and there are no counts")
        if self.exact and self.clip_norm is None and not self.protects:
            raise ValueError("exact says what leaves as it is, and nothing here is clipped or noised")

    # -- asking

    def admits(self, digest: str, signers: Iterable[str]) -> Ruling:
        """Whether an app may run on the data at all.

        Parameters
        ----------
        digest
            SHA-256 of the app, as hexadecimal digits.
        signers
            Key ids whose signatures over it have been verified.
        """
        if digest in self.digests or not set(self.signers).isdisjoint(signers):
            return Ruling(self.dataset)
        problem = f"neither the app {digest[:16]} nor one of its signers is admitted"
        return Ruling(self.dataset, (Objection(Rule.ADMISSION, "", problem),))

    def judge(self, request: AppRequest, spent: Spent) -> Ruling:
        """Before anything runs: whether the app, this message and one more release are allowed.

        A message of the type ``train`` needs as much epsilon as its update will cost; of others it is known only when
        they have answered.
        """
        against = list(self.admits(request.digest, request.signers).objections)
        if not any(fnmatchcase(request.message, pattern) for pattern in self.messages):
            against.append(Objection(Rule.MESSAGE, "", f"messages of the type {request.message!r} are not answered"))
        training = request.message == "train" or request.message.startswith("train.")
        lack = self.allowance.lacking(spent, self.update_cost if training else Cost())
        if lack is not None:
            problem = (
                f"{lack.spent:.6g} of {lack.allowed:.6g} {lack.what} are spent, and this needs {lack.needed:.6g} more"
            )
            against.append(Objection(Rule(lack.what), "", problem))
        return Ruling(self.dataset, tuple(against))

    def judge_query(self, asker: str, query: Query, noise: QueryNoise | None) -> tuple[Ruling, QueryRule | None]:
        """Whether a query is allowed, and by which rule; what is left of the allowance is not looked at."""
        rule, problems = against_query(self.queries, self.allowance, asker, query, noise)
        return Ruling(self.dataset, tuple(Objection(Rule.QUERY, "", problem) for problem in problems)), rule

    # -- what noise costs

    @property
    def sensitivity(self) -> float:
        """Of a clipped update, in the L2 norm; 0 without `clip_norm`."""
        factor = 2.0 if self.neighbours is Neighbours.REPLACE else 1.0
        return factor * (self.clip_norm or 0.0)

    @property
    def update_mu(self) -> float | None:
        """Sensitivity over sigma of one noised update; None without noise."""
        if self.noise is None or self.clip_norm is None:
            return None
        return self.noise.mu(self.sensitivity / self.clip_norm)

    @property
    def update_cost(self) -> Cost:
        """Of one release with arrays."""
        mu = self.update_mu
        return Cost() if mu is None else Cost(rho=mu * mu / 2)

    @property
    def protects(self) -> bool:
        """Whether what leaves without noise has to be named in `exact`."""
        return self.noise is not None or bool(self.counts)

    def count_rule(self, key: str) -> CountRule | None:
        """The rule of `counts` for this key."""
        return next((rule for rule in self.counts if rule.key == key), None)

    # -- as data

    @property
    def digest(self) -> str:
        """SHA-256 of everything in it, as hexadecimal digits: what an audit says was in force."""
        return hashlib.sha256(repr(self).encode("utf-8")).hexdigest()
