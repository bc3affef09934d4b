# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the benchmark scripts share: reading into the page cache, timing a command, comparing
# files, machine facts. To be sourced; needs GNU time, jq and perl.

die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need COMMAND=PACKAGE...: installs what is missing where apt-get and root allow.
need() {
  local pair missing=()
  for pair in "$@"; do
    command -v "${pair%%=*}" > /dev/null || missing+=("${pair##*=}")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)) || ! command -v apt-get > /dev/null; then die "please install: ${missing[*]}"; fi
  apt-get update > /dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" > /dev/null
}

# allocated FILE: bytes that the file takes on disk.
allocated() { echo "$(($(stat -c '%b * %B' "$1")))"; }

# stored DIR: bytes in all files below DIR.
stored() { find "$1" -type f -printf '%s\n' | awk '{ sum += $1 } END { printf "%.0f\n", sum }'; }

# warm FILE...: reads what is not a hole, so that the page cache holds it.
warm() {
  perl -e '
    for my $name (@ARGV) {
      open my $in, "<:raw", $name or die "$name: $!\n";
      my ($end, $position) = (-s $in, 0);
      while ($position < $end) {
        my $data = sysseek($in, $position, 3) // last;      # SEEK_DATA
        my $hole = sysseek($in, $data + 0, 4) // $end;      # SEEK_HOLE
        sysseek($in, $data, 0);
        while ($data < $hole) {
          my $left = $hole - $data;
          my $got = sysread($in, my $buffer, $left < 1 << 20 ? $left : 1 << 20) or last;
          $data += $got;
        }
        $position = $hole;
      }
    }' -- "$@"
}

# cached FILE: bytes of the file in the page cache, or null where fincore is missing.
cached() {
  if command -v fincore > /dev/null; then
    fincore -b -n -o RES "$1" | tr -d ' '
  else
    echo null
  fi
}

# Ticks of all cores spent on anything but idling and waiting for a disk.
busy_ticks() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9 }' /proc/stat; }

# quiet SECONDS: waits until the machine is all but idle, no longer than so many seconds.
quiet() {
  local limit=$((SECONDS + $1)) before
  while ((SECONDS < limit)); do
    before=$(busy_ticks)
    sleep 2
    (($(busy_ticks) - before > $(getconf CLK_TCK) / 2)) || return 0
  done
}

# timed COMMAND...: runs it and leaves one JSON object in $measured: wall, user, sys in seconds,
# peak in bytes (largest single process), and what other processes took of the CPUs meanwhile
# (seconds; kernel write-back is in it), by which a disturbed run can be told. The wall time is
# taken here, as GNU time rounds to 10 ms, a fifth of what a JVM needs to say hello.
timed() {
  local out before after load start end status=0
  out=$(mktemp)
  read -r load _ < /proc/loadavg
  before=$(busy_ticks)
  start=${EPOCHREALTIME/[^0-9]/}
  LC_ALL=C /usr/bin/time -q -o "$out" -f '%U %S %M' "$@" || status=$?
  end=${EPOCHREALTIME/[^0-9]/}
  after=$(busy_ticks)
  # shellcheck disable=SC2034 # read by the caller
  measured=$(jq -Rc --argjson load "$load" --argjson ticks "$((after - before))" --argjson hz "$(getconf CLK_TCK)" \
    --argjson wall "$((end - start))" '
    split(" ") | map(tonumber) as [$user, $sys, $kib]
    | {wallSeconds: ($wall / 1000 | round / 1000), userSeconds: $user, sysSeconds: $sys, cpuSeconds: ($user + $sys),
       peakBytes: ($kib * 1024), otherCpuSeconds: ([0, $ticks / $hz - $user - $sys] | max), loadBefore: $load}' "$out")
  rm -f "$out"
  return "$status"
}

# machine: a JSON object of what the figures depend on.
machine() {
  jq -nc --arg cpu "$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)" \
    --argjson cores "$(nproc)" --argjson memory "$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) * 1024))" \
    --arg kernel "$(uname -r)" --arg fs "$(stat -f -c %T "$1")" --arg java "$("${JAVA_HOME:+$JAVA_HOME/bin/}java" -version 2>&1 | head -n 1)" \
    '{cpu: $cpu, cores: $cores, memoryBytes: $memory, kernel: $kernel, fileSystem: $fs, java: $java}'
}
