// SPDX-License-Identifier: Apache-2.0
// Read as the reference plugin reads it: keywords at the start of a line, comments left out.
#include "ipam/resolv_conf.h"

#include <vector>

#include "core/error.h"
#include "core/fd.h"

namespace barewire::ipam {

namespace {

std::vector<std::string> words_of(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r\v\f";
  std::vector<std::string> words;
  for (auto start = line.find_first_not_of(kBlank); start != std::string_view::npos;) {
    const auto end = std::min(line.find_first_of(kBlank, start), line.size());
    words.emplace_back(line.substr(start, end - start));
    start = line.find_first_not_of(kBlank, end);
  }
  return words;
}

void append_rest(std::vector<std::string>& list, const std::vector<std::string>& words) {
  list.insert(list.end(), words.begin() + 1, words.end());
}

void apply_line(std::string_view line, cni::Dns& dns) {
  const auto words = words_of(line);
  if (words.size() < 2 || words[0][0] == '#' || words[0][0] == ';') return;
  if (words[0] == "nameserver") dns.nameservers.push_back(words[1]);
  // The last one counts; names to search and options add up.
  if (words[0] == "domain") dns.domain = words[1];
  if (words[0] == "search") append_rest(dns.search, words);
  if (words[0] == "options") append_rest(dns.options, words);
}

}  // namespace

cni::Dns parse_resolv_conf(std::string_view text) {
  cni::Dns dns;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    apply_line(text.substr(0, end), dns);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return dns;
}

cni::Dns read_resolv_conf(const std::string& path) {
  const auto text = read_file(path);
  if (!text)
    throw Error(Error::Code::config,
                fmt::format("config key \"ipam.resolvConf\" is \"{}\"; expected a file that exists", path));
  return parse_resolv_conf(*text);
}

}  // namespace barewire::ipam
