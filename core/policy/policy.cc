// SPDX-License-Identifier: Apache-2.0
// Reading a policy, and judging by it. The reader is strict where the rest of Barewire is lenient with keys: of a
// misspelt one it could not be told whether it should have allowed or refused.
#include "core/policy/policy.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace barewire::policy {

namespace {

[[noreturn]] void reject_key(const JsonView& value, const std::string& file, std::string_view expected) {
  throw Error(Error::Code::policy, fmt::format("{}: key \"{}\" is unknown; expected {}", file, value.path(), expected),
              "letter case counts; docs/configuration/policy.md lists the keys");
}

Otherwise parse_otherwise(const JsonView& json) {
  const std::string word = json.string();
  if (word != "allow" && word != "refuse") json.reject("\"allow\" or \"refuse\"");
  return word == "allow" ? Otherwise::allow : Otherwise::refuse;
}

std::vector<std::string> parse_names(const JsonView& json) {
  std::vector<std::string> names = json.strings();
  if (names.empty()) json.reject("at least one pattern; without the key any fits");
  return names;
}

std::map<Subject, Bound> parse_allow(const JsonView& json, const std::string& file) {
  std::map<Subject, Bound> allow;
  for (const auto& [key, value] : json.members("an object of what is allowed")) {
    const SubjectInfo* subject = find_subject(key);
    if (subject == nullptr) reject_key(value, file, "a subject, as \"vlans\"");
    allow.emplace(subject->subject, Bound::parse(*subject, value));
  }
  return allow;
}

Rule parse_rule(const JsonView& json, const std::string& file) {
  Rule rule;
  rule.file = file;
  bool has_others = false;
  // By members, not by find(): that passes over unknown keys and does not mind letter case.
  for (const auto& [key, value] : json.members("a rule: an object")) {
    // Exactly so, unlike in network configurations: a key in another case is refused below.
    if (key == "name")
      rule.name = value.string();
    else if (key == "networks")
      rule.networks = parse_names(value);
    else if (key == "namespaces")
      rule.namespaces = parse_names(value);
    else if (key == "others")
      rule.others = parse_otherwise(value), has_others = true;
    else if (key == "allow")
      rule.allow = parse_allow(value, file);
    else
      reject_key(value, file, "name, networks, namespaces, others or allow");
  }
  // No default: both would be a surprise to half of the authors.
  if (!has_others) json.reject("the key \"others\": \"refuse\", or \"allow\"");
  return rule;
}

/// What an ask that a rule does not allow is answered with.
Error refusal(const Ask& ask, const Rule& rule, const SubjectInfo& subject) {
  const auto bound = rule.allow.find(ask.subject);
  const std::string why =
      bound == rule.allow.end()
          ? fmt::format("does not mention \"{}\", and refuses what it does not mention", subject.name)
          : fmt::format("allows \"{}\": {}", subject.name, bound->second.text());
  return Error(Error::Code::policy,
               fmt::format("key \"{}\" asks for {} ({}), which the node's policy refuses: {} {}", ask.key, ask.shown,
                           subject.name, rule.text(), why),
               "change the network configuration, or have the node's administrator change the rule");
}

}  // namespace

bool Rule::is_for(const Subscriber& subscriber) const {
  return (!networks || fits(*networks, {subscriber.network})) &&
         (!namespaces || fits(*namespaces, {subscriber.pod_namespace}));
}

std::string Rule::text() const {
  return fmt::format("{}, line {}: rule {}{}", file, line, number, name.empty() ? "" : fmt::format(" \"{}\"", name));
}

void Policy::add_file(const std::string& path, std::string_view bytes) {
  const auto document = [&] {
    try {
      return parse_json(bytes, path);
    } catch (const Error& error) {
      throw Error(Error::Code::policy, error.what(), error.hint());
    }
  }();
  // The view's own errors become the policy's, so that a runtime sees which of the two configurations is wrong.
  const JsonView root(document, path + ": key", Error::Code::policy);
  const std::vector<std::size_t> lines = lines_of_rules(bytes);
  if (first_file_.empty()) first_file_ = path;
  for (const auto& [key, value] : root.members()) {
    if (key == "rules") {
      std::size_t number = 0;
      for (const JsonView& element : value.array("a list of rules")) {
        Rule rule = parse_rule(element, path);
        rule.line = number < lines.size() ? lines[number] : 0;
        rule.number = ++number;
        rules_.push_back(std::move(rule));
      }
    } else if (key == "unmatched") {
      // Two files that say different things: which of them is meant cannot be told.
      if (unmatched_) value.reject("no value, since an earlier file has one");
      unmatched_ = parse_otherwise(value);
    } else if (key != "$schema" && key != "comment") {
      reject_key(value, path, "rules, unmatched, comment or $schema");
    }
  }
}

const Rule* Policy::find_rule(const Subscriber& subscriber) const {
  const auto found =
      std::find_if(rules_.begin(), rules_.end(), [&](const Rule& rule) { return rule.is_for(subscriber); });
  return found == rules_.end() ? nullptr : &*found;
}

void Policy::require_allowed(const Subscriber& subscriber, const Asks& asks) const {
  const Rule* rule = find_rule(subscriber);
  if (rule == nullptr) {
    if (unmatched() == Otherwise::allow) return;
    throw Error(Error::Code::policy, verdict(subscriber),
                fmt::format("a rule of {} has to name the network or the namespace", first_file_));
  }
  // The first that is refused is named; an author mends one at a time anyway.
  for (const Ask& ask : asks) {
    const auto bound = rule->allow.find(ask.subject);
    const bool allowed = bound == rule->allow.end() ? rule->others == Otherwise::allow : bound->second.allows(ask);
    if (!allowed) throw refusal(ask, *rule, info_of(ask.subject));
  }
}

std::string Policy::verdict(const Subscriber& subscriber) const {
  const std::string who =
      fmt::format("network \"{}\" of {}", subscriber.network,
                  subscriber.pod_namespace.empty() ? "a pod without namespace"
                                                   : fmt::format("namespace \"{}\"", subscriber.pod_namespace));
  if (const Rule* rule = find_rule(subscriber)) return fmt::format("{} is for {}", rule->text(), who);
  return fmt::format("no rule of {} is for {}: {}", first_file_, who,
                     unmatched() == Otherwise::allow ? "allowed" : "refused");
}

namespace {

/// What stands between the quotes of the string that begins at `quote`; escapes as they are written.
std::string_view string_at(std::string_view bytes, std::size_t quote) {
  std::size_t end = quote + 1;
  while (end < bytes.size() && bytes[end] != '"') end += bytes[end] == '\\' ? 2 : 1;
  return bytes.substr(quote + 1, std::min(end, bytes.size()) - quote - 1);
}

/// A key may be written with escapes; the parser has taken the document already.
bool is_rules(std::string_view written) {
  if (written.find('\\') == std::string_view::npos) return written == "rules";
  boost::system::error_code failure;
  return boost::json::parse(fmt::format("\"{}\"", written), failure) == "rules" && !failure;
}

}  // namespace

std::vector<std::size_t> lines_of_rules(std::string_view bytes) {
  // Boost.JSON keeps no positions, so lines are counted by a scan of brackets outside strings.
  constexpr int kInRules = 2;  // { "rules": [ here
  std::vector<std::size_t> lines;
  std::size_t line = 1;
  int depth = 0;
  std::string_view word;  // the last string
  bool in_rules = false;  // "comment" may be a list, too
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const char c = bytes[at];
    if (c == '"') {
      word = string_at(bytes, at);
      at += word.size() + 1;
    }
    if (c == '\n') ++line;
    if (c == ':' && depth == 1) in_rules = is_rules(word);
    if (c == '{' && depth == kInRules && in_rules) lines.push_back(line);
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
  }
  return lines;
}

}  // namespace barewire::policy
