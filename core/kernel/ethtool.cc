// SPDX-License-Identifier: Apache-2.0
// The ethtool questions of devlink.h and the settings of ethtool.h, through the ioctl that every kernel has. Source:
// include/uapi/linux/ethtool.h.
#include "core/kernel/ethtool.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "core/error.h"
#include "core/fd.h"
#include "core/kernel/devlink.h"

namespace barewire::kernel {

namespace {

/// False when the device cannot answer, or there is none.
bool ask(const std::string& netdev, void* command) {
  // A name that was cut off to fit would be the name of another interface.
  if (netdev.empty() || netdev.size() >= IFNAMSIZ) return false;
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) throw sys_error("opening a socket for ethtool");
  ifreq request{};
  std::memcpy(request.ifr_name, netdev.data(), netdev.size());
  request.ifr_data = static_cast<char*>(command);
  return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0;
}

/// Room for a header with a flexible array of `count` elements of `size` bytes behind it.
/// Of 64-bit words, so that the kernel's structure is aligned in it.
template <typename Header>
std::vector<std::uint64_t> buffer_for(std::size_t count, std::size_t size) {
  return std::vector<std::uint64_t>((sizeof(Header) + count * size + 7) / 8);
}

std::string text_of(const char* bytes, std::size_t size) {
  return {bytes, ::strnlen(bytes, size)};
}

// Features have no fixed numbers: the list of names is asked for, and the place of a name in it is its bit.
std::uint32_t feature_count(const std::string& netdev) {
  auto buffer = buffer_for<ethtool_sset_info>(1, sizeof(std::uint32_t));
  auto* info = reinterpret_cast<ethtool_sset_info*>(buffer.data());
  info->cmd = ETHTOOL_GSSET_INFO;
  info->sset_mask = 1ull << ETH_SS_FEATURES;
  return ask(netdev, info) && info->sset_mask != 0 ? info->data[0] : 0;
}

std::optional<std::uint32_t> feature_index(const std::string& netdev, const std::string& feature, std::uint32_t count) {
  auto buffer = buffer_for<ethtool_gstrings>(count, ETH_GSTRING_LEN);
  auto* strings = reinterpret_cast<ethtool_gstrings*>(buffer.data());
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_FEATURES;
  strings->len = count;
  if (!ask(netdev, strings)) return std::nullopt;
  for (std::uint32_t i = 0; i < strings->len; ++i)
    if (text_of(reinterpret_cast<const char*>(strings->data) + std::size_t{i} * ETH_GSTRING_LEN, ETH_GSTRING_LEN) ==
        feature)
      return i;
  return std::nullopt;
}

}  // namespace

std::optional<bool> find_feature(const std::string& netdev, const std::string& feature) {
  constexpr std::uint32_t kBits = 32;
  const std::uint32_t count = feature_count(netdev);
  const auto index = count == 0 ? std::nullopt : feature_index(netdev, feature, count);
  if (!index) return std::nullopt;
  const std::uint32_t blocks = (count + kBits - 1) / kBits;
  auto buffer = buffer_for<ethtool_gfeatures>(blocks, sizeof(ethtool_get_features_block));
  auto* features = reinterpret_cast<ethtool_gfeatures*>(buffer.data());
  features->cmd = ETHTOOL_GFEATURES;
  features->size = blocks;
  if (!ask(netdev, features)) return std::nullopt;
  return (features->features[*index / kBits].active & (1u << (*index % kBits))) != 0;
}

void set_feature(const std::string& netdev, const std::string& feature, bool on) {
  constexpr std::uint32_t kBits = 32;
  const std::uint32_t count = feature_count(netdev);
  const auto index = count == 0 ? std::nullopt : feature_index(netdev, feature, count);
  if (!index)
    throw Error(Error::Code::io, fmt::format("setting {} of {} failed: it has no such feature", feature, netdev));
  const std::uint32_t blocks = (count + kBits - 1) / kBits;
  auto buffer = buffer_for<ethtool_sfeatures>(blocks, sizeof(ethtool_set_features_block));
  auto* features = reinterpret_cast<ethtool_sfeatures*>(buffer.data());
  features->cmd = ETHTOOL_SFEATURES;
  features->size = blocks;
  features->features[*index / kBits].valid = 1u << (*index % kBits);
  features->features[*index / kBits].requested = on ? features->features[*index / kBits].valid : 0;
  if (!ask(netdev, features)) throw sys_error("setting {} of {}", feature, netdev);
  // The kernel notes a wish that it cannot fulfil and calls that success.
  if (find_feature(netdev, feature) != on)
    throw Error(Error::Code::io, fmt::format("setting {} of {} failed: it stays as it is", feature, netdev));
}

void set_tx_checksum(const std::string& netdev, bool on) {
  ethtool_value value{};
  // An old command, which the kernel turns into the feature bits of this very device. Source: net/ethtool/ioctl.c
  // ethtool_set_one_feature.
  value.cmd = ETHTOOL_STXCSUM;
  value.data = on ? 1 : 0;
  if (!ask(netdev, &value)) throw sys_error("setting the transmit checksums of {}", netdev);
}

std::optional<DriverInfo> find_driver_info(const std::string& netdev) {
  ethtool_drvinfo info{};
  info.cmd = ETHTOOL_GDRVINFO;
  if (!ask(netdev, &info)) return std::nullopt;
  return DriverInfo{.driver = text_of(info.driver, sizeof info.driver),
                    .firmware = text_of(info.fw_version, sizeof info.fw_version),
                    .bus_info = text_of(info.bus_info, sizeof info.bus_info)};
}

std::optional<std::uint32_t> find_speed(const std::string& netdev) {
  constexpr std::size_t kMaskWords = 3 * 127;  // link_mode_masks_nwords is at most 127, for three masks
  auto buffer = buffer_for<ethtool_link_settings>(kMaskWords, sizeof(std::uint32_t));
  auto* settings = reinterpret_cast<ethtool_link_settings*>(buffer.data());
  settings->cmd = ETHTOOL_GLINKSETTINGS;
  // The first call tells, as a negative number, how many words a mask has; the second one gets the answer.
  if (!ask(netdev, settings) || settings->link_mode_masks_nwords >= 0) return std::nullopt;
  settings->cmd = ETHTOOL_GLINKSETTINGS;
  settings->link_mode_masks_nwords = static_cast<std::int8_t>(-settings->link_mode_masks_nwords);
  if (!ask(netdev, settings) || settings->speed == static_cast<std::uint32_t>(SPEED_UNKNOWN) || settings->speed == 0)
    return std::nullopt;
  return settings->speed;
}

}  // namespace barewire::kernel
