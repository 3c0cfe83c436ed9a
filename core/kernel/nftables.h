// SPDX-License-Identifier: Apache-2.0
/// nftables through netlink: one atomic batch of changes, questions about single objects, and "fixtures": the chains,
/// sets and rules a purpose needs once per node, in which pods are set elements. Rules are written with nft_rule.h.
/// No question walks the ruleset, so the cost of a pod does not grow with the number of pods.
/// Source: include/uapi/linux/netfilter/nf_tables.h; net/netfilter/nf_tables_api.c; nfnetlink.c for batches.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel/netlink.h"
#include "core/kernel/nft_rule.h"

namespace barewire::kernel::nft {

enum class Family : std::uint8_t { inet = 1, ip = 2, bridge = 7, ip6 = 10 };  ///< NFPROTO_*

struct Table {
  Family family = Family::inet;
  std::string name;
};

/// A chain; with a hook, packets enter it there. Source: nft(8) "CHAINS".
struct Chain {
  std::string name;
  struct Hook {
    std::string type;        ///< "nat" or "filter"
    std::uint32_t hook = 0;  ///< NF_INET_*, NF_BR_*
    int priority = 0;
  };
  std::optional<Hook> hook;
  std::string comment;
  std::vector<Rule> rules;
};

/// A set, or a map when `data` is not empty.
struct Set {
  std::string name;
  std::vector<Type> key;
  std::vector<Type> data;
  std::string comment;
};

struct Element {
  std::string set;
  Key key;
  Key data;             ///< of maps
  std::string comment;  ///< who it belongs to
};

/// A socket for what follows, in the caller's netns; one thread at a time.
NlSocket open_socket();

/// Changes applied all together or not at all.
class Batch {
 public:
  explicit Batch(Table table) : table_(std::move(table)) {}
  void set_table(Table table) { table_ = std::move(table); }  ///< of the changes that follow
  void add_table(const std::string& comment);                 ///< harmless when there
  void delete_table();                                        ///< with all in it; ENOENT when it is not there
  void add_chain(const Chain& chain);                         ///< without its rules; harmless when there
  void delete_chain(const std::string& chain);                ///< with its rules
  void flush_chain(const std::string& chain);
  void add_rule(const std::string& chain, const Rule& rule);
  void delete_rule(const std::string& chain, std::uint64_t handle);  ///< see nft_listing.h
  void add_set(const Set& set);                                      ///< harmless when there
  void delete_set(const std::string& set);
  void add_element(const Element& element);     ///< EEXIST: a map's key with another datum
  void delete_element(const Element& element);  ///< ENOENT when it is not there
  /// Only if nothing in the netns' ruleset has changed since `generation` was read.
  void require_generation(std::uint32_t generation) { generation_ = generation; }
  /// Throws KernelError with the first refusal's errno; nothing has changed then. ERESTART: the generation is another.
  void commit(NlSocket& socket, std::string_view doing);

 private:
  NlMessage message(int type, int flags) const;
  void element(int type, int flags, const Element& element);
  Table table_;
  std::vector<NlMessage> messages_;
  std::optional<std::uint32_t> generation_;
};

/// The ruleset's generation, which every committed batch raises.
std::uint32_t generation(NlSocket& socket);
/// How many chains, sets and objects a table holds; nullopt when there is no such table.
std::optional<std::uint32_t> table_use(NlSocket& socket, const Table& table);
/// How many rules a chain has, jumps to it included; nullopt when there is no such chain.
std::optional<std::uint32_t> chain_use(NlSocket& socket, const Table& table, const std::string& chain);
/// Whether a base chain lets pass (NF_ACCEPT) or drops (NF_DROP) what no rule decides; nullopt without such a chain.
std::optional<std::uint32_t> chain_policy(NlSocket& socket, const Table& table, const std::string& chain);
bool has_element(NlSocket& socket, const Table& table, const Element& element);
/// What a set holds under the key of `element`: the datum of a map, padded to registers, and whose it is.
struct FoundElement {
  std::string data;
  std::string comment;
};
std::optional<FoundElement> find_element(NlSocket& socket, const Table& table, const Element& element);
/// Reads the start of the set alone. A set that is not there is empty.
bool is_empty_set(const Table& table, const std::string& set);

/// What a purpose needs once: made with its first element, removed with its last.
struct Fixture {
  Table table;
  std::vector<Set> sets;
  std::vector<Chain> chains;  ///< a chain stands before those that jump to it
  /// Uses that `chain_use` tells when everything is in place.
  std::uint32_t uses_of(const Chain& chain) const;
};

/// One fixture, the elements to add, and those to remove before in the same batch: all three of them are there.
struct Part {
  Fixture fixture;
  std::vector<Element> elements;
  std::vector<Element> replaced;
};

/// Adds the elements; makes the fixture, or puts it right, where it is not whole. One batch. An element that is there
/// under another's comment becomes this one's: it was left by a pod that is gone. Throws KernelError.
void put(NlSocket& socket, const Fixture& fixture, const std::vector<Element>& elements, std::string_view doing);
/// Several fixtures, all in one batch, as they are: see replace_others. The rules of one may look into the sets of
/// those before it. EEXIST: a map holds another datum under that key.
void put(NlSocket& socket, const std::vector<Part>& parts, std::string_view doing);
/// Removes the elements that are there under their own comment, and so nothing that another pod has by now; then, when
/// the fixture's sets are empty, the fixture, and the table with its last fixture. Harmless when all is gone.
void drop(NlSocket& socket, const Fixture& fixture, const std::vector<Element>& elements, std::string_view doing);
/// Only what `elements` of each part name, whoever's it is: see keep_own; `replaced` is not looked at. The last part's
/// fixture goes first.
void drop(NlSocket& socket, const std::vector<Part>& parts, std::string_view doing);
/// Before put: elements that are there under another's comment, left by a pod that is gone, become `replaced`.
void replace_others(NlSocket& socket, std::vector<Part>& parts);
/// Before drop: keeps only elements that are there under their own comment: a late DEL takes nothing from others.
void keep_own(NlSocket& socket, std::vector<Part>& parts);
/// What is missing, as readable clauses; empty when all is in place.
std::vector<std::string> compare(NlSocket& socket, const Fixture& fixture, const std::vector<Element>& elements);

}  // namespace barewire::kernel::nft
