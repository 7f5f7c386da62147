import type { PlinthError } from '../../errors.ts'

/** What to do where namespaces are not to be had, at length: settings that last, a profile for AppArmor. */
export function namespaceHint({ facts, hint }: PlinthError, program: string): string | undefined {
  if (facts?.['max'] === '0') return lasting('user.max_user_namespaces=15000')
  if (facts?.['clone'] === '0') return lasting('kernel.unprivileged_userns_clone=1')
  if (facts?.['apparmor'] === '1') {
    return `allow them to ${program}, as root:\n${appArmorProfile(program)}`
  }
  return hint
}

function lasting(setting: string): string {
  return `as root: echo ${setting} >/etc/sysctl.d/60-plinth.conf && sysctl --system`
}

/** A profile that confines nothing and allows user namespaces (Ubuntu 23.10 and later, AppArmor 4). */
function appArmorProfile(program: string): string {
  return `cat >/etc/apparmor.d/plinth <<'END'
abi <abi/4.0>,
include <tunables/global>

profile plinth "${program}" flags=(unconfined) {
  userns,
}
END
apparmor_parser --replace /etc/apparmor.d/plinth`
}
