/**
 * The shell that runs on the host's side of a workspace: constant texts, data only as `$1`, `$2`, …
 * Node can neither mount nor enter namespaces, util-linux can (namespaces(7), mount(8), pivot_root(2)).
 */

/**
 * `resolve PATH` sets `at` to the place PATH has below the current directory, `./…` without a symbolic
 * link in it: links are followed as if the current directory were `/`, so that nothing a tree holds can
 * lead to the host's files. What does not exist stays as written. Fails on a loop.
 */
const resolveFunction = `
resolve() {
  rest=$1 at=. hops=0
  while [ -n "$rest" ]; do
    part=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/} ;; *) rest= ;; esac
    case $part in
      '' | .) continue ;;
      ..) [ "$at" = . ] || at=\${at%/*}; continue ;;
    esac
    if [ -L "$at/$part" ]; then
      hops=$((hops + 1))
      [ "$hops" -le 40 ] || return 1
      link=$(readlink -n -- "$at/$part"; printf x)
      link=\${link%x}
      case $link in /*) at=. ;; esac
      rest=$link\${rest:+/$rest}
    else
      at=$at/$part
    fi
  done
}
`

/** Prints, each ended by NUL, `d` (a directory), `o` (something else) or `-` (nothing) and the resolved path of every argument. */
const resolvedFunction = `
resolved() {
  for path do
    resolve "$path" || return 44
    if [ -d "$at" ]; then kind=d; elif [ -e "$at" ]; then kind=o; else kind=-; fi
    printf '%s%s\\0' "$kind" "$at"
  done
}
`

/** Prints the bytes of a file below the current directory; 44 when there is no such file. */
const contentFunction = `
content() {
  resolve "$1" || return 44
  [ -f "$at" ] || return 44
  exec cat -- "$at"
}
`

/**
 * The supervisor: owns the private mount, ipc and uts namespaces, keeps the host's view of files, starts
 * PID 1 and cleans up behind it, also when plinth was killed (PID 1 ends when its input does, and so does this).
 * Until then it is the agent: for every line on standard input it does what `io/request` sets as its arguments
 * and writes the exit code to file descriptor 4; `ready` before that when it has opened `io/input`.
 * PID 1 reads file descriptor 3 and has standard output to itself.
 *
 * `$1` scratch directory, `$2` bytes of memory to use or empty for disk, `$3` name of the workspace,
 * `$4` hostname, `$5` root of the view as fstab(5) writes it, `$6` further devpts options, the rest: what
 * dead runs left. The scripts of PID 1 are in the environment, to keep its command line short.
 */
export const superviseScript = `
set -eu
umask 022
scratch=$1 bytes=$2 name=$3 hostname=$4 root=$5 pts=$6
shift 6
cd -- "$scratch"
for dead do rm -rf -- "$dead" 2>/dev/null || :; done
if [ -n "$bytes" ]; then
  mount -t tmpfs -o "size=$bytes,mode=0755,nosuid,nodev" plinth "$scratch"
  cd -- "$scratch"
  mkdir -m 700 "$name"
fi
cd -- "$name"
mkdir lower upper work merged io
mkfifo -m 666 io/stdout io/stderr io/input
: >io/request
printf '%s\\n' "$hostname" 2>/dev/null >/proc/sys/kernel/hostname || hostname "$hostname"
status=0
unshare --pid --fork --kill-child -- sh -c 'eval "$init"' plinth "$PWD" "$root" "$pts" <&3 3<&- 4>&- &
exec >/dev/null 3<&-
io=$PWD/io
${resolveFunction}${resolvedFunction}${contentFunction}
# one of the host's programs, or a function of these, in a directory below the workspace's
tool() {
  cd -- "$1" || return
  shift
  case $1 in /*) exec "$@" ;; *) "$@" ;; esac
}
# plinth may be gone when something ends; what starts here takes a closed pipe as it always does
trap : PIPE
while read -r _; do
  . "$io/request"
  do=$1 from=$2
  shift 2
  case $from in none) in=/dev/null ;; file) in=$io/stdin ;; input) in=$io/input ;; esac
  code=0
  # with file descriptor 5 opening waits for nobody, should plinth be gone
  (
    if [ "$from" = input ]; then echo ready >&4; fi
    exec 4>&-
    case $do in tool) tool "$@" ;; run) exec "$@" ;; esac
  ) 5<>"$in" <"$in" 5<>"$io/stdout" >"$io/stdout" 5<>"$io/stderr" 2>"$io/stderr" 5<&- || code=$?
  echo "$code" 2>/dev/null >&4 || break
done
exec 4>&-
wait "$!" || status=$?
if [ -z "$bytes" ]; then
  umount -l merged 2>/dev/null || :
  cd /
  rm -rf -- "$scratch/$name"
fi
exit "$status"
`

/**
 * PID 1 of the workspace. Says its id as the host sees it, waits until the base is in `lower`, mounts
 * the storage and becomes the view. `$1` to `$3` as `$2` to `$4` of the view.
 */
export const initScript = `
set -eu
umask 022
read -r pid _ </proc/self/stat
echo "init $pid"
read -r options
storage=copy
if [ "$options" != copy ]; then
  for extra in ,volatile ''; do
    if mount -t overlay -o "$options$extra,nodev" overlay merged 2>>io/overlay-error; then
      storage=overlay
      break
    fi
  done
fi
if [ "$storage" = copy ]; then
  mount --bind lower merged
  mount -o remount,bind,suid,nodev merged
fi
echo "storage $storage"
exec unshare --mount --net -- sh -c 'eval "$view"' plinth none "$1" "$2" "$3"
`

/**
 * A mount namespace whose root is the workspace's tree and in which nothing of the host remains, once
 * the caller has taken the old root off: it lies on top of the new one until then (pivot_root(2), the
 * notes on \`pivot_root(".", ".")\`). What had to be created to mount on is reported as `stub PATH`.
 * `$1` network, `$2` directory of the workspace, `$3` the same with `/merged` as fstab(5) writes it, `$4`
 * further devpts options. With network \`none\` it is PID 1: every line it reads ends all other processes.
 */
export const viewScript = `
set -eu
umask 022
network=$1 io=$2/io root=$3 pts=$4
cd -- "$2/merged"
${resolveFunction}
line() { printf '%s 0 0\\n' "$1"; }
ensure() {
  if [ ! -d "$1" ]; then
    ensure "\${1%/*}"
    mkdir "$1"
    echo "stub $1"
  fi
}
# a file of the host's network set-up, bound over the tree's for as long as this view lives
lend() {
  resolve "etc/$1"
  if [ ! -e "$at" ]; then
    existing=\${at%/*}
    while [ ! -d "$existing" ]; do existing=\${existing%/*}; done
    touch -r "$existing" "$io/stamp"
    ensure "\${at%/*}"
    : >"$at"
    echo "stub $at"
    touch -r "$io/stamp" "$existing"
  fi
  mount -o bind,ro "$io/$1" "$at"
}
if [ "$network" = host ]; then
  read -r pid _ </proc/self/stat
  echo "init $pid"
fi
for name in proc dev sys; do
  if [ -L "$name" ] || { [ -e "$name" ] && [ ! -d "$name" ]; }; then
    echo "unsafe $name"
    exit 1
  fi
  ensure "./$name"
done
mount -t tmpfs -o mode=755,nosuid,nodev,noexec,size=64m dev dev
mkdir dev/pts dev/shm
for name in null zero full random urandom tty; do : >"dev/$name"; done
ln -s pts/ptmx /proc/self/fd dev/
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
cat >"$io/fstab" <<END
proc $root/proc proc nosuid,nodev,noexec 0 0
/dev/null $root/dev/null none bind 0 0
/dev/zero $root/dev/zero none bind 0 0
/dev/full $root/dev/full none bind 0 0
/dev/random $root/dev/random none bind 0 0
/dev/urandom $root/dev/urandom none bind 0 0
/dev/tty $root/dev/tty none bind 0 0
devpts $root/dev/pts devpts newinstance,ptmxmode=0666,mode=0620,nosuid,noexec$pts 0 0
shm $root/dev/shm tmpfs mode=1777,nosuid,nodev,noexec,size=64m 0 0
sysfs $root/sys sysfs nosuid,nodev,noexec 0 0
END
mount --all --fstab "$io/fstab" 2>"$io/mount-error" || :
if [ ! -e proc/self/stat ] || [ ! -c dev/null ] || [ ! -c dev/urandom ]; then
  cat "$io/mount-error" >&2
  exit 1
fi
if [ "$network" = none ]; then
  echo 0x9 2>/dev/null >sys/class/net/lo/flags || ip link set lo up 2>/dev/null || echo no-loopback
fi
# what the kernel lets a privileged process do to the whole machine: read-only or out of sight
{
  for name in proc/bus proc/fs proc/irq proc/sys proc/sysrq-trigger; do
    [ ! -e "$name" ] || line "$root/$name $root/$name none bind,ro,nosuid,nodev,noexec"
  done
  for name in proc/kcore proc/keys proc/timer_list proc/sched_debug; do
    [ ! -e "$name" ] || line "/dev/null $root/$name none bind"
  done
  for name in proc/acpi proc/scsi sys/firmware; do
    [ ! -d "$name" ] || line "tmpfs $root/$name tmpfs ro,size=4k"
  done
} >"$io/fstab"
mount --all --fstab "$io/fstab" 2>/dev/null || :
mount -o remount,bind,ro,nosuid,nodev,noexec sys 2>/dev/null || :
if [ "$network" = host ]; then
  lend resolv.conf
  lend hosts
fi
pivot_root . .
echo view
if [ "$network" = host ]; then
  read -r _ || :
  exit 0
fi
# an orphan that ended interrupts the read; the shell collects it while it waits for a child of its own
trap 'woken=1' CHLD
while :; do
  woken=
  if read -r _; then
    kill -KILL -1 2>/dev/null || :
    echo idle
  elif [ -n "$woken" ]; then
    ( : )
  else
    exit 0
  fi
done
`

/**
 * Prints, each ended by NUL, inode number, change time and path of everything below the current directory:
 * what no process inside can change without one of the first two moving.
 */
export const listScript = `
exec find . -mindepth 1 -printf '%i %C@ %P\\0'
`
