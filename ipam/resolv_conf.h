// SPDX-License-Identifier: Apache-2.0
/// Reading the node's resolver configuration, or the file that "ipam.resolvConf" names, into a result's dns. Source:
/// resolv.conf(5).
#pragma once

#include <string>
#include <string_view>

#include "core/cni/result.h"

namespace barewire::ipam {

/// nameserver, domain, search and options; other keywords, comments and incomplete lines are passed over.
cni::Dns parse_resolv_conf(std::string_view text);
/// Throws Error{config} naming the key "ipam.resolvConf" when the file is not there, Error{io} when it is unreadable.
cni::Dns read_resolv_conf(const std::string& path);

}  // namespace barewire::ipam
