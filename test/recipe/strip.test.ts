import { expect, it } from 'vitest'
import { stripTypes } from '../../src/recipe/strip.ts'

it('stripTypes() keeps lines and columns', async () => {
  expect(await stripTypes(`const a: number = 1\nexport default a as unknown\n`, '/r.ts')).toBe(
    `const a         = 1\nexport default a           \n`,
  )
})

it.each([
  { name: 'a syntax error', text: `const a = 1\nconst b: = 2`, line: 2, says: /Unexpected token/ },
  { name: 'one on the first line', text: `const b: = 2`, line: 1, says: /Unexpected token/ },
  { name: 'syntax that is not erasable', text: `\n\nenum A { B }`, line: 3, says: /enum/ },
])('stripTypes() says where there is $name', async ({ text, line, says }) => {
  await expect(stripTypes(text, '/r.ts')).rejects.toMatchObject({
    name: 'SyntaxError',
    message: expect.stringMatching(says) as string,
    stack: expect.stringMatching(new RegExp(`^/r\\.ts:${line}\n`)) as string,
  })
})
