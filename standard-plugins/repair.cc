// SPDX-License-Identifier: Apache-2.0
// Rules that another program flushed (a reload of a firewall, say) are made again while the pod runs. Each kind
// compares first, so that a repair of what is right changes nothing.
#include "standard-plugins/repair.h"

#include "standard-plugins/bridge/spoof_check.h"
#include "standard-plugins/common/lifecycle.h"
#include "standard-plugins/common/masquerade.h"

namespace barewire::standard {

namespace {

void append(std::vector<std::string>& clauses, const std::vector<std::string>& more) {
  clauses.insert(clauses.end(), more.begin(), more.end());
}

std::vector<std::string> repair_masquerade(const state::Attachment& attachment, Node& node, bool dry_run) {
  const auto masquerade = Masquerade::from_record(attachment);
  if (!masquerade) return {};
  std::vector<std::string> missing = compare_masquerade(attachment.id, *masquerade);
  if (missing.empty() || dry_run) return missing;
  remove_masquerade(attachment.id, *masquerade, node);
  add_masquerade(attachment.id, *masquerade, node);
  return missing;
}

std::vector<std::string> repair_spoof_check(const state::Attachment& attachment, bool dry_run) {
  const auto check = SpoofCheck::from_record(attachment);
  if (!check) return {};
  std::vector<std::string> missing = compare_spoof_check(attachment.id, *check);
  if (!missing.empty() && !dry_run) add_spoof_check(attachment.id, *check);
  return missing;
}

std::vector<std::string> repair_by_kind(const state::Attachment& record, Node& node, bool dry_run) {
  if (record.id.plugin == "portmap") return repair_mappings(record, node, dry_run);
  if (record.id.plugin == "firewall") return repair_firewall(record, node, dry_run);
  std::vector<std::string> missing = repair_masquerade(record, node, dry_run);
  append(missing, repair_spoof_check(record, dry_run));
  return missing;
}

}  // namespace

std::vector<std::string> repair_rules(const state::Attachment& attachment, Node& node, bool dry_run) {
  const state::Store store = store_of(node);
  const state::FileLock lock = store.lock_attachment(attachment.id);
  const auto record = store.find(attachment.id);
  // Looked at again under the lock: since the listing it may have been deleted, and added anew.
  if (!record || record->since != attachment.since) return {};
  std::vector<std::string> missing = repair_by_kind(*record, node, dry_run);
  for (std::string& clause : missing) clause.insert(0, "made anew: ");
  return missing;
}

}  // namespace barewire::standard
