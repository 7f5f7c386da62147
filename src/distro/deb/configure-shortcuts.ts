/** A program that answers at once what needs no more than a look; everything else goes to the real one. */
export interface Shortcut {
  readonly path: string
  /** shell; `$real` runs the program itself */
  readonly script: string
}

/**
 * Perl programs and dpkg's own that maintainer scripts call by the dozen, most often to hear what a fresh
 * system always says: nothing is masked, no unit has a recorded state, a path is not diverted. Starting perl is
 * the larger part of configuring a small system.
 */
export const shortcuts: readonly Shortcut[] = [
  {
    // as unmask_service and was_enabled of init-system-helpers (1.65 to 1.69) go on from there
    path: 'usr/bin/deb-systemd-helper',
    script: `state=/var/lib/systemd/deb-systemd-helper
case $#:$1:$2 in
2:unmask:[!-]*) [ -e "$state-masked" ] || [ -e "/etc/systemd/system/\${2##*/}" ] || exit 0 ;;
3:--quiet:was-enabled) case $3 in -*) ;; *) [ -e "$state-enabled/\${3##*/}.dsh-also" ] || exit 0 ;; esac ;;
esac
`,
  },
  {
    // dpkg-divert(1); what is diverted, and to where, has a line of its own
    path: 'usr/bin/dpkg-divert',
    script: `listed() {
while IFS= read -r line; do [ "$line" = "$1" ] && return; done </var/lib/dpkg/diversions
return 1
}
case $#:$1:$2 in
2:*://* | 2:*:*//* | 2:*:*/. | 2:*:*/./* | 2:*:*/) ;;
2:--truename:/*) [ -f /var/lib/dpkg/diversions ] && ! listed "$2" && printf '%s\\n' "$2" && exit 0 ;;
2:--listpackage:/*) [ -f /var/lib/dpkg/diversions ] && ! listed "$2" && exit 0 ;;
esac
`,
  },
]

/** The text of a shortcut whose program lies at `real`, an absolute path. */
export function shortcutText({ script }: Shortcut, real: string): string {
  return `#!/bin/sh\n${script}exec ${real} "$@"\n`
}
