# The outside programs that the interop tests drive, as Debian's packages. To be sourced, as root.
# shellcheck shell=sh disable=SC2154 # `root` comes from the sourcing script

# unpack_debian_package PACKAGE FILE: unpack one that conflicts with another of the list below .cache,
# where the tests look for its FILE, unless it is there or installed.
unpack_debian_package() (
    [ -e "/$2" ] || [ -e "$root/.cache/debian/$2" ] && return 0
    mkdir -p "$root/.cache/debian"
    cd "$root/.cache/debian"
    say "unpacking the Debian package $1"
    quietly apt-get update && quietly apt-get download "$1" && quietly dpkg -x "$1"_*.deb . ||
        fail "apt-get could not download it (see above)"
    rm -f "$1"_*.deb
)

# Install what is missing of debian-packages.txt: no question asked, no service started. A system
# without apt is left alone; the tests name the programs that it lacks.
install_debian_packages() (
    command -v apt-get >/dev/null || return 0
    set --
    for package in $(sed 's/#.*//' "$root/scripts/lib/debian-packages.txt"); do
        # npm comes with some packages of nodejs, which Debian's own conflicts with.
        [ "$package" = npm ] && command -v npm >/dev/null && continue
        if [ "$package" = exim4-daemon-light ]; then
            unpack_debian_package "$package" usr/sbin/exim4
            continue
        fi
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
            *' ok installed') ;;
            *) set -- "$@" "$package" ;;
        esac
    done
    [ $# -gt 0 ] || return 0
    say "installing Debian packages: $*"
    policy=/usr/sbin/policy-rc.d   # what a package asks before it starts its service; 101 is no
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    quietly apt-get update && quietly apt-get install -y --no-install-recommends "$@" ||
        fail "apt-get could not install them (see above)"
)
