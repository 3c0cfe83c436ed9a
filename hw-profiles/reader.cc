// SPDX-License-Identifier: Apache-2.0
// Strict, since a slip in a profile would make a NIC do less, or more, than it can without anybody noticing.
#include "hw-profiles/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <span>
#include <type_traits>

#include "core/json_view.h"

namespace barewire::hw {

namespace {

using Support = Capability::Support;

template <typename T>
struct Name {
  std::string_view name;
  T value;
};
template <typename T>
using Names = std::span<const Name<T>>;

constexpr Name<LinkLayer> kLinks[] = {{"ethernet", LinkLayer::ethernet}, {"infiniband", LinkLayer::infiniband}};
/// Two words for people, one value for the code: it is tried in either case.
constexpr Name<Support> kUndecided[] = {{"firmware", Support::unknown}, {"probe", Support::unknown}};
constexpr Name<MacAction> kMacActions[] = {{"vf-follows", MacAction::vf_follows},
                                           {"set-in-pod", MacAction::set_in_pod},
                                           {"reopen", MacAction::reopen},
                                           {"rebind", MacAction::rebind}};
constexpr Name<VlanAction> kVlanActions[] = {{"none", VlanAction::none}, {"reopen", VlanAction::reopen}};
constexpr Name<SwitchdevStep> kSteps[] = {
    {"remove-vfs", SwitchdevStep::remove_vfs}, {"legacy", SwitchdevStep::legacy},
    {"create-vfs", SwitchdevStep::create_vfs}, {"unbind-vfs", SwitchdevStep::unbind_vfs},
    {"switchdev", SwitchdevStep::switchdev},   {"hw-tc-offload", SwitchdevStep::hw_tc_offload},
    {"bind-vfs", SwitchdevStep::bind_vfs}};
/// By name: the numbers differ between architectures.
constexpr Name<int> kErrnos[] = {{"EACCES", EACCES}, {"EAGAIN", EAGAIN}, {"EBUSY", EBUSY}, {"EIO", EIO},
                                 {"ENODEV", ENODEV}, {"ENOMEM", ENOMEM}, {"EPERM", EPERM}, {"ETIMEDOUT", ETIMEDOUT}};

template <typename T>
T one_of(const JsonView& view, std::type_identity_t<Names<T>> names) {
  const std::string text = view.string();
  std::vector<std::string_view> accepted;
  for (const auto& [name, value] : names) {
    if (name == text) return value;
    accepted.push_back(name);
  }
  view.reject(fmt::format("one of {}", fmt::join(accepted, ", ")));
}

template <typename T>
std::vector<T> each_of(const JsonView& view, std::type_identity_t<Names<T>> names) {
  std::vector<T> values;
  for (const JsonView& element : view.array("an array of strings")) values.push_back(one_of<T>(element, names));
  return values;
}

std::string nonempty_string(const JsonView& view) {
  std::string text = view.string();
  if (text.empty()) view.reject("a string that is not empty");
  return text;
}

PciId pci_id(const JsonView& view) {
  if (const auto id = parse_pci_id(view.string())) return *id;
  view.reject("a PCI id of four hex digits each, like \"8086:10c9\"");
}

/// Reads one document; knows its "sources" and its name.
class Reader {
 public:
  Reader(const JsonView& root, std::string file) : root_(root), file_(std::move(file)) {}
  Profile read();

 private:
  void expect_keys(const JsonView& object, std::initializer_list<std::string_view> known) const;
  void read_identity(Profile& profile);
  void read_sources();
  void read_devices(Profile& profile) const;
  Device device(const JsonView& view) const;
  void read_attributes(Profile& profile) const;
  void read_mac(const JsonView& view, MacHandling& mac) const;
  void read_vlan(const JsonView& view, VlanHandling& vlan) const;
  Retry retry(const JsonView& view) const;
  void read_switchdev(const JsonView& view, Switchdev& switchdev) const;
  void read_pf(Profile& profile) const;

  std::string source(const JsonView& owner) const;
  Capability capability(const JsonView& view) const;
  Attribute attribute(const JsonView& view) const;
  /// {"value": …, "verified": …, "source": …, "note": …}; `value` reads the first.
  template <typename T, typename Read>
  void fact(const std::optional<JsonView>& view, Fact<T>& into, Read value) const {
    if (!view) return;
    expect_keys(*view, {"value", "verified", "source", "note"});
    into.value = value(view->at("value"));
    into.verified = view->at("verified").boolean();
    into.source = source(*view);
    into.note = view->string_or("note", "");
  }
  void flag(const std::optional<JsonView>& view, Fact<bool>& into) const {
    fact(view, into, [](const JsonView& value) { return value.boolean(); });
  }

  JsonView root_;
  std::string file_;
  std::map<std::string, std::string> sources_;
};

void Reader::expect_keys(const JsonView& object, std::initializer_list<std::string_view> known) const {
  for (const auto& [key, value] : object.members()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw Error(Error::Code::config, fmt::format("{}: key \"{}\" is unknown; expected one of {}", file_, value.path(),
                                                 fmt::join(known, ", ")));
  }
}

Profile Reader::read() {
  expect_keys(root_, {"family", "vendor", "bus", "link", "drivers", "sources", "ids", "devices", "attributes", "mac",
                      "vlan", "retry", "switchdev", "dpdk", "vfs", "pf"});
  Profile profile = probed_profile();
  read_identity(profile);
  read_sources();
  read_devices(profile);
  read_attributes(profile);
  if (const auto view = root_.find("mac")) read_mac(*view, profile.mac);
  if (const auto view = root_.find("vlan")) read_vlan(*view, profile.vlan);
  fact(root_.find("retry"), profile.retry, [this](const JsonView& value) { return retry(value); });
  if (const auto view = root_.find("switchdev")) read_switchdev(*view, profile.switchdev);
  read_pf(profile);
  return profile;
}

void Reader::read_identity(Profile& profile) {
  profile.file = file_;
  profile.family = nonempty_string(root_.at("family"));
  profile.vendor = nonempty_string(root_.at("vendor"));
  profile.bus = root_.string_or("bus", "pci");
  if (const auto link = root_.find("link")) profile.link = one_of<LinkLayer>(*link, kLinks);
  const JsonView drivers = root_.at("drivers");
  expect_keys(drivers, {"pf", "vf"});
  profile.pf_drivers = drivers.at("pf").strings();
  profile.vf_drivers = drivers.at("vf").strings();
}

void Reader::read_sources() {
  for (const auto& [name, value] : root_.at("sources").members()) sources_[name] = nonempty_string(value);
}

void Reader::read_devices(Profile& profile) const {
  const auto list = root_.find("devices");
  if (!list) return;
  const JsonView ids = root_.at("ids");
  expect_keys(ids, {"verified", "source", "note"});
  profile.devices.verified = ids.at("verified").boolean();
  profile.devices.source = source(ids);
  profile.devices.note = ids.string_or("note", "");
  for (const JsonView& view : list->array("an array of devices")) {
    Device read = device(view);
    // Lookups go by the PF's id and take the first: a second entry of one id would never be found.
    for (const Device& earlier : profile.devices.value)
      if (earlier.pf == read.pf) view.at("pf").reject("an id that no earlier device of this profile has");
    profile.devices.value.push_back(std::move(read));
  }
}

Device Reader::device(const JsonView& view) const {
  expect_keys(view, {"pf", "vf", "model", "attributes"});
  Device device;
  device.pf = pci_id(view.at("pf"));
  if (const auto vf = view.find("vf")) device.vf = pci_id(*vf);
  device.model = nonempty_string(view.at("model"));
  if (const auto attributes = view.find("attributes"))
    for (const auto& [name, value] : attributes->members())
      device.attributes.emplace_back(attribute(value), capability(value));
  return device;
}

void Reader::read_attributes(Profile& profile) const {
  for (const auto& [name, value] : root_.at("attributes").members())
    profile.attributes[static_cast<std::size_t>(attribute(value))] = capability(value);
}

/// The attribute that this member of an "attributes" object is named after.
Attribute Reader::attribute(const JsonView& view) const {
  const std::string& path = view.path();
  if (const auto found = find_attribute(std::string_view(path).substr(path.rfind('.') + 1))) return *found;
  std::vector<std::string_view> names;
  for (const Attribute known : all_attributes()) names.push_back(attribute_name(known));
  throw Error(Error::Code::config,
              fmt::format("{}: key \"{}\" is unknown; expected one of {}", file_, path, fmt::join(names, ", ")));
}

Capability Reader::capability(const JsonView& view) const {
  expect_keys(view, {"supported", "verified", "source", "note", "max", "min", "values", "needs_trust", "in_switchdev",
                     "zero_resets", "steps"});
  Capability read;
  const JsonView supported = view.at("supported");
  if (supported.is_string())
    read.support = one_of<Support>(supported, kUndecided);
  else if (supported.value().is_bool())
    read.support = supported.boolean() ? Support::yes : Support::no;
  else
    supported.reject("true, false, \"firmware\" or \"probe\"");
  read.verified = view.at("verified").boolean();
  read.source = source(view);
  read.note = view.string_or("note", "");
  constexpr std::int64_t kLargest = 10'000'000;
  if (const auto max = view.find("max")) read.max = max->integer(1, kLargest, "the largest value that works");
  if (const auto min = view.find("min")) read.min = min->integer(1, kLargest, "the smallest value that works");
  if (const auto values = view.find("values")) read.values = values->strings();
  read.needs_trust = view.boolean_or("needs_trust", false);
  read.in_switchdev = view.boolean_or("in_switchdev", true);
  read.zero_resets = view.boolean_or("zero_resets", true);
  return read;
}

/// "igb: igb_ndo_set_vf_mac" stands for sources.igb and the place in it; a source's name alone for all of it.
std::string Reader::source(const JsonView& owner) const {
  const JsonView view = owner.at("source");
  const std::string text = view.string();
  const std::size_t colon = text.find(':');
  const auto found = sources_.find(text.substr(0, colon));
  if (found == sources_.end())
    view.reject("a name that \"sources\" explains, alone or followed by \": \" and the place");
  return colon == std::string::npos ? found->second : found->second + text.substr(colon);
}

void Reader::read_mac(const JsonView& view, MacHandling& mac) const {
  expect_keys(view, {"make_effective", "untrusted_may_override", "zero_resets"});
  fact(view.find("make_effective"), mac.make_effective,
       [](const JsonView& value) { return each_of<MacAction>(value, kMacActions); });
  flag(view.find("untrusted_may_override"), mac.untrusted_may_override);
  flag(view.find("zero_resets"), mac.zero_resets);
}

void Reader::read_vlan(const JsonView& view, VlanHandling& vlan) const {
  expect_keys(view, {"after_change"});
  fact(view.find("after_change"), vlan.after_change,
       [](const JsonView& value) { return one_of<VlanAction>(value, kVlanActions); });
}

Retry Reader::retry(const JsonView& view) const {
  expect_keys(view, {"count", "interval_ms", "errors"});
  Retry retry;
  retry.count = static_cast<int>(view.at("count").integer(0, 1000, "how often to try again"));
  retry.interval = std::chrono::milliseconds(view.at("interval_ms").integer(1, 10'000, "a pause in milliseconds"));
  retry.errors = each_of<int>(view.at("errors"), kErrnos);
  return retry;
}

void Reader::read_switchdev(const JsonView& view, Switchdev& switchdev) const {
  switchdev.capability = capability(view);
  fact(view.find("steps"), switchdev.steps,
       [](const JsonView& value) { return each_of<SwitchdevStep>(value, kSteps); });
}

void Reader::read_pf(Profile& profile) const {
  if (const auto dpdk = root_.find("dpdk")) {
    expect_keys(*dpdk, {"driver", "bifurcated", "flr_before_reuse"});
    fact(dpdk->find("driver"), profile.dpdk_driver, [](const JsonView& value) { return value.string(); });
    flag(dpdk->find("bifurcated"), profile.dpdk_bifurcated);
    flag(dpdk->find("flr_before_reuse"), profile.flr_before_vfio_reuse);
  }
  if (const auto vfs = root_.find("vfs")) {
    expect_keys(*vfs, {"max", "count_needs_zero"});
    fact(vfs->find("max"), profile.max_vfs, [](const JsonView& value) {
      return std::optional(value.integer(1, 65535, "the largest number of VFs of one PF"));
    });
    flag(vfs->find("count_needs_zero"), profile.vf_count_needs_zero);
  }
  if (const auto pf = root_.find("pf")) {
    expect_keys(*pf, {"must_be_up"});
    flag(pf->find("must_be_up"), profile.pf_must_be_up);
  }
}

}  // namespace

std::optional<PciId> parse_pci_id(std::string_view text) {
  if (text.size() != 9 || text[4] != ':') return std::nullopt;
  const auto hex = [](std::string_view digits) -> std::optional<std::uint16_t> {
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  };
  const auto vendor = hex(text.substr(0, 4));
  const auto device = hex(text.substr(5));
  if (!vendor || !device) return std::nullopt;
  return PciId{*vendor, *device};
}

Profile read_profile(std::string_view json, const std::string& file) {
  const boost::json::value document = parse_json(json, file);
  return Reader(JsonView(document, file + ": key"), file).read();
}

}  // namespace barewire::hw
