// `node --import ./scripts/typescript.mjs file.ts`: lets any supported Node run this checkout's
// sources unbuilt, worker threads included. Node 20 has neither type stripping nor `await using`,
// so files are transpiled by the compiler that also builds the package.
import { register } from 'node:module'
import process from 'node:process'

register('./typescript-hooks.mjs', import.meta.url)
process.setSourceMapsEnabled(true)
