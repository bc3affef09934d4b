#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the disk images that the macro-benchmarks back up.
#
#   gen0.raw       8 GiB ext4 holding a real Debian 12 with compilers, databases, office and
#                  fonts, a database-like file of 16 KiB pages, logs and a blob that cannot
#                  be compressed: about 5 GiB used, the rest holes
#   gen1.raw       gen0 some days later: packages purged and installed, logs rotated and
#                  written, 15 % of the database's pages rewritten, free space trimmed
#   sibling.raw    another machine of the kind (only with --sibling): gen0's files in a file system
#                  of its own, made with other parameters and filled in another order, then packages
#                  purged and installed, other logs, keys, database and blob
#   clone.raw      another machine from the same template (only with --clone): gen0 with some of its
#                  packages purged, others installed, the database gone, other logs and keys
#   sparse64g.raw  gen0's bytes in a 64 GiB file (only with --sparse64g)
#   rand4g.raw     4 GiB that no codec shrinks and nothing shares (only with --random)
#   empty8g.raw    8 GiB of hole (only with --empty)
#
# Usage: make-images.sh [--gen0-only] [--sibling] [--clone] [--sparse64g] [--random] [--empty] DIR
#
# Must run as root on Debian 12: it loop-mounts the image and runs Debian's own installation
# in it. All mounts live in a mount namespace of their own and vanish with the script. Packages
# come from the mirror in this machine's apt configuration, or from DEBIAN_MIRROR. What exists
# in DIR is not built again. The content generated here is the same on every run; the packages
# are those the mirror has, so images of two machines differ: compare only within one machine.
# Once gen1 was built in DIR, --sibling finds its packages in DIR/debs and needs no network; --clone does.
#
# Sizes can be changed by IMAGE_GIB (8), BLOB_MIB (384), DB_MIB (200), LOG_MIB (60).
set -euo pipefail

readonly SUITE=bookworm
readonly IMAGE_GIB=${IMAGE_GIB:-8} BLOB_MIB=${BLOB_MIB:-384} DB_MIB=${DB_MIB:-200} LOG_MIB=${LOG_MIB:-60}

readonly PACKAGES=(
  linux-image-amd64 openssh-server locales man-db manpages-dev info less file
  build-essential gdb git openjdk-17-jdk-headless golang-go nodejs npm
  perl-doc vim vim-doc python3-numpy python3-scipy python3-pandas
  postgresql mariadb-server redis-server apache2 apache2-doc
  libreoffice-writer libreoffice-calc
  texlive-latex-base texlive-fonts-recommended
  fonts-noto-cjk fonts-dejavu fonts-liberation
)
readonly GEN1_PURGE=(redis-server redis-tools apache2 apache2-doc)
readonly GEN1_INSTALL=(php-cli ruby emacs-nox)
readonly SIBLING_PURGE=(mariadb-server golang-go)
readonly SIBLING_INSTALL=(php-cli ruby)
readonly CLONE_PURGE=(mariadb-server golang-go libreoffice-writer libreoffice-calc texlive-latex-base texlive-fonts-recommended)
readonly CLONE_INSTALL=(clang nginx-light haproxy)

here=$(cd "$(dirname "$0")" && pwd)

die() { printf 'make-images: %s\n' "$*" >&2; exit 1; }
say() { printf 'make-images: %s (%d s)\n' "$*" "$SECONDS" >&2; }

usage() { sed -n '6,29s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# The content generators. Seeded, so that the same pages come out on every machine.

# database FILE MIB SEED: pages like a B-tree's leaves: header, rows, unused tail, trailer.
# With a fourth argument, rewrites that percentage of the pages of an existing file in place.
database() {
  perl - "$@" <<'PERL'
use strict; use warnings;
my ($file, $mib, $seed, $percent) = @ARGV;
my $pages = $mib * 64;
my @first = qw(anna bert clara dora emil fritz greta hans ida jan karl lena mia nils olga paul);
my @last = qw(adler becker conrad dietz ebert fuchs geier haas imhof jung krause lang maurer);
my @state = qw(open paid shipped returned cancelled);
srand($seed);
sub page {
  my ($number, $lsn) = @_;
  my $limit = 16384 - 8 - int(rand(6000));
  my $rows = '';
  my $id = $number * 120;
  while (38 + length($rows) < $limit - 200) {
    my ($f, $l) = ($first[rand @first], $last[rand @last]);
    my $token = join '', map { sprintf '%08x', int(rand(0xffffffff)) } 1 .. 3;
    $rows .= pack('nNNnC', 45, $id++, int(rand(1 << 31)), int(rand(10000)), int(rand(5)))
      . "$f.$l\@example.org\0" . "\u$f \u$l\0" . $state[rand @state] . "\0"
      . sprintf('2026-%02d-%02d %02d:%02d:%02d', 1 + rand 12, 1 + rand 28, rand 24, rand 60, rand 60)
      . "\0$token\0";
  }
  my $body = pack('NNNNNNnNNnn', 0, $number, $number - 1, $number + 1, 0, $lsn, 17855, 0, 0, 7,
    length $rows) . $rows;
  return $body . "\0" x (16384 - 8 - length $body) . pack('NN', $lsn, $number);
}
if (defined $percent) {
  open my $out, '+<:raw', $file or die "$file: $!";
  for my $number (0 .. $pages - 1) {
    next if rand(100) >= $percent;
    seek $out, $number * 16384, 0 or die "$file: $!";
    print {$out} page($number, 900000 + $number) or die "$file: $!";
  }
  close $out or die "$file: $!";
} else {
  open my $out, '>:raw', $file or die "$file: $!";
  print {$out} page($_, 100000 + $_) or die "$file: $!" for 0 .. $pages - 1;
  close $out or die "$file: $!";
}
PERL
}

# access_log FILE MIB SEED: a web server's log.
access_log() {
  perl - "$@" <<'PERL'
use strict; use warnings;
my ($file, $mib, $seed) = @ARGV;
srand($seed);
my @paths = map { '/' . join('/', map { (qw(shop news api v2 static img item list user search))[rand 10] }
  1 .. 1 + rand 4) . ('', '.html', '.css', '.png', "?id=$_")[rand 5] } 1 .. 4000;
my @agents = map { "Mozilla/5.0 (" . (qw(X11 Windows Macintosh iPhone))[rand 4] . "; rv:" . int(90 + rand 50)
  . ".0) Gecko/20100101 Firefox/" . int(90 + rand 50) . ".0" } 1 .. 200;
my @hosts = map { join '.', map { int rand 256 } 1 .. 4 } 1 .. 20000;
open my $out, '>:raw', $file or die "$file: $!";
my ($written, $time) = (0, 0);
while ($written < $mib * 1048576) {
  $time += rand 2;
  my $line = sprintf "%s - - [%02d/Jan/2026:%02d:%02d:%02d +0000] \"GET %s HTTP/1.1\" %d %d \"-\" \"%s\"\n",
    $hosts[rand(@hosts) * rand()], 1 + ($time / 86400) % 28, ($time / 3600) % 24, ($time / 60) % 60, $time % 60,
    $paths[rand(@paths) * rand()], (200, 200, 200, 304, 404)[rand 5], int(200 + rand 50000), $agents[rand @agents];
  print {$out} $line or die "$file: $!";
  $written += length $line;
}
close $out or die "$file: $!";
PERL
}

# blob FILE MIB KEY: bytes that no codec shrinks, always the same for a KEY of two hex digits.
blob() {
  openssl enc -aes-256-ctr -K "$(printf "$3%.0s" {1..32})" -iv "$(printf '00%.0s' {1..16})" \
    < <(head -c "$(($2 * 1048576))" /dev/zero) > "$1"
}

# Inside the image.

# Makes apt usable in the tree ROOT: this machine's proxy settings and name resolution, no
# services started, no fsync per package.
prepare_tree() {
  local root=$1
  apt-config dump | grep -E '^Acquire::(http|https|Retries)' > "$root/etc/apt/apt.conf.d/00image-build" || true
  cat >> "$root/etc/apt/apt.conf.d/00image-build" <<'CONF'
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
DPkg::Options { "--force-unsafe-io"; "--force-confold"; };
Dpkg::Use-Pty "false";
CONF
  printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  cat /etc/resolv.conf > "$root/etc/resolv.conf"
  cat /etc/hosts > "$root/etc/hosts"
  mount -t proc proc "$root/proc"
  mount --bind "$dir/debs" "$root/var/cache/apt/archives"
}

# Takes out of ROOT what prepare_tree put there, and unmounts.
finish_tree() {
  local root=$1
  rm -f "$root/etc/apt/apt.conf.d/00image-build" "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
  printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
  umount "$root/var/cache/apt/archives" "$root/proc"
  sync -f "$root"
  fstrim "$root"
  umount "$root"
}

in_tree() {
  local root=$1
  shift
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    chroot "$root" "$@" >> "$dir/build.log" 2>&1 || die "failed in the image: $* (see $dir/build.log)"
}

# Checks the file system of IMAGE and punches its runs of zeroes.
finish_image() {
  e2fsck -fy "$1" >> "$dir/build.log" 2>&1 || (($? == 1)) || die "e2fsck found damage in $1"
  fallocate --dig-holes "$1"
  sync -f "$1"
}

build_gen0() {
  local root=$dir/mnt image=$dir/gen0.raw.part mirror=${DEBIAN_MIRROR:-}
  if [[ -z $mirror ]]; then
    mirror=$(apt-get indextargets --format "\$(CODENAME) \$(COMPONENT) \$(REPO_URI)" 'Identifier: Packages' \
      | awk -v suite=$SUITE '$1 == suite && $2 == "main" { print $3; exit }')
    [[ -n $mirror ]] || die "no mirror of $SUITE in this machine's apt configuration; set DEBIAN_MIRROR"
  fi
  say "gen0: file system of $IMAGE_GIB GiB"
  rm -f "$image"
  truncate -s "${IMAGE_GIB}G" "$image"
  mke2fs -q -F -t ext4 -L benchmark -U 6d1f5a0e-3f0b-4c63-9d8e-0c2f5b7a9e11 \
    -E "hash_seed=0b8f7c1e-5a66-4f0a-8f67-1d2c3b4a5968,lazy_itable_init=1,nodiscard" "$image"
  mkdir -p "$root"
  mount -o loop,noatime,noinit_itable "$image" "$root"

  say "gen0: debootstrap"
  debootstrap --cache-dir="$dir/debs" "$SUITE" "$root" "$mirror" >> "$dir/build.log" 2>&1 \
    || die "debootstrap failed (see $dir/build.log)"
  prepare_tree "$root"
  echo 'man-db man-db/auto-update boolean false' | in_tree "$root" debconf-set-selections
  say "gen0: packages"
  in_tree "$root" apt-get update
  in_tree "$root" apt-get install "${PACKAGES[@]}"

  say "gen0: database, logs, blob"
  mkdir -p "$root/srv/db" "$root/srv/media" "$root/var/log/web"
  database "$root/srv/db/orders.ibd" "$DB_MIB" 20260101
  access_log "$root/var/log/web/access.log.1" "$LOG_MIB" 1
  access_log "$root/var/log/web/access.log" "$LOG_MIB" 2
  blob "$root/srv/media/archive.bin" "$BLOB_MIB" 67
  finish_tree "$root"
  finish_image "$image"
  mv "$image" "$dir/gen0.raw"
}

build_gen1() {
  local root=$dir/mnt image=$dir/gen1.raw.part
  say "gen1: copy of gen0"
  cp --sparse=always "$dir/gen0.raw" "$image"
  mkdir -p "$root"
  mount -o loop,noatime,noinit_itable "$image" "$root"
  prepare_tree "$root"
  say "gen1: packages"
  in_tree "$root" apt-get purge --autoremove "${GEN1_PURGE[@]}"
  in_tree "$root" apt-get install "${GEN1_INSTALL[@]}"

  say "gen1: database, logs"
  database "$root/srv/db/orders.ibd" "$DB_MIB" 20260102 15
  mv "$root/var/log/web/access.log.1" "$root/var/log/web/access.log.2"
  gzip -n "$root/var/log/web/access.log.2"
  mv "$root/var/log/web/access.log" "$root/var/log/web/access.log.1"
  access_log "$root/var/log/web/access.log" "$LOG_MIB" 3
  finish_tree "$root"
  finish_image "$image"
  mv "$image" "$dir/gen1.raw"
}

# name_machine ROOT NAME ID: what no two machines share.
name_machine() {
  local root=$1
  echo "$2" > "$root/etc/hostname"
  echo "$3" > "$root/etc/machine-id"
  rm -f "$root"/etc/ssh/ssh_host_*
  in_tree "$root" ssh-keygen -A
}

build_sibling() {
  local root=$dir/mnt source=$dir/mnt-gen0 image=$dir/sibling.raw.part
  say "sibling: gen0's files in a file system of its own"
  rm -f "$image"
  truncate -s "${IMAGE_GIB}G" "$image"
  # With another number of inodes the data begins elsewhere.
  mke2fs -q -F -t ext4 -L sibling -U b3a9c2d4-71e6-4f05-8a1b-94d07e5c6f23 -i 32768 \
    -E "hash_seed=5d2e9b7a-c481-4e3f-b06d-7f1a2c8e9d54,lazy_itable_init=1,nodiscard" "$image"
  mkdir -p "$root" "$source"
  mount -o loop,ro,noload "$dir/gen0.raw" "$source"
  mount -o loop,noatime,noinit_itable "$image" "$root"
  (cd "$source" && find . -xdev -path ./srv -prune -o -path ./var/log/web -prune -o -path ./lost+found -prune -o -print0) \
    | LC_ALL=C sort -zR --random-source=<(yes sibling) \
    | tar -C "$source" --null --no-recursion --xattrs --xattrs-include='*' -T - -cf - \
    | tar -C "$root" --xattrs --xattrs-include='*' --numeric-owner -xpf -
  prepare_tree "$root"
  say "sibling: packages"
  in_tree "$root" apt-get purge --autoremove "${SIBLING_PURGE[@]}"
  in_tree "$root" apt-get install "${SIBLING_INSTALL[@]}"

  say "sibling: identity, database, logs, blob"
  name_machine "$root" sibling b3a9c2d471e64f058a1b94d07e5c6f23
  mkdir -p "$root/srv/db" "$root/srv/media" "$root/var/log/web"
  database "$root/srv/db/orders.ibd" "$DB_MIB" 20260201
  access_log "$root/var/log/web/access.log.1" "$LOG_MIB" 11
  access_log "$root/var/log/web/access.log" "$LOG_MIB" 12
  blob "$root/srv/media/archive.bin" "$BLOB_MIB" 76
  finish_tree "$root"
  finish_image "$image"

  mount -o loop,ro,noload "$image" "$root"
  say "sibling: what it has of gen0's files: $("$here/blocks.pl" files "$source" "$root")"
  umount "$root" "$source"
  rmdir "$source"
  mv "$image" "$dir/sibling.raw"
}

build_clone() {
  local root=$dir/mnt image=$dir/clone.raw.part
  say "clone: copy of gen0"
  cp --sparse=always "$dir/gen0.raw" "$image"
  mkdir -p "$root"
  mount -o loop,noatime,noinit_itable "$image" "$root"
  prepare_tree "$root"
  say "clone: packages"
  in_tree "$root" apt-get purge --autoremove "${CLONE_PURGE[@]}"
  in_tree "$root" apt-get update
  in_tree "$root" apt-get install "${CLONE_INSTALL[@]}"

  say "clone: identity, logs"
  name_machine "$root" clone 0c5a1e7f93b84d26a17f60e2d94b3c58
  rm -f "$root/srv/db/orders.ibd" "$root/var/log/web/access.log.1"
  access_log "$root/var/log/web/access.log" "$LOG_MIB" 21
  finish_tree "$root"
  finish_image "$image"
  mv "$image" "$dir/clone.raw"
}

build_sparse64g() {
  say "sparse64g"
  cp --sparse=always "$dir/gen0.raw" "$dir/sparse64g.raw.part"
  truncate -s 64G "$dir/sparse64g.raw.part"
  mv "$dir/sparse64g.raw.part" "$dir/sparse64g.raw"
}

build_random() {
  say "rand4g"
  blob "$dir/rand4g.raw.part" 4096 b5
  mv "$dir/rand4g.raw.part" "$dir/rand4g.raw"
}

gen1=yes sibling=no clone=no sparse64g=no random=no empty=no dir=
arguments=("$@")
while (($#)); do
  case $1 in
    --gen0-only) gen1=no ;;
    --sibling) sibling=yes ;;
    --clone) clone=yes ;;
    --sparse64g) sparse64g=yes ;;
    --random) random=yes ;;
    --empty) empty=yes ;;
    -*) usage ;;
    *) [[ -z $dir ]] || usage; dir=$1 ;;
  esac
  shift
done
[[ -n $dir ]] || usage
((EUID == 0)) || die "must run as root: it mounts the image and installs Debian in it"

# Everything below happens where mounts and left-over processes end with this script.
if [[ ${MAKE_IMAGES_INSIDE:-} != yes ]]; then
  needed=()
  for pair in debootstrap:debootstrap mke2fs:e2fsprogs openssl:openssl perl:perl mount:mount; do
    command -v "${pair%%:*}" > /dev/null || needed+=("${pair##*:}")
  done
  if ((${#needed[@]})); then
    apt-get update > /dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${needed[@]}" > /dev/null
  fi
  MAKE_IMAGES_INSIDE=yes exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
    bash "$0" "${arguments[@]}"
fi

mkdir -p "$dir/debs"
dir=$(cd "$dir" && pwd)
# debootstrap fetches by itself and does not read apt's proxy setting.
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
[[ -z ${http_proxy:-} ]] || export http_proxy
[[ -z ${https_proxy:-} ]] || export https_proxy

[[ -e $dir/gen0.raw ]] || build_gen0
[[ $gen1 = no || -e $dir/gen1.raw ]] || build_gen1
[[ $sibling = no || -e $dir/sibling.raw ]] || build_sibling
[[ $clone = no || -e $dir/clone.raw ]] || build_clone
[[ $sparse64g = no || -e $dir/sparse64g.raw ]] || build_sparse64g
[[ $random = no || -e $dir/rand4g.raw ]] || build_random
[[ $empty = no || -e $dir/empty8g.raw ]] || truncate -s 8G "$dir/empty8g.raw"
rmdir "$dir/mnt" 2> /dev/null || true

for image in "$dir"/*.raw; do
  printf '%s\t%d bytes\t%d MiB allocated\n' "$image" "$(stat -c %s "$image")" \
    "$(($(stat -c '%b * %B' "$image") / 1048576))"
done
