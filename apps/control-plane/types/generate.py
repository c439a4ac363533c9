#!/usr/bin/env python3
"""Writes envoy-v3.binpb.z: what the control plane knows of Envoy's types, to read proto3 JSON by.

A zlib-compressed google.protobuf.FileDescriptorSet: the roots below and all they import, in order of
dependency, without comments, services and options other than those that decide how bytes are written.
The PyPI package xds-protos (Apache-2.0, generated from envoyproxy/data-plane-api) has the descriptors:

    pip install xds-protos==1.85.0 protobuf==7.36.2 && python3 generate.py
"""

import importlib
import pkgutil
import sys
import zlib
from pathlib import Path

from google.protobuf import descriptor_pb2

OUT = Path(__file__).with_name("envoy-v3.binpb.z")

# Everything that is served over ADS, and what an `@type` inside of it commonly names.
ROOTS = [
    "envoy.config.bootstrap.v3.bootstrap_pb2",
    "envoy.config.cluster.v3.cluster_pb2",
    "envoy.config.core.v3.extension_pb2",
    "envoy.config.endpoint.v3.endpoint_pb2",
    "envoy.config.listener.v3.listener_pb2",
    "envoy.config.route.v3.route_pb2",
    "envoy.config.route.v3.scoped_route_pb2",
    "envoy.service.runtime.v3.rtds_pb2",
    "google.protobuf.wrappers_pb2",
    "google.protobuf.struct_pb2",
    "google.protobuf.empty_pb2",
    "xds.type.v3.typed_struct_pb2",
    "udpa.type.v1.typed_struct_pb2",
]
# Every v3 type of these packages, whole.
PACKAGES = [
    "envoy.config.ratelimit.v3",
    "envoy.config.rbac.v3",
    "envoy.config.trace.v3",
    "envoy.extensions.access_loggers",
    "envoy.extensions.clusters",
    "envoy.extensions.compression",
    "envoy.extensions.early_data",
    "envoy.extensions.filters",
    "envoy.extensions.health_checkers",
    "envoy.extensions.http",
    "envoy.extensions.internal_redirect",
    "envoy.extensions.load_balancing_policies",
    "envoy.extensions.matching",
    "envoy.extensions.network",
    "envoy.extensions.path",
    "envoy.extensions.rbac",
    "envoy.extensions.request_id",
    "envoy.extensions.resource_monitors",
    "envoy.extensions.retry",
    "envoy.extensions.transport_sockets",
    "envoy.extensions.upstreams",
]


def modules():
    yield from ROOTS
    for package in PACKAGES:
        where = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(where, package + "."):
            name = found.name
            if name.endswith("_pb2") and not any(old in name for old in (".v2", "alpha", ".v4")):
                yield name


def strip_field(field):
    packed = field.options.packed if field.options.HasField("packed") else None
    field.ClearField("options")
    if packed is not None:
        field.options.packed = packed


def strip_enum(enum):
    alias = enum.options.allow_alias
    enum.ClearField("options")
    if alias:
        enum.options.allow_alias = True
    for value in enum.value:
        value.ClearField("options")


def strip_message(message):
    entry = message.options.map_entry
    message.ClearField("options")
    if entry:
        message.options.map_entry = True
    for field in list(message.field) + list(message.extension):
        strip_field(field)
    for oneof in message.oneof_decl:
        oneof.ClearField("options")
    for enum in message.enum_type:
        strip_enum(enum)
    for nested in message.nested_type:
        strip_message(nested)


# Annotations only: nothing is left that refers to them.
ANNOTATIONS = ("envoy/annotations/", "udpa/annotations/", "xds/annotations/", "validate/", "google/api/",
               "google/protobuf/descriptor.proto")


def strip_file(source):
    file = descriptor_pb2.FileDescriptorProto()
    source.CopyToProto(file)
    file.ClearField("options")
    file.ClearField("service")
    file.ClearField("source_code_info")
    public = {file.dependency[i] for i in file.public_dependency}
    keep = [name for name in file.dependency if not name.startswith(ANNOTATIONS) or name in KEPT]
    file.ClearField("dependency")
    file.ClearField("public_dependency")
    file.ClearField("weak_dependency")
    file.dependency.extend(keep)
    file.public_dependency.extend(i for i, name in enumerate(keep) if name in public)
    for message in file.message_type:
        strip_message(message)
    for enum in file.enum_type:
        strip_enum(enum)
    for field in file.extension:
        strip_field(field)
    return file


def users(file):
    """The files whose types `file`'s fields are of."""
    def of(message):
        for field in message.fields:
            for kind in (field.message_type, field.enum_type):
                if kind is not None:
                    yield kind.file.name
        for nested in message.nested_types:
            yield from of(nested)
    for message in file.message_types_by_name.values():
        yield from of(message)


def main():
    loaded = [importlib.import_module(name).DESCRIPTOR for name in modules()]
    order, seen = [], set()

    def visit(file):
        if file.name in seen:
            return
        seen.add(file.name)
        for dependency in file.dependencies:
            visit(dependency)
        order.append(file)

    for file in loaded:
        visit(file)
    KEPT.update(name for file in order if not file.name.startswith(ANNOTATIONS) for name in users(file))
    files = [file for file in order if not file.name.startswith(ANNOTATIONS) or file.name in KEPT]
    whole = descriptor_pb2.FileDescriptorSet(file=[strip_file(file) for file in files])
    raw = whole.SerializeToString(deterministic=True)
    OUT.write_bytes(zlib.compress(raw, 9))
    print(f"{len(files)} files, {len(raw)} bytes, {OUT.stat().st_size} compressed", file=sys.stderr)


KEPT = set()

if __name__ == "__main__":
    main()
