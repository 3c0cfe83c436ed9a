// SPDX-License-Identifier: Apache-2.0
/// Times ADD+DEL of host-local, whole processes, beside the reference plugin: in an empty directory, in one with many
/// reservations, and in one where the next free address is behind all of them. Every round runs each case once, so that
/// what slows the machine slows all; medians, and the medians of the ratios within a round, are printed.
///   bench-host-local [ROUNDS [RESERVATIONS [REFERENCE]]]
#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <random>
#include <vector>

#include "core/error.h"
#include "core/fd.h"
#include "core/ip.h"
#include "tests/support/netns_fixture.h"
#include "tests/support/plugin_runner.h"

namespace barewire::test {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

struct Case {
  std::string name;
  std::string plugin;  ///< "host-local" or "reference"
  std::string network;
  bool from_start = false;  ///< round robin begins before the reservations
};

class Bench {
 public:
  Bench(std::size_t reservations, const std::string& reference) : reservations_(reservations) {
    cases_ = {{"empty", "host-local", "empty"},
              {"full", "host-local", "full"},
              {"full, free address far", "host-local", "far", true}};
    if (fs::exists(reference)) {
      runner_.install("reference", reference);
      cases_.push_back({"reference, empty", "reference", "reference-empty"});
      cases_.push_back({"reference, full", "reference", "reference-full"});
    } else {
      fmt::print("{} is missing: without the reference\n", reference);
    }
    for (const Case& one : cases_) fill(one);
  }

  void run(int rounds) {
    for (const Case& one : cases_) add_and_del(one);  // warms caches and builds the index
    // In a new order each round: what one leaves in the caches is not always the same one's loss.
    std::mt19937 order(1);
    std::vector<Case> turns = cases_;
    for (int round = 0; round < rounds; ++round) {
      std::shuffle(turns.begin(), turns.end(), order);
      for (const Case& one : turns) times_[one.name].push_back(add_and_del(one));
    }
  }

  void print(int rounds) {
    fmt::print("ADD+DEL, two whole processes, medians of {} rounds, {} reservations, directory on {}\n", rounds,
               reservations_, data_.path());
    for (const Case& one : cases_)
      fmt::print("  {:<24} {:7.3f} ms   (ADD {:.3f}, DEL {:.3f}; a tenth of the rounds below {:.3f})\n", one.name,
                 quantile(values(one.name, 0), 0.5), quantile(values(one.name, 1), 0.5),
                 quantile(values(one.name, 2), 0.5), quantile(values(one.name, 0), 0.1));
    ratio("full", "empty");
    ratio("full, free address far", "empty");
    if (cases_.size() < 5) return;
    ratio("reference, full", "reference, empty");
    ratio("reference, empty", "empty");
    ratio("reference, full", "full");
  }

 private:
  using Sample = std::array<double, 3>;  ///< both, ADD, DEL; in ms

  std::string directory(const Case& one) const { return data_ / one.network; }

  void fill(const Case& one) {
    fs::create_directories(directory(one));
    if (one.network.find("empty") != std::string::npos) return;
    IpAddress next = IpAddress::parse("10.0.0.2").value();
    for (std::size_t i = 0; i < reservations_; ++i, next = next.next())
      write_text(directory(one) + "/" + next.text(), fmt::format("{:064x}\r\neth0", i));
    write_text(directory(one) + "/last_reserved_ip.0", next.previous().text());
  }

  double call(const char* verb, const Case& one) {
    const std::string config = fmt::format(
        R"({{"cniVersion":"1.0.0","name":"{}","ipam":{{"type":"host-local","subnet":"10.0.0.0/8","dataDir":"{}"}}}})",
        one.network, data_.path());
    const Command command = runner_.command(verb, one.plugin, config);
    const auto start = Clock::now();
    const CommandResult result = test::run(command);
    const std::chrono::duration<double, std::milli> took = Clock::now() - start;
    if (!result.ok()) throw Error(Error::Code::internal, fmt::format("{} {}: {}", verb, one.name, result.out));
    return took.count();
  }

  /// In place, and no shorter than what the plugin wrote: cutting a file makes ext4 write it to disk, and the plugin's
  /// own write waits for that.
  static void rewind(const std::string& path) {
    std::string first = "10.0.0.1";
    first.resize(std::max<std::size_t>(first.size(), fs::file_size(path)), '\n');
    write_all(open_file(path, O_WRONLY).get(), first, path);
  }

  Sample add_and_del(const Case& one) {
    if (one.from_start) rewind(directory(one) + "/last_reserved_ip.0");
    const double add = call("ADD", one);
    const double del = call("DEL", one);
    return {add + del, add, del};
  }

  static double quantile(std::vector<double> values, double part) {
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size()));
    std::nth_element(values.begin(), at, values.end());
    return *at;
  }

  std::vector<double> values(const std::string& name, std::size_t part) const {
    std::vector<double> values;
    for (const Sample& sample : times_.at(name)) values.push_back(sample[part]);
    return values;
  }

  /// The median of the quotients of each round: both sides of a quotient met the same load.
  void ratio(const std::string& a, const std::string& b) const {
    std::vector<double> quotients = values(a, 0);
    const std::vector<double> divisors = values(b, 0);
    for (std::size_t i = 0; i < quotients.size(); ++i) quotients[i] /= divisors[i];
    fmt::print("  {} / {}: {:.2f}\n", a, b, quantile(std::move(quotients), 0.5));
  }

  std::size_t reservations_;
  TempDir data_;
  PluginRunner runner_;
  std::vector<Case> cases_;
  std::map<std::string, std::vector<Sample>> times_;
};

int run_bench(int argc, char** argv) {
  const int rounds = argc > 1 ? std::stoi(argv[1]) : 200;
  const std::size_t reservations = argc > 2 ? std::stoul(argv[2]) : 10'000;
  if (const std::string why = enter_private_node(); !why.empty()) {
    fmt::print(stderr, "{}\n", why);
    return 1;
  }
  Bench bench(reservations, argc > 3 ? argv[3] : "/usr/lib/cni/host-local");
  bench.run(rounds);
  bench.print(rounds);
  return 0;
}

}  // namespace
}  // namespace barewire::test

int main(int argc, char** argv) {
  try {
    return barewire::test::run_bench(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
