#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/run-in-debian.sh [--release 12|13] [--dir DIR] [--mirror URL] [--] [ARGUMENTS OF tests/run.sh]
#   The commit checked out here, built and tested on a Debian that has nothing but its base: what a new machine has.
#   --release N   13 (the default: NNG 1.10, SQLite 3.46, protobuf-c 1.5, newer compilers) or 12
#   --dir DIR     where its root is, or is made and kept; without it a temporary one is made and removed
#   --mirror URL  the Debian archive, default http://deb.debian.org/debian
# Run by hand, as root, with network. WEFT_VECTORS (default ../shared/vectors) is bound into the root read-only.
# Mounts live in a mount namespace and processes in a pid namespace of this run, so both are gone however it ends.
# Exit status: that of tests/run.sh inside; 64 usage; 69 something is missing here, and the message says what.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '3,9s/^# \{0,1\}//p' tests/run-in-debian.sh; }
stop() { echo "run-in-debian: $*" >&2; exit 69; }

release=13 dir='' mirror=http://deb.debian.org/debian
while [ $# -gt 0 ]; do
    case "$1" in
    --release | --dir | --mirror)
        if [ -z "${2:-}" ]; then usage >&2; exit 64; fi
        case "$1" in --release) release=$2 ;; --dir) dir=$2 ;; *) mirror=$2 ;; esac
        shift 2
        ;;
    -h | --help) usage && exit 0 ;;
    --) shift && break ;;
    *) break ;;
    esac
done

case "$release" in
12) suite=bookworm ;;
13) suite=trixie ;;
*) usage >&2 && exit 64 ;;
esac
[ "$(id -u)" -eq 0 ] || stop "must run as root (it makes a root and mounts /proc, /sys and /dev in it): sudo bash $0"
for tool in debootstrap unshare git; do
    command -v "$tool" >/dev/null || stop "$tool is missing: apt-get install -y debootstrap util-linux git"
done
unshare --mount --propagation private --pid --fork true 2>/dev/null ||
    stop "this machine gives no mount and pid namespaces (a container without CAP_SYS_ADMIN?)"
git rev-parse --verify -q HEAD >/dev/null || stop "not a git checkout: the tested tree is that of HEAD"

temporary=''
if [ -z "$dir" ]; then
    dir=$(mktemp -d "/var/tmp/weft-debian$release.XXXXXX") temporary=$dir
fi
child=''
# shellcheck disable=SC2317 # the trap calls it
cleanup() { # ending unshare ends its pid namespace, and with the last process its mounts
    if [ -n "$child" ]; then
        kill -KILL "$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    [ -z "$temporary" ] || rm -rf --one-file-system "$temporary"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

mkdir -p "$dir"
dir=$(cd "$dir" && pwd -P)
[ "$dir" != / ] || stop "--dir / is this machine itself"
made=$dir/.weft-debian$release # written when debootstrap was through
if [ ! -e "$made" ]; then
    [ -z "$(ls -A "$dir")" ] || [ -e "$dir/debootstrap" ] || stop "$dir is neither empty nor a root of this script"
    echo "== debian: debootstrap $suite into $dir"
    if ! debootstrap --variant=minbase "$suite" "$dir" "$mirror" >"$dir.log" 2>&1; then
        tail -n 5 "$dir.log" >&2
        stop "debootstrap failed (no network, or $mirror unreachable?); its log is $dir.log"
    fi
    rm -f "$dir.log"
    touch "$made"
fi
grep -q "^$release" "$dir/etc/debian_version" || stop "$dir holds Debian $(cat "$dir/etc/debian_version"), not $release"
cp -L /etc/resolv.conf "$dir/etc/resolv.conf"

# A fresh copy of the sources; what an earlier run built stays, to build on.
mkdir -p "$dir/weft"
find "$dir/weft" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git archive HEAD | tar -xm -C "$dir/weft" # -m: with the commit's times, what was built since from an older commit would pass for newer
dirty=$(git status --porcelain --untracked-files=no | wc -l)
[ "$dirty" -eq 0 ] || echo "note: $dirty files with uncommitted changes are tested as of HEAD" >&2
vectors=${WEFT_VECTORS:-$PWD/../shared/vectors}
[ -d "$vectors" ] && vectors=$(cd "$vectors" && pwd -P) || vectors=''

# shellcheck disable=SC2016 # the shell inside expands these
inner='
set -eu
dir=$1 vectors=$2 && shift 2
mount --bind "$dir" "$dir" # so that / is a mount, as everywhere
mount -t proc proc "$dir/proc"
mount -t sysfs -o ro sysfs "$dir/sys"
mount --rbind /dev "$dir/dev"
mount -t tmpfs -o mode=1777 tmpfs "$dir/tmp"
set_vectors=
if [ -n "$vectors" ]; then
    mkdir -p "$dir/vectors"
    mount --bind -o ro "$vectors" "$dir/vectors"
    set_vectors=WEFT_VECTORS=/vectors
fi
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 $set_vectors \
    chroot "$dir" bash -c "cd /weft && exec bash tests/run.sh \"\$@\"" tests/run.sh "$@"'
echo "== debian: $(git rev-parse --short HEAD) on Debian $(cat "$dir/etc/debian_version")"
status=0
unshare --mount --propagation private --pid --fork --kill-child \
    bash -c "$inner" debian "$dir" "$vectors" "$@" </dev/null &
child=$!
wait "$child" || status=$?
child=''
exit "$status"
