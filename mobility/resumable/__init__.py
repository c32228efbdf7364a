"""Makes generator functions whose suspended state can be read, carried away and entered again.

``@resumable`` parses a function, brings it into a small core language in which every suspension is a statement with a
label, and compiles it to an ordinary generator function. Reading a suspended generator is reading its variables; going
on is compiling, once per label, the rest of the function from there (a *landing*).

======================  ==============================================================================
``_source``             from a code object to its syntax tree
``_grammar``            the table: every syntax node is ruled or refused
``_rules``              temporaries, evaluation order; one rule per node in ``_expressions``, ``_statements``,
                        ``_compounds``
``_scopes``             names, comprehensions, generator expressions
``_normalise``          the whole way into the core language (``_core``)
``_landing``            what remains after a label
``_emission``           from the core language to syntax nodes; ``_rewriting``, ``_depth`` serve it
``_runtime``            objects that transformed code refers to
``plan``, ``registry``  compiled functions, and how they are found
======================  ==============================================================================
"""

from mobility.resumable._decorator import resumable

__all__ = ["resumable"]
