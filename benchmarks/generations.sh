#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Backs up two generations of one machine and a sibling, as whole commands, and checks what each
# step read and stored against counts of its own:
#
#   scan      gen0 in full, gen1 without a list of changes (SCAN), gen1 once more, the sibling as
#             another VM; verification; all three restored and compared
#   4096 and  gen0 in full with a first mark, gen1 with a list of what changed in blocks of so
#   65536     many bytes (CHANGED), gen1 once more with an empty list; gen1 restored and compared
#
# Usage: generations.sh [--patience SECONDS] [--codec C] [--json FILE] [--work WORKDIR] [DIR]
#
#   --patience SECONDS   on a machine that others use: waits before each timed step until it is
#                quiet, at most so long (0)
#   --codec C    for all backups (zstd:1); the check of stored bytes is for zstd only
#   --json FILE  writes all steps, counts and checks, and the machine's facts
#   --work WORKDIR   for repositories and restored images, about 12 GiB (DIR)
#
# DIR (the current folder) holds gen0.raw, gen1.raw and sibling.raw of make-images.sh; two folders
# with links to them are made in it for the time of the run. Exit status 1 when a check fails. The
# JVM gets 256 MiB of heap unless GENIEVM_JAVA_OPTS says otherwise.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=measure.sh
. "$here/measure.sh"

usage() { sed -n '12,24s/^# \{0,1\}//p' "$0" >&2; exit 2; }

readonly CHUNK=65536 SHARE=64
patience=0 codec=zstd:1 json='' workdir='' images=''
while (($#)); do
  case $1 in
    --patience) patience=${2:?}; shift ;;
    --codec) codec=${2:?}; shift ;;
    --json) json=${2:?}; shift ;;
    --work) workdir=${2:?}; shift ;;
    -*) usage ;;
    *) [[ -z $images ]] || usage; images=$1 ;;
  esac
  shift
done
images=$(cd "${images:-.}" && pwd)
for image in gen0 gen1 sibling; do
  [[ -f $images/$image.raw ]] || die "there is no $images/$image.raw: see make-images.sh"
done
need time=time jq=jq perl=perl zstd=zstd
workdir=${workdir:-$images}
mkdir -p "$workdir"
work='' server='' sibling=''
trap 'rm -rf "$work" "$server" "$sibling"' EXIT
work=$(mktemp -d "$(cd "$workdir" && pwd)/generations.XXXXXX")
server=$(mktemp -d "$images/server.XXXXXX")
sibling=$(mktemp -d "$images/sibling.XXXXXX")
genievm=${GENIEVM:-$here/../genievm}
export GENIEVM_JAVA_OPTS=${GENIEVM_JAVA_OPTS:--Xmx256m}
capacity=$(stat -c %s "$images/gen0.raw")
steps=$work/steps.jsonl
checks=$work/checks.jsonl
: > "$checks"

# on_disk REPO: bytes that the repository takes on disk.
on_disk() { du -sB1 "$1" | cut -f 1; }

# insert IMAGE FOLDER: makes it the one disk of the VM, without a list of changes.
insert() {
  rm -f "$2/disk.raw.changes"
  ln -sfn "../$1.raw" "$2/disk.raw"
}

# backup REPO STEP IMAGE VM: one timed backup of the VM as it is; appended to $steps.
backup() {
  local repo=$1 step=$2 image=$3 vm=$4 before
  warm "$images/$image.raw"
  before=$(on_disk "$work/$repo")
  quiet "$patience"
  timed "$genievm" backup --host "images:$images" --vm "${vm##*/}" --repo "$work/$repo" --codec "$codec" --json \
    > "$work/answer.json" 2> "$work/stderr" || die "$repo: $step failed: $(cat "$work/stderr" "$work/answer.json")"
  jq -c --arg repo "$repo" --arg step "$step" --argjson took "$measured" \
    --argjson growth "$(($(on_disk "$work/$repo") - before))" '
    .disks[0] as $disk
    | {repository: $repo, step: $step} + ($disk | {plan, reason, capacity, changedBytes, readBytes,
       auditReadBytes: .audit.readBytes, auditComparedBytes: .audit.comparedBytes,
       mismatches: (.audit.mismatches | length), storedBytes, trust})
      + {storedWithIndexBytes: .storedBytes, growthBytes: $growth, warnings: (.warnings | length)} + $took' \
    "$work/answer.json" | tee -a "$steps" \
    | jq -r '"\(.repository) \(.step): \(.plan), read \(.readBytes), stored \(.storedBytes), \(.wallSeconds) s wall, \(.cpuSeconds * 100 | round / 100) s CPU, others \(.otherCpuSeconds * 10 | round / 10) s"' >&2
}

# command_step REPO STEP ARGUMENT...: one other timed command, its answer in $work/answer.json.
command_step() {
  local repo=$1 step=$2
  shift 2
  quiet "$patience"
  timed "$genievm" "$@" --repo "$work/$repo" --json > "$work/answer.json" 2> "$work/stderr" \
    || die "$repo: $step failed: $(cat "$work/stderr" "$work/answer.json")"
  jq -nc --arg repo "$repo" --arg step "$step" --argjson took "$measured" '{repository: $repo, step: $step} + $took' \
    | tee -a "$steps" | jq -r '"\(.repository) \(.step): \(.wallSeconds) s wall, \(.cpuSeconds * 100 | round / 100) s CPU"' >&2
}

# figure REPO STEP FIELD: a number or word that a step told.
figure() {
  jq -r --arg repo "$1" --arg step "$2" --arg field "$3" 'select(.repository == $repo and .step == $step)[$field]' "$steps"
}

# check WHAT LEFT OPERATOR RIGHT: notes whether it holds; numbers are compared as such.
check() {
  local holds=false
  case $3 in
    is) [[ $2 != "$4" ]] || holds=true ;;
    at-most) (($2 > $4)) || holds=true ;;
    about:*) awk -v a="$2" -v b="$4" -v percent="${3#about:}" \
      'BEGIN { d = a - b; exit !((d < 0 ? -d : d) * 100 <= b * percent) }' && holds=true ;;
    *) die "no operator: $3" ;;
  esac
  jq -nc --arg what "$1" --arg left "$2" --arg operator "$3" --arg right "$4" --argjson holds "$holds" \
    '{what: $what, left: $left, operator: $operator, right: $right, holds: $holds}' >> "$checks"
}

# restore REPO POINT IMAGE VM: restores a point and compares it with an image.
restore() {
  local repo=$1 point=$2 image=$3 vm=$4 equal=yes
  warm "$images/$image.raw"
  command_step "$repo" "restore $image" restore --vm "${vm##*/}" --point "$point" --to "$work/restored"
  cmp "$work/restored/disk.raw" "$images/$image.raw" || equal=no
  check "$repo: restored $image equals its source" "$equal" is yes
  rm -rf "$work/restored"
}

# points REPO VM: the ids of its points, oldest first.
points() { "$genievm" list --repo "$work/$1" --vm "${2##*/}" --json | jq -r '.points[].id'; }

# listed FILE: bytes of the chunks that a list of changes touches.
listed() {
  awk -F '[:,}]' -v chunk=$CHUNK 'BEGIN { last = -1 }
    NR > 1 {
      first = int($2 / chunk)
      if (first <= last) first = last + 1
      end = int(($2 + $4 - 1) / chunk)
      if (end >= first) { sum += end - first + 1; last = end }
    }
    END { printf "%.0f\n", sum * chunk }' "$1"
}

# summed FILE: bytes of the extents of a list of changes.
summed() { awk -F '[:,}]' 'NR > 1 { sum += $4 } END { printf "%.0f\n", sum }' "$1"; }

# compressed IMAGE OLD_IDS...: bytes of the chunks that are in none of the others, after another program's zstd.
compressed() {
  local level=${codec#zstd}
  level=${level#:}
  "$here/blocks.pl" new "$images/$1.raw" "$work/$1.ids" "${@:2}" | zstd -q -c "-${level:-1}" | wc -c
}

"$genievm" --version >&2
echo 'counting what differs, by itself' >&2
for image in gen0 gen1 sibling; do
  "$here/blocks.pl" ids "$images/$image.raw" > "$work/$image.ids"
done
cat "$work/gen0.ids" "$work/gen1.ids" > "$work/both.ids"
gen1=$("$here/blocks.pl" compare "$work/gen0.ids" "$work/gen1.ids")
other=$("$here/blocks.pl" compare "$work/both.ids" "$work/sibling.ids")
gen1_compressed=null other_compressed=null
if [[ $codec = zstd* ]]; then
  gen1_compressed=$(compressed gen1 "$work/gen0.ids")
  other_compressed=$(compressed sibling "$work/gen0.ids" "$work/gen1.ids")
fi
for grain in 4096 65536; do
  { echo '{"token":"T2","since":"T1"}'; "$here/blocks.pl" changes "$grain" "$images/gen0.raw" "$images/gen1.raw"; } > "$work/$grain.changes"
done

"$genievm" init --repo "$work/scan" > /dev/null
insert gen0 "$server"
backup scan 'gen0' gen0 "$server"
insert gen1 "$server"
backup scan 'gen1' gen1 "$server"
backup scan 'gen1 again' gen1 "$server"
insert sibling "$sibling"
backup scan 'sibling' sibling "$sibling"

"$genievm" init --repo "$work/65536" > /dev/null
insert gen0 "$server"
echo '{"token":"T1"}' > "$server/disk.raw.changes"
backup 65536 'gen0, first mark' gen0 "$server"
# Objects are never changed, so links make a repository of its own.
cp -al "$work/65536" "$work/4096"
for grain in 4096 65536; do
  insert gen1 "$server"
  cp "$work/$grain.changes" "$server/disk.raw.changes"
  backup "$grain" 'gen1' gen1 "$server"
  echo '{"token":"T3","since":"T2"}' > "$server/disk.raw.changes"
  backup "$grain" 'gen1 again' gen1 "$server"
done

command_step scan verify verify
check 'scan: verification finds no damage' "$(jq .ok "$work/answer.json")" is true
mapfile -t ids < <(points scan "$server")
restore scan "${ids[0]}" gen0 "$server"
restore scan "${ids[1]}" gen1 "$server"
restore scan latest sibling "$sibling"
for grain in 4096 65536; do
  command_step "$grain" verify verify
  check "$grain: verification finds no damage" "$(jq .ok "$work/answer.json")" is true
  mapfile -t ids < <(points "$grain" "$server")
  restore "$grain" "${ids[1]}" gen1 "$server"
done

differing=$(jq .differingBytes <<< "$gen1")
check 'scan: gen0 is read in full' "$(figure scan gen0 plan)" is ALL
check 'scan: gen1 is scanned' "$(figure scan gen1 plan)" is SCAN
check 'scan: gen1 changed as counted' "$(figure scan gen1 changedBytes)" is "$differing"
check 'scan: nothing is stored twice' "$(figure scan 'gen1 again' storedBytes)" is 0
if [[ $codec = zstd* ]]; then
  check 'scan: gen1 stores what differs' "$(figure scan gen1 storedBytes)" about:5 "$gen1_compressed"
  check 'scan: the sibling stores what differs' "$(figure scan sibling storedBytes)" about:5 "$other_compressed"
fi
for grain in 4096 65536; do
  check "$grain: gen1 by its list" "$(figure "$grain" gen1 plan)" is CHANGED
  check "$grain: gen1 changed as counted" "$(figure "$grain" gen1 changedBytes)" is "$differing"
  check "$grain: gen1 stores what SCAN does" "$(figure "$grain" gen1 storedBytes)" about:2 "$(figure scan gen1 storedBytes)"
  check "$grain: gen1 reads what changed" "$(figure "$grain" gen1 readBytes)" at-most "$(($(listed "$work/$grain.changes") + 2097152))"
  check "$grain: an empty list by its list" "$(figure "$grain" 'gen1 again' plan)" is CHANGED
  check "$grain: an empty list reads nothing" "$(figure "$grain" 'gen1 again' readBytes)" is 0
  check "$grain: an empty list stores no data" "$(figure "$grain" 'gen1 again' storedBytes)" is 0
  for step in gen1 'gen1 again'; do
    check "$grain: the audit of $step reads its share" "$(figure "$grain" "$step" auditReadBytes)" at-most $((capacity / SHARE + 1048576))
    check "$grain: the audit of $step compares its share" "$(figure "$grain" "$step" auditComparedBytes)" at-most $((capacity / SHARE + 1048576))
    check "$grain: the audit of $step finds no lie" "$(figure "$grain" "$step" mismatches)" is 0
  done
done

jq -n --slurpfile steps "$steps" --slurpfile checks "$checks" --argjson machine "$(machine "$work")" --arg codec "$codec" \
  --argjson gen1 "$gen1" --argjson sibling "$other" --argjson gen1Compressed "$gen1_compressed" \
  --argjson siblingCompressed "$other_compressed" --argjson extents4096 "$(wc -l < "$work/4096.changes")" \
  --argjson extents65536 "$(wc -l < "$work/65536.changes")" --argjson listed4096 "$(listed "$work/4096.changes")" \
  --argjson listed65536 "$(listed "$work/65536.changes")" \
  --argjson bytes4096 "$(summed "$work/4096.changes")" --argjson bytes65536 "$(summed "$work/65536.changes")" '
  {machine: $machine, codec: $codec,
   counted: {gen1AfterGen0: ($gen1 + {newCompressedBytes: $gen1Compressed}),
     siblingAfterBoth: ($sibling | del(.differingBytes) + {newCompressedBytes: $siblingCompressed}),
     lists: {"4096": {extents: ($extents4096 - 1), bytes: $bytes4096, chunkBytes: $listed4096},
       "65536": {extents: ($extents65536 - 1), bytes: $bytes65536, chunkBytes: $listed65536}}},
   steps: $steps, checks: $checks}' > "$work/result.json"
[[ -z $json ]] || cp "$work/result.json" "$json"

jq -r '
  def mib: if . == null then "-" else . / 1048576 * 10 | round / 10 | tostring end;
  def seconds: . * 100 | round / 100 | tostring;
  (.machine | "\(.cpu), \(.cores) cores, \(.memoryBytes | mib) MiB, \(.kernel), \(.fileSystem), \(.java)"),
  "codec \(.codec); bytes in MiB",
  (.counted.gen1AfterGen0 | "counted: gen1 has \(.dataBytes | mib) of data, \(.differingBytes | mib) differ from gen0 in place, \(.newBytes | mib) are new, \(.newCompressedBytes | mib) of them compressed"),
  (.counted.siblingAfterBoth | "counted: sibling has \(.dataBytes | mib) of data, \(.sharedBytes | mib) are in gen0 or gen1, \(.newBytes | mib) are new, \(.newCompressedBytes | mib) of them compressed"),
  (.counted.lists | to_entries[] | "counted: the list of blocks of \(.key) has \(.value.extents) extents of \(.value.bytes | mib) in \(.value.chunkBytes | mib) of chunks"),
  "",
  "| repository | step | plan | reason | changed | read | audit read | compared | stored | on disk | wall s | CPU s | peak | others CPU s |",
  "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
  (.steps[] | "| \(.repository) | \(.step) | \(.plan // "-") | \(.reason // "-") | \(.changedBytes | mib) | \(.readBytes | mib) | \(.auditReadBytes | mib) | \(.auditComparedBytes | mib) | \(.storedBytes | mib) | \(.growthBytes | mib) | \(.wallSeconds | seconds) | \(.cpuSeconds | seconds) | \(.peakBytes | mib) | \(.otherCpuSeconds | seconds) |"),
  "",
  (.checks[] | "\(if .holds then "ok    " else "FAILED" end) \(.what): \(.left) \(.operator) \(.right)")' "$work/result.json"
jq -e '.checks | all(.holds)' "$work/result.json" > /dev/null || die 'a check failed'
