// SPDX-License-Identifier: Apache-2.0
/// The picture of the node (device-manager/topology.h) as text for a terminal and as SVG. No I/O.
#pragma once

#include <string>

#include "device-manager/cli/terminal.h"
#include "device-manager/topology.h"

namespace barewire::cli {

/// A tree: NUMA nodes, PFs, VFs, then bridges with ports, other attachments, pools. VFs that follow each other and are
/// alike, as free ones, share a line. Lines are cut to the terminal's width, or to 80 columns where there is none.
std::string render_topology(const manager::Topology& topology, const Terminal& terminal);

/// One document that stands by itself: no script, no font, nothing from elsewhere; light or dark as the viewer is.
/// Source: W3C, SVG 1.1.
std::string render_topology_svg(const manager::Topology& topology);

/// "default/web-0".
std::string pod_text(const state::Pod& pod);
/// "5/5 flows in hardware", "no flows"; "" where nothing is known of it.
std::string flows_text(const manager::PortEntry& port);
/// "VLAN 100"; "" for a port that takes all of them as they are.
std::string port_vlan_text(const manager::PortEntry& port);

}  // namespace barewire::cli
