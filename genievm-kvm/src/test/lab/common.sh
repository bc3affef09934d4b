# Sourced by the other scripts.

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

# Names every program that is missing, not only the first.
need() {
    local program missing=()
    for program in "$@"; do
        command -v "$program" >/dev/null || missing+=("$program")
    done
    ((${#missing[@]} == 0)) || die "not installed: ${missing[*]}; ./check installs what is needed"
}

answers() {
    timeout 30 virsh -q -c qemu:///system version >/dev/null 2>&1
}
