// SPDX-License-Identifier: Apache-2.0
// The target whose precompiled headers every test reuses; a program has the compile options that tests have.
int main() {
  return 0;
}
