#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Prints the result of pairs.sh as a table in Markdown and draws it: a picture of the same name
# beside it that ends in .svg.
#
# Usage: report.sh JSON
set -euo pipefail

[[ $# = 1 && -f $1 ]] || { sed -n '4,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# What both outputs write alike. A bar that is no ratio says what it is of.
# shellcheck disable=SC2016 # jq's variables
common='
  def fixed($digits): if . == null then "-" else pow(10; $digits) as $scale | . * $scale | round
    | if $digits == 0 then tostring else "\(. / $scale | floor).\(. % $scale + $scale | tostring[1:])" end end;
  def digits: if . >= 100 then 0 elif . >= 10 then 1 elif . == 0 then 0 elif . >= 0.01 then 2 else 4 end;
  def short: if . == null then "-" else fixed(digits) end;
  def range: if . == null then "-" else (.median | digits) as $digits
    | map_values(fixed($digits)) | if .min == .max then .median else "\(.median) (\(.min) to \(.max))" end end;
  def called: {wall: "wall", cpu: "CPU", peak: "peak", stored: "stored", added: "added", aPeakMiB: "peak of A, MiB",
    failures: "failed runs"}[.];
  def verdict: if .met == null then "not measured" elif .met then "met" else "not met" end;
'

jq -r "$common"'
  def mib: if . == null then null else .median / 1048576 end;
  def both(a; b): "\(a | short) / \(b | short)";
  (.machine | "\(.cpu), \(.cores) cores, \(.memoryBytes / 1073741824 | round) GiB, Linux \(.kernel), \(.fileSystem), \(.java)"),
  "\(.date[:10]), commit \(.commit)\(if .dirty then " with changes that are not committed" else "" end), \(.rounds) round\(if .rounds == 1 then "" else "s" end)",
  "",
  (.versions | to_entries | map("\(.key): \(.value)") | join("; ")),
  (.images | to_entries | map("\(.key) \(.value.allocatedBytes / 1048576 | round) MiB of \(.value.sizeBytes / 1048576 | round)") | "images: " + join("; ")),
  "",
  "A / B: medians; ratios are of A to B, the median of the rounds (smallest to largest)",
  "",
  "| pair | A | B | step | wall s A / B | wall | CPU | peak MiB A / B | stored MiB A / B | added MiB A / B | added | others CPU s, at most | bars |",
  "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
  (.pairs[] | .summary as $s
    | [.name, .a, .b, "\(.step) \(.images | join(" / "))\(if .on == "-" or .step == "verify" or .step == "restore" then "" else " after \(.on)" end)",
       both($s.a.wallSeconds.median; $s.b.wallSeconds.median), ($s.ratio.wall | range), ($s.ratio.cpu | range),
       both($s.a.peakBytes | mib; $s.b.peakBytes | mib), both($s.a.storedBytes | mib; $s.b.storedBytes | mib)]
      + (if .step == "verify" or .step == "restore" then ["", ""] else [both($s.a.addedBytes | mib; $s.b.addedBytes | mib), ($s.ratio.added | range)] end)
      + [([$s.a.otherCpuSeconds.max, $s.b.otherCpuSeconds.max] | max | short),
         (.bars | map("\(.measure | called) \(.value.median | short), at most \(.limit | short): \(verdict)") | join("; "))]
    | "| " + join(" | ") + " |"),
  "",
  (.runs[] | select(.failed) | "FAILED: \(.pair), round \(.round), \(.side): \(.failed | gsub("\\s+"; " "))"),
  (.skipped | to_entries[] | "left out: \(.key): \(.value)"),
  ([.pairs[].bars[]] | "\(map(select(.met)) | length) of \(length) bars met, \(map(select(.met == false)) | length) not met, \(map(select(.met == null)) | length) not measured")
' "$1"

# Its colours can be read on white and on black, as the background is the page'"'"'s.
jq -r "$common"'
  260 as $left | 380 as $width | 24 as $height | 62 as $top
  | def clipped(axis): [., axis] | min | . / axis * $width + $left | . * 10 | round / 10;
  def escaped: gsub("&"; "&amp;") | gsub("<"; "&lt;");
  [.pairs[] | . as $pair
    | (if .bars == [] then [{measure: "wall", value: .summary.ratio.wall, limit: null, met: null}] else .bars end)[]
    | select(.value and .measure != "failures")
    # What does not fit the axis is drawn with its bar at 1.
    | . + {name: $pair.name, scale: (if (.limit // 0) > 1.5 then .limit else 1 end)}] as $rows
  | ([1.2, ($rows[] | .value.max / .scale)] | max | [., 2] | min | . * 1.02) as $axis
  | ($top + $height * ($rows | length)) as $bottom
  | "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 960 \($bottom + 44)\" font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#767676\">",
  "<title>GenieVM beside other tools, commit \(.commit)</title>",
  "<text x=\"12\" y=\"20\" font-size=\"15\">What GenieVM takes where the other takes 1: shorter is better</text>",
  "<text x=\"12\" y=\"38\">\(.machine.cpu | escaped), \(.machine.cores) cores; \(.machine.java | escaped); \(.date[:10]), commit \(.commit)\(if .dirty then "+" else "" end), \(.rounds) rounds</text>",
  (range(0; $axis; 0.25) | clipped($axis) as $x
    | "<line x1=\"\($x)\" y1=\"\($top - 4)\" x2=\"\($x)\" y2=\"\($bottom)\" stroke=\"#767676\" stroke-opacity=\"\(if . == 1 then 0.9 else 0.3 end)\"/>",
      "<text x=\"\($x)\" y=\"\($bottom + 16)\" text-anchor=\"middle\">\(.)</text>"),
  ($rows | to_entries[] | (.key * $height + $top) as $y | .value
    | .value as $v | .scale as $scale
    | ($v.median / $scale | clipped($axis)) as $x
    | (if .met == null then "#8a8a8a" elif .met then "#3f83c6" else "#cc6633" end) as $colour
    | "<text x=\"\($left - 10)\" y=\"\($y + 16)\" text-anchor=\"end\">\(.name), \(.measure | called)</text>",
      "<rect x=\"\($left)\" y=\"\($y + 4)\" width=\"\($x - $left | . * 10 | round / 10)\" height=\"\($height - 8)\" fill=\"\($colour)\" fill-opacity=\"\(if .met == null then 0.4 else 0.75 end)\"/>",
      "<path d=\"M\($v.min / $scale | clipped($axis)) \($y + 12)H\($v.max / $scale | clipped($axis))M\($v.min / $scale | clipped($axis)) \($y + 8)v8M\($v.max / $scale | clipped($axis)) \($y + 8)v8\" stroke=\"#767676\" stroke-width=\"1.5\" fill=\"none\"/>",
      if .limit then "<rect x=\"\((.limit / $scale | clipped($axis)) - 1.5)\" y=\"\($y + 1)\" width=\"3\" height=\"\($height - 2)\" fill=\"#b0892a\"/>" else empty end,
      "<text x=\"\($left + $width + 12)\" y=\"\($y + 16)\">\($v | range)\(if .limit then ", at most \(.limit | short): \(verdict)" else "" end)</text>"),
  "<text x=\"12\" y=\"\($bottom + 36)\">Median of the rounds, line: smallest to largest; upright mark: the bar to hold. Rows whose bar is above 1.5 are drawn with it at 1.</text>",
  "</svg>"' "$1" > "${1%.json}.svg"
printf '\npicture: %s\n' "${1%.json}.svg" >&2
