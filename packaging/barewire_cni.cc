// SPDX-License-Identifier: Apache-2.0
/// The plugin program: every plugin of the suite in one executable that acts by the name it is called by.
#include "ipam/plugins.h"
#include "packaging/plugin_table.h"

int main(int argc, char** argv) {
  if (barewire::ipam::dhcp::is_daemon_call(argc, argv)) return barewire::ipam::dhcp::daemon(argc, argv);
  return barewire::cni::plugin_main(argc, argv, barewire::plugin_table());
}
