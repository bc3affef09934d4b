#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Takes one real disk image through GenieVM and back: init, backup, list, verify, restore. Fails
# unless the restored image has the same bytes, takes at most 1 % more room than the source and
# holds no aligned block of 4 KiB of zeroes. Prints what each step cost.
#
# Usage: real-image-check.sh [--codec C] IMAGE [WORKDIR]
#
# The JVM gets 256 MiB of heap unless GENIEVM_JAVA_OPTS says otherwise. WORKDIR (a temporary
# folder beside IMAGE) needs room for the repository and one restored image.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=measure.sh
. "$here/measure.sh"

usage() { sed -n '8,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }

codec=zstd:1 image='' workdir=''
while (($#)); do
  case $1 in
    --codec) codec=${2:?}; shift ;;
    -*) usage ;;
    *) if [[ -z $image ]]; then image=$1; elif [[ -z $workdir ]]; then workdir=$1; else usage; fi ;;
  esac
  shift
done
[[ -n $image ]] || usage
[[ -f $image ]] || die "no such image: $image"
need time=time jq=jq perl=perl-base
image=$(cd "$(dirname "$image")" && pwd)/${image##*/}
workdir=${workdir:-$(dirname "$image")}
mkdir -p "$workdir"
work=$(mktemp -d "$(cd "$workdir" && pwd)/real-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
genievm=${GENIEVM:-$here/../genievm}
export GENIEVM_JAVA_OPTS=${GENIEVM_JAVA_OPTS:--Xmx256m}
name=${image##*/}

mib() { awk -v bytes="$1" 'BEGIN { printf "%.1f MiB", bytes / 1048576 }'; }

# step NAME ARGUMENT...: one command of GenieVM, timed; its standard output in $work/NAME.json.
step() {
  local label=$1
  shift
  timed "$genievm" "$@" --json > "$work/$label.json" || die "$label failed: $(cat "$work/$label.json")"
  jq -r --arg step "$label" '"\($step): \(.wallSeconds) s wall, \(.userSeconds) + \(.sysSeconds) s CPU, peak \(.peakBytes / 1048576 | round) MiB, others took \(.otherCpuSeconds * 10 | round / 10) s of CPU"' <<< "$measured"
}

source_bytes=$(allocated "$image")
printf '%s: %s, %s allocated\n' "$name" "$(mib "$(stat -c %s "$image")")" "$(mib "$source_bytes")"
"$genievm" --version
warm "$image"
step init init --repo "$work/repo"
step backup backup --host "images:$image" --vm "$name" --repo "$work/repo" --codec "$codec"
repository_bytes=$(stored "$work/repo")
printf 'repository: %s in %d files\n' "$(mib "$repository_bytes")" "$(find "$work/repo" -type f | wc -l)"
step list list --repo "$work/repo"
[[ $(jq '.points | length' "$work/list.json") = 1 ]] || die 'list does not show one point'
step verify verify --repo "$work/repo"
[[ $(jq .ok "$work/verify.json") = true ]] || die 'verify found damage'
step restore restore --repo "$work/repo" --vm "$name" --to "$work/restored"

restored=$work/restored/$name
cmp "$image" "$restored" || die 'the restored image has other bytes'
echo 'restored image: equal'
restored_bytes=$(allocated "$restored")
printf 'restored image: %s allocated, %s of the source\n' "$(mib "$restored_bytes")" \
  "$(awk -v a="$restored_bytes" -v b="$source_bytes" 'BEGIN { printf "%.3f %%", a / b * 100 }')"
((restored_bytes * 100 <= source_bytes * 101)) || die 'the restored image takes more than 1 % over the source'
fallocate --dig-holes "$restored"
dug_bytes=$(allocated "$restored")
# The blocks of the extent tree count as allocated and may come and go.
printf 'zero blocks written: %s\n' "$(mib "$((restored_bytes > dug_bytes ? restored_bytes - dug_bytes : 0))")"
((restored_bytes - dug_bytes <= 1048576)) || die 'blocks of zeroes were written'
echo 'real image check: passed'
