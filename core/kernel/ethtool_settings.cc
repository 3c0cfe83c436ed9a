// SPDX-License-Identifier: Apache-2.0
// Settings as the driver's own bytes: read by one command, written back by another.
// What comes back unequal is reported and not argued about: the caller decides whether the driver has to be bound
// afresh.
#include "core/kernel/ethtool_settings.h"

#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

#include "core/error.h"
#include "core/fd.h"
#include "core/text.h"

namespace barewire::kernel {

namespace {

/// A setting whose answer is what is written back.
struct Setting {
  const char* name;
  std::uint32_t get;
  std::uint32_t set;
  std::size_t size;
};
constexpr std::array kSettings{Setting{"channels", ETHTOOL_GCHANNELS, ETHTOOL_SCHANNELS, sizeof(ethtool_channels)},
                               Setting{"ring", ETHTOOL_GRINGPARAM, ETHTOOL_SRINGPARAM, sizeof(ethtool_ringparam)},
                               Setting{"coalescing", ETHTOOL_GCOALESCE, ETHTOOL_SCOALESCE, sizeof(ethtool_coalesce)},
                               Setting{"pause", ETHTOOL_GPAUSEPARAM, ETHTOOL_SPAUSEPARAM, sizeof(ethtool_pauseparam)},
                               Setting{"message level", ETHTOOL_GMSGLVL, ETHTOOL_SMSGLVL, sizeof(ethtool_value)},
                               Setting{"private flags", ETHTOOL_GPFLAGS, ETHTOOL_SPFLAGS, sizeof(ethtool_value)},
                               Setting{"wake-on-LAN", ETHTOOL_GWOL, ETHTOOL_SWOL, sizeof(ethtool_wolinfo)}};
// These three are not written back as bytes: features go by bits that may be changed, of the other two a digest and a
// number are kept, by which a difference is noticed.
constexpr const char* kFeatures = "features";
constexpr const char* kSpreading = "receive spreading";
constexpr const char* kFlowRules = "flow rules";

/// Room for any answer here, aligned for the kernel's structures.
using Buffer = std::vector<std::uint64_t>;

class Device {
 public:
  explicit Device(const std::string& netdev) : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    if (!socket_) throw sys_error("opening a socket for ethtool");
    std::memcpy(request_.ifr_name, netdev.data(), std::min<std::size_t>(netdev.size(), IFNAMSIZ - 1));
  }
  /// False when the driver refuses, or cannot.
  bool ask(void* command) {
    request_.ifr_data = static_cast<char*>(command);
    return ::ioctl(socket_.get(), SIOCETHTOOL, &request_) == 0;
  }

 private:
  Fd socket_;
  ifreq request_{};
};

std::string hex(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

/// False when `text` is not `size` bytes.
bool parse_hex(const std::string& text, void* data, std::size_t size) {
  auto* bytes = static_cast<std::uint8_t*>(data);
  if (text.size() != 2 * size) return false;
  for (std::size_t i = 0; i < size; ++i) {
    const char* digits = text.data() + 2 * i;
    if (std::from_chars(digits, digits + 2, bytes[i], 16).ptr != digits + 2) return false;
  }
  return true;
}

Buffer command_of(std::uint32_t command, std::size_t size) {
  Buffer buffer(size / sizeof(std::uint64_t) + 1);
  std::memcpy(buffer.data(), &command, sizeof command);
  return buffer;
}

/// Without the command's number, which all of these begin with.
std::optional<std::string> read_setting(Device& device, const Setting& setting) {
  Buffer buffer = command_of(setting.get, setting.size);
  if (!device.ask(buffer.data())) return std::nullopt;
  const auto* bytes = reinterpret_cast<const char*>(buffer.data());
  return hex(bytes + sizeof setting.get, setting.size - sizeof setting.get);
}

bool write_setting(Device& device, const Setting& setting, const std::string& wanted) {
  Buffer buffer = command_of(setting.set, setting.size);
  auto* bytes = reinterpret_cast<char*>(buffer.data());
  return parse_hex(wanted, bytes + sizeof setting.set, setting.size - sizeof setting.set) && device.ask(buffer.data());
}

/// What was asked for, in blocks of 32, and what can be.
struct Features {
  std::vector<std::uint32_t> requested;
  std::vector<std::uint32_t> changeable;
};

std::optional<Features> read_features(Device& device) {
  constexpr std::uint32_t kBlocks = 8;  // Linux has 60-odd features: two blocks
  Buffer buffer =
      command_of(ETHTOOL_GFEATURES, sizeof(ethtool_gfeatures) + kBlocks * sizeof(ethtool_get_features_block));
  auto* answer = reinterpret_cast<ethtool_gfeatures*>(buffer.data());
  answer->size = kBlocks;
  if (!device.ask(answer)) return std::nullopt;
  Features features;
  for (std::uint32_t i = 0; i < std::min(answer->size, kBlocks); ++i) {
    const ethtool_get_features_block& block = answer->features[i];
    features.changeable.push_back(block.available & ~block.never_changed);
    features.requested.push_back(block.requested & features.changeable.back());
  }
  return features;
}

std::string text_of(const std::vector<std::uint32_t>& blocks) {
  return hex(blocks.data(), blocks.size() * sizeof(std::uint32_t));
}

bool write_features(Device& device, const std::string& wanted) {
  const auto now = read_features(device);
  if (!now) return false;
  std::vector<std::uint32_t> requested(now->changeable.size());
  if (!parse_hex(wanted, requested.data(), requested.size() * sizeof(std::uint32_t))) return false;
  Buffer buffer =
      command_of(ETHTOOL_SFEATURES, sizeof(ethtool_sfeatures) + requested.size() * sizeof(ethtool_set_features_block));
  auto* change = reinterpret_cast<ethtool_sfeatures*>(buffer.data());
  change->size = static_cast<std::uint32_t>(requested.size());
  for (std::size_t i = 0; i < requested.size(); ++i) change->features[i] = {now->changeable[i], requested[i]};
  if (!device.ask(change)) return false;
  // Read again: kernel and driver may drop a feature that depends on another, and say nothing.
  const auto then = read_features(device);
  return then && text_of(then->requested) == wanted;
}

std::optional<std::string> read_spreading(Device& device) {
  ethtool_rxfh sizes{};
  sizes.cmd = ETHTOOL_GRSSH;
  if (!device.ask(&sizes)) return std::nullopt;
  // The driver's numbers size a buffer here: larger ones are taken for nonsense.
  constexpr std::uint32_t kMost = 65536;
  if (sizes.indir_size > kMost || sizes.key_size > kMost) return std::nullopt;
  const std::size_t size = sizes.indir_size * sizeof(std::uint32_t) + sizes.key_size;
  Buffer buffer = command_of(ETHTOOL_GRSSH, sizeof sizes + size);
  auto* answer = reinterpret_cast<ethtool_rxfh*>(buffer.data());
  answer->indir_size = sizes.indir_size;
  answer->key_size = sizes.key_size;
  if (!device.ask(answer)) return std::nullopt;
  // Indirection table and hash key are long: what tells them apart is enough.
  return fmt::format("{:02x}{:016x}", answer->hfunc, fnv1a({reinterpret_cast<const char*>(answer->rss_config), size}));
}

std::optional<std::string> count_flow_rules(Device& device) {
  ethtool_rxnfc rules{};
  rules.cmd = ETHTOOL_GRXCLSRLCNT;
  if (!device.ask(&rules)) return std::nullopt;
  return fmt::format("{:x}", rules.rule_cnt);
}

void keep(EthtoolSettings& settings, const char* name, std::optional<std::string> value) {
  if (value) settings[name] = *std::move(value);
}

EthtoolSettings read_from(Device& device) {
  EthtoolSettings settings;
  for (const Setting& setting : kSettings) keep(settings, setting.name, read_setting(device, setting));
  if (const auto features = read_features(device)) settings[kFeatures] = text_of(features->requested);
  keep(settings, kSpreading, read_spreading(device));
  keep(settings, kFlowRules, count_flow_rules(device));
  return settings;
}

bool differs(const EthtoolSettings& now, const EthtoolSettings& wanted, const char* name) {
  const auto there = now.find(name), former = wanted.find(name);
  return there != now.end() && former != wanted.end() && there->second != former->second;
}

}  // namespace

EthtoolSettings read_ethtool_settings(const std::string& netdev) {
  Device device(netdev);
  return read_from(device);
}

std::vector<std::string> restore_ethtool_settings(const std::string& netdev, const EthtoolSettings& wanted) {
  Device device(netdev);
  const EthtoolSettings now = read_from(device);
  std::vector<std::string> left;
  // Not read again: what a driver tells of coalescing may change by itself.
  for (const Setting& setting : kSettings)
    if (differs(now, wanted, setting.name) && !write_setting(device, setting, wanted.at(setting.name)))
      left.emplace_back(setting.name);
  if (differs(now, wanted, kFeatures) && !write_features(device, wanted.at(kFeatures))) left.emplace_back(kFeatures);
  for (const char* name : {kSpreading, kFlowRules})
    if (differs(now, wanted, name)) left.emplace_back(name);
  return left;
}

}  // namespace barewire::kernel
