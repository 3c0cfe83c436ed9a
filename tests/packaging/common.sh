# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the tests beside this have in common; sourced. Environment: BAREWIRE_BUILD (a tree that is built), BAREWIRE_SOURCE.
set -euo pipefail
: "${BAREWIRE_SOURCE:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}" "${BAREWIRE_BUILD:=$BAREWIRE_SOURCE/build/release}"
: "${BAREWIRE_BUILD_TYPE:=Release}"

# In CI nothing may be missing.
skip() {
  [ -z "${CI:-}" ] || fail "would be skipped: $*"
  echo "skipped: $*" && exit 77
}
fail() { echo "FAILED: $*" >&2 && exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
