#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures GenieVM (A) beside other tools (B) in pairs, A B B A A B ..., and holds the ratios
# against the bars that the project has set itself. All pairs stand in the table below.
#
# Usage: pairs.sh [--rounds N] [--only NAME,...] [--patience SECONDS] [--json FILE] DIR
#
#   --rounds N   how often each pair runs (3)
#   --only NAME,...   only these pairs
#   --patience SECONDS   on a machine that others use: waits before each timed step until it is
#                quiet, at most so long (0)
#   --json FILE  all runs and their summary, written after each pair
#                (results/DATE-COMMIT-MACHINE.json beside this script)
#
# DIR holds the images of make-images.sh, and 25 GiB more while this runs; a pair whose image is
# missing is left out. GENIEVM_JDK25 is the home of a JDK 25: only with it are JDKs compared.
# GENIEVM_JAVA_OPTS and GENIEVM_BACKUP_OPTION are not heeded. At the end report.sh prints the table and
# draws the picture. Exit status 1 when a step failed or a restored image differed, not for a bar that
# is not met.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=measure.sh
. "$here/measure.sh"

usage() { sed -n '7,21s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# A and B are tools of tools.sh, or java-hello, a program that prints a line; before them may stand
# jdk17, jdk25, xmx128m or unchecked, which does not decompress what it has compressed. STEP is one of
# tools.sh, done on an empty repository (-) or a copy of one that holds gen0 or gen0 and gen1. Of two
# images the second is for B. A bar is on the median over the rounds: of A/B in wall, cpu, peak, stored
# (size of the repository) or added (what it grew by); of aPeakMiB; or on failures, the number of runs
# that failed. Pairs of short steps run more than once a round.
readonly PAIRS='
NAME               | A                 | B               | STEP    | ON   | IMAGE          | RUNS | BARS
full-zstd1-restic  | genievm:zstd:1    | restic          | backup  | -    | gen0           | 1    | wall<=0.40 cpu<=0.42
full-zstd3-restic  | genievm:zstd:3    | restic          | backup  | -    | gen0           | 1    | wall<=0.45 stored<=1.00
full-lz4-borg      | genievm:lz4       | borg:lz4        | backup  | -    | gen0           | 1    | wall<=0.70
full-zstd1-qemu    | genievm:zstd:1    | qemu-img:zstd   | backup  | -    | gen0           | 1    |
gen1-restic        | genievm:zstd:1    | restic          | reread  | gen0 | gen1           | 1    | wall<=0.37 added<=0.75
sibling-restic     | genievm:zstd:1    | restic          | backup  | gen1 | sibling        | 1    | added<=0.85
clone-restic       | genievm:zstd:1    | restic          | backup  | gen1 | clone          | 1    | added<=0.85
unchanged-restic   | genievm:zstd:1    | restic          | reread  | gen1 | gen1           | 1    | wall<=0.33
unchanged-borg     | genievm:lz4       | borg:lz4        | reread  | gen1 | gen1           | 1    |
verify-borg        | genievm:lz4       | borg:lz4        | verify  | gen0 | gen0           | 1    | wall<=0.30
verify-restic      | genievm:zstd:1    | restic          | verify  | gen0 | gen0           | 1    |
restore-borg       | genievm:lz4       | borg:lz4        | restore | gen1 | gen1           | 1    | wall<=0.52
restore-restic     | genievm:zstd:1    | restic          | restore | gen1 | gen1           | 1    | wall<=1.00
sparse64g-gen0     | genievm:zstd:1    | genievm:zstd:1  | backup  | -    | sparse64g gen0 | 1    | wall<=1.10 cpu<=1.10 peak<=1.10
random-restic      | genievm:zstd:1    | restic          | backup  | -    | rand4g         | 1    |
empty-hello        | genievm:zstd:1    | java-hello      | backup  | -    | empty8g        | 5    | wall<=12
unchecked-checked  | unchecked genievm | genievm         | backup  | -    | gen0           | 1    |
default-xmx128m    | genievm           | xmx128m genievm | backup  | -    | gen0           | 1    | aPeakMiB<=160 failures<=0
jdk25-jdk17        | jdk25 genievm     | jdk17 genievm   | backup  | -    | gen0           | 1    | wall<=1.00
'

rounds=3 patience=0 only='' json='' images=''
while (($#)); do
  case $1 in
    --rounds) rounds=${2:?}; shift ;;
    --patience) patience=${2:?}; shift ;;
    --only) only=${2:?}; shift ;;
    --json) json=${2:?}; shift ;;
    -*) usage ;;
    *) [[ -z $images ]] || usage; images=$1 ;;
  esac
  shift
done
[[ -n $images ]] || usage
[[ $rounds =~ ^[1-9][0-9]*$ ]] || usage
[[ -d $images ]] || die "there is no $images: see make-images.sh"
images=$(cd "$images" && pwd)
work=$(mktemp -d "$images/pairs.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
need time=time jq=jq perl=perl-base
unset GENIEVM_JAVA_OPTS GENIEVM_BACKUP_OPTION
genievm=${GENIEVM:-$here/../genievm}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java

# table: the lines of PAIRS with their spaces squeezed, without the head.
table() { sed '1,2d; $d; s/ *| */|/g; s/ *$//' <<< "$PAIRS"; }

# missing SIDE: what the machine lacks for it, if anything.
missing() {
  case " $1 " in
    *' jdk25 '*) [[ -x ${GENIEVM_JDK25:-/none}/bin/java ]] || echo 'GENIEVM_JDK25 names no JDK' ;;
    *' jdk17 '*) [[ $("$java" -version 2>&1) = *'version "17'[.\"]* ]] || echo 'the Java that is found is not 17' ;;
    *' restic '*) need restic=restic ;;
    *' borg:'*) need borg=borgbackup ;;
    *' qemu-img:'*) need qemu-img=qemu-utils ;;
    *' java-hello '*) command -v "${java}c" > /dev/null || echo 'there is no javac' ;;
  esac
}

# Which pairs are run; the others with the reason in $skipped. Which repositories several of them begin with.
chosen=() skipped='{}'
declare -A shared
[[ -z $only ]] || only=,$only,
while IFS='|' read -r name a b step on image times bars; do
  [[ -z $only || $only = *",$name,"* ]] || continue
  only=${only/",$name,"/,}
  reason=$(missing "$a"; missing "$b")
  base=$([[ $on = - ]] || echo gen0; [[ $on != gen1 ]] || echo gen1)
  for needed in $image $base; do
    [[ -f $images/$needed.raw ]] || reason="there is no $needed.raw"
  done
  if [[ -n $reason ]]; then
    printf 'pairs.sh: %s is left out: %s\n' "$name" "$reason" >&2
    skipped=$(jq -c --arg name "$name" --arg reason "$reason" '. + {($name): $reason}' <<< "$skipped")
  else
    chosen+=("$name|$a|$b|$step|$on|$image|$times|$bars")
    for needed in $base; do shared[$a/$needed]=yes shared[$b/$needed]=yes; done
    # All tools get an image by a path of its own folder and one name, by which GenieVM knows the machine.
    for needed in $image $base; do
      mkdir -p "$work/$needed"
      case $needed in gen0 | gen1) link=server.raw ;; *) link=$needed.raw ;; esac
      ln -f "$images/$needed.raw" "$work/$needed/$link"
    done
  fi
done < <(table)
[[ -z ${only//,/} ]] || die "no such pair: ${only//,/ }"
((${#chosen[@]})) || die 'there is no pair to run'

# image_of NAME: its path; the file's name is that of the machine.
image_of() { echo "$work/$1"/*.raw; }

# environment_of SIDE: what the words before the tool mean, a line each.
environment_of() {
  case " $1 " in
    *' jdk25 '*) echo "JAVA_HOME=$GENIEVM_JDK25" ;;
    *' xmx128m '*) echo GENIEVM_JAVA_OPTS=-Xmx128m ;;
    *' unchecked '*) echo GENIEVM_BACKUP_OPTION=--no-compression-check ;;
  esac
}

# command_of SIDE STEP ARGUMENT...: into $command; a private folder beside the repository holds what tools remember.
command_of() {
  local side=$1
  shift
  mapfile -t command < <(environment_of "$side")
  command=(env "RESTIC_CACHE_DIR=$work/side/private/restic" "BORG_BASE_DIR=$work/side/private/borg" "${command[@]}")
  # The little that tools.sh adds must not make a hello slower than it is.
  if [[ $side = java-hello ]]; then command+=("$java" -cp "$work/hello" Hello); else command+=("$here/tools.sh" "${side##* }" "$@"); fi
}

# run SIDE STEP IMAGE POINT [timed]: one step on the repository in $work/side.
run() {
  local side=$1 step=$2 image=$3 timed=${5:-} arguments=("$work/side/repo")
  case $step in
    backup | reread) arguments+=("$(image_of "$image")") ;;
    restore) arguments+=("$work/side/restored") ;;
  esac
  command_of "$side" "$step" "${arguments[@]}"
  BORG_POINT=$4 GENIEVM_VM=$(basename "$(image_of "$image")") GENIEVM_ANSWER=$work/side/answer \
    $timed "${command[@]}" > "$work/side/stdout" 2> "$work/side/stderr"
}

# state SIDE NAME: the folder of a tool's repository that holds the generations up to this one.
state() { echo "$work/states/${1//[^a-z0-9]/-}-$2"; }

# begin SIDE ON: a repository in $work/side, empty or a copy. None of the tools ever changes a file
# that it has written, so links do; what it remembers of the repository is copied.
begin() {
  rm -rf "$work/side"
  if [[ $2 != - ]]; then
    mkdir "$work/side"
    cp -al "$(state "$1" "$2")/repo" "$work/side/repo"
    cp -a "$(state "$1" "$2")/private" "$work/side/private"
  else
    mkdir -p "$work/side/private"
    [[ $1 = java-hello ]] || run "$1" init - -
  fi
}

# keep SIDE STEP ON IMAGE: what a step has made becomes the state that others begin with.
keep() {
  case "$2 $3 $4" in
    'backup - gen0' | 'reread gen0 gen1') ;;
    *) return 0 ;;
  esac
  [[ -n ${shared[$1/$4]:-} && ! -e $(state "$1" "$4") ]] || return 0
  mkdir -p "$work/states"
  mv "$work/side" "$(state "$1" "$4")"
}

# have SIDE STATE: makes it if no step has left it.
have() {
  [[ $2 != - && ! -e $(state "$1" "$2") ]] || return 0
  printf '%s: makes a repository that holds %s\n' "$1" "$2" >&2
  local on=- step=backup
  [[ $2 != gen1 ]] || on=gen0 step=reread
  have "$1" "$on"
  begin "$1" "$on"
  run "$1" "$step" "$2" "$2" || die "$1: $step of $2 failed: $(tail -n 5 "$work/side/stderr")"
  keep "$1" "$step" "$on" "$2"
}

size() { if [[ -e $work/side/repo ]]; then stored "$work/side/repo"; else echo 0; fi; }

# wrong SIDE STEP ON IMAGE: what is wrong with what a step has left, if anything.
wrong() {
  local plan restored
  if [[ $1 = *genievm* && $2 = reread ]]; then
    plan=$(jq -r '.disks[0].plan' "$work/side/answer")
    [[ $plan = SCAN ]] || echo "the plan was $plan, not SCAN"
  elif [[ $2 = restore ]]; then
    restored=$(find "$work/side/restored" -type f -name "$(basename "$(image_of "$4")")")
    if [[ -z $restored ]]; then
      echo 'no image was restored'
    elif ! cmp -s "$restored" "$(image_of "$4")"; then
      echo 'the restored image has other bytes'
    fi
  fi
}

# measure PAIR ROUND A|B FIRST SIDE STEP ON IMAGE: one timed step; its figures go to $runs.
measure() {
  local pair=$1 round=$2 letter=$3 first=$4 side=$5 step=$6 on=$7 image=$8
  local point=$image files=() failed='' before after in_cache restored=null file
  # Of borg's archives no two have one name.
  [[ $step != reread || $on != "$image" ]] || point=$image-again
  have "$side" "$on"
  begin "$side" "$on"
  [[ $step != restore ]] || mkdir "$work/side/restored"
  # What was written and deleted until here is no business of the step.
  sync -f "$work"
  quiet "$patience"
  if [[ $step = backup || $step = reread ]]; then files+=("$(image_of "$image")"); fi
  if [[ $on != - ]]; then
    while IFS= read -rd '' file; do files+=("$file"); done < <(find "$work/side/repo" -type f -print0)
  fi
  ((${#files[@]} == 0)) || warm "${files[@]}"
  in_cache=$(cached "$(image_of "$image")")
  before=$(size)
  measured='{}'
  run "$side" "$step" "$image" "$point" timed || failed="exit status $?: $(tail -n 5 "$work/side/stderr")"
  after=$(size)
  [[ -n $failed ]] || failed=$(wrong "$side" "$step" "$on" "$image")
  if [[ $step = restore ]]; then
    file=$(find "$work/side/restored" -type f -size +0 -print -quit)
    [[ -z $file ]] || restored=$(allocated "$file")
  fi
  jq -nc --arg pair "$pair" --argjson round "$round" --arg side "$letter" --argjson first "$first" --argjson took "$measured" \
    --argjson before "$before" --argjson after "$after" --argjson cached "$in_cache" --argjson restored "$restored" \
    --arg step "$step" --arg failed "${failed//"$work/"/}" '
    {pair: $pair, round: $round, side: $side, first: $first} + $took + {storedBytes: $after, addedBytes: ($after - $before)}
    + if $step == "backup" or $step == "reread" then {imageCachedBytes: $cached} else {} end
    + if $restored then {restoredBytes: $restored} else {} end + if $failed == "" then {} else {failed: $failed} end' \
    | tee -a "$runs" | jq -r --arg what "$side" '"\(.pair) \(.round) \(.side) \($what): "
      + if .failed then "FAILED: \(.failed)" else "\(.wallSeconds) s wall, \(.cpuSeconds * 100 | round / 100) s CPU, \(.peakBytes / 1048576 | round) MiB, added \(.addedBytes / 1048576 * 10 | round / 10) MiB, others \(.otherCpuSeconds * 10 | round / 10) s" end' >&2
  [[ -n $failed ]] || keep "$side" "$step" "$on" "$image"
}

# one_pair ROUND NAME A B STEP ON IMAGE RUNS: A and B in turn; who begins, alternates.
one_pair() {
  local name=$2 a=$3 b=$4 step=$5 on=$6 image=$7 times=$8 round
  for ((round = ($1 - 1) * times + 1; round <= $1 * times; round++)); do
    if ((round % 2)); then
      measure "$name" "$round" A true "$a" "$step" "$on" "${image%% *}"
      measure "$name" "$round" B false "$b" "$step" "$on" "${image##* }"
    else
      measure "$name" "$round" B true "$b" "$step" "$on" "${image##* }"
      measure "$name" "$round" A false "$a" "$step" "$on" "${image%% *}"
    fi
  done
}

# versions: of all tools that are run. Also lets the launcher build, and make its archives, before anything is timed.
versions() {
  local side tool
  printf '%s\n' "${chosen[@]}" | cut -d '|' -f 2,3 | tr '|' '\n' | sort -u -t : -k 1,1 | while IFS= read -r side; do
    [[ $side != java-hello ]] || continue
    tool=${side%%:*}
    command_of "$side" version
    "${command[@]}" > "$work/version"
    case $side in
      jdk25*) "$GENIEVM_JDK25/bin/java" -version 2> "$work/version" ;;
      jdk17*) "$java" -version 2> "$work/version" ;;
    esac
    jq -nc --arg tool "${tool% genievm}" --arg version "$(head -n 1 "$work/version")" '{($tool): $version}'
  done | jq -sc add
}

# write_result: everything so far.
write_result() {
  jq -s --argjson machine "$machine" --argjson versions "$versions" --argjson pairs "$pairs" --argjson images "$sizes" \
    --argjson skipped "$skipped" --arg commit "$commit" --argjson dirty "$dirty" --arg date "$date" \
    --argjson rounds "$1" --argjson patience "$patience" '
    def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    def spread: map(values) | if length == 0 then null else {min: min, median: median, max: max} end;
    def over(a; b): if a == null or b == null or b == 0 then null else a / b end;
    def figures: {wallSeconds: map(.wallSeconds) | spread, cpuSeconds: map(.cpuSeconds) | spread,
      peakBytes: map(.peakBytes) | spread, storedBytes: map(.storedBytes) | spread, addedBytes: map(.addedBytes) | spread,
      otherCpuSeconds: map(.otherCpuSeconds) | spread}
      + if any(.restoredBytes) then {restoredBytes: map(.restoredBytes) | spread} else {} end;
    . as $all
    | {commit: $commit, dirty: $dirty, date: $date, rounds: $rounds, patienceSeconds: $patience, machine: $machine,
       versions: $versions, images: $images, skipped: $skipped,
       pairs: ($pairs | map(. as $pair
         | [$all[] | select(.pair == $pair.name)] as $runs
         | [$runs | group_by(.round)[] | select(length == 2 and all(.failed == null))
            | (.[] | select(.side == "A")) as $a | (.[] | select(.side == "B")) as $b
            | {round: $a.round, wall: over($a.wallSeconds; $b.wallSeconds), cpu: over($a.cpuSeconds; $b.cpuSeconds),
               peak: over($a.peakBytes; $b.peakBytes), stored: over($a.storedBytes; $b.storedBytes),
               added: over($a.addedBytes; $b.addedBytes)}] as $ratios
         | {a: ([$runs[] | select(.side == "A" and .failed == null)] | figures),
            b: ([$runs[] | select(.side == "B" and .failed == null)] | figures),
            ratio: ({} | .[("wall", "cpu", "peak", "stored", "added")] = null | with_entries(.key as $key | .value = ($ratios | map(.[$key]) | spread)))} as $summary
         | $pair + {ratios: $ratios, summary: $summary,
             bars: ($pair.bars | map(. as $bar
               | (if .measure == "failures" then [$runs[] | select(.failed)] | length | {min: ., median: ., max: .}
                  elif .measure == "aPeakMiB" then $summary.a.peakBytes | if . then map_values(. / 1048576) else null end
                  else $summary.ratio[$bar.measure] end) as $value
               | . + {value: $value, met: (if $value == null then null else $value.median <= .limit end)}))})),
       runs: $all}' "$runs" > "$work/result.json"
  mkdir -p "$(dirname "$json")"
  cp "$work/result.json" "$json"
}

runs=$work/runs.jsonl
: > "$runs"
if [[ ${chosen[*]} = *java-hello* ]]; then
  mkdir "$work/hello"
  echo 'public class Hello { public static void main(String[] args) { System.out.println("Hello, world"); } }' > "$work/hello/Hello.java"
  "${java}c" -d "$work/hello" "$work/hello/Hello.java"
fi
mkdir -p "$work/side"
versions=$(versions)
machine=$(machine "$work")
root=$(dirname "$(readlink -f "$genievm")")
commit=$(git -C "$root" rev-parse --short=12 HEAD 2> /dev/null || echo unknown)
# A result of before is no change of what is measured.
dirty=$([[ -z $(git -C "$root" status --porcelain -- . ':!benchmarks/results' 2> /dev/null) ]] && echo false || echo true)
date=$(date -u +%Y-%m-%dT%H:%M:%SZ)
if [[ -z $json ]]; then
  json=$here/results/${date%T*}-$commit-$(jq -r '"\(.cores)x \(.cpu)" | ascii_downcase | gsub("\\([a-z]+\\)|@.*|processor|cpu"; "") | gsub("[^a-z0-9]+"; "-") | sub("-$"; "")' <<< "$machine").json
fi
sizes=$(for image in "$work"/*/*.raw; do
  folder=${image%/*}
  jq -nc --arg name "${folder##*/}" --argjson size "$(stat -c %s "$image")" --argjson allocated "$(allocated "$image")" \
    '{($name): {sizeBytes: $size, allocatedBytes: $allocated}}'
done | jq -sc add)
pairs=$(printf '%s\n' "${chosen[@]}" | jq -Rnc '[inputs | split("|")
  | {name: .[0], a: .[1], b: .[2], step: .[3], on: .[4], images: (.[5] | split(" ")),
     bars: (.[7] | split(" ") | map(select(. != "") | capture("^(?<measure>[A-Za-z]+)<=(?<limit>[0-9.]+)$") | .limit |= tonumber))}]')

for ((n = 1; n <= rounds; n++)); do
  for pair in "${chosen[@]}"; do
    IFS='|' read -r name a b step on image times _ <<< "$pair"
    one_pair "$n" "$name" "$a" "$b" "$step" "$on" "$image" "$times"
    write_result "$n"
  done
done
printf 'pairs.sh: %d s, result in %s\n' "$SECONDS" "$json" >&2
"$here/report.sh" "$json"
if grep -q '"failed":' "$runs"; then die 'a step failed'; fi
