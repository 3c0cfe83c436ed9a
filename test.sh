#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every test: installs what is missing, builds what ships and the sanitized tree, runs the lab beside the building,
# and prints where the time went. docs/testing.md says which test runs on which tree, and why.
#   ./test.sh [--no-install] [--full] [CTEST-OPTION...]      e.g. ./test.sh -L unit
# --full: everything on both trees, no samples, sweeps whole, clang-tidy over every file; for the night.
# BAREWIRE_SWEEP_SEED=N repeats the samples of an earlier run, which printed N.
set -euo pipefail
cd "$(dirname "$0")"

install=yes full=no
while true; do
  case ${1:-} in
    --no-install) install=no ;;
    --full) full=yes ;;
    *) break ;;
  esac
  shift
done
options=("$@")
# Debian's own programs: another python3 or ip in front of them is no matter of these tests.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
jobs=$(nproc)
# Programs under test wait for each other, for timers and for traffic: with a test for each processor a fifth of them is idle.
beside=$((jobs + 1))
records=$PWD/build/test
rm -rf "$records"
mkdir -p "$records"
head -n 1 /proc/stat >"$records/cpu"
export BAREWIRE_SWEEP_SEED=${BAREWIRE_SWEEP_SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
[ $full = no ] || export BAREWIRE_SWEEP=whole BAREWIRE_LINT=whole

# Centiseconds of all processors since the start: idle, and in all. proc(5), /proc/stat.
processors() { awk '/^cpu /{print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9}' /proc/stat; }
say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
# phase WHAT COMMAND...: says and records how long it takes, and how much of the processors nobody used meanwhile (percent).
phase() {
  local what=$1 began=$SECONDS status=0 before after
  shift
  say "$what"
  read -r -a before < <(processors)
  "$@" || status=$?
  read -r -a after < <(processors)
  printf '%s\t%s\t%s\n' "$what" $((SECONDS - began)) \
    $((100 * (after[0] - before[0]) / (after[1] - before[1] + 1))) >>"$records/phases"
  return $status
}
# build TREE TARGET...: after the lab has begun, its emulator goes first.
build() {
  local tree=$1
  shift
  nice -n 5 cmake --build --preset "$tree" --parallel "$jobs" --target "$@"
}
# run_tests NAME PRESET CTEST-OPTION...
run_tests() {
  local name=$1 preset=$2
  shift 2
  ctest --preset "$preset" --output-junit "$records/$name.xml" "$@" "${options[@]}"
}
configure() {
  cmake --preset release && cmake --preset dev
}
# One guest at a time and slow under emulation, so it begins as soon as it can, beside all else.
# In its own directory, since two ctests write the same files in one.
lab() {
  phase "testing what ships in the lab" ctest --test-dir build/release/tests/lab --output-on-failure \
    --output-junit "$records/lab.xml" "${options[@]}"
}
# Those that a host's settings, rules and leftovers once made fail, and others of their kind; all of them at night.
on_host_of_containers() {
  local chosen=(-L '/programs$' -R '[:/](Reference|Bridge|Ptp|Tuning|HostLocal|Static|ByHand|Chain)\.')
  [ $full = no ] || chosen=(-L '/programs$|/in-process$')
  BAREWIRE_BIN_DIR=$PWD/build/release BAREWIRE_TEST_RECORDS=$records tests/host-of-containers build/dev \
    "${chosen[@]}" "${options[@]}"
}
# For a run that ends early.
end_lab() {
  kill -- -"$lab" 2>/dev/null || true
  BAREWIRE_GUEST_DIR=$PWD/build/release/guest tests/lab/guest stop main
}

# The lab's own downloads and builds, beside the compiler; the guest's start says what is missing if anything is.
say "sweeps are sampled with BAREWIRE_SWEEP_SEED=$BAREWIRE_SWEEP_SEED"
[ $install = no ] || phase "installing what is missing" packaging/install-dependencies build test lab
phase "preparing the lab" tests/lab/prepare >"$records/prepare.log" 2>&1 &
phase "configuring" configure
phase "building what ships, and the tests of the lab" build release programs lab-tests
set -m # a process group of its own, which can be ended whole
lab >"$records/lab.log" 2>&1 &
lab=$!
set +m
trap end_lab EXIT

status=0
phase "building the tests, and all with the sanitizers" build dev programs programs-tests in-process-tests
phase "testing what ships, on this host" run_tests shipped shipped --parallel "$beside" -L '/programs$' || status=1
phase "testing what ships in runtimes, and the rules" run_tests release release --parallel "$beside" \
  -L '/runtimes$|/packages$|^lint$' || status=1
phase "testing the code with the sanitizers" run_tests in-process dev --parallel "$jobs" -L '/in-process$' || status=1
# All of them have run on what ships; with the sanitizers every third one, by the seed.
sample=(-I "$((BAREWIRE_SWEEP_SEED % 3 + 1)),,3")
[ $full = no ] || sample=()
phase "testing programs with the sanitizers" run_tests programs dev --parallel "$beside" -L '/programs$' "${sample[@]}" || status=1
if [ $full = yes ]; then
  phase "building the tests as what ships is built" build release all
  phase "testing the code as it ships" run_tests in-process-release release --parallel "$jobs" -L '/in-process$' || status=1
fi
phase "testing on a host of containers" on_host_of_containers || status=1
say "waiting for the lab"
wait $lab || status=1
trap - EXIT
cat "$records/prepare.log" "$records/lab.log"
restarts=$(cat build/release/guest/main/restarts 2>/dev/null || true)
[ -z "$restarts" ] || printf '\nThe emulator of the guest stopped and was started again (docs/lab.md):\n%s\n' "$restarts"
say "where the time went"
tests/times "$records" || status=1
exit $status
