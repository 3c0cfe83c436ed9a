# SPDX-License-Identifier: Apache-2.0
# Sourced by the self tests: expect WHAT COMMAND... runs it and ends the test if it fails; refuse the other way round.
# shellcheck shell=bash

expect() {
  local what=$1
  shift
  "$@" || { echo "FAILED: $what ($*)" >&2 && exit 1; }
  echo "ok: $what"
}
refuse() {
  local what=$1
  shift
  ! "$@" || { echo "FAILED: $what ($* succeeded)" >&2 && exit 1; }
  echo "ok: $what"
}
# within SECONDS COMMAND...: tries it until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.2
  done
}
# write VALUE FILE
write() { echo "$1" >"$2"; }
