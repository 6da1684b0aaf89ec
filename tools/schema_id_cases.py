"""The documents of schema-id-vectors.json, each with the rule that it shows.

A document is kept as text: how a number or a character is spelled is what some of them are about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RULES: Final = (
    "Only the schema of a message is hashed: a record, with every named type it reaches inside it.",
    "A named type (record, enum, fixed) stands as a whole where it is first used, in the order of the document, depth "
    "first. Afterwards it is a text: its full name. An equal second definition is such a text, too.",
    "`name` of a named type is its full name: the name itself where it has a dot, else the namespace, a dot, the name. The "
    'namespace is the type\'s own `namespace`, else that of the enclosing named type. An own namespace of "" is none.',
    "A reference without a dot is completed with the enclosing namespace.",
    "`namespace` and `doc` are dropped from every record, field, enum, fixed, array, map and primitive that is an object. "
    "They are kept inside a default and inside an attribute of another name.",
    "Everything else is kept as it is written: `default`, `aliases`, `order`, `symbols`, `size`, `logicalType`, `precision`, "
    "`scale`, attributes of your own. Nothing is added, not even what Avro takes for granted.",
    'A text and an object are two things: "string" is not {"type":"string"}.',
    "Fields, union branches, symbols, aliases and every other list keep their order.",
    "JSON: keys of every object sorted by code point (as the bytes of UTF-8 sort, not the units of UTF-16); `,` and `:` "
    "without spaces; UTF-8.",
    'JSON texts: `\\"` and `\\\\`; \\b \\f \\n \\r \\t; other characters below U+0020 as \\u and four lower-case hex digits. '
    "Every other character stands as itself: also `/`, U+007F, U+2028, U+2029 and what is beyond U+FFFF.",
    "JSON numbers without a dot and without an exponent are integers of 64 bits, written as they are (`-0` is `0`).",
    "JSON numbers with a dot or an exponent are doubles: the fewest digits that give the same double back. From 1e-4 to "
    "below 1e16 they have a dot and at least one digit behind it (1.0, 1000.0). Else they have one digit before the dot, no "
    "dot where nothing follows it, `e`, a sign, and at least two digits (1e+16, 1.5e-07). Negative zero is -0.0.",
    "The id is the first four bytes of the SHA-256 of that, big-endian, with the highest bit cleared and the next one set.",
)
"""The canonical form, rule by rule; a case names its rules by number, from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One document, or several files that refer to each other."""

    name: str
    shows: str
    rules: tuple[int, ...]
    document: str
    others: tuple[str, ...] = ()
    """Documents of types that it refers to."""


def _record(fields: str, *, name: str = '"shop.R"', more: str = "") -> str:
    return f'{{"type":"record","name":{name},"fields":[{fields}]{more}}}'


def _field(type_: str, more: str = "", *, name: str = "f") -> str:
    return f'{{"name":"{name}","type":{type_}{more}}}'


_LINE: Final = '{"type":"record","name":"Line","namespace":"shop","fields":[{"name":"sku","type":"string"}]}'

CASES: Final = (
    Case(name="plain", shows="The smallest one: keys are sorted.", rules=(9, 13), document=_record(_field('"string"'))),
    Case(
        name="spelled otherwise",
        shows="Spaces, the order of keys, docs and a namespace apart change nothing.",
        rules=(3, 5, 9),
        document='{ "namespace": "shop", "name": "R", "doc": "All of it.", "type": "record",\n'
        '  "fields": [ { "doc": "One.", "type": "string", "name": "f" } ] }',
    ),
    Case(
        name="escaped in the document",
        shows="An escape in the document is the character that it means.",
        rules=(10,),
        document='{"type":"record","name":"\\u0073hop.R","fields":[{"name":"f","type":"string"}]}',
    ),
    Case(name="type as an object", shows="An object is kept as an object.", rules=(7,), document=_record(_field('{"type":"string"}'))),
    Case(
        name="nested",
        shows="Records within records: each has its full name where it is defined, and is named afterwards.",
        rules=(2, 3, 4),
        document='{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"first","type":{"type":"record",'
        '"name":"Line","fields":[{"name":"price","type":{"type":"record","name":"Money","namespace":"bank","fields":['
        '{"name":"cents","type":"long"}]}}]}},{"name":"rest","type":{"type":"array","items":"Line"}},'
        '{"name":"total","type":"bank.Money"}]}',
    ),
    Case(
        name="nested, defined twice",
        shows="An equal second definition is a reference.",
        rules=(2,),
        document=_record(f"{_field(_LINE, name='a')},{_field(_LINE, name='b')}"),
    ),
    Case(
        name="nested, named",
        shows="The same, with a reference in the document.",
        rules=(2, 4),
        document=_record(f'{_field(_LINE, name="a")},{_field(chr(34) + "Line" + chr(34), name="b")}'),
    ),
    Case(
        name="in two files",
        shows="A type of another file stands inside at its first use, as if it were written there.",
        rules=(1, 2),
        document=_record(f'{_field(chr(34) + "shop.Line" + chr(34), name="a")},{_field(chr(34) + "Line" + chr(34), name="b")}'),
        others=(_LINE,),
    ),
    Case(
        name="namespaces",
        shows="A name with a dot is full, whatever namespace stands beside it; what is inside takes the nearest one.",
        rules=(3, 4),
        document='{"type":"record","name":"shop.eu.R","namespace":"ignored","fields":['
        '{"name":"a","type":{"type":"enum","name":"Size","symbols":["S","L"]}},'
        '{"name":"b","type":{"type":"record","name":"Money","namespace":"bank","fields":['
        '{"name":"c","type":{"type":"fixed","name":"Hash","size":4}}]}},'
        '{"name":"d","type":["null","Size"]},{"name":"e","type":["null","bank.Hash"]}]}',
    ),
    Case(
        name="no namespace",
        shows='A namespace of "" is none: the full name has no dot.',
        rules=(3, 4),
        document='{"type":"record","name":"R","namespace":"","fields":['
        '{"name":"a","type":{"type":"fixed","name":"Hash","size":4}},{"name":"b","type":"Hash"}]}',
    ),
    Case(
        name="doc and namespace in places",
        shows="Dropped from types and fields; kept in a default, and in an attribute of your own.",
        rules=(5,),
        document=_record(
            _field('{"type":"map","values":{"type":"string","doc":"gone"},"doc":"gone"}',
                   ',"doc":"gone","namespace":"gone","default":{"doc":"kept","namespace":"kept"}'),
            more=',"doc":"gone","owner":{"doc":"kept"}',
        ),
    ),
    Case(
        name="aliases and order",
        shows="Aliases are kept as they are written, not completed; so is `order`.",
        rules=(6, 8),
        document=_record(_field('"int"', ',"aliases":["g","old_f"],"order":"ignore"'), more=',"aliases":["Old","shop.Older"]'),
    ),
    Case(
        name="attributes of your own",
        shows="Kept, such as `sagaReply`: another reply is another schema.",
        rules=(6,),
        document=_record(_field('"string"'), more=',"sagaReply":"shop.Done"'),
    ),
    Case(
        name="logical types",
        shows="Kept with all that belongs to them.",
        rules=(6,),
        document=_record(
            ",".join(
                (
                    _field('{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}', name="a"),
                    _field('{"type":"long","logicalType":"timestamp-micros"}', name="b"),
                    _field('{"type":"string","logicalType":"uuid"}', name="c"),
                    _field('{"type":"fixed","name":"D","size":8,"logicalType":"decimal","precision":18}', name="d"),
                    _field('{"type":"int","logicalType":"date"}', name="e"),
                )
            )
        ),
    ),
    Case(
        name="arrays, maps, unions",
        shows="Collections within each other; the branches of a union keep their order.",
        rules=(2, 8),
        document=_record(
            _field('["null",{"type":"map","values":{"type":"array","items":["string","long",{"type":"array","items":"bytes"}]}}]',
                   ',"default":null')
        ),
    ),
    Case(
        name="union the other way round",
        shows="Another order of branches is another schema.",
        rules=(8,),
        document=_record(_field('["string","null"]')),
    ),
    Case(name="union", shows="Beside the one above.", rules=(8,), document=_record(_field('["null","string"]'))),
    Case(
        name="enum with a default",
        shows="An enum's own default is kept; symbols keep their order.",
        rules=(6, 8),
        document=_record(_field('{"type":"enum","name":"Size","symbols":["S","M","L"],"default":"M","doc":"gone"}', ',"default":"L"')),
    ),
    Case(
        name="enum without a default",
        shows="Without one it is another schema.",
        rules=(6,),
        document=_record(_field('{"type":"enum","name":"Size","symbols":["S","M","L"]}', ',"default":"L"')),
    ),
    Case(
        name="fixed",
        shows="A default of bytes is text: each character a byte. U+007F to U+00FF stand as themselves.",
        rules=(6, 10),
        document=_record(_field('{"type":"fixed","name":"Hash","size":3}', ',"default":"\\u0000\\u007f\\u00ff"')),
    ),
    Case(
        name="quotes and backslashes",
        shows="Two escapes; a slash has none, and loses one that the document has.",
        rules=(10,),
        document=_record(_field('"string"', ',"default":"say \\"no\\" \\\\ a\\/b/c"')),
    ),
    Case(
        name="control characters",
        shows="Five short escapes, else four lower-case hex digits.",
        rules=(10,),
        document=_record(_field('"string"', ',"default":"\\b\\f\\n\\r\\t\\u000b\\u001F\\u007f"')),
    ),
    Case(
        name="beyond ASCII",
        shows="No escapes: é, U+2028, U+2029, and two UTF-16 units as one character of four bytes.",
        rules=(10,),
        document=_record(_field('"string"', ',"default":"é\\u00e9 \\u2028\\u2029 \\ud83d\\ude00 <&>\'"')),
    ),
    Case(
        name="keys beyond ASCII",
        shows="U+FF5E comes before U+1F600: by code point, and not by UTF-16 unit. Upper case before lower case, `_` between.",
        rules=(9,),
        document=_record(_field('"string"', ',"\U0001f600":1,"\uff5e":2,"a":3,"_":4,"Z":5,"a.b":6,"é":7')),
    ),
    Case(
        name="integers",
        shows="As they are, up to 64 bits.",
        rules=(11,),
        document=_record(_field('{"type":"array","items":"long"}', ',"default":[0,-0,1000,-9223372036854775808,9223372036854775807]')),
    ),
    Case(
        name="doubles",
        shows="1.0, 1e3, 1E+2 and their like, by the fewest digits.",
        rules=(12,),
        document=_record(
            _field('{"type":"array","items":"double"}',
                   ',"default":[1.0,1.50,1e3,1E+2,-0.0,0.1,0.0001,0.00001,1.5E-7,9007199254740993.0,123456789012345680.0,1e15,1e16,'
                   '1e21,1.7976931348623157e308,5e-324,0.30000000000000004]')
        ),
    ),
    Case(name="default 1", shows="An integer.", rules=(11,), document=_record(_field('"double"', ',"default":1'))),
    Case(
        name="default 1.0",
        shows="A double: another schema than with 1.",
        rules=(12,),
        document=_record(_field('"double"', ',"default":1.0')),
    ),
    Case(name="default 1e0", shows="The same double as 1.0.", rules=(12,), document=_record(_field('"double"', ',"default":1e0'))),
    Case(
        name="default null",
        shows="A default of null is a default.",
        rules=(6,),
        document=_record(_field('["null","string"]', ',"default":null')),
    ),
    Case(
        name="records in a default",
        shows="A default is kept to the last level, its keys sorted.",
        rules=(6, 9),
        document=_record(
            _field('{"type":"record","name":"P","fields":[{"name":"y","type":"boolean"},{"name":"x","type":["null","int"]}]}',
                   ',"default":{"y":true,"x":null}')
        ),
    ),
)  # fmt: skip

SAME: Final = (
    ("plain", "spelled otherwise", "Docs, spaces and the order of keys are no part of it."),
    ("plain", "escaped in the document", "An escape is the character it means."),
    ("nested, defined twice", "nested, named", "A second, equal definition is a reference."),
    ("nested, named", "in two files", "Where a type is written down does not matter."),
    ("default 1.0", "default 1e0", "The same double."),
)
DIFFERENT: Final = (
    ("plain", "type as an object", "An object is not its text."),
    ("plain", "attributes of your own", "An attribute counts."),
    ("union", "union the other way round", "The order of branches counts."),
    ("union", "default null", "A default counts, also null."),
    ("default 1", "default 1.0", "An integer is not a double."),
    ("enum with a default", "enum without a default", "An enum's default counts."),
)
