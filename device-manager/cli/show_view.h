// SPDX-License-Identifier: Apache-2.0
/// All that is known of one VF, PF or attachment, as text for people: `barewire show`. No I/O.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/look.h"
#include "device-manager/cli/terminal.h"
#include "device-manager/snapshot.h"

namespace barewire::cli {

/// A titled list of names and values; an empty value prints as "-".
struct Section {
  std::string title;
  std::vector<std::pair<std::string, std::string>> lines;
};

/// What sysfs, rtnetlink, devlink and the hardware profile say of it. Of the PF alone; its VFs are a table of their own
/// (list_view.h).
std::vector<Section> describe_pf(const manager::PfEntry& pf);
/// `dead`: is the holder's netns gone.
std::vector<Section> describe_vf(const manager::PfEntry& pf, const manager::VfEntry& vf, const Look& dead,
                                 const std::string& record_path);
/// What its record says; `record_path` is where that is.
std::vector<Section> describe_attachment(const state::Attachment& attachment, const Look& dead,
                                         const std::string& record_path);

/// Values aligned over all sections. Control characters of names and values are replaced: terminal.h, printable().
std::string render(const std::vector<Section>& sections, const Terminal& terminal);

}  // namespace barewire::cli
