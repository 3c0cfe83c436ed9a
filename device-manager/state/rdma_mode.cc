// SPDX-License-Identifier: Apache-2.0
// The kernel refuses the change while any other network namespace has been looked at by RDMA, so the boot unit is who
// can make it: it runs before the first pod.
#include "device-manager/state/rdma_mode.h"

#include <cerrno>

#include "core/kernel/rdma.h"

namespace barewire::declared {

std::optional<RdmaPlan> plan_rdma(const Declaration& declaration) {
  if (!declaration.rdma) return std::nullopt;
  const std::string wanted(kernel::name_of(declaration.rdma->mode));
  RdmaPlan plan{.place = declaration.rdma->file + ": rdmaMode", .change = {"RDMA mode", "not known", wanted}};
  try {
    auto socket = kernel::open_rdma_socket(kernel::NetNs::current());
    if (!socket) {
      plan.refusal = "this kernel has no RDMA: its module ib_core is missing";
      return plan;
    }
    plan.change.now = kernel::name_of(kernel::rdma_netns_mode(*socket));
  } catch (const Error& error) {
    plan.refusal = error.what();
    return plan;
  }
  return plan.change.now == wanted ? std::nullopt : std::optional(std::move(plan));
}

bool apply_rdma(const Declaration& declaration) {
  const auto plan = plan_rdma(declaration);
  if (!plan) return false;
  if (!plan->refusal.empty())
    throw Error(Error::Code::unsupported_by_nic,
                fmt::format("setting the RDMA mode declared at {} is refused: {}", plan->place, plan->refusal));
  auto socket = kernel::open_rdma_socket(kernel::NetNs::current());
  try {
    kernel::set_rdma_netns_mode(socket.value(), declaration.rdma->mode);
  } catch (const kernel::KernelError& error) {
    if (error.err() != EBUSY) throw;
    throw kernel::KernelError(EBUSY, error.what(),
                              "the kernel changes it only while there is no network namespace but the node's own: boot "
                              "anew, and barewire-apply.service sets it before the first pod");
  }
  return true;
}

}  // namespace barewire::declared
