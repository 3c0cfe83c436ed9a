// SPDX-License-Identifier: Apache-2.0
// What ADD was asked for, what it left, and what is now are three things: drift is a difference between the last two in
// what the first names.
#include "sriov-plugin/drift.h"

#include <fmt/ranges.h>

#include <functional>

#include "core/cni/configure.h"
#include "core/cni/later_plugins.h"
#include "core/kernel/pci.h"
#include "core/vf/mac.h"
#include "core/vf/move.h"
#include "core/vf/rate.h"
#include "sriov-plugin/preflight.h"

namespace barewire::sriov {

namespace {

using kernel::Link;

/// A difference, what is done about it ("set vlan of pf0 vf 3 to 100"), and doing it.
struct Drift {
  std::string text;
  std::string remedy;
  std::function<void()> repair;  ///< empty: nothing can be done
};

/// The chain's last: what later plugins changed is as it should be.
cni::Result recorded_result(const state::Store& store, const state::Attachment& attachment) {
  const auto result = cni::find_final_result(store, attachment);
  if (!result)
    throw Error(Error::Code::drift, fmt::format("ADD of attachment {} did not come to its end", attachment.id.text()),
                "DEL it; `barewire gc` does so when nobody uses it any more");
  const JsonView view(*result, fmt::format("record of attachment {}: result key", attachment.id.text()),
                      Error::Code::state);
  return cni::Result::parse(view, cni::kLatestVersion);
}

/// Looks at one attachment; the remedies work on what it has opened, so it outlives them.
class Examination {
 public:
  Examination(vf::Host& host, const state::Attachment& attachment, const std::optional<cni::Result>& previous)
      : host_(host),
        attachment_(attachment),
        record_(vf::parse_vf_record(attachment.data, "record key")),
        result_(previous ? *previous : recorded_result(host.store, attachment)),
        position_(cni::find_position(result_, attachment.id.ifname)) {}

  std::vector<Drift> run(const vf::Habits& habits) {
    habits_ = habits;
    // Another device, or another's: nothing that follows would be about this attachment.
    if (!examine_device()) return std::move(drifts_);
    examine_pf();
    if (record_.netdev && examine_place()) {
      examine_netdev();
      examine_addresses();
    }
    return std::move(drifts_);
  }

  const vf::VfRecord& record() const { return record_; }

 private:
  void add(std::string text, std::string remedy = {}, std::function<void()> repair = {}) {
    drifts_.push_back({std::move(text), std::move(remedy), std::move(repair)});
  }

  bool examine_device() {
    const auto function = kernel::find_pci_function(host_.sysfs, record_.device);
    const auto place = kernel::find_vf_place(host_.sysfs, record_.device);
    if (!function || !place) {
      add(fmt::format("VF {} does not exist any more", record_.device));
      return false;
    }
    if (const auto holder = host_.store.holding(record_.device); !holder || holder->id != attachment_.id) {
      add(fmt::format("VF {} is held by {}", record_.device, holder ? holder->text() : "nobody"));
      return false;
    }
    if (function->driver == record_.driver) return true;
    add(fmt::format("VF {} is on driver {}, was on {} at ADD", record_.device,
                    function->driver.empty() ? "none" : function->driver, record_.driver));
    // Looking further makes sense only while it is still the same sort of device: a netdev, or none.
    return kernel::is_userspace_driver(function->driver) == record_.userspace && !function->driver.empty();
  }

  void examine_pf() {
    // ADD did not come so far, or the PF told nothing then.
    if (!record_.expected) return;
    const auto pf = vf::find_pf_port(host_, record_.pf);
    const auto now = pf ? kernel::find_vf(host_.socket, pf->index, record_.id) : std::nullopt;
    if (!now) return add(fmt::format("PF {} does not tell of VF {} any more", record_.pf, record_.id));
    kernel::VfInfo expected = *record_.expected;
    // What a later plugin of the chain did is no drift: its MAC and its rate count, not the ones ADD set.
    if (has_other_mac()) expected.mac = now->mac;
    if (const auto limit = vf::find_rate_limit(host_.store, attachment_.id)) expected.max_tx_rate = limit->limit;
    for (const vf::Difference& difference : vf::compare_admin(*now, expected, record_.settings)) {
      add(difference.text, fmt::format("set it back through {} vf {}", pf->name, record_.id), [this, pf, difference] {
        vf::with_retries(habits_,
                         [&] { kernel::change_vf(host_.socket, pf->index, pf->name, record_.id, difference.remedy); });
      });
    }
  }

  /// A trusted VF tells its PF of the MAC address that a later plugin gave it.
  bool has_other_mac() const { return record_.settings.mac && MacAddress::parse(wanted().mac) != record_.settings.mac; }

  const cni::Interface& wanted() const { return result_.interfaces[static_cast<std::size_t>(position_)]; }

  /// False when there is no netdev in the pod to look at.
  bool examine_place() {
    pod_ = vf::find_netns({attachment_.netns, attachment_.netns_id});
    if (!pod_) {
      add(fmt::format("netns {} is gone", attachment_.netns));
      return false;
    }
    located_ =
        vf::locate(host_, vf::identity_of(record_, attachment_.id.ifname), {attachment_.netns, attachment_.netns_id});
    if (!located_) {
      add(fmt::format("the netdev of VF {} is nowhere to be found", record_.device));
      return false;
    }
    // Its own netns by identity: the path of a pod may lead to another one by now.
    if (located_->netns.id() == pod_->id()) return true;
    add(fmt::format("interface {} is not in the pod but {} as {}", attachment_.id.ifname,
                    located_->on_host ? "on the host" : "in another netns", located_->link.name),
        fmt::format("move {} into {}", located_->link.name, attachment_.netns), [this] { move_back_in(); });
    return false;
  }

  void move_back_in() {
    if (!located_->on_host) {
      const Link home = vf::move_home(host_, *located_, *record_.netdev);
      // Home first, so that it comes in as ADD's would: under one name, with nothing of the other netns.
      located_ = vf::Located{kernel::NetNs::current(), kernel::NlSocket(), home, true};
    }
    kernel::NlSocket socket = kernel::NlSocket::in(*pod_);
    const Link link = vf::move_in(host_, located_->link, *pod_, socket, attachment_.id.ifname);
    if (wanted().mtu != 0 && link.mtu != wanted().mtu) kernel::set_mtu(socket, link, wanted().mtu);
    vf::with_retries(habits_, [&] { kernel::set_up(socket, link); });
  }

  void examine_netdev() {
    const Link& link = located_->link;
    if (link.name != attachment_.id.ifname)
      add(fmt::format("interface {} is called {}", attachment_.id.ifname, link.name),
          fmt::format("rename it to {}", attachment_.id.ifname), [this] { rename(); });
    // A bond gives its ports its own MAC, MTU and flags; the bond's plugin answers for those.
    if (!cni::is_bonded(located_->socket, link)) {
      examine_mac_and_mtu(link);
      examine_flags(link);
    }
    if (!link.is_up())
      add(fmt::format("{} is down", link.name), "set it up",
          [this] { kernel::set_up(located_->socket, located_->link); });
  }

  void examine_mac_and_mtu(const Link& link) {
    const auto mac = MacAddress::parse(wanted().mac);
    // InfiniBand addresses are longer, and not compared here.
    if (mac && link.mac != mac)
      add(fmt::format("MAC is {}, was {} at ADD", link.hardware_address, wanted().mac), "set it on the netdev",
          [this, mac] { repair_mac(*mac); });
    const std::uint32_t mtu = wanted().mtu;
    if (mtu != 0 && link.mtu != mtu)
      add(fmt::format("MTU is {}, was {} at ADD", link.mtu, mtu), fmt::format("set it to {}", mtu),
          [this, mtu] { kernel::set_mtu(located_->socket, located_->link, mtu); });
  }

  void examine_flags(const Link& link) {
    kernel::LinkChange change;
    std::string text;
    const auto compare = [&](const char* name, bool now, const std::optional<bool>& wanted,
                             std::optional<bool>& remedy) {
      if (!wanted || now == *wanted || cni::is_tuned_later(host_.store, attachment_.id, name)) return;
      remedy = wanted;
      text += fmt::format("{}{} is {}, ADD set {}", text.empty() ? "" : "; ", name, now ? "on" : "off",
                          *wanted ? "on" : "off");
    };
    compare("promisc", link.is_promiscuous(), record_.settings.promisc, change.promisc);
    compare("allmulti", link.is_allmulti(), record_.settings.allmulti, change.allmulti);
    if (!text.empty())
      add(text, "set it back on the netdev", [this, change] {
        kernel::change_link(located_->socket, located_->link.index, change, "setting flags of " + located_->link.name);
      });
  }

  /// A link must be down to be renamed, which takes its routes: those are found missing on the next look.
  void rename() {
    kernel::set_down(located_->socket, located_->link);
    kernel::rename_link(located_->socket, located_->link, attachment_.id.ifname);
    kernel::set_up(located_->socket, located_->link);
  }

  void repair_mac(const MacAddress& mac) {
    if (vf::make_effective(located_->socket, located_->link.index, mac, habits_)) return;
    throw Error(Error::Code::drift, fmt::format("setting MAC {} of {} failed: its driver does not take it", mac.text(),
                                                located_->link.name));
  }

  void examine_addresses() {
    for (const std::string& text : cni::compare_interface(located_->socket, located_->link, result_, position_))
      add(text, "add it again", [this] { repair_addresses(); });
  }

  void repair_addresses() { cni::complete_interface(*pod_, located_->socket, located_->link, result_, position_); }

  vf::Host& host_;
  const state::Attachment& attachment_;
  const vf::VfRecord record_;
  const cni::Result result_;
  const int position_;
  vf::Habits habits_;
  std::vector<Drift> drifts_;
  std::optional<kernel::NetNs> pod_;
  std::optional<vf::Located> located_;
};

std::vector<std::string> texts_of(const std::vector<Drift>& drifts) {
  std::vector<std::string> texts;
  for (const Drift& drift : drifts) texts.push_back(drift.text);
  return texts;
}

std::string line_of(const Drift& drift) {
  return drift.repair ? fmt::format("{}: {}", drift.text, drift.remedy)
                      : fmt::format("{}: cannot be repaired, DEL the attachment", drift.text);
}

[[noreturn]] void report(const state::Attachment& attachment, const std::vector<std::string>& texts) {
  throw Error(Error::Code::drift, fmt::format("{}: {}", attachment.id.ifname, fmt::join(texts, "; ")),
              fmt::format("`barewire repair` puts back what ADD set on attachment {}", attachment.id.text()));
}

}  // namespace

std::vector<std::string> find_drift(vf::Host& host, const state::Attachment& attachment,
                                    const std::optional<cni::Result>& previous) {
  return texts_of(Examination(host, attachment, previous).run({}));
}

void check_attachment(vf::Host& host, const state::Attachment& attachment, const std::optional<cni::Result>& previous) {
  const std::vector<std::string> texts = find_drift(host, attachment, previous);
  if (!texts.empty()) report(attachment, texts);
}

std::vector<std::string> repair(const state::Attachment& attachment, Node& node, bool dry_run) {
  constexpr int kLooks = 4;  // moving a netdev takes its addresses with it, and those are seen missing on the next look
  vf::Host host(node);
  std::vector<std::string> done;
  const state::FileLock lock = host.store.lock_attachment(attachment.id);
  for (int look = 0; look < kLooks; ++look) {
    Examination examination(host, attachment, std::nullopt);
    const vf::Habits habits = hw::find_habits(node, host, examination.record().pf);
    const std::vector<Drift> drifts = examination.run(habits);
    if (drifts.empty()) return done;
    if (!dry_run && look + 1 == kLooks) report(attachment, texts_of(drifts));
    // Under the lock of the PF, as ADD and DEL of its other VFs: drivers take one change at a time.
    const state::FileLock pf_lock = vf::lock_pf(host, examination.record().pf);
    bool repaired = false;
    for (const Drift& drift : drifts) {
      done.push_back(line_of(drift));
      if (dry_run || !drift.repair) continue;
      drift.repair();
      repaired = true;
    }
    if (dry_run) return done;
    // Nothing left that could be done: another look would find the same.
    if (!repaired) report(attachment, texts_of(drifts));
  }
  return done;
}

}  // namespace barewire::sriov
