// SPDX-License-Identifier: Apache-2.0
// The reference plugin's file, so that either restores what the other changed.
#include "standard-plugins/tuning/backup.h"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>

#include "core/fd.h"
#include "core/regular_file.h"
#include "core/temporary_file.h"

namespace barewire::standard {

namespace {

constexpr const char* kOriginalKey = "original";

template <typename Value>
void take_if_absent(std::optional<Value>& kept, const std::optional<Value>& offered) {
  // The first value is the one from before the plugin: a second ADD of a chain must not take its own for it.
  if (!kept) kept = offered;
}

std::optional<bool> find_bool(const JsonView& root, std::string_view key) {
  const auto view = root.find(key);
  if (!view) return std::nullopt;
  return view->boolean();
}

std::optional<std::uint32_t> find_number(const JsonView& root, std::string_view key) {
  const auto view = root.find(key);
  if (!view) return std::nullopt;
  return static_cast<std::uint32_t>(view->integer(0, INT32_MAX, "a number"));
}

boost::json::object to_json(const LinkSettings& settings) {
  boost::json::object object;
  if (settings.mac) object["mac"] = settings.mac->text();
  if (settings.promisc) object["promisc"] = *settings.promisc;
  if (settings.mtu) object["mtu"] = *settings.mtu;
  if (settings.allmulti) object["allmulti"] = *settings.allmulti;
  if (settings.tx_queue_length) object["txQLen"] = *settings.tx_queue_length;
  return object;
}

LinkSettings parse(const JsonView& root) {
  LinkSettings settings;
  if (const auto mac = root.find("mac")) {
    settings.mac = MacAddress::parse(mac->string());
    if (!settings.mac && !mac->string().empty()) mac->reject("a MAC address");
  }
  settings.promisc = find_bool(root, "promisc");
  settings.mtu = find_number(root, "mtu");
  settings.allmulti = find_bool(root, "allmulti");
  settings.tx_queue_length = find_number(root, "txQLen");
  return settings;
}

}  // namespace

std::string tuning_backup_path(const std::string& directory, const std::string& container_id,
                               const std::string& ifname) {
  return fmt::format("{}/{}_{}.json", directory, container_id, ifname);
}

std::optional<LinkSettings> find_tuning_backup(const std::string& path) {
  const auto bytes = read_roots_file(path);
  if (!bytes) return std::nullopt;
  const boost::json::value document = parse_json(*bytes, path);
  return parse(JsonView(document, path + ": key", Error::Code::state));
}

void save_tuning_backup(const std::string& path, const LinkSettings& original) {
  // Until the next boot is enough: interfaces and what they were set to do not outlive it.
  make_directories(std::filesystem::path(path).parent_path(), 0700);
  write_file_atomically(path, boost::json::serialize(to_json(original)), Durability::until_reboot);
}

void remove_tuning_backup(const std::string& path, const LinkSettings& original) {
  remove_temporary(path);
  // Another attachment may have written a file of that name since.
  if (read_roots_file(path) == boost::json::serialize(to_json(original))) remove_file(path);
}

std::optional<LinkSettings> recorded_original(const state::Attachment& attachment) {
  const boost::json::value* original = attachment.data.if_contains(kOriginalKey);
  if (original == nullptr) return std::nullopt;
  return parse(JsonView(*original, "record key", Error::Code::state));
}

LinkSettings record_original(state::Attachment& attachment, const LinkSettings& original) {
  LinkSettings kept = recorded_original(attachment).value_or(LinkSettings());
  take_if_absent(kept.mac, original.mac);
  take_if_absent(kept.promisc, original.promisc);
  take_if_absent(kept.mtu, original.mtu);
  take_if_absent(kept.allmulti, original.allmulti);
  take_if_absent(kept.tx_queue_length, original.tx_queue_length);
  attachment.data[kOriginalKey] = to_json(kept);
  return kept;
}

}  // namespace barewire::standard
