import { expect, test } from 'vitest'
import { orderByNeeds } from '../../src/solver/order.ts'

type Needs = Readonly<
  Record<string, { readonly before?: readonly string[]; readonly strictly?: readonly string[] }>
>

const ordered = (needs: Needs): string =>
  orderByNeeds(
    Object.entries(needs).map(([name, { before = [], strictly = [] }]) => ({
      name,
      before,
      strictly,
    })),
  )
    .map((item) => item.name)
    .join(' ')

test.each<[string, Needs, string]>([
  ['what is needed first', { a: { before: ['b'] }, b: { before: ['c'] }, c: {} }, 'c b a'],
  ['by name where nothing is needed', { c: {}, b: {}, a: {} }, 'a b c'],
  ['strict needs like others', { a: { strictly: ['b'] }, b: {} }, 'b a'],
  [
    'a circle by its strict needs',
    { a: { before: ['b'], strictly: ['b'] }, b: { before: ['a'] } },
    'b a',
  ],
  ['a circle without strict ones by name', { b: { before: ['a'] }, a: { before: ['b'] } }, 'a b'],
  [
    'a circle after what it needs together',
    { a: { before: ['b'] }, b: { before: ['a', 'z'] }, z: {} },
    'z a b',
  ],
  [
    'what needs a circle after it',
    { a: { before: ['c'] }, b: { before: ['c'] }, c: { before: ['b'] } },
    'b c a',
  ],
  ['a strict circle too', { a: { strictly: ['b'] }, b: { strictly: ['a'] } }, 'a b'],
  [
    'one that needs itself, or what is not there',
    { a: { before: ['a', 'x'], strictly: ['a'] } },
    'a',
  ],
])('orderByNeeds() puts %s', (_, needs, expected) => {
  expect(ordered(needs)).toBe(expected)
})

test('orderByNeeds() does not depend on the order it is given', () => {
  const needs: Needs = {
    a: { before: ['d'] },
    b: { strictly: ['a'] },
    c: { before: ['b', 'a'] },
    d: { before: ['c'] },
  }
  const reversed = Object.fromEntries(Object.entries(needs).toReversed())
  expect(ordered(reversed)).toBe(ordered(needs))
})
