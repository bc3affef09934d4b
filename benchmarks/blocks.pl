#!/usr/bin/env perl
# SPDX-License-Identifier: Apache-2.0
#
# Counts, without any help from GenieVM, what disk images have in common and what differs.
#
#   blocks.pl ids IMAGE                  SHA-256 of each chunk of 64 KiB, 32 bytes each, in order;
#                                        32 zeroes for a chunk of zeroes
#   blocks.pl changes GRAIN OLD NEW      the ranges that differ, in blocks of GRAIN bytes, as the
#                                        lines of a list of changes
#   blocks.pl compare IDS IDS            two outputs of ids: a JSON object of bytes
#   blocks.pl new IMAGE IDS OLD_IDS...   the chunks of IMAGE that are in none of the others, once each
#   blocks.pl files TREE TREE            bytes of files of the second tree, and of those of them that
#                                        have the content of some file of the first, as JSON
use strict;
use warnings;

use constant { CHUNK => 65536, PIECE => 1 << 20, SEEK_DATA => 3, SEEK_HOLE => 4 };

my $ZERO = "\0" x CHUNK;
my $NO_ID = "\0" x 32;

sub image {
  my ($name) = @_;
  open my $file, '<:raw', $name or die "$name: $!\n";
  return $file;
}

# A bit for each piece that is not all hole.
sub pieces_with_data {
  my ($file) = @_;
  my ($bits, $position) = ('', 0);
  while (defined(my $data = sysseek $file, $position, SEEK_DATA)) {
    $position = sysseek $file, $data + 0, SEEK_HOLE;
    vec($bits, $_, 1) = 1 for int($data / PIECE) .. int(($position - 1) / PIECE);
  }
  return $bits;
}

# The bytes of a range, zeroes behind the end of the file.
sub bytes {
  my ($file, $offset, $length) = @_;
  sysseek $file, $offset, 0 or die "seek: $!\n";
  my $data = '';
  while (length $data < $length) {
    my $got = sysread $file, $data, $length - length $data, length $data;
    defined $got or die "read: $!\n";
    last if !$got;
  }
  return $data . "\0" x ($length - length $data);
}

# Calls back with the number and bytes of each chunk that is not zero.
sub each_chunk {
  my ($file, $call) = @_;
  my $bits = pieces_with_data($file);
  for my $piece (0 .. 8 * length($bits) - 1) {
    next if !vec $bits, $piece, 1;
    my $data = bytes($file, $piece * PIECE, PIECE);
    for my $i (0 .. PIECE / CHUNK - 1) {
      my $chunk = substr $data, $i * CHUNK, CHUNK;
      $call->($piece * (PIECE / CHUNK) + $i, $chunk) if $chunk ne $ZERO;
    }
  }
}

sub ids {
  my ($name) = @_;
  require Digest::SHA;
  my $file = image($name);
  my $ids = "\0" x (32 * int(((-s $file) + CHUNK - 1) / CHUNK));
  each_chunk($file, sub { substr $ids, 32 * $_[0], 32, Digest::SHA::sha256($_[1]) });
  print $ids;
}

sub changes {
  my ($grain, $old_name, $new_name) = @_;
  my ($old, $new) = (image($old_name), image($new_name));
  my $capacity = -s $new;
  $capacity == (-s $old) or die "$old_name and $new_name differ in size\n";
  PIECE % $grain == 0 or die "no grain: $grain\n";
  my $bits = pieces_with_data($old) | pieces_with_data($new);
  my ($start, $end) = (0, 0);
  my $tell = sub {
    my $stop = $end < $capacity ? $end : $capacity;
    printf "{\"offset\":%d,\"length\":%d}\n", $start, $stop - $start if $start < $stop;
  };
  for my $piece (0 .. 8 * length($bits) - 1) {
    next if !vec $bits, $piece, 1;
    my ($from, $to) = map { bytes($_, $piece * PIECE, PIECE) } $old, $new;
    next if $from eq $to;
    for (my $at = 0; $at < PIECE; $at += $grain) {
      next if substr($from, $at, $grain) eq substr($to, $at, $grain);
      my $offset = $piece * PIECE + $at;
      if ($offset != $end) {
        $tell->();
        $start = $offset;
      }
      $end = $offset + $grain;
    }
  }
  $tell->();
}

# The output of ids as a list.
sub read_ids {
  my ($name) = @_;
  return unpack '(a32)*', bytes(image($name), 0, (-s $name));
}

sub compare {
  my @old = read_ids($_[0]);
  my @new = read_ids($_[1]);
  my %old = map { $_ => 1 } @old;
  my (%count, %seen);
  for my $i (0 .. $#new) {
    $count{differing}++ if $i > $#old || $new[$i] ne $old[$i];
    next if $new[$i] eq $NO_ID;
    $count{data}++;
    if ($old{$new[$i]}) {
      $count{shared}++;
    } elsif (!$seen{$new[$i]}++) {
      $count{new}++;
    }
  }
  printf "{\"dataBytes\":%d,\"differingBytes\":%d,\"sharedBytes\":%d,\"newBytes\":%d}\n",
    map { CHUNK * ($count{$_} // 0) } qw(data differing shared new);
}

sub new_chunks {
  my ($name, $ids, @others) = @_;
  my %seen = map { $_ => 1 } map { read_ids($_) } @others;
  my @ids = read_ids($ids);
  each_chunk(image($name), sub { print $_[1] if !$seen{$ids[$_[0]]}++ });
}

# The files of a tree by content, one name for each inode: digest => [bytes of one, count].
sub files_of {
  my ($tree) = @_;
  require Digest::SHA;
  require File::Find;
  my (%files, %inodes);
  my $top = (lstat $tree)[0];
  File::Find::find({ no_chdir => 1, wanted => sub {
    my ($device, $inode, undef, undef, undef, undef, undef, $size) = lstat $_ or return;
    return if !-f _ || !$size || $device != $top || $inodes{$inode}++;
    my $digest = Digest::SHA->new(256)->addfile($_, 'b')->digest;
    $files{$digest}[0] = $size;
    $files{$digest}[1]++;
  } }, $tree);
  return \%files;
}

sub files {
  my ($from, $to) = map { files_of($_) } @_;
  my ($all, $equal) = (0, 0);
  for my $digest (keys %$to) {
    my $bytes = $to->{$digest}[0] * $to->{$digest}[1];
    $all += $bytes;
    $equal += $bytes if $from->{$digest};
  }
  print "{\"fileBytes\":$all,\"equalFileBytes\":$equal}\n";
}

my %commands = (ids => \&ids, changes => \&changes, compare => \&compare, new => \&new_chunks, files => \&files);
my $command = $commands{shift // ''} or die "see the head of $0\n";
binmode STDOUT;
$command->(@ARGV);
close STDOUT or die "$!\n";
