import { afterEach, expect, it, vi } from 'vitest'
import { needs } from '../support/needs.ts'

afterEach(() => vi.unstubAllEnvs())

it('needs() fails with CI=true where a suite would be left out', () => {
  vi.stubEnv('CI', 'true')
  vi.stubEnv('PATH', '')
  expect(() => needs('skopeo')).toThrow(/test\/cli\/needs\.test\.ts.*skopeo is not installed/)
})

it('needs() is silent about what is here', () => {
  vi.stubEnv('CI', 'true')
  expect(needs()).toEqual({ available: true, reason: undefined })
})
