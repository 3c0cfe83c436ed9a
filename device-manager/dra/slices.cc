// SPDX-License-Identifier: Apache-2.0
/// Layout and comparison of slices. Names are derived from node, driver and PF: two daemons during an upgrade write the
/// same slices, not each its own. The allocator takes a pool for incomplete, and gives nothing of it, until all slices
/// of its newest generation are there.
#include "device-manager/dra/slices.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "core/json_view.h"

namespace barewire::dra {

namespace json = boost::json;

namespace {

constexpr std::size_t kLongestName = 253;

/// FNV-1a; for names that are too long to hold what they stand for. std::hash may differ between two builds, and the
/// names must not.
std::string hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

std::string slice_name(const Identity& identity, const std::string& pool, std::size_t index) {
  const std::string parent = pool.substr(pool.rfind('/') + 1);
  const std::string name = fmt::format("{}-{}-{}-{}", identity.node, identity.driver, parent, index);
  return name.size() <= kLongestName ? name : fmt::format("{}-{}", hash_of(name), index);
}

/// v1beta1 has what describes a device one level deeper.
json::array to_version(const json::array& devices, const std::string& version) {
  if (version != "v1beta1") return devices;
  json::array result;
  for (const json::value& each : devices) {
    json::object basic = each.get_object();
    json::value name = basic["name"];
    basic.erase("name");
    result.push_back(json::object{{"name", std::move(name)}, {"basic", std::move(basic)}});
  }
  return result;
}

json::object member(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_object() ? found->get_object() : json::object();
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

/// What we write of a taint; the server adds when it came. That time is not ours to compare.
json::array plain_taints(const json::value& taints) {
  json::array result;
  if (!taints.is_array()) return result;
  for (const json::value& each : taints.get_array())
    if (each.is_object())
      result.push_back(
          json::object{{"key", text(each.get_object(), "key")}, {"effect", text(each.get_object(), "effect")}});
  return result;
}

/// Back from a server's form, which may add defaults, to ours.
json::object plain_device(const json::value& device) {
  if (!device.is_object()) return {};
  const json::object& outer = device.get_object();
  const json::object inner = outer.contains("basic") ? member(outer, "basic") : outer;
  json::object result{{"name", text(outer, "name")}, {"attributes", member(inner, "attributes")}};
  json::object capacity;
  for (const auto& [id, value] : member(inner, "capacity")) {
    if (!value.is_object()) continue;
    json::object plain{{"value", text(value.get_object(), "value")}};
    if (json::object policy = member(value.get_object(), "requestPolicy"); !policy.empty())
      plain["requestPolicy"] = std::move(policy);
    capacity[id] = std::move(plain);
  }
  if (!capacity.empty()) result["capacity"] = std::move(capacity);
  if (inner.if_contains("allowMultipleAllocations") != nullptr)
    result["allowMultipleAllocations"] = inner.at("allowMultipleAllocations");
  if (const json::value* taints = inner.if_contains("taints"))
    if (json::array plain = plain_taints(*taints); !plain.empty()) result["taints"] = std::move(plain);
  return result;
}

std::vector<std::string> names_of(const json::array& devices) {
  std::vector<std::string> names;
  for (const json::value& each : devices) names.push_back(text(each.get_object(), "name"));
  return names;
}

/// Of a bridge's pool: any that a resource may have, made a DNS label. Two that become the same by that differ in
/// their hash.
std::string bridge_label(const std::string& resource) {
  constexpr std::size_t kLongest = 40;  // what a port's number, and "ovs-", are put to
  const std::string name = resource.substr(resource.find('/') + 1);
  const std::string label = label_of(name);
  return label == name && name.size() <= kLongest
             ? name
             : fmt::format("{}-{}", label.substr(0, kLongest), hash_of(name).substr(0, 8));
}

/// One pool before and after.
class PoolPlan {
 public:
  PoolPlan(const DesiredPool& pool, const std::map<std::string, PublishedSlice>& published, const Identity& identity)
      : pool_(pool), identity_(identity) {
    for (const auto& [name, slice] : published) {
      if (slice.pool == pool.name) generation_ = std::max(generation_, slice.generation);
    }
    for (std::size_t i = 0; i < pool.slices.size(); ++i) {
      names_.push_back(slice_name(identity, pool.name, i));
      const auto found = published.find(names_.back());
      before_.push_back(found == published.end() ? nullptr : &found->second);
    }
  }

  void add_to(std::vector<SliceWrite>& writes, std::size_t published_count) {
    const bool anew = needs_generation(published_count);
    if (anew) ++generation_;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const PublishedSlice* before = before_[i];
      if (before != nullptr && !anew && before->devices == pool_.slices[i]) continue;
      const auto kind = before == nullptr ? SliceWrite::Kind::create : SliceWrite::Kind::update;
      writes.push_back({kind, names_[i], body(i)});
    }
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  // One slice that changes by itself can be replaced in place: nobody sees half of it. Devices that move between two
  // slices would be seen twice, or not at all, as would those of a slice that comes or goes.
  bool needs_generation(std::size_t published_count) const {
    std::size_t moved = 0;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const PublishedSlice* before = before_[i];
      if (before == nullptr || !before->is_sound || before->generation != generation_ ||
          before->count != static_cast<std::int64_t>(names_.size()))
        return true;
      if (names_of(before->devices) != names_of(pool_.slices[i])) ++moved;
    }
    return moved > 1 || published_count != names_.size();
  }

  json::object body(std::size_t i) const {
    json::object metadata{{"name", names_[i]},
                          {"ownerReferences", json::array{json::object{{"apiVersion", "v1"},
                                                                       {"kind", "Node"},
                                                                       {"name", identity_.node},
                                                                       {"uid", identity_.node_uid},
                                                                       {"controller", true}}}}};
    // The server refuses with 409 when another has written since: nothing of somebody else's is overwritten unseen.
    if (before_[i] != nullptr) metadata["resourceVersion"] = before_[i]->resource_version;
    if (before_[i] != nullptr && !before_[i]->uid.empty()) metadata["uid"] = before_[i]->uid;
    return {{"apiVersion", "resource.k8s.io/" + identity_.api_version},
            {"kind", "ResourceSlice"},
            {"metadata", std::move(metadata)},
            {"spec", json::object{{"driver", identity_.driver},
                                  {"nodeName", identity_.node},
                                  {"pool", json::object{{"name", pool_.name},
                                                        {"generation", generation_},
                                                        {"resourceSliceCount", names_.size()}}},
                                  {"devices", to_version(pool_.slices[i], identity_.api_version)}}}};
  }

  const DesiredPool& pool_;
  const Identity& identity_;
  std::int64_t generation_ = 0;
  std::vector<std::string> names_;
  std::vector<const PublishedSlice*> before_;
};

}  // namespace

/// A PCI address as DNS labels: "0000:01:00.0" → "0000-01-00.0".
std::string pool_name(const std::string& node, const std::string& parent) {
  std::string name = parent;
  std::replace(name.begin(), name.end(), ':', '-');
  std::replace(name.begin(), name.end(), '_', '-');
  return fmt::format("{}/{}", node, name);
}

ApiPlace place_of(const Offer& offer, const std::string& node) {
  if (offer.ports == 0) return {pool_name(node, parent_of(offer.device)), label_of(offer.device.id)};
  const std::string label = bridge_label(offer.resource);
  return {fmt::format("{}/ovs-{}", node, label), label};
}

std::string port_name(const std::string& bridge, int number) {
  return fmt::format("{}-{}", bridge, number);
}

std::optional<std::pair<std::string, int>> parse_port_name(const std::string& name) {
  const auto dash = name.rfind('-');
  if (dash == std::string::npos) return std::nullopt;
  int number = -1;
  const char* end = name.data() + name.size();
  const auto [stop, failure] = std::from_chars(name.data() + dash + 1, end, number);
  if (failure != std::errc() || stop != end || number < 0) return std::nullopt;
  return std::pair(name.substr(0, dash), number);
}

/// The devices by which the API has an offer.
static std::vector<json::object> devices_of(const Offer& offer, const NicFacts& facts, const Identity& identity,
                                            Abilities abilities) {
  if (offer.ports == 0) return {device_json(offer, facts, identity.driver, abilities.taints)};
  const std::string name = place_of(offer, identity.node).device;
  if (abilities.sharing) return {bridge_json(offer, name)};
  std::vector<json::object> ports;
  ports.reserve(static_cast<std::size_t>(offer.ports));
  for (int i = 0; i < offer.ports; ++i) ports.push_back(port_json(offer, port_name(name, i)));
  return ports;
}

std::vector<DesiredPool> lay_out(std::vector<Offer> offers, const std::map<std::string, NicFacts>& facts,
                                 const Identity& identity, Abilities abilities) {
  // The scheduler takes the first that fits: an order that changed would change which device a pod gets, and all
  // slices.
  std::sort(offers.begin(), offers.end(), [](const Offer& a, const Offer& b) {
    // Two pools may be of one bridge.
    return std::tie(parent_of(a.device), a.device.number, a.device.id, a.resource) <
           std::tie(parent_of(b.device), b.device.number, b.device.id, b.resource);
  });
  // Always the smaller where taints are possible: a layout that followed each device's health would move devices about.
  const std::size_t most = abilities.taints ? kMostTaintedDevices : kMostDevices;
  std::vector<DesiredPool> pools;
  for (const Offer& offer : offers) {
    // Of a bridge that is not there nothing is left to be tainted.
    if (offer.trouble && (!abilities.taints || offer.ports > 0)) continue;
    const std::string name = place_of(offer, identity.node).pool;
    if (pools.empty() || pools.back().name != name) pools.push_back({.name = name});
    auto& slices = pools.back().slices;
    const auto known = facts.find(parent_of(offer.device));
    for (json::object& device :
         devices_of(offer, known == facts.end() ? NicFacts() : known->second, identity, abilities)) {
      if (slices.empty() || slices.back().size() == most) slices.emplace_back();
      slices.back().push_back(std::move(device));
    }
  }
  return pools;
}

PublishedSlice parse_slice(const json::value& slice, const Identity& identity) {
  const JsonView view(slice, "ResourceSlice: key", Error::Code::decode);
  const JsonView metadata = view.at("metadata"), spec = view.at("spec"), pool = spec.at("pool");
  PublishedSlice result;
  result.name = metadata.at("name").string();
  result.resource_version = metadata.string_or("resourceVersion", "");
  result.uid = metadata.string_or("uid", "");
  result.pool = pool.at("name").string();
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() - 1;
  result.generation = pool.integer_or("generation", 0, kMost, "a generation", 0);
  result.count = pool.integer_or("resourceSliceCount", 0, kMost, "a number of slices", 0);
  if (const auto devices = spec.find("devices"))
    for (const JsonView& each : devices->array()) result.devices.push_back(plain_device(each.value()));
  result.is_sound = spec.string_or("driver", "") == identity.driver && spec.string_or("nodeName", "") == identity.node;
  return result;
}

std::vector<SliceWrite> plan_writes(const std::vector<DesiredPool>& desired,
                                    const std::map<std::string, PublishedSlice>& published, const Identity& identity) {
  std::vector<SliceWrite> writes;
  std::set<std::string> kept;
  for (const DesiredPool& pool : desired) {
    PoolPlan plan(pool, published, identity);
    const auto count = std::count_if(published.begin(), published.end(),
                                     [&](const auto& each) { return each.second.pool == pool.name; });
    plan.add_to(writes, static_cast<std::size_t>(count));
    kept.insert(plan.names().begin(), plan.names().end());
  }
  for (const auto& [name, slice] : published)
    if (!kept.contains(name)) writes.push_back({SliceWrite::Kind::remove, name, {}});
  return writes;
}

}  // namespace barewire::dra
