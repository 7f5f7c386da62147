import { expect, it } from 'vitest'

it('the public API exports these names and no others', async () => {
  expect(Object.keys(await import('plinth')).toSorted()).toMatchInlineSnapshot(`
    [
      "PlinthError",
      "apk",
      "cmd",
      "deb",
      "defineRecipe",
      "entrypoint",
      "env",
      "exitCodes",
      "expose",
      "isPlinthError",
      "label",
      "stopsignal",
      "user",
      "volume",
      "withParams",
      "workdir",
    ]
  `)
})
