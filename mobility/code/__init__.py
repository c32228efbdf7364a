"""The code segment: which source a unit needs, and how it lives in another process."""

from mobility.code.closure import close
from mobility.code.errors import CodeError, CodeInvalid, CodeNotFound, ForeignCode, LoadFailed, SourceMissing
from mobility.code.namespace import Namespace, namespace_of, open_namespace
from mobility.code.segment import CodeSegment, ShippedModule
from mobility.code.shipment import Root, Shipment

__all__ = [
    "CodeError",
    "CodeInvalid",
    "CodeNotFound",
    "CodeSegment",
    "ForeignCode",
    "LoadFailed",
    "Namespace",
    "Root",
    "Shipment",
    "ShippedModule",
    "SourceMissing",
    "close",
    "namespace_of",
    "open_namespace",
]
