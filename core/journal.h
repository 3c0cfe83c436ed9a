// SPDX-License-Identifier: Apache-2.0
/// The flight recorder: what happened to the node's attachments, one checksummed line per event, in two files of
/// bounded size that outlive a reboot. Writing takes no lock and waits for nobody; what cannot be written is lost, and
/// fails no call. journal_file.cc writes and reads, journal.cc has the lines. docs/observability.md describes the
/// format. core/cni/recorded_call.h records CNI calls; the daemon and the admin's command record what they do.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace barewire::journal {

/// Of mains: Node::cni_state_dir and this.
inline constexpr const char* kBelow = "/barewire/journal";
/// Of one of the two files, in bytes: about ten thousand events.
inline constexpr std::size_t kFullSize = 4 << 20;
inline constexpr std::size_t kLongestLine = 4096;

enum class Kind {
  attach,   ///< an ADD that succeeded
  detach,   ///< a DEL that succeeded
  change,   ///< an administrator changed devices: provision, reserve
  refusal,  ///< a call that failed, with code and sentence
  repair,   ///< what had drifted was put right
  reap,     ///< what a dead pod left was undone
  rpc,      ///< kubelet asked for devices, or gave them back
  drift,    ///< a CHECK found an attachment that is not as it was made
};
std::string_view name_of(Kind kind);

using Time = std::chrono::sys_time<std::chrono::microseconds>;

/// Empty text: not known, or of no meaning for this event.
struct Event {
  Kind kind = Kind::attach;
  Time time{};                     ///< the wall clock, UTC
  std::string boot{};              ///< the kernel's boot id
  std::chrono::microseconds up{};  ///< since boot, also while suspended: what orders events when the clock is set
  std::string cause{};             ///< who asked: "runtime"; empty: the program that records it, "barewired"
  std::string plugin{};
  std::string command{};  ///< "ADD", …
  std::string network{};
  std::string name_space{};  ///< of the pod
  std::string pod{};
  std::string container{};  ///< its sandbox's ID
  std::string ifname{};     ///< in the pod
  std::string device{};     ///< PCI address of the VF, or what else the attachment holds
  std::string pf{};         ///< PCI address of its PF
  std::optional<std::chrono::microseconds> took{};
  int code = 0;        ///< of a failure; docs/errors.md
  std::string what{};  ///< the failure's sentence, or what was changed or put right
  std::string hint{};
};

/// One line with its end. What is too long for kLongestLine is cut; bytes that are no UTF-8 become \xNN.
std::string to_line(const Event& event);
/// nullopt for a line that is torn, damaged or not ours. `line` is without its end.
std::optional<Event> parse_line(std::string_view line);
/// "2026-11-28T02:14:03.123456Z".
std::string time_text(Time time);
/// As time_text, also without the fraction, or the seconds, or the time of day; nullopt for other text.
std::optional<Time> parse_time(std::string_view text);

/// Where this process records from now on; "" (the default): nowhere. Process state, as the log's.
void record_in(std::string directory);
/// Stamps `event` with time and boot, and appends it. What goes wrong is logged. Any thread, any number of processes.
void record(Event event) noexcept;

/// For who is far from the event: the device that the call of this thread is about.
void note_device(std::string_view device) noexcept;
/// What was noted last, which is forgotten by this.
std::string take_noted_device() noexcept;

/// While one lives, what this thread takes off the records (state/store.h) is recorded as a reap: of a command that
/// looks for the dead by itself.
class Collecting {
 public:
  Collecting() noexcept;
  Collecting(const Collecting&) = delete;
  Collecting& operator=(const Collecting&) = delete;
  ~Collecting();
};
bool is_collecting() noexcept;

/// What the two files hold.
struct History {
  std::vector<Event> events;          ///< as they were written, the oldest first
  std::size_t damaged = 0;            ///< lines left out: torn by a crash or a full disk, changed, not ours
  std::vector<std::string> problems;  ///< files left out, and why
};
/// Never throws for what is in the files or in their place. Empty where there is no journal.
History read(const std::string& directory);

/// Where a reader of new events has come to.
struct Position {
  std::uint64_t inode = 0;
  std::uint64_t offset = 0;
};
/// What was written since `position`, which is moved; all there is with a new one. Events that went with a file
/// before they were read are missed.
History read_on(const std::string& directory, Position& position);

}  // namespace barewire::journal
