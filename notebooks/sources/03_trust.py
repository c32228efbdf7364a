# %% [markdown]
# # Trust: who vouches for an agent
#
# An agent is code from elsewhere that runs with the rights of the place. So a place has to know, *before* anything of
# it is decoded, who launched it, who has held it since, and that nobody has changed it on the way. And an owner wants
# to know the same of an agent that comes home.
#
# Here you are the attacker. You forge, alter, replay and misdirect an agent in more than twenty ways, first with the
# library alone and then against three running places; each attempt is noted with the reason for which it is refused.
# The last part is about what no signature can prevent: a host that lies.
#
# You need `pip install 'sojourn[notebook]'`. Nothing of this touches your own keys: everything is in a temporary
# folder.

# %%
import hashlib
import tempfile
import textwrap
import time
from collections import Counter, namedtuple
from dataclasses import replace
from pathlib import Path

from mobility import Birth, Bundle, Identity, Passport, TrustStore, pack, resumable, unpack
from mobility.errors import MobilityError

Attack = namedtuple("Attack", "name outcome reason")
attacks = []


def refused(name, reason, attempt):
    """Try an attack. It has to be refused, for this reason."""
    try:
        attempt()
    except MobilityError as error:
        why = getattr(error, "why", error.slug)  # of a refused move, why it was refused
        assert why == reason, f"{name}: refused for {why}, not for {reason}"
        attacks.append(Attack(name, "refused", why))
        told = textwrap.wrap(str(error), 100, break_on_hyphens=False)
        print(name, *told, sep="\n    ", end="\n\n")
    else:
        raise AssertionError(f"{name}: accepted")


home = tempfile.TemporaryDirectory(prefix="trust-")

# %% [markdown]
# ## Keys, and whom a place trusts
#
# There are two roles. An **owner** launches agents and signs their *birth certificate*, once. A **place** signs each
# *hop* of an agent that leaves it. The signatures are Ed25519 (RFC 8032) in DSSE envelopes.
#
# Whoever verifies something goes by a *trust store*: a folder of public keys. It is empty until somebody puts a key
# there.

# %%
lab = Identity.generate("survey-lab", "owner")
baku, oslo, lima = (Identity.generate(name, "place") for name in ("baku", "oslo", "lima"))

trust = TrustStore(Path(home.name) / "trusted")
for someone in (lab, baku, oslo, lima):
    trust.trust(someone.public)
trust

# %% [markdown]
# ## An honest journey
#
# The agent asks for a reading at each place. We play the three places ourselves: to *pack* a suspended agent gives a
# signed **bundle**, to *verify* it tells who vouches for it, and only what was verified can be *unpacked*.

# %%
readings = {"baku": 20.9, "oslo": 21.4, "lima": 19.8}


@resumable
def survey(places):
    means = {}
    for place in places:
        reading = yield place
        means[place] = reading
    return means


agent = survey(["baku", "oslo", "lima"])
next(agent)
birth = Birth(agent="surveyor", home="baku", places=("baku", "oslo", "lima"))
at_birth = pack(agent, by=lab, birth=birth)

at_baku = at_birth.verify(trust, audience="baku")  # what baku does
agent = unpack(at_baku)
agent.send(readings["baku"])
to_oslo = pack(agent, by=baku, passport=at_baku.passport, to="oslo")

at_oslo = to_oslo.verify(trust, audience="oslo")  # what oslo does
agent = unpack(at_oslo)
agent.send(readings["oslo"])
to_lima = pack(agent, by=oslo, passport=at_oslo.passport, to="lima")
to_lima

# %% [markdown]
# That is the bundle as it travels from oslo to lima. It says much of itself, and all of that is only *claimed*:
# anybody can write such bytes. Lima verifies it:

# %%
at_lima = to_lima.verify(trust, audience="lima")
at_lima

# %% [markdown]
# Each link is verified now. One signature covers a whole move: the last link of the passport names the SHA-256 of the
# manifest, the manifest names the SHA-256 of each segment, and each link names the one before it, back to the birth
# certificate. The owner's certificate names the code, which therefore stays the same for the agent's whole life; the
# state changes at each place, so the place that sends it vouches for it.
#
# | | signed by | so nobody else can change |
# |---|---|---|
# | birth certificate | the owner | the code, the first arguments, where it may go, how often and how long |
# | hop | the place that sends | the state, who sent it to whom and when, the number of the hop (*epoch*) |
#
# ## Forge
#
# A stranger makes an agent of his own, under the name of a key that you trust. A name is not a key.

# %%
stranger = Identity.generate("survey-lab", "owner")


def forged_hop(by):
    """The hop from oslo to lima, signed by somebody else."""
    return pack(agent, by=by, origin="oslo", passport=at_oslo.passport, to="lima")


refused(
    "an agent of an unknown owner, with a trusted name",
    "untrusted-signer",
    lambda: pack(survey(["baku"]), by=stranger, birth=birth).verify(trust, audience="baku"),
)
refused(
    "a hop that an unknown place has signed as oslo",
    "untrusted-signer",
    lambda: forged_hop(Identity.generate("oslo", "place")).verify(trust, audience="lima"),
)
refused(
    "a trusted place signs for another place",
    "broken-chain",
    lambda: forged_hop(baku).verify(trust, audience="lima"),
)
refused(
    "a trusted owner signs a hop, as if this were a place",
    "wrong-role",
    lambda: forged_hop(lab).verify(trust, audience="lima"),
)

# %% [markdown]
# Read the first of them as an operator would: what happened, why, that the agent is unharmed, what to do next.
#
# Oslo is trusted, and tries more: it puts *other code* under the signed name of the agent. `pack` does not make such a
# bundle, so oslo takes it apart and signs it by hand, which a host can always do.


# %%
@resumable
def snoop(places):
    yield "whatever there is to read"


other = snoop([])
next(other)
refused(
    "other code under an agent's name, packed",
    "code-altered",
    lambda: pack(other, by=oslo, passport=at_oslo.passport, to="lima"),
)

crafted = pack(other, by=stranger)
names = {"agent": "surveyor", "epoch": 2, "entry_point": at_oslo.passport.entry_point}
manifest = replace(crafted.claims(), **names).to_bytes()
signed = {"manifest": hashlib.sha256(manifest).digest(), "time": int(time.time())}
passport = at_oslo.passport.stamped(oslo, origin="oslo", destination="lima", **signed)
refused(
    "other code under an agent's name, signed by hand",
    "code-altered",
    lambda: Bundle(passport, manifest, crafted.payload).verify(trust, audience="lima"),
)

# %% [markdown]
# ## Tamper
#
# A bundle has a header, the passport with its envelopes, the manifest, and the segments. One bit is changed in the
# middle of each part. It depends on the part which check finds it; but one does.

# %%
data = to_lima.to_bytes()
pieces = {"header": data[:24], "birth certificate": to_lima.passport.birth.to_bytes()}
pieces |= {f"hop {number}": hop.to_bytes() for number, hop in enumerate(to_lima.passport.hops, 1)}
pieces["manifest"] = to_lima.manifest
start = data.index(to_lima.manifest) + len(to_lima.manifest)
for segment in to_lima.claims().segments:
    pieces[segment.kind.value] = data[start : start + segment.size]
    start += segment.size
parts = {name: (data.index(piece), len(piece)) for name, piece in pieces.items()}


def reason_of(changed):
    """Why lima refuses these bytes; None if it does not."""
    try:
        Bundle.from_bytes(changed).verify(trust, audience="lima")
    except MobilityError as error:
        return error.slug
    return None


def flipped(at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


assert reason_of(data) is None  # else what follows would prove nothing
for name, (start, size) in parts.items():
    reason = reason_of(flipped(start + size // 2))
    assert reason is not None
    attacks.append(Attack(f"one bit changed: {name}", "refused", reason))
    print(f"{name:18}{size:5} bytes   {reason}")

# %% [markdown]
# Not only in the middle. The next cell tries every byte of the bundle, one after the other, and draws by which check
# each change was found: above the parts of the bundle, below the reasons.

# %%
import matplotlib.pyplot as plt

reasons = [reason_of(flipped(at)) for at in range(len(data))]
assert None not in reasons
attacks.append(Attack(f"one bit changed: each of {len(data)} bytes in turn", "refused", "all"))

found = Counter(reasons)
shades = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000"]
colours = dict(zip(found, shades, strict=False))
figure, axes = plt.subplots(figsize=(9, 2.3), dpi=80, facecolor="white")
for number, (name, (start, size)) in enumerate(parts.items()):
    axes.barh(1, size, left=start, color="#dddddd" if number % 2 else "#bbbbbb", height=0.8)
    if size > 100:
        label = name.replace(" ", "\n")
        axes.text(start + size / 2, 1, label, ha="center", va="center", fontsize=8)
for reason, colour in colours.items():
    places = [at for at, one in enumerate(reasons) if one == reason]
    label = f"{reason} ({found[reason]})"
    axes.barh([0] * len(places), 1, left=places, color=colour, height=0.8, label=label)
axes.set(yticks=[1, 0], yticklabels=["part", "found by"], xlim=(0, len(data)), xlabel="changed byte")
axes.legend(ncol=4, loc="upper center", bbox_to_anchor=(0.5, -0.35), frameon=False, fontsize=9)
plt.show()

# %% [markdown]
# Whoever changes a segment can change its digest in the manifest, too. Then the manifest is not the one that was
# signed. And segments of an older bundle of the same agent are genuine, but not in this one.

# %%
state = to_oslo.verify(trust, audience="oslo").state
claims = to_lima.claims()
older = {"size": len(state), "chunks": (hashlib.sha256(state).digest(),)}
entries = [replace(one, **older) if one.kind.value == "state" else one for one in claims.segments]
contents = [state if one.kind.value == "state" else pieces[one.kind.value] for one in claims.segments]
fitting = replace(claims, segments=tuple(entries)).to_bytes()

refused(
    "an older state put into a newer bundle",
    "segment-mismatch",
    lambda: Bundle.assemble(to_lima.passport, to_lima.manifest, contents).verify(trust, audience="lima"),
)
refused(
    "an older state, and the manifest made to fit it",
    "manifest-mismatch",
    lambda: Bundle.assemble(to_lima.passport, fitting, contents).verify(trust, audience="lima"),
)

# %% [markdown]
# ## Replay and misdirect
#
# Nothing is altered here: these are genuine bundles, at the wrong time or in the wrong place. A place remembers the
# epoch and the last link of each agent that it has seen.

# %%
refused(
    "a bundle for lima, offered at baku",
    "wrong-audience",
    lambda: to_lima.verify(trust, audience="baku"),
)
refused(
    "a bundle of which a newer one has been there",
    "stale-epoch",
    lambda: to_oslo.verify(trust, audience="oslo", last_epoch=2),
)
refused(
    "a bundle from far in the past",
    "expired",
    lambda: to_lima.verify(trust, audience="lima", now=time.time() + 31 * 24 * 3600),
)
refused(
    "a hop to a place that the owner has not allowed",
    "off-itinerary",
    lambda: pack(agent, by=oslo, passport=at_oslo.passport, to="rome"),
)

# %% [markdown]
# ## A passport with another past
#
# Oslo would like to be left out, or to have been there before baku. Hops are links: each holds the digest of the one
# before it.

# %%
travelled = to_lima.passport
first, second = travelled.hops
namesake = pack(survey(["baku"]), by=lab, birth=birth).verify(trust, audience="baku")
elsewhere = pack(survey(["baku"]), by=baku, passport=namesake.passport, to="oslo").passport


def with_hops(*hops):
    """What lima says to such a passport."""
    return Passport(travelled.birth, hops).verify(trust, now=time.time(), audience="lima")


with_hops(first, second)  # the honest one
refused("a hop cut out", "skipped-epoch", lambda: with_hops(second))
refused("the last hop cut off", "wrong-audience", lambda: with_hops(first))
refused("two hops swapped", "skipped-epoch", lambda: with_hops(second, first))
refused("a hop twice", "stale-epoch", lambda: with_hops(first, first, second))
refused(
    "a hop from another life of the agent",
    "broken-chain",
    lambda: with_hops(*elsewhere.hops, second),
)
travelled

# %% [markdown]
# ## A key that is taken back
#
# Somebody has stolen oslo's key. From epoch 2 on, what it signs is refused; what it signed before that stays good. A
# revocation cannot be taken back.

# %%
trust.revoke(oslo.key_id, from_epoch=2)
refused(
    "a hop signed with a revoked key",
    "revoked",
    lambda: to_lima.verify(trust, audience="lima"),
)
to_oslo.verify(trust, audience="oslo")  # baku has signed that one
trust

# %% [markdown]
# ## Against places that run
#
# The same on three real Ray nodes. Places verify as above, and more: a *directory* knows who holds each agent, and
# only one copy of an agent can be granted (see [how an agent changes places](../docs/handoff.md)).

# %%
from agents import agent as mobile
from agents import connect, hop, receive
from agents.protocol import Transfer, TransferRefused

resources = {place: {"readings": [value, value + 0.5]} for place, value in readings.items()}
platform = connect(places=resources, home=home.name)


@mobile
def surveyor(here, places):
    means = {}
    for place in places:
        here = yield hop(place)
        values = here.resource("readings")
        means[here.name] = sum(values) / len(values)
        yield receive()  # until it is told to go on
    return means


def waits_at(handle, place, seconds=60):
    """Wait until it has come there and waits for a message."""
    until = time.monotonic() + seconds
    while handle.place() != place or handle.status().state != "waiting":
        assert time.monotonic() < until, f"it is not at {place} after {seconds} s"
        time.sleep(0.02)


# %% [markdown]
# The places trust the owner who has started them, and nobody else. A stranger may ask; the operator may trust him; and
# take that back while an agent of his runs. The agent then runs on where it was let in, but no other place lets it in.

# %%
places_trust = TrustStore(Path(home.name) / "trust")
visitor = Identity.generate("visitor", "owner")

refused(
    "a place is given an agent of an unknown owner",
    "untrusted-signer",
    lambda: platform.launch(surveyor, ["baku", "oslo"], at="baku", owner=visitor),
)
places_trust.trust(visitor.public)
guest = platform.launch(surveyor, ["baku", "oslo"], at="baku", owner=visitor)
waits_at(guest, "baku")

places_trust.revoke(visitor.key_id)
refused(
    "an agent moves on after its owner's key was revoked",
    "revoked",
    lambda: guest.move("oslo"),
)
print("it is still at", guest.place())
guest.stop()

# %% [markdown]
# Now a copy. The agent is frozen into a file; whoever has the file has a genuine bundle.

# %%
handle = platform.launch(surveyor, ["oslo", "lima"], at="baku", name="surveyor")
waits_at(handle, "oslo")
frozen = handle.freeze()
frozen

# %%
copy = bytearray(frozen.to_bytes())
copy[-1] ^= 1
refused(
    "a place is given a file with one bit changed",
    "segment-mismatch",
    lambda: platform.thaw(Bundle.from_bytes(copy), at="oslo"),
)

handle = platform.thaw(frozen, at="oslo")  # the refused attempt has harmed nothing
handle.send("go on")
waits_at(handle, "lima")
refused("the same file thawed again", "agent-thawed", lambda: platform.thaw(frozen, at="oslo"))

# %% [markdown]
# That refusal was polite: our own client had asked the directory. An attacker has a client of his own, and gives the
# old copy straight to the places, under each epoch that might be believed. A place has several reasons to refuse it:
# the number is not the one in the directory (`stale-epoch`), it continues another passport than the one that is known
# (`broken-chain`), the agent was thawed before, or is just there. And the agent itself notices nothing.

# %%
for place in platform.places():
    answers = []
    for epoch in range(8):
        offer = Transfer(handle.agent, epoch, frozen.to_bytes(), source=None, started=time.time())
        answers.append(platform.client.transport.ask_place(place.name, offer, timeout=30))
    assert all(isinstance(answer, TransferRefused) for answer in answers), answers
    attack = f"a copy from before, given to {place} past the client"
    why = ", ".join(sorted({answer.why for answer in answers}))
    attacks.append(Attack(attack, "refused", why))
    print(f"{place} refuses it {len(answers)} times: {why}")

handle.send("go on")
assert list(handle.result(timeout=60)) == ["oslo", "lima"]
trail = handle.trail()
assert trail.verified
platform.close()
trail

# %% [markdown]
# ## A host that lies
#
# A host executes the agent. It can read and change each variable, and sign the result, since that is what its key is
# for. This has been known as the problem of the *malicious host* since the first mobile agents (Farmer, Guttman and
# Swarup 1996, *Security for Mobile Agents: Issues and Requirements*). No signature prevents it. What can be said
# afterwards is **who**.
#
# Oslo, with a key that nobody has revoked, changes what baku has measured:

# %%
trust = TrustStore(Path(home.name) / "trusted-by-all")
for someone in (lab, baku, oslo, lima):
    trust.trust(someone.public)

victim = unpack(to_oslo.verify(trust, audience="oslo"))
victim.gi_frame.f_locals["means"]["baku"] = 35.0
victim.send(readings["oslo"])
lie = pack(victim, by=oslo, passport=at_oslo.passport, to="lima")

at_lima = lie.verify(trust, audience="lima")
attacks.append(Attack("a host changes a variable", "ACCEPTED", f"signed by {at_lima.passport.sender}"))
unpack(at_lima).gi_frame.f_locals["means"]

# %% [markdown]
# It is let in. But oslo has signed that state, and the hop before it, which oslo cannot leave out, names the state
# that baku had sent. If baku keeps its bundle, anybody can hold the two against each other:

# %%
sent = to_oslo.verify(trust, audience="oslo")
assert at_lima.passport.hops[1].previous == sent.passport.digest  # it is the one that oslo received

before, after = (unpack(one).gi_frame.f_locals["means"] for one in (sent, at_lima))
assert before["baku"] != after["baku"]
print(f"{sent.passport.sender} signed {before}")
print(f"{at_lima.passport.sender} signed {after}")

# %% [markdown]
# To compare a variable is the simple case of what Vigna (1998, *Cryptographic Traces for Mobile Agents*) does for a
# whole execution: run the agent again from the state that came in, and see whether the state that went out is the
# same. It needs the inputs, and a reading that oslo only claims to have taken cannot be checked in this way.
#
# Two more things that a host can do, and one that anybody on the way can:

# %%
liar = unpack(to_oslo.verify(trust, audience="oslo"))
liar.send(-40.0)
false = pack(liar, by=oslo, passport=at_oslo.passport, to="lima").verify(trust, audience="lima")
attacks.append(Attack("a host gives a false reading", "ACCEPTED", f"signed by {false.passport.sender}"))

twin = pack(agent, by=oslo, passport=at_oslo.passport, to="baku").verify(trust, audience="baku")
assert twin.passport.epoch == at_lima.passport.epoch
attack = "a host sends two copies of one epoch to two places"
attacks.append(Attack(attack, "ACCEPTED", "good signatures; on a platform the directory grants one"))

assert b"20.9" in to_lima.to_bytes()
attacks.append(Attack("somebody on the way reads a bundle", "ACCEPTED", "signed is not secret"))

# %% [markdown]
# Against the last one, a bundle can be **sealed** to the place that it is for (X25519 and AES-256-GCM). It hides the
# state on the way and in files; the place itself has to be able to read what it is to execute.

# %%
recipient = trust.lookup(lima.key_id, "place", time.time(), 2)
sealed = pack(agent, by=oslo, passport=at_oslo.passport, to="lima", seal_to=recipient)
assert b"20.9" not in sealed.to_bytes()
opened = sealed.verify(trust, audience="lima", identity=lima)
assert unpack(opened).gi_frame.f_locals["means"] == {"baku": 20.9, "oslo": 21.4}
refused(
    "somebody else opens a sealed bundle",
    "wrong-recipient",
    lambda: sealed.verify(trust, audience="lima", identity=baku),
)
sealed

# %% [markdown]
# And a host can simply keep an agent, or destroy it. Nobody can prevent that either; the directory tells where it was
# last.
#
# ## All attacks

# %%
from IPython.display import Markdown

home.cleanup()
rows = [f"| {number} | {' | '.join(attack)} |" for number, attack in enumerate(attacks, 1)]
Markdown("\n".join(["| | attack | outcome | by |", "|---:|---|---|---|", *rows]))

# %% [markdown]
# ## What you have seen
#
# - Altered, stale, misdirected and forged bundles are refused before anything in them is decoded, and by every place
#   anew.
# - One signature for a move covers code, state, sender, addressee and the number of the hop.
# - A replayed copy is genuine, so its signatures do not give it away: the epoch does, and the directory.
# - Not prevented: what a host does with an agent that it holds. Its signature shows who it was. So trust few places,
#   seal what others need not see, and ask several places where one could be lying.
#
# Next: [the four paradigms, measured](04_paradigms.ipynb). More: [how to decide whom a place
# trusts](../docs/howto-trust.md), [what is guaranteed, and why](../docs/guarantees.md), [how an agent changes
# places](../docs/handoff.md).
