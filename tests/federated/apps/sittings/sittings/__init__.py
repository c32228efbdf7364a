"""sittings: clients whose training is suspended when their time is over, and goes on with the next message."""
