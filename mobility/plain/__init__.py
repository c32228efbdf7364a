"""The plain codec: values that cross a trust boundary (results, messages, replies).

Decoding can only build plain data: numbers, text, bytes, containers, dates, arrays, and the dataclasses and enums
that the receiver has registered. It imports nothing and calls nothing that a message names, and whatever the bytes
are, it ends with a value or with `PlainInvalid`.

==============  =============================================================================
sender          `encode`, `encode_buffers`; `NotPlain` names the path to what cannot cross
receiver        `decode`, `PlainLimits`; `PlainInvalid` says what is wrong, and at which byte
both            `Registry`: dataclasses and enums, each by a stable name
==============  =============================================================================

>>> from mobility.plain import decode, encode
>>> rows = [{"place": "oslo", "mean": 19.8}]
>>> decode(encode(rows)) == rows
True

What is *not* handled: secrecy, origin, freshness (see `mobility.trust`); meaning, which is up to the receiver and the
registry's checks; and dicts of numbers chosen so that they meet in its table though their hashes differ: nobody sees
them coming, so `PlainLimits` charges any numbers with what that would cost, and one message may take ten seconds.
"""

from mobility.plain.decoding import decode
from mobility.plain.encoding import encode, encode_buffers
from mobility.plain.errors import NotPlain, PlainInvalid
from mobility.plain.limits import PlainLimits
from mobility.plain.registry import Registry

__all__ = ["NotPlain", "PlainInvalid", "PlainLimits", "Registry", "decode", "encode", "encode_buffers"]
