"""Linear's GraphQL schema, derived from the TypeScript typings in its npm package.

The schema is Linear's, so it is not in this repository. The typings of `@linear/sdk` (MIT, Linear Orbit, Inc.) hold one
type per GraphQL type in the form of GraphQL Code Generator; `derive` turns them back. Descriptions are dropped; the
typings have no default values of arguments and input fields. The result is cached and checked by digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

from graphql import GraphQLSchema, build_schema

from tests.support import npm

# Of @linear/sdk 98.0.0. After a change of the version in npm/package.json: check the difference, then set these anew.
TYPINGS_SHA256 = "103efaecaeb2cae7c8ce90f3e70156db98f3040967ee8ced62cd50c901f66ca1"
SCHEMA_SHA256 = "621a31886eca4de38fe80a17f29193a1c2b65f538cba443eec0f1e0230bc6da7"

_BLOCK = re.compile(
    r"^type (?P<type>\w+) = (?P<bases>(?:\w+ & )*)\{\n(?P<fields>.*?)^\};$"
    r"|^type (?P<union>\w+) = (?P<members>\w+(?: \| \w+)*);$"
    r"|^declare enum (?P<enum>\w+) \{\n(?P<values>.*?)^\}$",
    re.MULTILINE | re.DOTALL,
)
_FIELD = re.compile(r"(?:^  /\*\*(.*?)\*/\n)?^  (\w+)(\??): (.+?);$", re.MULTILINE | re.DOTALL)
_VALUE = re.compile(r'^  \w+ = "(\w+)",$', re.MULTILINE)
_BUILT_IN = {"ID", "String", "Boolean", "Int", "Float"}


class UnexpectedTypings(Exception):
    """The package's typings are not those that this module was written for."""


@dataclass(frozen=True)
class Field:
    """A field, an input field or an argument; its type as GraphQL writes it."""

    name: str
    type: str
    deprecated: bool


@dataclass(frozen=True)
class Fields:
    """A TypeScript object type: an object, an interface, an input or the arguments of a field."""

    bases: tuple[str, ...]
    fields: tuple[Field, ...]

    @property
    def is_object(self) -> bool:
        return self.fields[0].name == "__typename"


@cache
def linear_schema() -> GraphQLSchema:
    """Linear's schema; installs its package where this machine does not have it yet."""
    # assume_valid: Linear's own schema is not ours to check, and doing so takes seconds
    return build_schema(_cached_sdl(), assume_valid=True)


def derive(typings: str) -> str:
    """The schema in GraphQL's schema definition language, from the text of the typings."""
    operations = re.search(r"^type \w+Fragment = ", typings, re.MULTILINE)
    if operations is None:
        raise UnexpectedTypings("no fragment follows the types of the schema")
    blocks = list(_BLOCK.finditer(typings, 0, operations.start()))
    types = {block["type"]: _fields(block) for block in blocks if block["type"]}
    scalars = {field.name for field in types.pop("Scalars").fields} - _BUILT_IN
    parts = [f"scalar {name}" for name in sorted(scalars)]
    parts += [f"union {block['union']} = {block['members']}" for block in blocks if block["union"]]
    parts += [_block("enum", block["enum"], _VALUE.findall(block["values"])) for block in blocks if block["enum"]]
    # GraphQL Code Generator writes Id for the ID in a type's name.
    return "\n\n".join([*parts, *_definitions(types)]).replace("IdComparator", "IDComparator") + "\n"


def _definitions(types: Mapping[str, Fields]) -> Iterator[str]:
    interfaces = {base for one in types.values() for base in one.bases}
    outputs = {name for name, one in types.items() if one.is_object} | interfaces
    # GraphQL Code Generator changes the case of a field in the name of its arguments' type: …GitHubPR to …GitHubPrArgs
    inputs = {name.replace("_", "").lower(): name for name in types.keys() - outputs}
    taken = set()
    for name in sorted(outputs):
        lines = []
        for field in types[name].fields:
            if field.name == "__typename":
                continue
            arguments = inputs.get(f"{name}{field.name}Args".replace("_", "").lower(), "")
            taken.add(arguments)
            inner = ", ".join(f"{one.name}: {one.type}" for one in types[arguments].fields) if arguments else ""
            lines.append(_line(field, f"({inner})" if inner else ""))
        bases = f" implements {' & '.join(types[name].bases)}" if types[name].bases else ""
        yield _block("interface" if name in interfaces else "type", f"{name}{bases}", lines)
    for name in sorted(types.keys() - outputs - taken):
        yield _block("input", name, [_line(field) for field in types[name].fields])


def _block(keyword: str, head: str, lines: list[str]) -> str:
    return f"{keyword} {head} {{\n" + "".join(f"  {line}\n" for line in lines) + "}"


def _line(field: Field, arguments: str = "") -> str:
    return f"{field.name}{arguments}: {field.type}{' @deprecated' if field.deprecated else ''}"


def _fields(block: re.Match[str]) -> Fields:
    found = tuple(
        Field(name, _type(kind, bool(optional)), "@deprecated" in doc)
        for doc, name, optional, kind in _FIELD.findall(block["fields"])
    )
    if not found:
        raise UnexpectedTypings(f"{block['type']} has no fields")
    return Fields(tuple(block["bases"].split(" & ")[:-1]), found)


def _type(kind: str, optional: bool = False) -> str:
    """`InputMaybe<Array<Scalars["ID"]>>` is `[ID!]`."""
    if optional:
        return _type(kind).removesuffix("!")
    if generic := re.fullmatch(r"(Maybe|InputMaybe|Array)<(.+)>", kind):
        inner = _type(generic[2])
        return f"[{inner}]!" if generic[1] == "Array" else inner.removesuffix("!")
    return re.sub(r'^Scalars\["(\w+)"\]$', r"\1", kind) + "!"


def _cached_sdl() -> str:
    cached = npm.CACHE / f"linear-{SCHEMA_SHA256[:16]}.graphql"
    if cached.is_file() and _digest(sdl := cached.read_text()) == SCHEMA_SHA256:
        return sdl
    [typings] = (npm.modules() / "@linear" / "sdk" / "dist").glob("index-*.d.mts")
    text = typings.read_text()
    if _digest(text) != TYPINGS_SHA256:
        raise UnexpectedTypings(f"sha256 of {typings.name} is {_digest(text)}")
    sdl = derive(text)
    if _digest(sdl) != SCHEMA_SHA256:
        raise UnexpectedTypings(f"sha256 of the derived schema is {_digest(sdl)}")
    npm.write_atomically(cached, sdl.encode())
    return sdl


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
