#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Reads an image from one qemu-nbd to nothing, with our NBD client and with nbdcopy in turn, and
# prints the medians and their ratio. Ours is told twice: the whole process, and without the start
# of the JVM.
#
# Usage: nbd-read.sh IMAGE [FORMAT [PAIRS]]      a qcow2 image and 7 pairs unless told otherwise
#
#   CONNECTIONS  of ours, 1; THREADS, 4; LENGTH of a read, 1 MiB. nbdcopy chooses for itself: 4 connections
#   SOCKET       tcp to measure over TCP instead of a Unix socket
#   NBD_URI      an export that is there, such as libvirt's of a guest that runs; no image is given then:
#                NBD_URI='nbd+unix:///vda?socket=/run/backup.sock' nbd-read.sh '' '' 7
#   GENIEVM_CLASSES  a class path to measure instead of the jar, which is built where it is missing
#   KEEP         a file for the figures of every run
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
. benchmarks/measure.sh

[[ -n ${1:-}${NBD_URI:-} ]] || { echo 'nbd-read: which image?' >&2; exit 2; }
readonly image=${1:-} format=${2:-qcow2} pairs=${3:-7}
readonly connections=${CONNECTIONS:-1} threads=${THREADS:-4} length=${LENGTH:-1048576}
need qemu-nbd=qemu-utils nbdcopy=libnbd-bin jq=jq perl=perl

[[ -n ${GENIEVM_CLASSES:-} || -e benchmarks/target/benchmarks.jar ]] || mvn -q -B -pl benchmarks -am package -DskipTests \
  -Dmaven.javadoc.skip=true -Dspotless.check.skip=true

folder=$(mktemp -d)
pid=
finish() {
  [[ -z $pid ]] || kill "$pid" || :
  rm -rf "$folder"
}
trap finish EXIT

if [[ -n ${NBD_URI:-} ]]; then
  uri=$NBD_URI
elif [[ ${SOCKET:-unix} = tcp ]]; then
  port=$(perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport')
  uri=nbd://127.0.0.1:$port
  where=(-b 127.0.0.1 -p "$port")
else
  uri="nbd+unix:///?socket=$folder/socket"
  where=(-k "$folder/socket")
fi
if [[ -z ${NBD_URI:-} ]]; then
  qemu-nbd --fork --persistent --pid-file "$folder/pid" -r -e 16 -f "$format" "${where[@]}" "$image"
  pid=$(<"$folder/pid")
fi

# seconds COMMAND...: how long it runs.
seconds() {
  local start=$EPOCHREALTIME
  "$@"
  perl -e 'printf "%.3f\n", $ARGV[1] - $ARGV[0]' "$start" "$EPOCHREALTIME"
}

ours() {
  java -cp "${GENIEVM_CLASSES:-benchmarks/target/benchmarks.jar:benchmarks/target/lib/*}" \
    -XX:+UseSerialGC -XX:TieredStopAtLevel="${TIER:-4}" \
    io.genievm.benchmarks.NbdRead "$uri" "$connections" "$threads" "$length" > "$folder/ours.json" 2> "$folder/ours.err" ||
    { cat "$folder/ours.err" >&2; return 1; }
}

one() {
  case $1 in
    ours) whole=$(seconds ours) ; jq -c --arg whole "$whole" '{ours: .seconds, process: ($whole | tonumber), cpu: .cpuSeconds, bytes: .bytes}' "$folder/ours.json" ;;
    nbdcopy) printf '{"nbdcopy":%s}\n' "$(seconds nbdcopy "$uri" null:)" ;;
  esac >> "$folder/figures.jsonl"
}

# Neither of the two is to be the one that fills the page cache.
nbdcopy "$uri" null:
ours
for ((pair = 0; pair < pairs; pair++)); do
  if ((pair % 2)); then one ours; one nbdcopy; else one nbdcopy; one ours; fi
done
[[ -z ${KEEP:-} ]] || cp "$folder/figures.jsonl" "$KEEP"

jq -s -r '
  def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
  def values(key): map(select(has(key)) | .[key]);
  def told(key): values(key) | "\(key): median \(median) s, minimum \(min) s, maximum \(max) s";
  (values("bytes")[0] / 1e9) as $gigabytes |
  told("nbdcopy"), told("ours"), told("process"),
  "ours reads \($gigabytes / (values("ours") | median) * 100 | round / 100) GB/s, takes \(values("cpu") | median) s of processor time",
  "ours / nbdcopy: \((values("ours") | median) / (values("nbdcopy") | median) * 100 | round / 100)",
  "process / nbdcopy: \((values("process") | median) / (values("nbdcopy") | median) * 100 | round / 100)"
' "$folder/figures.jsonl"
