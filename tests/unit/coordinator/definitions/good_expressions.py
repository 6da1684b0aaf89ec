"""Expressions that run, and what they come to in every scope."""

from __future__ import annotations

from typing import Any

from saga_coordinator.definitions.expressions import parse
from saga_coordinator.engine.definition import MappingFailed
from unit.coordinator.definitions.everything import SCOPES

GOOD = """
input.i + 1 > 3
input.i * 2 - input.i / 2 + input.i % 2
double(input.i) * input.d + input.f
input.i < input.d && input.l < 5.0 || input.i == 3
-input.i
-input.d
--1 + -9223372036854775808 + 0x10
1u + 2u < 5u
!input.b
input.s + '!' + string(input.i) + string(input.d) + string(input.b) + string(input.at) + input.e + input.u
input.s < 'b' && input.x < b'c' && input.at < input.later && false < true
size(input.s) + input.s.size() + size(input.x) + size(input.list) + size(input.map) + size(input.item) + input.map.size()
input.s.contains('o') || input.s.startsWith('Z') || input.s.endsWith('e') || input.s.matches('^Z.*$')
'a\\x41\\u0041\\'' + r'\\d' + "it's" + '''a 'b' c'''
int('5') + int(2.9) + int(3u) + int(input.i)
double('1.5') + double(3) + double(input.i)
uint(5) + uint('6')
bytes(input.s) + b'\\xff'
[1, 2] + input.list
input.list.map(x, x * 2).filter(x, x > 2).all(x, x > 0)
input.items.map(x, x.name + '!')
input.items.map(x, x.price > 1.0, x.name)
input.items.exists(x, x.name == 'tea') && input.items.exists_one(x, x.count == 4) == true
input.items.filter(x, x.count != null).map(x, x.count + 1)
input.items.filter(x, has(x.count) && x.count != null).all(x, x.count > 0)
input.items.map(x, x.count != null, x.count + 1)
input.items.map(x, x.count == null ? 0 : x.count)
input.items.all(x, x.count == null || x.count > 1)
input.map.map(k, input.map[k])
input.map.all(k, input.map[k] > 0)
input.item.map(k, k)
'a' in input.map || 1 in input.list || 'name' in input.item || input.count in [1, null]
has(input.map.a) ? input.map.a : 0
has(input.none) && has(input.item.name)
'nope' in input.map ? input.map['nope'] : 0
{'a': 1, 'b': input.i}['a'] + {'a': 1}.a + {1: 2}[1]
input.none == null ? '' : input.none + '!'
input.none != null ? input.none + '!' : ''
null != input.none && input.none.size() > 3
input.none == null || input.none.size() > 3
!(input.none == null) && input.none.startsWith('t')
!(input.none == null || input.none == '') && input.none.startsWith('t')
input.none == 'text' && input.none.startsWith('t')
input.none in ['text', 'other'] && input.none.startsWith('t')
type(input.none) == string && input.none.startsWith('t')
type(input.none) != null_type && input.none.startsWith('t')
type(input.i) == int && type(input.at) != type(input.s)
input.none.startsWith('t') && input.none != null
input.none.startsWith('t') || input.none == null
input.maybe != null && input.maybe.price > 1.0 && (input.maybe.count == null || input.maybe.count > 0)
input.maybe == null ? false : input.maybe.price > 1.0
(input.maybe == null ? false : input.maybe.price > 1.0) && input.maybe.name == 'tea'
input.maybe == null || has(input.maybe.name)
input.flag == true ? 1 : 0
input.flag != null && input.flag
input.flag != null && !input.flag || input.b
input.count == 5
input.count == null ? null : input.count * 2
input.none == input.s && input.none.size() > 0
steps.car.reply == null ? 0.0 : steps.car.reply.d * 2.0
steps.car.reply != null && steps.car.reply.d > 1.0
steps.car.reply == null
steps['two-part'].reply.i + 1
steps["two-part"].reply.items.map(x, x.name)
steps.car.reply != null && steps.car.reply.none != null ? steps.car.reply.none : 'none'
saga.key + '-' + saga.id + '-' + string(saga.version)
input.at + duration('0s') == input.at && input.later - input.later == duration('0s')
duration('1h') + duration('30m') - duration('-1.5s') < duration('2h')
string(duration('90m')) + string(bytes('text'))
duration(duration('1h')) == duration('60m') && timestamp(input.at) == input.at
timestamp('1969-12-31T23:59:59.000001Z').getFullYear() + timestamp('2026-01-01t00:00:00+01:00').getMonth()
input.at.getHours() + input.at.getMinutes() + input.at.getSeconds() + input.at.getMilliseconds()
input.at.getFullYear() + input.at.getMonth() + input.at.getDate() + input.at.getDayOfMonth()
input.at.getDayOfWeek() + input.at.getDayOfYear()
duration('90m').getHours() + duration('90m').getMinutes() + duration('1s').getSeconds() + duration('1s').getMilliseconds()
timestamp(input.local + 'Z').getHours() + timestamp(input.day + 'T00:00:00Z').getDayOfWeek()
input.local < '2027' && input.day >= '0001-01-01' && input.clock == '02:30:00'
input.b ? 'a' : null
input.b ? 1 : 'a'
true ? 1 : false ? 2 : 3
[]
{}
[[1], [2, 3]].map(x, size(x))
[input.i, null].filter(x, x != null)
input.list.size() > 0 ? input.list[0] : -1
'a' == 1 || null == 1 || [1] == [1.0]
[1, 'a', null]
1 == 1 == true
1in[1]
input.i > 2 // a comment
""".strip().split("\n")


def outcomes(text: str) -> list[Any]:
    """The result in every scope, or the failure."""
    source = parse(f"${{{text}}}")
    results: list[Any] = []
    for one in SCOPES:
        try:
            results.append(source.value(one))
        except MappingFailed as failure:
            results.append(failure)
    return results
