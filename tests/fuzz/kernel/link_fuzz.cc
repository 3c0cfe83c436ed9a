// SPDX-License-Identifier: Apache-2.0
// Any bytes behind a correct netlink header as an RTM_NEWLINK: other kernels and drivers send attributes that are
// missing, short, or of another shape than ours. Reading them must stay inside the message.
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <cstdint>
#include <cstring>
#include <memory>

#include "core/error.h"
#include "core/kernel/link.h"
#include "core/kernel/vf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace barewire;
  if (size < sizeof(ifinfomsg)) return 0;  // libnl has checked this much before a message reaches us
  // Of its own size exactly, so that the sanitizer sees a byte read too far.
  const auto bytes = std::make_unique<char[]>(NLMSG_HDRLEN + size);
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + size);
  header.nlmsg_type = RTM_NEWLINK;
  std::memcpy(bytes.get(), &header, sizeof header);
  std::memcpy(bytes.get() + NLMSG_HDRLEN, data, size);
  const auto& message = *reinterpret_cast<const nlmsghdr*>(bytes.get());
  try {
    (void)kernel::parse_link(message);
    (void)kernel::parse_vfs(message);
  } catch (const Error&) {
  }
  return 0;
}
