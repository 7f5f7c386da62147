/**
 * Whether a preinst can be seen to do nothing when its package is installed for the first time: it consists
 * of nothing but calls of dpkg-maintscript-helper(1), which act on upgrades from older versions only, and of
 * what debhelper writes around them.
 */
export function isIdlePreinst(script: string): boolean {
  const [shebang = '', ...lines] = script.split('\n')
  if (!/^#! ?\/bin\/(ba|da)?sh( -e)?\s*$/.test(shebang)) return false
  return lines
    .map((line) => line.trim())
    .every((line) => line === '' || idleLines.some((pattern) => pattern.test(line)))
}

/** No quoting, substitution or control operator that could run something else. */
const idleLines: readonly RegExp[] = [
  /^#/,
  /^set -[eu]+$/,
  /^exit 0$/,
  /^dpkg-maintscript-helper (rm_conffile|mv_conffile|symlink_to_dir|dir_to_symlink)( [A-Za-z0-9/._:+~\\-]+)* -- "\$@"$/,
]
