"""What the tests share: a driver for generators, pictures of values, and the worker that runs in other processes."""
