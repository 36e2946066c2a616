#!/bin/sh
# Debian packages that some tests need. Without them, or without root, those tests skip and say so.
packages="chromium orthanc orthanc-dicomweb dcmtk dicom3tools"
command -v dpkg-query >/dev/null 2>&1 || { echo "no Debian: the tests that need $packages may skip"; exit 0; }
missing=""
for package in $packages; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
root=""
if [ "$(id -u)" != 0 ]; then
    if sudo -n true 2>/dev/null; then root="sudo -n"; else
        echo "not root: the tests that need$missing skip (apt-get install$missing)"
        exit 0
    fi
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
if $root apt-get update -qq && $root apt-get install -y -qq --no-install-recommends $missing >/dev/null; then exit 0; fi
echo "could not install$missing: the tests that need them skip"
