"""Each guard of the protocol is there for something: without it, the simulation finds what goes wrong."""

from __future__ import annotations

import pytest

from agents.testing import GUARDS, Guard, hunt

#: Where to begin for those that are found seldom; it only saves time.
NEAR = {
    "counted-starts": 1800,
    "grant-of-this-lease": 900,
    "holders-disk": 12000,
    "lease-from-asking": 8800,
    "lease-number": 1400,
    "occupied": 1000,
    "old-checkpoint": 2100,
    "patient-restart": 700,
    "signed-epoch": 3900,
}


@pytest.mark.parametrize("guard", GUARDS, ids=[guard.name for guard in GUARDS])
def test_without_the_guard_an_invariant_breaks(guard: Guard) -> None:
    """A guard whose absence nobody notices is either not needed, or not tested; `hunt` shows that it holds with it."""
    found = hunt(guard, first=NEAR.get(guard.name, 0), most=3000)
    if found.violation is None:
        found = hunt(guard, most=40_000)
    assert found.violation is not None, f"nothing was found in {found.histories} histories"


def test_each_guard_has_a_name_of_its_own() -> None:
    """`--guard NAME` has to mean one."""
    assert len({guard.name for guard in GUARDS}) == len(GUARDS)
    assert {guard.behind for guard in GUARDS} - {None} <= {guard.name for guard in GUARDS}
