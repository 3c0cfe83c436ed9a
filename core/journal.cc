// SPDX-License-Identifier: Apache-2.0
// A line is "bw1 CHECKSUM JSON". A torn line has no end of its own, and the next writer's line follows it at once: so a
// line that is not whole is searched for a whole one at its end.
#include "core/journal.h"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <boost/crc.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "core/json_view.h"
#include "core/utc.h"
#include "core/utf8.h"

namespace barewire::journal {

namespace json = boost::json;

namespace {

constexpr std::string_view kMark = "bw1 ";
constexpr std::size_t kChecksumSize = 8;
constexpr std::array<std::string_view, 8> kKinds = {"attach", "detach", "change", "refusal",
                                                    "repair", "reap",   "rpc",    "drift"};

std::uint32_t checksum(std::string_view text) {
  boost::crc_32_type crc;
  crc.process_bytes(text.data(), text.size());
  return crc.checksum();
}

/// Whole characters, as far as `most` bytes go.
std::string_view cut(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;
  return text.substr(0, most);
}

/// The texts of an event and their keys, for writing and reading alike.
struct Text {
  std::string_view key;
  std::string Event::*member;
};
constexpr std::array<Text, 13> kTexts = {{{"boot", &Event::boot},
                                          {"cause", &Event::cause},
                                          {"plugin", &Event::plugin},
                                          {"command", &Event::command},
                                          {"network", &Event::network},
                                          {"namespace", &Event::name_space},
                                          {"pod", &Event::pod},
                                          {"container", &Event::container},
                                          {"interface", &Event::ifname},
                                          {"device", &Event::device},
                                          {"pf", &Event::pf},
                                          {"what", &Event::what},
                                          {"hint", &Event::hint}}};

std::string to_json(const Event& event, std::size_t longest_text) {
  json::object object{
      {"time", time_text(event.time)}, {"up", event.up.count()}, {"event", std::string(name_of(event.kind))}};
  for (const Text& text : kTexts) {
    const std::string& value = event.*text.member;
    if (!value.empty()) object[text.key] = escape_bytes(cut(value, longest_text));
  }
  if (event.took) object["took"] = event.took->count();
  if (event.code != 0) object["code"] = event.code;
  return json::serialize(object);
}

std::optional<Kind> parse_kind(std::string_view name) {
  const auto found = std::find(kKinds.begin(), kKinds.end(), name);
  if (found == kKinds.end()) return std::nullopt;
  return static_cast<Kind>(found - kKinds.begin());
}

/// nullopt for an event of a later version, whose keys may mean something else.
std::optional<Event> parse_event(std::string_view text) {
  const json::value document = parse_json(text, "a line of the journal");
  const JsonView view(document, "journal key");
  const auto kind = parse_kind(view.string_or("event", ""));
  const auto time = parse_time(view.string_or("time", ""));
  if (!kind || !time) return std::nullopt;
  Event event{.kind = *kind, .time = *time};
  constexpr std::int64_t kMost = std::int64_t{1} << 53;
  event.up = std::chrono::microseconds(view.integer_or("up", 0, kMost, "microseconds", 0));
  for (const Text& each : kTexts) event.*each.member = view.string_or(each.key, "");
  if (view.find("took")) event.took = std::chrono::microseconds(view.at("took").integer(0, kMost, "microseconds"));
  event.code = static_cast<int>(view.integer_or("code", 0, 1'000'000, "an error code", 0));
  return event;
}

std::optional<Event> parse_whole_line(std::string_view line) {
  if (!line.starts_with(kMark) || line.size() < kMark.size() + kChecksumSize + 1) return std::nullopt;
  std::uint32_t told = 0;
  const char* digits = line.data() + kMark.size();
  const auto [end, error] = std::from_chars(digits, digits + kChecksumSize, told, 16);
  if (error != std::errc() || end != digits + kChecksumSize || *end != ' ') return std::nullopt;
  const std::string_view text = line.substr(kMark.size() + kChecksumSize + 1);
  if (checksum(text) != told) return std::nullopt;
  try {
    return parse_event(text);
  } catch (const std::exception&) {  // its checksum is right: of a version that writes otherwise
    return std::nullopt;
  }
}

}  // namespace

std::string_view name_of(Kind kind) {
  return kKinds.at(static_cast<std::size_t>(kind));
}

std::string to_line(const Event& event) {
  std::string text;
  // Names are short; what may be long is the sentence of an error that quotes what it was given.
  for (const std::size_t longest_text : {1024U, 256U, 32U}) {
    text = to_json(event, longest_text);
    if (text.size() + kMark.size() + kChecksumSize + 2 <= kLongestLine) break;
  }
  return fmt::format("{}{:08x} {}\n", kMark, checksum(text), text);
}

std::optional<Event> parse_line(std::string_view line) {
  return parse_whole_line(line);
}

std::string time_text(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{}.{:06}Z", utc_text(time), (time - seconds).count());
}

std::optional<Time> parse_time(std::string_view text) {
  const std::string copy(text);
  for (const char* format :
       {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"}) {
    tm utc{};
    const char* rest = ::strptime(copy.c_str(), format, &utc);
    if (rest == nullptr) continue;
    std::chrono::microseconds fraction{0};
    if (*rest == '.') {
      std::int64_t unit = 100'000;
      for (++rest; *rest >= '0' && *rest <= '9'; ++rest, unit /= 10)
        fraction += std::chrono::microseconds((*rest - '0') * unit);
    }
    if (*rest == 'Z') ++rest;
    if (*rest != '\0') continue;
    return std::chrono::time_point_cast<std::chrono::microseconds>(
               std::chrono::system_clock::from_time_t(::timegm(&utc))) +
           fraction;
  }
  return std::nullopt;
}

}  // namespace barewire::journal
