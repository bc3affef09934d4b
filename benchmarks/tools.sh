#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The tools that pairs.sh and kvm.sh measure, one function for each, all with the same steps. This is
# the process whose time and memory are taken, so it does nothing that does not belong to the step.
#
# Usage: tools.sh TOOL STEP REPO [IMAGE | TARGET]
#
#   TOOL  genievm          with its default options
#         genievm:CODEC    e.g. genievm:zstd:1, genievm:lz4
#         restic           repository version 2, its own choice of compression, encrypted
#         borg:CODEC       e.g. borg:lz4, borg:zstd,1; fixed 4 MiB chunks, sparse, not encrypted
#         qemu-img:zstd    a compressed qcow2 image; neither hashes nor versions
#         genievm-kvm:CODEC     a domain of qemu:///system instead of an image, as kvm.sh has it
#         virtnbdbackup:CODEC   none or lz4; a domain of qemu:///system
#   STEP  version          prints the tool's version
#         init REPO        makes an empty repository
#         backup REPO IMAGE     or the name of a domain
#         reread REPO IMAGE     the next backup of an image, all of which is read whatever is known of it
#         increment REPO DOMAIN   what has changed since; of domains only
#         verify REPO      reads and checks every byte that was stored
#         restore REPO TARGET   puts the image anywhere below the folder TARGET
#
# BORG_POINT names borg's archive (point); the others restore what came last. GENIEVM_VM is the VM
# that GenieVM restores, GENIEVM_ANSWER a file for its answer to a backup, GENIEVM_BACKUP_OPTION one
# more option of its backups.
#
# Every step that writes ends with an fsync of each file written, whoever wrote it: a tool that
# leaves that to the kernel would otherwise have its writes paid by the next one.
set -euo pipefail

readonly FIXED=fixed,4194304
readonly point=${BORG_POINT:-point} answer=${GENIEVM_ANSWER:-/dev/null}
genievm=${GENIEVM:-$(cd "$(dirname "$0")/.." && pwd)/genievm}
export RESTIC_PASSWORD=x RESTIC_CACHE_DIR=${RESTIC_CACHE_DIR:-}
export BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_BASE_DIR=${BORG_BASE_DIR:-}
[[ -n $RESTIC_CACHE_DIR ]] || unset RESTIC_CACHE_DIR
[[ -n $BORG_BASE_DIR ]] || unset BORG_BASE_DIR
# pairs.sh measures on copies of repositories.
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes

synced() { find "$1" -type f -exec sync {} +; }

genievm() {
  local codec=$1 step=$2 repo=${3:-} other=${4:-} options=()
  [[ -z $codec ]] || options=(--codec "$codec")
  [[ -z ${GENIEVM_BACKUP_OPTION:-} ]] || options+=("$GENIEVM_BACKUP_OPTION")
  case $step in
    version) "$genievm" --version ;;
    init) "$genievm" init --repo "$repo" > /dev/null ;;
    # Without a list of changes an image is read whole in any case.
    backup | reread) "$genievm" backup --host "images:$other" --vm "${other##*/}" --repo "$repo" "${options[@]}" --json > "$answer" && synced "$repo" ;;
    verify) "$genievm" verify --repo "$repo" --json > /dev/null ;;
    restore) "$genievm" restore --repo "$repo" --vm "${GENIEVM_VM:?}" --to "$other" --json > /dev/null && synced "$other" ;;
    *) exit 2 ;;
  esac
}

genievm-kvm() {
  local codec=$1 step=$2 repo=${3:-} other=${4:-}
  case $step in
    version) "$genievm" --version ;;
    init) "$genievm" init --repo "$repo" > /dev/null ;;
    backup) "$genievm" backup --host qemu:///system --vm "$other" --repo "$repo" --codec "$codec" --full --json > /dev/null && synced "$repo" ;;
    increment) "$genievm" backup --host qemu:///system --vm "$other" --repo "$repo" --codec "$codec" --json > /dev/null && synced "$repo" ;;
    restore) "$genievm" restore --repo "$repo" --vm "$("$genievm" list --repo "$repo" --json | jq -r '.points[0].vm')" --to "$other" --json > /dev/null ;;
    *) exit 2 ;;
  esac
}

virtnbdbackup() {
  local codec=$1 step=$2 repo=${3:-} other=${4:-} options=()
  [[ $codec = none ]] || options=(-z)
  case $step in
    version) command virtnbdbackup --version ;;
    init) ;;
    backup) command virtnbdbackup -d "$other" -l full -o "$repo" "${options[@]}" > /dev/null && synced "$repo" ;;
    increment) command virtnbdbackup -d "$other" -l inc -o "$repo" "${options[@]}" > /dev/null && synced "$repo" ;;
    restore) command virtnbdrestore -i "$repo" -o "$other" > /dev/null ;;
    *) exit 2 ;;
  esac
}

restic() {
  local step=$1 repo=${2:-} other=${3:-}
  case $step in
    version) command restic version ;;
    init) command restic -q -r "$repo" init --repository-version 2 ;;
    backup) command restic -q -r "$repo" backup "$other" && synced "$repo" ;;
    reread) command restic -q -r "$repo" backup --force "$other" && synced "$repo" ;;
    verify) command restic -q -r "$repo" check --read-data > /dev/null ;;
    restore) command restic -q -r "$repo" restore latest --target "$other" && synced "$other" ;;
    *) exit 2 ;;
  esac
}

borg() {
  local codec=$1 step=$2 repo=${3:-} other=${4:-}
  case $step in
    version) command borg --version ;;
    init) command borg init -e none "$repo" ;;
    backup) command borg create --sparse --chunker-params "$FIXED" -C "$codec" "$repo::$point" "$other" && synced "$repo" ;;
    reread) command borg create --files-cache disabled --sparse --chunker-params "$FIXED" -C "$codec" "$repo::$point" "$other" && synced "$repo" ;;
    verify) command borg check --verify-data "$repo" > /dev/null ;;
    restore) cd "$other" && command borg extract --sparse "$repo::$point" && synced "$other" ;;
    *) exit 2 ;;
  esac
}

qemu-img() {
  local codec=$1 step=$2 repo=${3:-} other=${4:-}
  case $step in
    version) command qemu-img --version ;;
    init) mkdir "$repo" ;;
    backup) command qemu-img convert -f raw -O qcow2 -c -o "compression_type=$codec" -m 16 -W "$other" "$repo/image.qcow2" && synced "$repo" ;;
    *) exit 2 ;;
  esac
}

tool=${1:?}
shift
case $tool in
  genievm) genievm '' "$@" ;;
  genievm:*) genievm "${tool#genievm:}" "$@" ;;
  restic) restic "$@" ;;
  genievm-kvm:*) genievm-kvm "${tool#genievm-kvm:}" "$@" ;;
  virtnbdbackup:*) virtnbdbackup "${tool#virtnbdbackup:}" "$@" ;;
  borg:*) borg "${tool#borg:}" "$@" ;;
  qemu-img:*) qemu-img "${tool#qemu-img:}" "$@" ;;
  *) echo "tools: unknown tool $tool" >&2; exit 2 ;;
esac
