"""Agents in processes of their own.

A place starts a process for each agent that asks for it, hands it the verified code and state, and steps it from there.
The process has no key, knows no engine, and hears nobody but its place. It ends with the place; if it ends before, its
agent alone has failed.

============  ========================================================================
`cell`        `ProcessCell`, the place's side
`starting`    starts and ends the processes
`line`        what goes to and fro
`effects`     what an agent yields, on its way to the place
`parts`       the agent taken apart, likewise
`failing`     exceptions, on their way to the agent
`far`         the place as the agent sees it from there
`child`       what runs in the process
============  ========================================================================
"""

__all__: list[str] = []
