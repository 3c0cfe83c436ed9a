// SPDX-License-Identifier: Apache-2.0
/// What is told of a device comes from the claim's record: after a restart the VF may be in a pod, where the daemon can
/// read nothing of it any more.
#include "device-manager/dra/metadata_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <filesystem>
#include <set>

#include "core/fd.h"

namespace barewire::dra {

namespace json = boost::json;

namespace {

/// Where containers look. Source: k8s.io/dynamic-resource-allocation, api/metadata.
constexpr const char* kInContainer = "/var/run/kubernetes.io/dra-device-attributes";

/// Whether it stays in the directory that it is put into.
bool is_file_name(const std::string& name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string::npos;
}

std::set<std::string> requests_of(const state::ClaimRecord& record) {
  std::set<std::string> requests;
  for (const state::ClaimedDevice& each : record.devices) requests.insert(each.request);
  return requests;
}

/// Of the first object of the stream; 0 when the file holds none: a node that lost its power while it was written.
std::int64_t generation_of(const std::string& bytes) {
  json::stream_parser parser;
  json::error_code failure;
  parser.write_some(bytes, failure);
  if (failure || !parser.done()) return 0;
  const json::value first = parser.release();
  const auto* metadata = first.is_object() ? first.get_object().if_contains("metadata") : nullptr;
  const auto* generation =
      metadata != nullptr && metadata->is_object() ? metadata->get_object().if_contains("generation") : nullptr;
  return generation != nullptr && generation->is_int64() ? generation->get_int64() : 0;
}

/// In one write, padded to the old length, so that no reader finds the end of the old text behind the new.
void write_over(const std::string& path, std::string bytes, std::size_t old_size) {
  if (bytes.size() < old_size) bytes.resize(old_size, '\n');
  const Fd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) throw sys_error("opening {}", path);
  const ssize_t written = ::pwrite(file.get(), bytes.data(), bytes.size(), 0);
  if (written < 0) throw sys_error("writing {}", path);
  if (static_cast<std::size_t>(written) != bytes.size())
    throw Error(Error::Code::io, fmt::format("writing {} failed: no space is left", path));
}

}  // namespace

MetadataFiles::MetadataFiles(std::string driver, std::string directory, Wanted wanted)
    : driver_(std::move(driver)), directory_(std::move(directory)), wanted_(wanted) {}

/// By the claim's UID: one of the same name may be prepared before this one is taken back.
std::string MetadataFiles::path(const state::ClaimRecord& record, const std::string& request) const {
  if (!is_file_name(request))
    throw Error(Error::Code::config, fmt::format("\"{}\" is not the name of a request", request));
  if (!is_file_name(record.uid))
    throw Error(Error::Code::config, fmt::format("\"{}\" is not the UID of a claim", record.uid));
  return fmt::format("{}/{}/{}/metadata.json", directory_, record.uid, request);
}

std::string MetadataFiles::content(const state::ClaimRecord& record, const std::string& request,
                                   std::int64_t generation, const std::vector<json::object>& network) const {
  json::array devices;
  std::string name = request;
  for (std::size_t i = 0; i < record.devices.size(); ++i) {
    const state::ClaimedDevice& each = record.devices[i];
    if (each.request != request) continue;
    if (!each.subrequest.empty()) name = request + "/" + each.subrequest;
    json::object device{{"driver", driver_}, {"pool", each.pool}, {"name", each.device}};
    if (!each.attributes.empty()) device["attributes"] = each.attributes;
    if (i < network.size() && !network[i].empty()) device["networkData"] = network[i];
    devices.push_back(std::move(device));
  }
  std::string stream;
  for (const char* version : {"v1beta1", "v1alpha1"}) {
    json::object object{{"apiVersion", fmt::format("metadata.resource.k8s.io/{}", version)},
                        {"kind", "DeviceMetadata"},
                        {"metadata", json::object{{"name", record.name},
                                                  {"namespace", record.name_space},
                                                  {"uid", record.uid},
                                                  {"generation", generation}}}};
    if (!record.pod_claim.empty()) object["podClaimName"] = record.pod_claim;
    object["requests"] = json::array{json::object{{"name", name}, {"devices", devices}}};
    stream += json::serialize(object) + "\n";
  }
  return stream;
}

void MetadataFiles::make(const state::ClaimRecord& record) const {
  if (!are_wanted()) return;
  for (const std::string& request : requests_of(record)) {
    const std::string file = path(record, request);
    if (read_file(file)) continue;
    make_directories(file.substr(0, file.rfind('/')));
    // Readable by all: who runs in the container is not root.
    write_file_atomically(file, content(record, request, 1, {}), Durability::until_reboot, 0644);
    ::chmod(file.c_str(), 0644);  // whatever the umask
  }
}

void MetadataFiles::tell(const state::ClaimRecord& record, const std::vector<json::object>& network) const {
  if (!are_wanted()) return;
  for (const std::string& request : requests_of(record)) {
    const std::string file = path(record, request);
    const auto present = read_file(file);
    if (!present) continue;  // make() comes first
    const std::int64_t generation = generation_of(*present);
    const std::string same = content(record, request, generation, network);
    // What is longer is padding.
    if (present->starts_with(same) && present->find_first_not_of('\n', same.size()) == std::string::npos) continue;
    write_over(file, content(record, request, generation + 1, network), present->size());
  }
}

void MetadataFiles::remove(const state::ClaimRecord& record) const {
  if (!is_file_name(record.uid)) return;  // nothing was made under such a name
  std::error_code failure;
  std::filesystem::remove_all(directory_ + "/" + record.uid, failure);
  if (failure)
    throw Error(Error::Code::io, fmt::format("removing {}/{} failed: {}", directory_, record.uid, failure.message()));
}

std::optional<json::object> MetadataFiles::mount_of(const state::ClaimRecord& record, std::size_t device) const {
  if (!are_wanted()) return std::nullopt;
  const std::string& request = record.devices[device].request;
  for (std::size_t i = 0; i < device; ++i)
    if (record.devices[i].request == request) return std::nullopt;
  const std::string claim =
      record.pod_claim.empty() ? "resourceclaims/" + record.name : "resourceclaimtemplates/" + record.pod_claim;
  return json::object{
      {"hostPath", path(record, request)},
      {"containerPath", fmt::format("{}/{}/{}/{}-metadata.json", kInContainer, claim, request, driver_)},
      {"options", json::array{"ro", "bind"}}};
}

}  // namespace barewire::dra
