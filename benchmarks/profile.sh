#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Profiles each pass over an image, and says what bounds it: the CPU seconds that a pass takes, by
# what they go to, beside those that it can not do without.
#
# Usage: profile.sh [--codec CODEC] [--passes "P..."] [--json FILE] [--keep DIR] IMAGE WORKDIR
#
#   --codec CODEC  zstd:1 unless said otherwise
#   --passes "P"   backup unchecked unchanged verify restore, all unless said otherwise; unchecked is a
#                  backup that does not decompress again what it has compressed
#   --json FILE    writes the figures, the shares of the profile and the machine's facts
#   --keep DIR     keeps the stacks there, for a flame graph
#
# Each pass runs three times without a profiler, whose median counts, and once with one. The
# profiler is async-profiler's library, which Maven fetches as tools.profiler:async-profiler. The
# limit is the sum of the parts that Limit measures on samples of the image, and what a JVM takes to
# start and to compile, 0.7 s.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=measure.sh
. "$here/measure.sh"
readonly PROFILER=4.0 START=0.7

usage() { sed -n '7,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }

codec=zstd:1 passes='backup unchecked unchanged verify restore' json='' keep='' image='' workdir=''
while (($#)); do
  case $1 in
    --codec) codec=${2:?}; shift ;;
    --passes) passes=${2:?}; shift ;;
    --json) json=${2:?}; shift ;;
    --keep) keep=${2:?}; shift ;;
    -*) usage ;;
    *) if [[ -z $image ]]; then image=$1; elif [[ -z $workdir ]]; then workdir=$1; else usage; fi ;;
  esac
  shift
done
[[ -n $workdir && -f $image ]] || usage
mkdir -p "$workdir" ${keep:+"$keep"}
work=$(mktemp -d "$(cd "$workdir" && pwd)/profile.XXXXXX")
trap 'rm -rf "$work"' EXIT
need time=time jq=jq perl=perl-base unzip=unzip
genievm=${GENIEVM:-$(cd "$here/.." && pwd)/genievm}
root=$(cd "$here/.." && pwd)
"$genievm" --version > /dev/null

# The library lies in the jar.
mvn -q -B -f "$root/pom.xml" -N dependency:copy -Dartifact=tools.profiler:async-profiler:$PROFILER -DoutputDirectory="$work" > /dev/null
unzip -qo "$work/async-profiler-$PROFILER.jar" 'linux-x64/*' 'linux-arm64/*' -d "$work"
case $(uname -m) in
  aarch64) library=$work/linux-arm64/libasyncProfiler.so ;;
  *) library=$work/linux-x64/libasyncProfiler.so ;;
esac

benchmarks=$root/benchmarks/target/benchmarks.jar
[[ -f $benchmarks ]] || mvn -q -B -f "$root/pom.xml" -pl benchmarks -am -Dmaven.test.skip=true package
warm "$image"
limit=$(java -cp "$benchmarks" io.genievm.benchmarks.Limit "$image" "$codec" "$work")

vms=$work/vms/vm
mkdir -p "$vms"
ln "$image" "$vms/disk.raw" 2> /dev/null || cp --sparse=always --reflink=auto "$image" "$vms/disk.raw"
repo=$work/repo kept=$work/kept

fresh() { rm -rf "$repo"; "$genievm" init --repo "$repo" > /dev/null; }
backup() { "$genievm" backup --host "images:$work/vms" --vm vm --repo "$repo" --codec "$codec" --json "$@"; }
run() {
  case $1 in
    backup | unchanged) backup ;;
    unchecked) backup --no-compression-check ;;
    verify) "$genievm" verify --repo "$repo" --json ;;
    restore) "$genievm" restore --repo "$repo" --vm vm --to "$work/out" --json ;;
  esac
}
prepare() {
  rm -rf "$work/out" "$repo"
  case $1 in
    backup | unchecked) fresh; warm "$image" ;;
    unchanged) cp -al "$kept" "$repo"; warm "$image" ;;
    *) cp -al "$kept" "$repo"; find "$repo" -type f -print0 | while IFS= read -rd '' file; do warm "$file"; done ;;
  esac
  sync -f "$work"
}
export -f run backup
export genievm work repo codec

fresh
answer=$(backup)
mv "$repo" "$kept"
read_bytes=$(jq '[.disks[].readBytes] | add' <<< "$answer")
changed=$(jq '[.disks[].changedBytes] | add' <<< "$answer")

parts() {
  # What a stack is spent on, by the first that fits.
  perl -ne '
    BEGIN { our (%sum, $all) }
    next unless /^(.*) (\d+)$/;
    my ($stack, $count) = ($1, $2);
    $all += $count;
    my $part =
        $stack =~ /^\[C[12] Compiler/ ? "compiling"
      : $stack =~ /^\[(VM Thread|VM Periodic|Service Thread|GC)/ ? "JVM"
      : $stack =~ /ZSTD_decompress|ZSTD_DCtx|HUF_decompress|LZ4_decompress|decompress/i ? "decompress"
      : $stack =~ /ZSTD|HUF_|FSE_|HIST_|LZ4|compressByteArray/ ? "compress"
      : $stack =~ /sha256|DigestBase|SHA2/ ? "hash"
      : $stack =~ /CRC32C/ ? "checksum"
      : $stack =~ /pread|IOUtil\.read|readIntoNative|FileDispatcherImpl\.read/ ? "read"
      : $stack =~ /pwrite|IOUtil\.write|FileDispatcherImpl\.(write|force)|fsync|fdatasync/ ? "write"
      : $stack =~ /copyMemory|arraycopy|memmove|memcpy/ ? "copy"
      : $stack =~ /mismatch|Arrays\.equals/ ? "compare"
      : $stack =~ /^\[main/ ? "start"
      : "other";
    $sum{$part} += $count;
    END { printf "{%s}\n", join ",", map { sprintf "\"%s\":%.4f", $_, $sum{$_} / $all } sort { $sum{$b} <=> $sum{$a} } keys %sum }
  ' "$1"
}

for pass in $passes; do
  : > "$work/times"
  for _ in 1 2 3; do
    prepare "$pass"
    # shellcheck disable=SC2016 # for the shell that is started
    timed bash -c 'run "$1"' - "$pass" > "$work/out.json" 2> "$work/stderr" || die "$pass failed: $(tail -n 5 "$work/stderr")"
    # shellcheck disable=SC2154 # timed sets it
    echo "$measured" >> "$work/times"
  done
  prepare "$pass"
  GENIEVM_JAVA_OPTS="${GENIEVM_JAVA_OPTS:-} -agentpath:$library=start,event=ctimer,interval=1ms,threads,collapsed,file=$work/$pass.collapsed" \
    run "$pass" > /dev/null 2> "$work/stderr" || die "$pass failed under the profiler: $(tail -n 5 "$work/stderr")"
  [[ -z $keep ]] || cp "$work/$pass.collapsed" "$keep"
  jq -s --arg pass "$pass" --argjson limit "$limit" --argjson read "$read_bytes" --argjson changed "$changed" \
    --argjson start "$START" --argjson parts "$(parts "$work/$pass.collapsed")" '
    sort_by(.cpuSeconds)[1] as $median
    | $limit.megabytesPerCpuSecond as $rate | ($read / 1e6) as $all | ($changed / 1e6) as $data
    | ($data * $limit.storedShare) as $stored
    | {read: ($all / $rate.read), hash: ($data / $rate.hash), encode: ($data / $rate.encode), decode: ($data / $rate.decode),
       writeStored: ($stored / $rate.write), readStored: ($stored / $rate.read), write: ($data / $rate.write)} as $cost
    | {backup: ["read", "hash", "encode", "decode", "writeStored"], unchecked: ["read", "hash", "encode", "writeStored"],
       unchanged: ["read", "hash"], verify: ["readStored", "decode", "hash"],
       restore: ["readStored", "decode", "hash", "write"]}[$pass] as $terms
    | ($terms | map({(.): $cost[.]}) | add + {start: $start}) as $sum
    | {pass: $pass, wallSeconds: $median.wallSeconds, cpuSeconds: $median.cpuSeconds, peakBytes: $median.peakBytes,
       otherCpuSeconds: $median.otherCpuSeconds, limitTerms: $sum, limitSeconds: ($sum | add),
       ratio: ($median.cpuSeconds / ($sum | add)), profile: $parts}' "$work/times" >> "$work/passes.jsonl"
done

jq -s --argjson machine "$(machine "$work")" --argjson limit "$limit" --arg image "${image##*/}" --argjson read "$read_bytes" \
  --argjson changed "$changed" \
  '{image: $image, readBytes: $read, dataBytes: $changed, machine: $machine, limit: $limit, passes: .}' "$work/passes.jsonl" > "$work/result.json"
[[ -z $json ]] || cp "$work/result.json" "$json"
jq -r '
  def two: . * 100 | round / 100 | tostring;
  "\(.image), \(.limit.codec); \(.dataBytes / 1e6 | round) MB of data, megabytes for a second of CPU time: "
    + (.limit.megabytesPerCpuSecond | to_entries | map("\(.key) \(.value)") | join(", ")),
  "",
  "| pass | wall s | CPU s | limit s | CPU / limit | terms of the limit, s | what the profile says, % |",
  "|---|---|---|---|---|---|---|",
  (.passes[] | "| \(.pass) | \(.wallSeconds | two) | \(.cpuSeconds | two) | \(.limitSeconds | two) | \(.ratio | two) | "
    + (.limitTerms | to_entries | map("\(.key) \(.value | two)") | join(", ")) + " | "
    + (.profile | to_entries | map(select(.value >= 0.01) | "\(.key) \(.value * 100 | round)") | join(", ")) + " |")' "$work/result.json"
