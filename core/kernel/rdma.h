// SPDX-License-Identifier: Apache-2.0
/// RDMA devices of one netns: finding, renaming, moving. Works on a socket of NETLINK_RDMA opened in the netns. Source:
/// rdma-dev(8), rdma-system(8); include/uapi/rdma/rdma_netlink.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/kernel/netlink.h"
#include "core/kernel/netns.h"

namespace barewire::kernel {

/// Whether an RDMA device belongs to one netns, or is seen in all.
enum class RdmaNetnsMode { exclusive, shared };
/// "exclusive", "shared": as rdma-system(8) has them.
std::string_view name_of(RdmaNetnsMode mode);

struct RdmaDevice {
  std::uint32_t index = 0;  ///< the device's own, in every netns
  std::string name{};
};

/// A socket in `netns` for what follows; nullopt where the kernel has no RDMA. Throws KernelError.
std::optional<NlSocket> open_rdma_socket(const NetNs& netns);

/// `rdma system show`. Mode and moving are of Linux 5.2 on; an older kernel is shared. Throws KernelError.
RdmaNetnsMode rdma_netns_mode(NlSocket& socket);
/// `rdma system set netns`. Throws KernelError: EBUSY while there is any netns but one.
void set_rdma_netns_mode(NlSocket& socket, RdmaNetnsMode mode);
/// Those that the socket's netns sees: in shared mode, all. Throws KernelError.
std::vector<RdmaDevice> list_rdma_devices(NlSocket& socket);
/// nullopt when the socket's netns has none of that name, or index.
std::optional<RdmaDevice> find_rdma_device(NlSocket& socket, const std::string& name);
std::optional<RdmaDevice> find_rdma_device(NlSocket& socket, std::uint32_t index);
/// Only in exclusive mode, and by drivers that can take a device from its users: EOPNOTSUPP of others. Runs in `from`,
/// as the kernel takes the caller's netns for the device's, whatever the socket's is
/// (drivers/infiniband/core/device.c).
void move_rdma_device(const NetNs& from, const RdmaDevice& device, const NetNs& target);
/// Throws KernelError, EEXIST when the name is taken.
void rename_rdma_device(NlSocket& socket, const RdmaDevice& device, const std::string& name);

}  // namespace barewire::kernel
