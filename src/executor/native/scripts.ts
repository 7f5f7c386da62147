/**
 * The shell that runs on the host's side of a workspace: constant texts, data only as `$1`, `$2`, …, in
 * files and on standard input. Node can neither mount nor enter namespaces, util-linux can (namespaces(7),
 * mount(8), pivot_root(2)). Every process costs about a millisecond: what the shell or Node can do itself
 * is not given to a program.
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

/**
 * `walk PATH [file]` goes to the directory PATH leads to below `$top`, making what is missing, and sets
 * `here` to it; with `file` it stops at the directory that holds it and sets `name`. Each step is taken into
 * a directory and then checked: another run may be moving things about in a directory both have mounted, and
 * no link it puts there may lead out.
 */
const walkFunction = `
unsafe() {
  echo "unsafe $1"
  exit 1
}
go() { cd -P -- "$1" 2>/dev/null && [ "$PWD" = "$1" ] || unsafe "\${1#"$top"}"; }
# what is made to mount on leaves no trace in the time of the directory that holds it
settle() {
  [ -z "$stamped" ] || touch -r "$stamp" -- "$stamped"
  stamped=
}
stub() {
  if [ "$stamped" != "$here" ]; then
    settle
    touch -r . "$stamp"
    stamped=$here
  fi
  if [ "$2" = file ]; then (set -C && : >"./$1") 2>/dev/null; else mkdir -- "./$1" 2>/dev/null; fi ||
    unsafe "\${here#"$top"}/$1"
  echo "stub \${here#"$top"}/$1"
}
walk() {
  rest=$1 here=$top name= hops=0
  go "$here"
  while [ -n "$rest" ]; do
    part=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/} ;; *) rest= ;; esac
    case $part in
      '' | .) continue ;;
      ..)
        [ "$here" = "$top" ] || here=\${here%/*}
        go "$here"
        continue
        ;;
    esac
    if [ -L "./$part" ]; then
      hops=$((hops + 1))
      [ "$hops" -le 40 ] || unsafe "/$1"
      link=$(readlink -n -- "./$part"; printf x)
      link=\${link%x}
      case $link in /*) here=$top; go "$here" ;; esac
      rest=$link\${rest:+/$rest}
    elif [ "\${2-}" = file ] && [ -z "$rest" ]; then
      name=$part
    else
      [ -d "./$part" ] || stub "$part" directory
      here=$here/$part
      go "$here"
    fi
  done
}
`

/**
 * The supervisor: owns the private mount namespace in which the host's files and the workspace's can be
 * seen, starts the views one after another, and cleans up behind them, also when plinth was killed (all of
 * them end when standard input does). `$1` directory of the workspace, `$2` bytes of memory to use or empty
 * for disk, the rest: what dead runs left. The view's script is in the environment, to keep command lines short.
 */
export const superviseScript = `
set -eu
umask 022
# when plinth is gone nobody listens, and there still is something to do
trap '' PIPE
directory=$1 bytes=$2
shift 2
for dead do rm -rf -- "$dead" 2>/dev/null || :; done
cd -- "$directory"
mount -t tmpfs -o "size=128m,mode=0755,nosuid,nodev" plinth io
[ -z "$bytes" ] || mount -t tmpfs -o "size=$bytes,mode=0755,nosuid,nodev" plinth data
echo mounted
mkfifo -m 666 io/stdout io/stderr io/input
echo ready
leave=
while IFS= read -r line; do
  rest=\${line#* }
  case $line in
    storage\\ *)
      storage=copy
      if [ "$rest" != copy ]; then
        for extra in ,volatile ''; do
          if mount -t overlay -o "$rest$extra,nodev" overlay merged 2>>io/overlay-error; then
            storage=overlay
            break
          fi
        done
      fi
      if [ "$storage" = copy ]; then
        mount --bind data/lower merged
        mount -o remount,bind,suid,nodev merged
      fi
      echo "storage $storage"
      ;;
    view\\ *)
      net=--net
      [ "$rest" != host ] || net=
      unshare --mount --pid --ipc --uts $net --fork --kill-child -- \\
        sh -c 'eval "$view"' plinth "$directory" "$rest" || :
      echo ended || :
      ;;
    leave) leave=1 ;;
  esac
done
[ -z "$leave" ] || exit 0
umount -l merged io \${bytes:+data} 2>/dev/null || :
cd /
rm -rf -- "$directory"
`

/**
 * A mount namespace whose root is the workspace's tree and in which nothing of the host remains, once
 * the caller has taken the old root off: it lies on top of the new one until then (pivot_root(2), the
 * notes on `pivot_root(".", ".")`). What had to be made to mount on is reported as `stub PATH`.
 * `$1` directory of the workspace, `$2` network; `io/fstab` is mounted at once, then in
 * turn what `io/mounts` names: three lines each, `KIND SOURCE`, the target, a path inside the source.
 *
 * It is PID 1 of what runs there, and then takes orders on standard input.
 */
export const viewScript = `
set -eu
umask 022
directory=$1 network=$2
cd -P -- "$directory"
top=$PWD/merged stamp=$PWD/io/stamp io=$PWD/io stamped=
${resolveFunction}
${walkFunction}
read -r pid _ </proc/self/stat
echo "init $pid"
IFS= read -r hostname <io/hostname
printf '%s\\n' "$hostname" 2>/dev/null >/proc/sys/kernel/hostname || hostname "$hostname"
for name in proc dev sys; do
  if [ -L "$top/$name" ] || { [ -e "$top/$name" ] && [ ! -d "$top/$name" ]; }; then unsafe "/$name"; fi
  if [ ! -d "$top/$name" ]; then
    here=$top
    go "$top"
    stub "$name" directory
  fi
done
settle
if [ "$network" = host ]; then
  # nothing runs in the tree yet: where these lead stays so
  for lent in resolv.conf hosts; do
    walk "etc/$lent" file
    [ -e "./$name" ] || stub "$name" file
    case $here/$name in
      *[!A-Za-z0-9/._-]*) mount -c --bind "$io/$lent" "./$name" ;;
      *) printf '%s %s none bind 0 0\\n' "$io/$lent" "$here/$name" >>"$io/fstab" ;;
    esac
  done
  settle
fi
cd -- "$directory"
mount --all --fstab "$io/fstab" 2>"$io/mount-error" || :
if [ ! -e "$top/proc/self/stat" ] || [ ! -c "$top/dev/null" ] || [ ! -c "$top/dev/urandom" ]; then
  cat "$io/mount-error" >&2
  exit 1
fi
if [ "$network" = none ]; then
  echo 0x9 2>/dev/null >io/sys/class/net/lo/flags || ip link set lo up 2>/dev/null || echo no-loopback
fi
exec 3<io/mounts
while IFS= read -r line <&3 && IFS= read -r target <&3 && IFS= read -r inner <&3; do
  kind=\${line%% *} source=\${line#* }
  case $kind in
    owner)
      chown -- "$source" "$target"
      continue
      ;;
    sealed)
      # a read-only mount that could not be made read-only
      if [ -w "$target" ]; then cat "$io/mount-error" >&2; exit 1; fi
      continue
      ;;
  esac
  if [ "$kind" = tree ]; then
    cd -- "$source" 2>/dev/null || { cat "$io/mount-error" >&2; exit 1; }
    resolve "$inner" || unsafe "/$inner"
    [ -e "$at" ] || { echo "absent $inner"; exit 1; }
    source=$source/$at kind=file
    [ ! -d "$source" ] || kind=directory
  fi
  if [ "$kind" = directory ]; then
    walk "$target"
    [ "$here" != "$top" ] || unsafe "/$target"
    mount -c --bind "$source" .
  else
    walk "$target" file
    [ -n "$name" ] || unsafe "/$target"
    [ -e "./$name" ] || stub "$name" file
    # a file is held open, so that it stays the one that was looked at
    [ -f "./$name" ] || unsafe "/$target"
    exec 8<"./$name"
    [ "$(readlink /proc/self/fd/8)" = "$here/$name" ] || unsafe "/$target"
    mount -c --bind "$source" /proc/self/fd/8
    exec 8<&-
  fi
done
exec 3<&-
settle
cd -P -- "$top"
pivot_root . .
echo view
# an orphan that ended interrupts the read; the shell collects it while it waits for a child of its own
trap 'woken=1' CHLD
while :; do
  woken=
  if IFS= read -r line; then
    case $line in
      kill)
        kill -KILL -1 2>/dev/null || :
        echo idle
        ;;
      cd\\ *)
        # the root is the tree's: links lead nowhere else
        if cd -P -- "\${line#cd }" 2>/dev/null; then echo "in $PWD"; else echo out; fi
        ;;
      end) exit 0 ;;
    esac
  elif [ -n "$woken" ]; then
    ( : )
  else
    exit 0
  fi
done
`

/** Prints the bytes of a file below the current directory; exit 44 when there is no such file. `$1` path. */
export const readScript = `
${resolveFunction}
resolve "$1" || exit 44
[ -f "$at" ] || exit 44
exec cat -- "$at"
`

/** Prints, each ended by NUL, `d` (a directory), `o` (something else) or `-` (nothing) and the resolved path of every argument. */
export const resolveScript = `
${resolveFunction}
for path do
  resolve "$path" || exit 44
  if [ -d "$at" ]; then kind=d; elif [ -e "$at" ]; then kind=o; else kind=-; fi
  printf '%s%s\\0' "$kind" "$at"
done
`

/**
 * Takes away what was only made to mount on and still is empty, deepest first, without a trace in the times
 * of the directories that held it. `$1` a file to keep times with, the rest: paths below the current directory.
 */
export const unstubScript = `
stamp=$1
shift
for path do
  case $path in */*) parent=\${path%/*} ;; *) parent=. ;; esac
  touch -r "$parent" "$stamp" 2>/dev/null || continue
  if [ -L "$path" ]; then continue; fi
  if [ -d "$path" ]; then rmdir -- "$path" 2>/dev/null || :
  elif [ -f "$path" ] && [ ! -s "$path" ]; then rm -f -- "$path"
  fi
  touch -r "$stamp" "$parent"
done
`

/**
 * Prints, each ended by NUL, inode number, change time and path of everything below the current directory:
 * what no process inside can change without one of the first two moving.
 */
export const listScript = `
exec find . -mindepth 1 -printf '%i %C@ %P\\0'
`
