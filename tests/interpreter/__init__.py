"""The interpreter's own suites for generators, run on resumable functions.

``suites``    finds a suite in the installed interpreter and makes its functions resumable; nothing of it is kept here
``moving``    the object that stands for a generator and moves it after each step
``running``   runs a suite and notes the outcome of every test and of every doctest example
``expected``  the differences that are expected, each with its reason, and the verdict
``run``       all of that from the command line, with the standard library alone:
              ``python -m tests.interpreter.run --mode pickled test_generators``
"""
