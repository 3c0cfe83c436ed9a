// SPDX-License-Identifier: Apache-2.0
/// The plugin program: every plugin of the suite in one executable that acts by the name it is called by.
#include "packaging/plugin_table.h"

int main(int argc, char** argv) {
  return barewire::cni::plugin_main(argc, argv, barewire::plugin_table());
}
