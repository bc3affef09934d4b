#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures a full and an incremental backup of a guest that runs, with GenieVM and with
# virtnbdbackup, side by side, restores what was stored and compares it with the guest's disk.
#
# Usage: kvm.sh [--rounds N] [--tools "T..."] [--full-only] [--patience SECONDS] [--data MIB] [--json FILE] WORKDIR
#
#   --rounds N   how often every tool runs, in turn, the order rotated (5)
#   --tools "T"  see tools.sh; the first two are compared with the other two, in the order
#                ("genievm-kvm:lz4 genievm-kvm:zstd:1 virtnbdbackup:lz4 virtnbdbackup:none")
#   --full-only  no incremental backups
#   --patience SECONDS   on a machine that others use: waits before each timed step until it is
#                quiet, at most so long (0)
#   --data MIB   how much the guest's disk holds, a fifth of it random bytes (2560)
#   --json FILE  writes all runs, their summary and the machine's facts
#
# The guest is made and started here, and taken down at the end; its disk is kept in WORKDIR for
# the next time. It has two disks: vda with the data, which nobody writes to unless it is told to,
# so that what was stored can be compared byte by byte, and vdb with a mounted file system that is
# written to all the time, so that there is something to freeze and to keep apart. As root, on
# Debian. WORKDIR needs four times as much room as there is data. How to read the figures:
# BENCHMARKING.md.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=measure.sh
. "$here/measure.sh"
lab=$here/../genievm-kvm/src/test/lab

usage() { sed -n '7,16s/^# \{0,1\}//p' "$0" >&2; exit 2; }

rounds=5 steps='backup increment' patience=0 data=2560 json='' workdir=''
tools='genievm-kvm:lz4 genievm-kvm:zstd:1 virtnbdbackup:lz4 virtnbdbackup:none'
while (($#)); do
  case $1 in
    --rounds) rounds=${2:?}; shift ;;
    --tools) tools=${2:?}; shift ;;
    --full-only) steps=backup ;;
    --patience) patience=${2:?}; shift ;;
    --data) data=${2:?}; shift ;;
    --json) json=${2:?}; shift ;;
    -*) usage ;;
    *) [[ -z $workdir ]] || usage; workdir=$1 ;;
  esac
  shift
done
[[ -n $workdir ]] || usage
((EUID == 0)) || die 'root is needed: qemu:///system, and disks that QEMU reads as another user'
mkdir -p "$workdir"
workdir=$(cd "$workdir" && pwd)
export LIBVIRT_DEFAULT_URI=qemu:///system PATH=$PATH:/usr/sbin:/sbin
read -ra tools <<< "$tools"

need time=time jq=jq perl=perl-base virsh=libvirt-clients libvirtd=libvirt-daemon-system \
  qemu-system-x86_64=qemu-system-x86 qemu-img=qemu-utils mke2fs=e2fsprogs cpio=cpio busybox=busybox-static
[[ " ${tools[*]}" != *" virtnbdbackup"* ]] || need virtnbdbackup=virtnbdbackup

# The disk: files of this machine, and random bytes, which no codec can shrink. They lie behind the
# first MiB, where a partition would begin, so that the guest does not take it for a file system.
make_disk() {
  local disk=$1 tree=$1.tree
  rm -rf "$tree" "$disk.raw"
  mkdir "$tree"
  head -c "$((data / 5))M" /dev/urandom > "$tree/random"
  find /usr -xdev -type f -links 1 -printf '%s %P\n' | LC_ALL=C sort -k 2 \
    | awk -v most="$((data * 4 * 1048576 / 5))" '{ sum += $1 } sum <= most { print substr($0, length($1) + 2) }' \
    | (cd /usr && cpio -pdm --quiet "$tree")
  truncate -s "$((data * 8 / 5 + 1))M" "$disk.raw"
  mke2fs -q -t ext4 -E offset=1048576 -d "$tree" "$disk.raw" "$((data * 8 / 5))M"
  rm -rf "$tree"
  qemu-img convert -f raw -O qcow2 "$disk.raw" "$disk.making"
  rm "$disk.raw"
  mv "$disk.making" "$disk"
}

name=genievm-bench-$$
work=$(mktemp -d "$workdir/kvm.XXXXXX")
chmod 755 "$work"
groups=()
finish() {
  virsh -q destroy "$name" > /dev/null 2>&1 || :
  ! virsh -q dominfo "$name" > /dev/null 2>&1 || virsh -q undefine "$name" --checkpoints-metadata --nvram
  "$lab/libvirtd-down" "$$" || :
  ((${#groups[@]} == 0)) || rmdir "${groups[@]}" || :
  rm -rf "$work"
}
trap finish EXIT

pristine=$workdir/kvm-disk-$data.qcow2
[[ -e $pristine ]] || make_disk "$pristine"
"$lab/libvirtd-up" "$$"
boot=$("$lab/make-guest" "${GENIEVM_LAB:-/var/tmp/genievm-lab-$EUID}" | tail -n 1)
image=$work/vda.qcow2
cp --reflink=auto "$pristine" "$image"
truncate -s 256M "$work/vdb.raw"
mke2fs -q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 "$work/vdb.raw"
qemu-img convert -f raw -O qcow2 "$work/vdb.raw" "$work/vdb.qcow2"
rm "$work/vdb.raw"

cat > "$work/domain.xml" << XML
<domain type='${DOMTYPE:-qemu}'>
  <name>$name</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>$boot/vmlinuz</kernel>
    <initrd>$boot/initrd.gz</initrd>
    <cmdline>console=ttyS0 panic=1 quiet</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>destroy</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='$image'/><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/><source file='$work/vdb.qcow2'/><target dev='vdb' bus='virtio'/></disk>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <memballoon model='none'/>
  </devices>
</domain>
XML
virsh -q define "$work/domain.xml"
virsh -q start "$name"
agent() { virsh -q qemu-agent-command --timeout 60 "$name" "$1"; }
for ((try = 0; try < 600; try++)); do
  ! agent '{"execute":"guest-ping"}' > /dev/null 2>&1 || break
  sleep 0.2
done

# inside SCRIPT: runs it in the guest, and waits for its end.
inside() {
  local pid status
  pid=$(agent "$(jq -nc --arg script "$1" '{execute: "guest-exec", arguments: {path: "/bin/sh", arg: ["-c", $script]}}')" \
    | jq .return.pid)
  while status=$(agent '{"execute":"guest-exec-status","arguments":{"pid":'"$pid"'}}'); do
    [[ $(jq .return.exited <<< "$status") = true ]] || { sleep 0.2; continue; }
    [[ $(jq .return.exitcode <<< "$status") = 0 ]] || die "in the guest: $1: $status"
    return
  done
  die "the guest does not answer"
}
inside 'grep -q /mnt/vdb /proc/mounts && ! grep -q /mnt/vda /proc/mounts'
inside '(while :; do dd if=/dev/urandom of=/mnt/vdb/written bs=64k count=1 conv=fsync; usleep 500000; done) > /dev/null 2>&1 &'

# change: 96 MiB in three places, at a moment at which nothing is backed up.
change() {
  inside "for at in $((data / 20)) $((data / 3)) $((data / 2)); do dd if=/dev/urandom of=/dev/vda bs=1M count=32 seek=\$at conv=notrunc,fsync || exit 1; done"
}
# So that the first tool does not find less on the disk than the others.
change

runs=$work/runs.jsonl
versions=$(for tool in "${tools[@]}"; do
  # Also lets the launcher build and make its archive before anything is timed.
  jq -nc --arg tool "$tool" --arg version "$("$here/tools.sh" "$tool" version | head -n 1)" '{($tool): $version}'
done | jq -sc add)
data_bytes=$(qemu-img map -U --output=json "$image" | jq '[.[] | select(.data and (.zero | not)) | .length] | add')

# Seconds of CPU of the guest's QEMU, which serves the backup beside running the guest.
qemu_seconds() {
  awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hz }' "/proc/$(cat "/run/libvirt/qemu/$name.pid")/stat"
}

# A group that a command is run in, so that the CPU time of helpers is counted of which nobody waits
# for the end. Empty where there are no groups: then it is that of the process and its children.
group=
for root in /sys/fs/cgroup/cpuacct /sys/fs/cgroup; do
  if [[ -e $root/cgroup.procs ]] && mkdir "$root/$name" 2> /dev/null; then
    groups+=("$root/$name")
    if [[ -e $root/$name/cpuacct.usage || -e $root/$name/cpu.stat ]]; then group=$root/$name; break; fi
  fi
done
group_seconds() {
  if [[ -z $group ]]; then
    echo null
  elif [[ -e $group/cpuacct.usage ]]; then
    awk '{ print $1 / 1e9 }' "$group/cpuacct.usage"
  else
    awk '$1 == "usage_usec" { print $2 / 1e6 }' "$group/cpu.stat"
  fi
}

# step TOOL ROUND STEP: one timed step, its figures appended to $runs.
step() {
  local tool=$1 round=$2 step=$3 before qemu
  sync -f "$work"
  warm "$image"
  quiet "$patience"
  before=$(group_seconds)
  qemu=$(qemu_seconds)
  # shellcheck disable=SC2016 # for the shell that is started
  timed bash -c '[[ -z $1 ]] || echo $$ > "$1/cgroup.procs"; shift; exec "$@"' - "$group" \
    "$here/tools.sh" "$tool" "$step" "$work/repo" "$name" 2> "$work/stderr" \
    || die "$tool: $step failed: $(tail -n 5 "$work/stderr")"
  # shellcheck disable=SC2154 # timed sets it
  jq -c --arg tool "$tool" --argjson round "$round" --arg step "$step" --argjson stored "$(stored "$work/repo")" \
    --argjson before "$before" --argjson after "$(group_seconds)" --argjson qemu "$qemu" --argjson qemuAfter "$(qemu_seconds)" '
    {tool: $tool, round: $round, step: $step} + . + {storedBytes: $stored, qemuCpuSeconds: ($qemuAfter - $qemu)}
    | if $before then .otherCpuSeconds = ([0, .otherCpuSeconds + .cpuSeconds - ($after - $before)] | max)
        | .cpuSeconds = $after - $before else . end
    | .otherCpuSeconds = ([0, .otherCpuSeconds - .qemuCpuSeconds] | max)' \
    <<< "$measured" | tee -a "$runs" | jq -r 'def two: . * 100 | round / 100;
      "\(.tool) \(.step) \(.round): \(.wallSeconds) s wall, \(.cpuSeconds | two) s CPU, QEMU \(.qemuCpuSeconds | two) s, others \(.otherCpuSeconds | two) s"' >&2
}

# same TOOL: restores the newest backup, compares vda with the guest's, and looks at vdb's file system.
same() {
  local tool=$1 disk format
  rm -rf "$work/restored"
  mkdir "$work/restored"
  "$here/tools.sh" "$tool" restore "$work/repo" "$work/restored" > "$work/stderr" 2>&1 || die "$tool: restore failed: $(tail -n 5 "$work/stderr")"
  for disk in vda vdb; do
    restored=$(find "$work/restored" -type f \( -name "$disk" -o -name "$disk.*" \) -size +0)
    [[ -f $restored ]] || die "$tool restored no $disk"
    format=$(qemu-img info --output=json "$restored" | jq -r .format)
    if [[ $disk = vda ]]; then
      qemu-img compare -q -U -f "$format" -F qcow2 "$restored" "$image" || die "$tool restored other bytes"
    else
      qemu-img convert -f "$format" -O raw "$restored" "$work/restored/check.raw"
      # As a crash leaves it: the journal is replayed first. Status 1 says that something was mended.
      e2fsck -p "$work/restored/check.raw" > /dev/null || die "$tool: the file system of vdb is damaged"
    fi
  done
  rm -rf "$work/restored"
}

forget_checkpoints() {
  local checkpoint
  # The newest first: the bitmaps of the others then need not take over anything.
  while checkpoint=$(virsh checkpoint-list "$name" --leaves --name | head -n 1) && [[ -n $checkpoint ]]; do
    virsh -q checkpoint-delete "$name" "$checkpoint" > /dev/null
  done
}

one_round() {
  local tool=$1 round=$2
  forget_checkpoints
  rm -rf "$work/repo"
  "$here/tools.sh" "$tool" init "$work/repo"
  step "$tool" "$round" backup
  same "$tool"
  [[ $steps = *increment ]] || return 0
  change
  step "$tool" "$round" increment
  same "$tool"
}

for ((round = 1; round <= rounds; round++)); do
  for ((i = 0; i < ${#tools[@]}; i++)); do
    one_round "${tools[(i + round - 1) % ${#tools[@]}]}" "$round"
  done
done

jq -s --argjson machine "$(machine "$work")" --argjson versions "$versions" --arg tools "${tools[*]}" \
  --argjson data "$data_bytes" --arg qemu "$(qemu-system-x86_64 --version | head -n 1)" --arg libvirt "$(virsh --version)" --arg steps "$steps" '
  def median: sort | if length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
  def spread: {min: min, median: median, max: max};
  ($tools | split(" ")) as $order | . as $runs
  | def one($step; $tool): [$runs[] | select(.step == $step and .tool == $tool)]
      | {step: $step, tool: $tool, runs: length, wallSeconds: map(.wallSeconds) | spread,
         cpuSeconds: map(.cpuSeconds) | spread, peakBytes: map(.peakBytes) | spread,
         qemuCpuSeconds: map(.qemuCpuSeconds) | spread, otherCpuSeconds: map(.otherCpuSeconds) | spread,
         storedBytes: map(.storedBytes) | spread};
    # Of each round, as what else the machine does changes slowly; and of these the median.
    def ratio($step; $ours; $theirs; figure):
      [$runs[] | select(.step == $step)] | group_by(.round)
      | map((map(select(.tool == $ours))[0] | figure) / (map(select(.tool == $theirs))[0] | figure)) | median;
  {guest: {dataBytes: $data}, machine: ($machine + {qemu: $qemu, libvirt: $libvirt}), versions: $versions,
   summary: [($steps | split(" "))[] as $step | $order[] as $tool | one($step; $tool)],
   ratios: (($order | length / 2 | floor) as $half | [($steps | split(" "))[] as $step | range($half) as $i
     | $order[$i] as $ours | $order[$i + $half] as $theirs
     | {step: $step, ours: $ours, theirs: $theirs, wall: ratio($step; $ours; $theirs; .wallSeconds),
        cpu: ratio($step; $ours; $theirs; .cpuSeconds), peak: ratio($step; $ours; $theirs; .peakBytes),
        qemuCpu: ratio($step; $ours; $theirs; .qemuCpuSeconds), stored: ratio($step; $ours; $theirs; .storedBytes)}]),
   runs: $runs}' "$runs" > "$work/result.json"
[[ -z $json ]] || cp "$work/result.json" "$json"

jq -r '
  def fixed(digits): pow(10; digits) as $scale | . * $scale | round
    | "\(. / $scale | floor).\(. % $scale + $scale | tostring[1:])";
  def seconds: "\(.min | fixed(1)) / \(.median | fixed(1)) / \(.max | fixed(1))";
  def mib: . / 1048576 | round | tostring;
  "a guest that runs, \(.guest.dataBytes | mib) MiB of data",
  (.machine | "\(.cpu), \(.cores) cores, \(.memoryBytes | mib) MiB, \(.kernel), \(.fileSystem), \(.java), \(.qemu), libvirt \(.libvirt)"),
  (.versions | to_entries[] | "\(.key): \(.value)"),
  "",
  "min / median / max of \(.summary[0].runs); everything that was restored is equal",
  "",
  "| step | tool | wall s | CPU s | peak MiB | QEMU CPU s | stored MiB | others CPU s |",
  "|---|---|---|---|---|---|---|---|",
  (.summary[] | "| \(.step) | \(.tool) | \(.wallSeconds | seconds) | \(.cpuSeconds | seconds) | \(.peakBytes.median | mib) | \(.qemuCpuSeconds | seconds) | \(.storedBytes.median | mib) | \(.otherCpuSeconds | seconds) |"),
  "",
  "medians of the ratios of each round",
  "",
  "| step | ours / theirs | wall | CPU | peak | QEMU CPU | stored |",
  "|---|---|---|---|---|---|---|",
  (.ratios[] | "| \(.step) | \(.ours) / \(.theirs) | \(.wall | fixed(2)) | \(.cpu | fixed(2)) | \(.peak | fixed(2)) | \(.qemuCpu | fixed(2)) | \(.stored | fixed(2)) |")' \
  "$work/result.json"
