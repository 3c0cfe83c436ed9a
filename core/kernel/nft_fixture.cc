// SPDX-License-Identifier: Apache-2.0
/// Fixtures of nftables.h: made with their first element, put right when damaged, removed with their last.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <set>
#include <thread>

#include "core/kernel/nftables.h"
#include "core/log.h"

namespace barewire::kernel::nft {

namespace {

// Each loss means that another process got its batch through, so all of them together get on.
constexpr int kTries = 8;

bool is_whole(NlSocket& socket, const Fixture& fixture) {
  return std::all_of(fixture.chains.begin(), fixture.chains.end(), [&](const Chain& chain) {
    // The number of users tells a chain whose rules were flushed or doubled; their text is not read, which would take
    // long.
    return chain_use(socket, fixture.table, chain.name) == fixture.uses_of(chain);
  });
}

/// Emptied before they are filled, all in one batch: packets see the old rules or the new ones.
/// Makes every part that is missing and writes the rules anew: right whatever was there before.
void build(Batch& batch, const Fixture& fixture) {
  batch.add_table("Barewire: made by its CNI plugins");
  for (const Set& set : fixture.sets) batch.add_set(set);
  for (const Chain& chain : fixture.chains) batch.add_chain(chain);
  for (const Chain& chain : fixture.chains) batch.flush_chain(chain.name);
  for (const Chain& chain : fixture.chains)
    for (const Rule& rule : chain.rules) batch.add_rule(chain.name, rule);
}

/// Those of all parts; `build_all`: also of fixtures that were whole a moment ago.
void add_parts(NlSocket& socket, const std::vector<Part>& parts, bool build_all, std::string_view doing) {
  Batch batch(parts.front().fixture.table);
  for (const Part& part : parts) {
    batch.set_table(part.fixture.table);
    if (build_all || !is_whole(socket, part.fixture)) build(batch, part.fixture);
  }
  for (const Part& part : parts) {
    batch.set_table(part.fixture.table);
    // Removing comes first: an element cannot change its comment, and a map refuses another datum under a key it has.
    for (const Element& element : part.replaced) batch.delete_element(element);
    for (const Element& element : part.elements) batch.add_element(element);
  }
  batch.commit(socket, doing);
}

using TableElement = std::pair<Table, Element>;

void remove_elements(NlSocket& socket, const std::vector<TableElement>& elements, std::string_view doing) {
  Batch batch(elements.front().first);
  for (const auto& [table, element] : elements) {
    batch.set_table(table);
    batch.delete_element(element);
  }
  try {
    batch.commit(socket, doing);
  } catch (const KernelError& error) {
    if (error.err() != ENOENT) throw;
    if (elements.size() <= 1) return;
    // One of them was gone and kept the others: one by one, then.
    for (const TableElement& element : elements) remove_elements(socket, {element}, doing);
  }
}

/// A datum ends at a register border in the kernel's answers.
bool has_datum(const FoundElement& found, const Element& element) {
  const std::string wanted = element.data.bytes();
  return std::string_view(found.data).substr(0, wanted.size()) == wanted;
}

bool has_empty_sets(const Fixture& fixture) {
  return std::all_of(fixture.sets.begin(), fixture.sets.end(),
                     [&](const Set& set) { return is_empty_set(fixture.table, set.name); });
}

/// False when the ruleset changed underneath: look again.
bool try_remove_fixture(NlSocket& socket, const Fixture& fixture, std::string_view doing) {
  // Read before anything is looked at: what others change after this makes the batch fail, and not take their element.
  const std::uint32_t seen = generation(socket);
  const auto use = table_use(socket, fixture.table);
  if (!use || !chain_use(socket, fixture.table, fixture.chains.front().name) || !has_empty_sets(fixture)) return true;
  Batch batch(fixture.table);
  batch.require_generation(seen);
  // The table holds nothing but this fixture: the last one takes the table with it.
  if (*use <= fixture.chains.size() + fixture.sets.size()) {
    batch.delete_table();
  } else {
    for (const Chain& chain : fixture.chains) batch.flush_chain(chain.name);
    for (const Chain& chain : fixture.chains) batch.delete_chain(chain.name);
    for (const Set& set : fixture.sets) batch.delete_set(set.name);
  }
  try {
    batch.commit(socket, doing);
    return true;
  } catch (const KernelError& error) {
    // EBUSY: another fixture, which is on its way out or in, looks into one of these sets.
    if (error.err() == ERESTART || error.err() == ENOENT || error.err() == EBUSY) return false;
    throw;
  }
}

}  // namespace

std::uint32_t Fixture::uses_of(const Chain& chain) const {
  std::size_t uses = chain.rules.size();
  for (const Chain& other : chains)
    for (const Rule& rule : other.rules) uses += rule.jumps_to(chain.name) ? 1 : 0;
  return static_cast<std::uint32_t>(uses);
}

void put(NlSocket& socket, const Fixture& fixture, const std::vector<Element>& elements, std::string_view doing) {
  std::vector<Part> parts{{fixture, elements, {}}};
  replace_others(socket, parts);
  put(socket, parts, doing);
}

void put(NlSocket& socket, const std::vector<Part>& parts, std::string_view doing) {
  if (parts.empty()) return;
  try {
    return add_parts(socket, parts, false, doing);
  } catch (const KernelError& error) {
    if (error.err() != ENOENT) throw;  // the last other element, and the fixture with it, went just now
  }
  add_parts(socket, parts, true, doing);
}

void drop(NlSocket& socket, const Fixture& fixture, const std::vector<Element>& elements, std::string_view doing) {
  std::vector<Part> parts{{fixture, elements, {}}};
  keep_own(socket, parts);
  drop(socket, parts, doing);
}

namespace {

void drop_fixture(NlSocket& socket, const Fixture& fixture, std::string_view doing) {
  for (int i = 0; i < kTries; ++i)
    if (try_remove_fixture(socket, fixture, doing)) return;
  // Others are at work on this ruleset, so this is not its last element, or the last of them will tidy up.
  log_debug("leaving the empty nftables chain {}", fixture.chains.front().name);
}

}  // namespace

void drop(NlSocket& socket, const std::vector<Part>& parts, std::string_view doing) {
  std::vector<TableElement> elements;
  for (const Part& part : parts)
    for (const Element& element : part.elements) elements.emplace_back(part.fixture.table, element);
  if (!elements.empty()) remove_elements(socket, elements, doing);
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) drop_fixture(socket, part->fixture, doing);
}

void replace_others(NlSocket& socket, std::vector<Part>& parts) {
  for (Part& part : parts)
    for (const Element& element : part.elements) {
      const auto found = find_element(socket, part.fixture.table, element);
      if (found && !is_comment(found->comment, element.comment)) part.replaced.push_back(element);
    }
}

void keep_own(NlSocket& socket, std::vector<Part>& parts) {
  for (Part& part : parts)
    std::erase_if(part.elements, [&](const Element& element) {
      const auto found = find_element(socket, part.fixture.table, element);
      return !found || !is_comment(found->comment, element.comment);
    });
}

namespace {

std::vector<std::string> compare_once(NlSocket& socket, const Fixture& fixture, const std::vector<Element>& elements) {
  std::vector<std::string> missing;
  for (const Chain& chain : fixture.chains) {
    const auto use = chain_use(socket, fixture.table, chain.name);
    if (!use)
      missing.push_back(fmt::format("nftables chain {} is missing", chain.name));
    else if (*use != fixture.uses_of(chain))
      missing.push_back(fmt::format("nftables chain {} is not as it was made", chain.name));
  }
  for (const Element& element : elements) {
    const auto found = find_element(socket, fixture.table, element);
    if (!found)
      missing.push_back(fmt::format("nftables set {} has no element for {}", element.set, element.comment));
    else if (!has_datum(*found, element))
      missing.push_back(fmt::format("nftables map {} has another datum for {}", element.set, element.comment));
  }
  return missing;
}

}  // namespace

// The kernel counts a chain's users while a batch is still being looked at, also one that it refuses in the end: what
// another process tries in this very moment shows. Source: net/netfilter/nf_tables_api.c nft_use_inc.
std::vector<std::string> compare(NlSocket& socket, const Fixture& fixture, const std::vector<Element>& elements) {
  constexpr int kLooks = 5;
  constexpr std::chrono::milliseconds kPause{10};
  std::vector<std::string> missing = compare_once(socket, fixture, elements);
  for (int tries = 1; tries < kLooks && !missing.empty(); ++tries) {
    std::this_thread::sleep_for(kPause);
    missing = compare_once(socket, fixture, elements);
  }
  return missing;
}

}  // namespace barewire::kernel::nft
