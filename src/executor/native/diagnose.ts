import { PlinthError } from '../../errors.ts'
import { kernelSetting, processStatus } from './status.ts'

/**
 * Explains why namespaces cannot be had here: `NAMESPACE_UNAVAILABLE` with the cause as far as the system
 * tells it, and what to do about it. `said` is what the failing program wrote.
 */
export async function namespaceError(what: string, said: string): Promise<PlinthError> {
  const [max, clone, apparmor, status] = await Promise.all([
    kernelSetting('user/max_user_namespaces'),
    kernelSetting('kernel/unprivileged_userns_clone'),
    kernelSetting('kernel/apparmor_restrict_unprivileged_userns'),
    processStatus(),
  ])
  const [cause, hint] = ((): readonly [string, string] => {
    if (max === '0')
      return [
        'user.max_user_namespaces is 0',
        'allow user namespaces: sysctl user.max_user_namespaces=15000',
      ]
    if (clone === '0')
      return [
        'kernel.unprivileged_userns_clone is 0',
        'allow them to ordinary users: sysctl kernel.unprivileged_userns_clone=1',
      ]
    if (apparmor === '1')
      return [
        'kernel.apparmor_restrict_unprivileged_userns is 1',
        'give node an AppArmor profile with "userns," or set sysctl kernel.apparmor_restrict_unprivileged_userns=0',
      ]
    if (status.seccomp)
      return [
        'a seccomp filter is active, as in a container with the default profile',
        'start the container with --privileged, or with --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined; or use --executor docker',
      ]
    return [said || 'the kernel refused', 'run plinth on a host, or as root']
  })()
  return new PlinthError('NAMESPACE_UNAVAILABLE', `cannot ${what}: ${cause}`, {
    hint,
    cause: new Error(said),
    facts: { said, max, clone, apparmor, seccomp: status.seccomp },
  })
}

/** Why a workspace could not be set up: the disk is full, or the namespaces are not to be had. */
export async function startError(said: string): Promise<PlinthError> {
  if (/No space left on device/.test(said) && !/unshare/.test(said)) {
    return new PlinthError('DISK_FULL', `cannot open a workspace: ${said}`, {
      hint: 'free some space, or put the store elsewhere with --store DIR',
    })
  }
  return namespaceError('open a workspace', said)
}
