#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Kills the first backup of an image at several moments and looks what the next one has to store
# again: at most the last GiB, whatever was stored before is found. The restored image is compared.
#
# Usage: interrupted.sh [--at "PERCENT..."] [--codec C] [--json FILE] IMAGE [WORKDIR]
#
#   --at "P..."  when the killed backup has read so many percent of the image's allocated bytes
#                ("30 50 70 90")
#   --codec C    (zstd:1)
#   --json FILE  writes all figures
#
# "Stored again" is what the killed and the next backup put together, less what one backup puts
# that nobody disturbs. WORKDIR (a temporary folder beside IMAGE) needs room for three repositories
# and one restored image. Exit status 1 when a check fails. The JVM gets 256 MiB of heap unless
# GENIEVM_JAVA_OPTS says otherwise.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=measure.sh
. "$here/measure.sh"

usage() { sed -n '7,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }

readonly GIB=1073741824
shares='30 50 70 90' codec=zstd:1 json='' image='' workdir=''
while (($#)); do
  case $1 in
    --at) shares=${2:?}; shift ;;
    --codec) codec=${2:?}; shift ;;
    --json) json=${2:?}; shift ;;
    -*) usage ;;
    *) if [[ -z $image ]]; then image=$1; elif [[ -z $workdir ]]; then workdir=$1; else usage; fi ;;
  esac
  shift
done
[[ -n $image ]] || usage
[[ -f $image ]] || die "no such image: $image"
need jq=jq perl=perl-base
image=$(cd "$(dirname "$image")" && pwd)/${image##*/}
workdir=${workdir:-$(dirname "$image")}
mkdir -p "$workdir"
work=$(mktemp -d "$(cd "$workdir" && pwd)/interrupted.XXXXXX")
running=
trap '[[ -z $running ]] || kill -9 "$running" 2> /dev/null || true; rm -rf "$work"' EXIT
genievm=${GENIEVM:-$here/../genievm}
export GENIEVM_JAVA_OPTS=${GENIEVM_JAVA_OPTS:--Xmx256m}
name=${image##*/}
source_bytes=$(allocated "$image")
read -ra shares <<< "$shares"

arguments=(backup --host "images:$image" --vm "$name" --codec "$codec" --json)

# What a process has read so far, or nothing when it has ended.
read_by() { awk '/^rchar:/ { print $2 }' "/proc/$1/io" 2> /dev/null || true; }

# packs REPO: bytes of its packs.
packs() { if [[ -d $1/packs ]]; then stored "$1/packs"; else echo 0; fi; }

warm "$image"
"$genievm" --version >&2
"$genievm" init --repo "$work/whole" > /dev/null
"$genievm" "${arguments[@]}" --repo "$work/whole" > "$work/whole.json" 2> "$work/stderr" \
  || die "backup failed: $(cat "$work/stderr" "$work/whole.json")"
whole=$(packs "$work/whole")
rm -rf "$work/whole"
: > "$work/runs.jsonl"
failed=no

for share in "${shares[@]}"; do
  repo=$work/repo
  rm -rf "$repo" "$work/restored"
  "$genievm" init --repo "$repo" > /dev/null
  warm "$image"
  # The launcher becomes java, so this is the process of the JVM.
  "$genievm" "${arguments[@]}" --repo "$repo" > "$work/killed.json" 2> "$work/stderr" &
  running=$!
  limit=$((source_bytes * share / 100))
  bytes=0
  while ((bytes < limit)); do
    now=$(read_by "$running")
    [[ -n $now ]] || die "the backup ended before $share % were read: $(cat "$work/stderr" "$work/killed.json")"
    bytes=$now
    sleep 0.02
  done
  kill -9 "$running"
  wait "$running" 2> /dev/null || true
  running=
  [[ $("$genievm" list --repo "$repo" --json | jq '.points | length') = 0 ]] || die 'the killed backup has left a point'
  before=$(packs "$repo")
  tables=$(find "$repo" -path "$repo/index/*" -type f | wc -l)

  "$genievm" "${arguments[@]}" --repo "$repo" > "$work/next.json" 2> "$work/stderr" \
    || die "the next backup failed: $(cat "$work/stderr" "$work/next.json")"
  after=$(packs "$repo")
  "$genievm" verify --repo "$repo" --json > "$work/verify.json" || die "verify: $(cat "$work/verify.json")"
  "$genievm" restore --repo "$repo" --vm "$name" --to "$work/restored" --json > "$work/restore.json" \
    || die "restore: $(cat "$work/restore.json")"
  equal=true
  cmp "$image" "$work/restored/$name" || equal=false
  jq -nc --argjson share "$share" --argjson read "$bytes" --argjson before "$before" --argjson tables "$tables" \
    --argjson after "$after" --argjson whole "$whole" --argjson equal "$equal" --argjson limit $GIB \
    --slurpfile next "$work/next.json" '
    {percent: $share, readBytes: $read, killedPackBytes: $before, killedTables: $tables,
     nextPackBytes: ($after - $before), wholePackBytes: $whole, againBytes: ($after - $whole),
     nextStoredBytes: $next[0].storedBytes, nextReadBytes: $next[0].disks[0].readBytes,
     equal: $equal, holds: ($equal and $after - $whole <= $limit)}' \
    | tee -a "$work/runs.jsonl" >&2
  [[ $(tail -n 1 "$work/runs.jsonl" | jq .holds) = true ]] || failed=yes
done

jq -s --arg codec "$codec" --arg image "$name" --argjson allocated "$source_bytes" --argjson machine "$(machine "$work")" \
  '{image: $image, allocatedBytes: $allocated, codec: $codec, machine: $machine, runs: .}' "$work/runs.jsonl" > "$work/result.json"
[[ -z $json ]] || cp "$work/result.json" "$json"
jq -r '
  def mib: . / 1048576 | round | tostring;
  "\(.image), \(.allocatedBytes | mib) MiB allocated, codec \(.codec); bytes in MiB",
  "",
  "| killed at | read | packs left | index tables left | put by the next | by one undisturbed | stored again | restored |",
  "|---|---|---|---|---|---|---|---|",
  (.runs[] | "| \(.percent) % | \(.readBytes | mib) | \(.killedPackBytes | mib) | \(.killedTables) | \(.nextPackBytes | mib) | \(.wholePackBytes | mib) | \(.againBytes | mib) | \(if .equal then "equal" else "OTHER BYTES" end) |")' \
  "$work/result.json"
[[ $failed = no ]] || die 'a check failed'
