#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every test: installs what is missing, builds the release and the sanitizer trees, and runs ctest over both.
#   ./test.sh [--no-install] [CTEST-OPTION...]      e.g. ./test.sh -L unit
set -euo pipefail
cd "$(dirname "$0")"

if [ "${1:-}" = --no-install ]; then shift; else packaging/install-dependencies build test lab; fi
jobs=$(nproc)

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

say "building what ships"
cmake --preset release
cmake --build --preset release --parallel "$jobs"

say "building with AddressSanitizer and UndefinedBehaviorSanitizer"
cmake --preset dev
cmake --build --preset dev --parallel "$jobs"

# The guest runs what ships; everything else runs under the sanitizers too. Guests are slow under emulation with two
# cores: tests of one guest run one after another, beside the host's.
status=0
say "testing with the sanitizers: unit, plugin, ovs"
ctest --preset dev --parallel "$jobs" --label-exclude lab "$@" || status=1
say "testing what ships: unit, plugin, ovs, lab"
ctest --preset release --parallel "$jobs" "$@" || status=1
restarts=$(cat build/release/guest/main/restarts 2>/dev/null || true)
[ -z "$restarts" ] || printf '\nThe emulator of the guest stopped and was started again (docs/lab.md):\n%s\n' "$restarts"
say "done"
exit $status
