"""What a unit needs, what a host offers, and the verdict: strong, weak or refuse, with reasons.

>>> from mobility import environment
>>> needs = environment.Needs(processors=("x86_64",))
>>> host = environment.Environment("3.12.1", processor="aarch64", operating_system="Linux")
>>> print(environment.verdict(needs, host, state=True))
refuse: the unit cannot run here
- The unit runs only on the processor x86_64, and this host's is aarch64. Send the unit to a place of that kind.
"""

from mobility.environment.errors import EnvironmentRefused
from mobility.environment.host import Environment, offered
from mobility.environment.installed import needs_of_modules
from mobility.environment.judging import verdict
from mobility.environment.needs import Accelerator, Distribution, Needs
from mobility.environment.reasons import EFFECTS, Mobility, Reason, ReasonCode, Verdict
from mobility.environment.syntax import oldest_python

__all__ = [
    "EFFECTS",
    "Accelerator",
    "Distribution",
    "Environment",
    "EnvironmentRefused",
    "Mobility",
    "Needs",
    "Reason",
    "ReasonCode",
    "Verdict",
    "needs_of_modules",
    "offered",
    "oldest_python",
    "verdict",
]
