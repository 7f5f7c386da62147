import type { ConfigInstruction } from '../../instruction.ts'
import { readAccounts } from '../../rootfs/accounts.ts'
import { writeChanges } from '../../rootfs/change-layer.ts'
import { configChange } from './config.ts'
import { unknownUser } from './owner.ts'
import type { StepDeps } from './deps.ts'
import { Destination } from './place.ts'
import { configured, layered, type StageState } from './state.ts'
import { cachedLayer } from './step-cache.ts'

/**
 * Carries out a WORKDIR: a layer with the directory and those above it that were missing, owned by USER; empty
 * when all were there. The root directory needs none.
 */
export async function workdirStep(
  state: StageState,
  instruction: Extract<ConfigInstruction, { readonly kind: 'workdir' }>,
  deps: StepDeps,
): Promise<readonly [StageState, boolean]> {
  const { config } = state.image.config
  const { fields, createdBy = '' } = configChange(config, instruction, state)
  const path = fields.WorkingDir ?? '/'
  if (path === '/') return [configured(state, instruction), true]
  const user = config.User ?? ''
  const made = await cachedLayer(
    ['workdir', state.root.chain, path, user, state.epoch],
    async () => {
      const tree = await state.root.tree()
      const accounts = await readAccounts(tree, deps.store)
      const owner = accounts.find(user === '' ? '0' : user)
      if (owner === undefined) throw unknownUser(user, accounts)
      const target = new Destination(tree)
      target.makeDirectory(path, { owner: { uid: owner.uid, gid: owner.gid } })
      return writeChanges(target.changes, { lower: tree, epoch: state.epoch }, deps)
    },
    { root: state.root, store: deps.store, noCache: deps.request.noCache },
  )
  return [layered(state, { ...made, createdBy, fields, instruction }, deps.store), made.cached]
}
