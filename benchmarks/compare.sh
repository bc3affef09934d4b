#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures a full backup, a restore and a verification of one disk image with GenieVM and with
# other tools, side by side.
#
# Usage: compare.sh [--rounds N] [--tools "T..."] [--patience SECONDS] [--json FILE] IMAGE WORKDIR
#
#   --rounds N   how often every tool runs, in turn, the order rotated (3)
#   --tools "T"  see tools.sh; the first is the one that the others are compared with
#                ("genievm:zstd:1 restic borg:lz4 borg:zstd,1")
#   --patience SECONDS   on a machine that others use: waits before each timed step until it is
#                quiet, at most so long (0)
#   --json FILE  writes all runs, their summary and the machine's facts
#
# WORKDIR should be on the disk that holds IMAGE. A round needs room there for one repository and
# one restored image. How to read the figures: BENCHMARKING.md.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=measure.sh
. "$here/measure.sh"

usage() { sed -n '7,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }

rounds=3 patience=0 tools='genievm:zstd:1 restic borg:lz4 borg:zstd,1' json='' image='' workdir=''
while (($#)); do
  case $1 in
    --rounds) rounds=${2:?}; shift ;;
    --tools) tools=${2:?}; shift ;;
    --patience) patience=${2:?}; shift ;;
    --json) json=${2:?}; shift ;;
    -*) usage ;;
    *) if [[ -z $image ]]; then image=$1; elif [[ -z $workdir ]]; then workdir=$1; else usage; fi ;;
  esac
  shift
done
[[ -n $workdir ]] || usage
[[ -f $image ]] || die "no such image: $image"
image=$(cd "$(dirname "$image")" && pwd)/${image##*/}
mkdir -p "$workdir"
work=$(mktemp -d "$(cd "$workdir" && pwd)/compare.XXXXXX")
trap 'rm -rf "$work"' EXIT
read -ra tools <<< "$tools"

need time=time jq=jq perl=perl-base
[[ " ${tools[*]}" != *" restic"* ]] || need restic=restic
[[ " ${tools[*]}" != *" borg"* ]] || need borg=borgbackup
export GENIEVM_VM=${image##*/} RESTIC_CACHE_DIR=$work/restic-cache BORG_BASE_DIR=$work/borg

runs=$work/runs.jsonl
versions=$(for tool in "${tools[@]}"; do
  # Also lets the launcher build and make its archive before anything is timed.
  jq -nc --arg tool "$tool" --arg version "$("$here/tools.sh" "$tool" version | head -n 1)" '{($tool): $version}'
done | jq -sc add)

# step TOOL ROUND STEP WARM... -- [ARGUMENT]: one timed step, its figures appended to $runs.
step() {
  local tool=$1 round=$2 step=$3 files=()
  shift 3
  while [[ $1 != -- ]]; do files+=("$1"); shift; done
  shift
  sync -f "$work"
  find "${files[@]}" -type f -print0 | while IFS= read -rd '' file; do warm "$file"; done
  local in_cache
  quiet "$patience"
  in_cache=$(cached "$image")
  timed "$here/tools.sh" "$tool" "$step" "$work/repo" "$@" 2> "$work/stderr" \
    || die "$tool: $step failed: $(tail -n 5 "$work/stderr")"
  jq -c --arg tool "$tool" --argjson round "$round" --arg step "$step" --argjson cached "$in_cache" \
    --argjson stored "$(stored "$work/repo")" \
    '{tool: $tool, round: $round, step: $step} + . + {storedBytes: $stored, imageCachedBytes: $cached}' \
    <<< "$measured" | tee -a "$runs" | jq -r '"\(.tool) \(.step) \(.round): \(.wallSeconds) s wall, \(.cpuSeconds * 100 | round / 100) s CPU, others \(.otherCpuSeconds * 10 | round / 10) s"' >&2
}

one_round() {
  local tool=$1 round=$2 restored
  rm -rf "$work/repo" "$work/restored"
  mkdir "$work/restored"
  "$here/tools.sh" "$tool" init "$work/repo"
  step "$tool" "$round" backup "$image" -- "$image"
  step "$tool" "$round" restore "$work/repo" -- "$work/restored"
  restored=$(find "$work/restored" -type f -name "${image##*/}")
  [[ -n $restored ]] || die "$tool restored no ${image##*/}"
  cmp "$image" "$restored" || die "$tool restored other bytes"
  jq -nc --arg tool "$tool" --argjson round "$round" --argjson bytes "$(allocated "$restored")" \
    '{tool: $tool, round: $round, step: "restored", allocatedBytes: $bytes}' >> "$runs"
  rm -rf "$work/restored"
  step "$tool" "$round" verify "$work/repo" --
}

for ((round = 1; round <= rounds; round++)); do
  for ((i = 0; i < ${#tools[@]}; i++)); do
    one_round "${tools[(i + round - 1) % ${#tools[@]}]}" "$round"
  done
done

jq -s --argjson machine "$(machine "$work")" --argjson versions "$versions" --arg tools "${tools[*]}" \
  --arg image "${image##*/}" --argjson size "$(stat -c %s "$image")" --argjson allocated "$(allocated "$image")" '
  def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
  def spread: {min: min, median: median, max: max};
  def in_order: ($tools | split(" ")) as $order | sort_by(.tool as $tool | $order | index($tool));
  . as $runs | ($tools | split(" ")[0]) as $base
  | [$runs[] | select(.wallSeconds)] | group_by([.step, .tool])
  | map({step: .[0].step, tool: .[0].tool, runs: length, wallSeconds: map(.wallSeconds) | spread,
         cpuSeconds: map(.cpuSeconds) | spread, peakBytes: map(.peakBytes) | spread,
         otherCpuSeconds: map(.otherCpuSeconds) | spread, storedBytes: map(.storedBytes) | spread})
  | in_order as $summary
  | ($summary | map(select(.tool == $base) | {(.step): .}) | add) as $bases
  | {image: {name: $image, sizeBytes: $size, allocatedBytes: $allocated}, machine: $machine, versions: $versions,
     base: $base,
     summary: ($summary | map(. + {baseOverThis: ($bases[.step] as $b | {
       wall: ($b.wallSeconds.median / .wallSeconds.median), cpu: ($b.cpuSeconds.median / .cpuSeconds.median),
       peak: ($b.peakBytes.median / .peakBytes.median), stored: ($b.storedBytes.median / .storedBytes.median)})})),
     restored: ([$runs[] | select(.step == "restored")] | group_by(.tool)
       | map({tool: .[0].tool, allocatedBytes: map(.allocatedBytes) | spread}) | in_order),
     runs: $runs}' "$runs" > "$work/result.json"
[[ -z $json ]] || cp "$work/result.json" "$json"

jq -r '
  def fixed(digits): pow(10; digits) as $scale | . * $scale | round
    | "\(. / $scale | floor).\(. % $scale + $scale | tostring[1:])";
  def seconds: "\(.min | fixed(1)) / \(.median | fixed(1)) / \(.max | fixed(1))";
  def mib: . / 1048576 | round | tostring;
  (.image | "\(.name): \(.sizeBytes | mib) MiB, \(.allocatedBytes | mib) MiB allocated"),
  (.machine | "\(.cpu), \(.cores) cores, \(.memoryBytes | mib) MiB, \(.kernel), \(.fileSystem), \(.java)"),
  (.versions | to_entries[] | "\(.key): \(.value)"),
  "",
  "min / median / max; ratios are those of the medians, \(.base) over the tool",
  "",
  "| step | tool | wall s | CPU s | peak MiB | stored MiB | others CPU s | wall ratio | CPU ratio | peak ratio | stored ratio |",
  "|---|---|---|---|---|---|---|---|---|---|---|",
  (["backup", "restore", "verify"][] as $step | .summary[] | select(.step == $step)
    | "| \(.step) | \(.tool) | \(.wallSeconds | seconds) | \(.cpuSeconds | seconds) | \(.peakBytes.median | mib) | \(.storedBytes.median | mib) | \(.otherCpuSeconds | seconds) | "
      + "\(.baseOverThis.wall | fixed(2)) | \(.baseOverThis.cpu | fixed(2)) | \(.baseOverThis.peak | fixed(2)) | \(.baseOverThis.stored | fixed(2)) |"),
  "",
  (.image.allocatedBytes as $source | .restored[]
    | "\(.tool): restored equal, \(.allocatedBytes.max | mib) MiB allocated, \(.allocatedBytes.max / $source * 100 | fixed(2)) % of the source")' \
  "$work/result.json"
