// Lowest layer first; a module may import its own layer and those above it in this list.
const layers = {
  base: '^src/[a-z-]+\\.ts$',
  formats: '^src/(archive|apk|deb|oci)/',
  io: '^src/(store|http)/',
  domain: '^src/(recipe|solver|lockfile|rootfs|dockerfile)/',
  adapters: '^src/(distro|executor|output|engine|registry)/',
  pipeline: '^src/pipeline/',
  api: '^src/index\\.ts$',
  cli: '^src/cli/',
}
const order = Object.entries(layers)
export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...order.slice(0, -1).map(([name, path], i) => ({
      name: `${name}-looks-down-only`,
      severity: 'error',
      from: { path, ...(name === 'base' && { pathNot: layers.api }) },
      to: { path: order.slice(i + 1).map(([, above]) => above) },
    })),
    {
      name: 'formats-are-pure',
      severity: 'error',
      from: { path: layers.formats },
      to: {
        path: '^(node:)?(fs|fs/promises|child_process|net|http|https)$',
        dependencyTypes: ['core'],
      },
    },
    ...Object.entries({
      commander: '^src/cli/',
      'node-fetch': '^src/http/',
      zx: '^(src/executor/|scripts/)',
      'tar-stream': '^src/archive/',
    }).map(([pkg, only]) => ({
      name: `${pkg}-has-one-home`,
      severity: 'error',
      from: { pathNot: only },
      to: { path: `node_modules/${pkg}/` },
    })),
    {
      name: 'recipes-use-the-public-api',
      severity: 'error',
      from: { path: '^recipes/' },
      to: { path: '^src/', pathNot: '^src/index\\.ts$' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.check.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'default'],
      exportsFields: ['exports'],
    },
  },
}
