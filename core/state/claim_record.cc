// SPDX-License-Identifier: Apache-2.0
/// The records of prepared claims: one JSON file each. They lie where a boot does not clear them: kubelet remembers a
/// claim as prepared over a boot of the node, so that nobody would tell us again what it holds.
#include "core/state/claim_record.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "core/directory.h"
#include "core/fd.h"
#include "core/json_view.h"
#include "core/temporary_file.h"

namespace barewire::state {

namespace json = boost::json;

namespace {

constexpr int kFormat = 1;  ///< of the record; a reader takes any, and leaves alone what it does not know
constexpr std::string_view kEnd = ".json";

json::object to_json(const ClaimedDevice& device) {
  json::object result{{"request", device.request},  {"pool", device.pool}, {"device", device.device},
                      {"shareID", device.share_id}, {"id", device.id},     {"resource", device.resource},
                      {"settings", device.settings}};
  if (device.is_port) result["port"] = true;
  if (!device.subrequest.empty()) result["subrequest"] = device.subrequest;
  if (!device.attributes.empty()) result["attributes"] = device.attributes;
  return result;
}

json::object to_json(const ClaimRecord& record) {
  json::array devices;
  for (const ClaimedDevice& each : record.devices) devices.push_back(to_json(each));
  json::object result{
      {"format", kFormat},
      {"uid", record.uid},
      {"namespace", record.name_space},
      {"name", record.name},
      {"pod", json::object{{"namespace", record.pod.name_space}, {"name", record.pod.name}, {"uid", record.pod.uid}}},
      {"devices", std::move(devices)},
      {"since", record.since}};
  if (!record.pod_claim.empty()) result["podClaim"] = record.pod_claim;
  return result;
}

ClaimedDevice parse_device(const JsonView& view) {
  ClaimedDevice device;
  device.request = view.string_or("request", "");
  device.pool = view.at("pool").string();
  device.device = view.at("device").string();
  device.share_id = view.string_or("shareID", "");
  device.id = view.at("id").string();
  device.resource = view.string_or("resource", "");
  device.is_port = view.boolean_or("port", false);
  device.subrequest = view.string_or("subrequest", "");
  if (const auto attributes = view.find("attributes"); attributes && attributes->is_object())
    device.attributes = attributes->value().get_object();
  if (const auto settings = view.find("settings"); settings && settings->is_object())
    device.settings = settings->value().get_object();
  return device;
}

ClaimRecord parse(std::string_view bytes, const std::string& path) try {
  const json::value document = parse_json(bytes, "record " + path);
  const JsonView view(document, fmt::format("record {}: key", path), Error::Code::state);
  ClaimRecord record;
  record.uid = view.at("uid").string();
  record.name_space = view.string_or("namespace", "");
  record.name = view.string_or("name", "");
  if (const auto pod = view.find("pod"))
    record.pod = {pod->string_or("namespace", ""), pod->string_or("name", ""), pod->string_or("uid", "")};
  for (const JsonView& each : view.at("devices").array()) record.devices.push_back(parse_device(each));
  record.since = view.string_or("since", "");
  record.pod_claim = view.string_or("podClaim", "");
  return record;
} catch (const Error& error) {
  throw Error(Error::Code::state, error.what(),
              fmt::format("the record is damaged, and its claim stays prepared. Once no pod uses it, remove {}", path));
}

}  // namespace

const ClaimedDevice* ClaimRecord::find(const std::string& id) const {
  const auto found = std::find_if(devices.begin(), devices.end(), [&](const auto& each) { return each.id == id; });
  return found == devices.end() ? nullptr : &*found;
}

/// It becomes a file's name.
std::string ClaimRecords::path_of(const std::string& uid) const {
  constexpr std::size_t kLongest = 128;
  const bool plain = std::all_of(uid.begin(), uid.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
  if (uid.empty() || uid.size() > kLongest || !plain)
    throw Error(Error::Code::config, fmt::format("\"{}\" is not the UID of a claim", uid.substr(0, kLongest)));
  return fmt::format("{}/{}{}", directory_, uid, kEnd);
}

/// A damaged record is an error, and not the absence of one: "no record" means to kubelet that the claim holds nothing.
std::optional<ClaimRecord> ClaimRecords::find(const std::string& uid) const {
  const std::string path = path_of(uid);
  const auto bytes = read_file(path);
  if (!bytes) return std::nullopt;
  return parse(*bytes, path);
}

/// To the disk, and not just to the page cache: the promise is answered to kubelet next, which keeps it.
void ClaimRecords::save(const ClaimRecord& record) const {
  make_directories(directory_, 0700);
  write_file_atomically(path_of(record.uid), json::serialize(to_json(record)) + "\n", Durability::durable);
}

/// With what a killed save() left beside it, which nobody else looks for once the claim is gone.
void ClaimRecords::remove(const std::string& uid) const {
  remove_file(path_of(uid));
  remove_temporary(path_of(uid));
}

std::vector<ClaimRecord> ClaimRecords::list(std::vector<std::pair<std::string, std::string>>* unreadable) const {
  std::vector<ClaimRecord> result;
  for (const std::string& name : list_directory(directory_)) {
    // Half-written files of a save() that goes on, or was killed.
    if (name.starts_with('.') || !name.ends_with(kEnd)) continue;
    const std::string path = directory_ + "/" + name;
    try {
      // Gone between the listing and the reading: given back meanwhile, which is no damage.
      if (const auto bytes = read_file(path)) result.push_back(parse(*bytes, path));
    } catch (const Error& error) {
      if (unreadable != nullptr) unreadable->emplace_back(path, error.what());
    }
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.uid < b.uid; });
  return result;
}

std::optional<ClaimedDevice> find_claimed(const std::string& cni_state_dir, const std::string& device) {
  // The promise first: it is one small file by the device's name, and most devices were never a claim's. Only then is
  // the record asked for, of which the promise tells the name.
  const auto promise = Allocations(cni_state_dir + Allocations::kBelow).find(device);
  if (!promise || promise->by != Allocation::kClaim) return std::nullopt;
  const auto record = ClaimRecords(cni_state_dir + ClaimRecords::kBelow).find(promise->owner);
  const ClaimedDevice* claimed = record ? record->find(device) : nullptr;
  if (claimed == nullptr)
    throw Error(Error::Code::state, fmt::format("{}, whose record is gone", promise->text()),
                "the node daemon prepares the claim anew, or gives the device back");
  return *claimed;
}

}  // namespace barewire::state
