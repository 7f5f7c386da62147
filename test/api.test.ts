import { expect, it } from 'vitest'

it('the public API exports these names and no others', async () => {
  expect(Object.keys(await import('plinth')).toSorted()).toMatchInlineSnapshot(`
    [
      "PlinthError",
      "add",
      "apk",
      "arg",
      "cmd",
      "copy",
      "deb",
      "defineRecipe",
      "entrypoint",
      "env",
      "exitCodes",
      "expose",
      "healthcheck",
      "isPlinthError",
      "label",
      "onbuild",
      "run",
      "shell",
      "stopsignal",
      "user",
      "volume",
      "withParams",
      "workdir",
    ]
  `)
})
