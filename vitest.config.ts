import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: { conditions: ['source'], alias: { plinth: at('src/index.ts') } },
  ssr: { resolve: { conditions: ['source'] } },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // what a test starts itself (worker threads, real imports of recipes) is TypeScript too
    execArgv: ['--disable-warning=DEP0205', '--import', at('scripts/typescript.mjs')],
  },
})
