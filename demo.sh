#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job, shown: installs what is missing, builds, boots a guest with an SR-IOV NIC, and attaches three pods to it.
#   ./demo.sh [--no-install]
set -euo pipefail
cd "$(dirname "$0")"

if [ "${1:-}" = --no-install ]; then shift; else packaging/install-dependencies build test lab; fi

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n== %s\n' "$*"; }

say "building"
cmake --preset release -DBAREWIRE_TESTS=OFF -B build/demo
cmake --build build/demo --parallel "$(nproc)"
prefix=$PWD/build/demo/prefix
cmake --install build/demo --prefix "$prefix" > /dev/null

say "booting a guest with an SR-IOV NIC (Intel 82576, emulated; the kernel's own igb driver)"
export BAREWIRE_GUEST_DIR=$PWD/build/demo/guest
tests/lab/guest start demo --live "$PWD/build/demo"
trap 'tests/lab/guest stop demo' EXIT
status=0
tests/lab/guest run demo --timeout 300 --reset --env PREFIX="$prefix" -- "$PWD/tests/lab/demo" || status=$?
exit $status
