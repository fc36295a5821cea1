#!/bin/bash
# Times the README's first command on a bare Debian 12: a minimal system in a folder (debootstrap), no
# Bazel, no compiler, empty caches, and a clone of HEAD. Root only.
#
#   bash tools/perf/bare_machine.sh MIRROR [SCRATCH_FOLDER]
#
# MIRROR is the address of a Debian archive (as in this machine's apt sources). This machine's
# certificates, apt sources of Debian and settings of pip are copied, so that it works behind a proxy.
set -euo pipefail
mirror=$1
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
root=$(mktemp -d "${2:-/tmp}/perennial-bare.XXXXXX")
finish() {
  chroot "$root" /bin/bash -c 'cd /perennial && tools/bazel shutdown' >/dev/null 2>&1 || true
  umount "$root/proc" "$root/dev/shm" 2>/dev/null || true
  chmod -R u+w "$root" && rm -rf --one-file-system "$root"
}
trap finish EXIT

debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" >/dev/null
cp /etc/resolv.conf /etc/hosts "$root/etc/"
cp -r /etc/ssl/certs/. "$root/etc/ssl/certs/"
if [[ -f /etc/apt/sources.list.d/debian.sources ]]; then
  cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/"
  rm -f "$root/etc/apt/sources.list"
fi
git clone -q "$repository" "$root/perennial"
mkdir -p "$root/proc" "$root/dev/shm"
mount -t proc proc "$root/proc"
mount --bind /dev/shm "$root/dev/shm"

settings=(PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8)
while IFS= read -r line; do settings+=("$line"); done < <(env | grep -E '^(PIP|SSL|http|https|no)_' || true)
start=$(date +%s.%N)
chroot "$root" /usr/bin/env -i "${settings[@]}" /bin/bash -c \
  'cd /perennial && tools/bazel run --noshow_progress //continual:experiment'
printf '\nbare machine to first table: %.0f s\n' "$(awk "BEGIN { print $(date +%s.%N) - $start }")"
