// SPDX-License-Identifier: Apache-2.0
/// When the DRA driver looks at the node, and when it writes. The loop's thread only decides; what may block is posted
/// to one of two workers, and comes back by post().
#include "device-manager/daemon/dra_side.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "core/text.h"
#include "device-manager/dra/scan.h"
#include "device-manager/kubelet/recorded_rpc.h"
#include "device-manager/metrics/told.h"
#include "device-manager/plugin_call.h"

namespace barewire::daemon {
namespace {

constexpr std::chrono::milliseconds kQuiet{150};  ///< changes come in bursts
constexpr std::chrono::milliseconds kSoon{1000};
constexpr std::chrono::seconds kClaimTimeout{5};  ///< kubelet waits 45 s for all claims of a pod

dra::DriverSettings settings_of(const Options& options, const std::string& node) {
  return {
      .name = options.dra.driver,
      .node = node,
      .cdi_dir = options.kubelet.cdi_dir,
      .device_info_dir = options.kubelet.device_info_dir,
      .grace = std::min<std::chrono::milliseconds>(options.kubelet.grace, std::chrono::seconds(options.grace)),
      .metadata_dir = fmt::format("{}/plugins/{}/dra-device-metadata", options.kubelet.directory, options.dra.driver),
      .metadata = options.dra.metadata ? dra::MetadataFiles::Wanted::yes : dra::MetadataFiles::Wanted::no};
}

using kubelet::RecordedRpc;

journal::Event event_of(const char* method, const dra::ClaimRef& claim) {
  return {.command = method, .name_space = claim.name_space, .what = fmt::format("claim {}", claim.text())};
}

/// Of a claim there are only words; kubelet asks again.
void end(RecordedRpc& recorded, const std::string& error) {
  if (error.empty()) return recorded.succeeded();
  recorded.failed(static_cast<int>(Error::Code::try_again), error);
}

}  // namespace

std::string node_name(const std::string& given) {
  if (!given.empty()) return given;
  if (const char* name = std::getenv("NODE_NAME"); name != nullptr && *name != '\0') return name;
  // As kubelet does when it is given no name. Source: k8s.io/component-helpers, node/util/hostname.go.
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return to_lower(host);
}

/// What there is once a pool is for claims and kubelet and API server are known.
struct DraSide::Claims {
  Claims(const Node& node, const kubernetes::Cluster& cluster, const dra::DriverSettings& settings,
         const std::shared_ptr<spdlog::logger>& log)
      : client(cluster, kClaimTimeout),
        driver(node, client, settings, [log](const std::string& line) { log->info("{}", line); }) {}

  kubernetes::ApiClient client;
  dra::Driver driver;
  inventory::Watches watches;
  dra::OffloadWatch offload;
  std::unique_ptr<dra::Endpoint> endpoint;
};

DraSide::DraSide(const Node& node, const Options& options, std::shared_ptr<spdlog::logger> log, EventLoop& loop)
    : node_(node),
      options_(options),
      log_(log),
      node_name_(node_name(options.dra.node)),
      loop_(loop),
      settle_(loop.add_timer([this] { update(); })),
      periodic_(loop.add_timer([this] {
        claims_worker_.post([this] { sweep(); });
        // Slices that somebody removed, or wrote over, raise no event here: they are listed again at every interval.
        api_worker_.post([this] {
          if (publisher_) publisher_->forget();
        });
        update();
        periodic_.set(std::chrono::seconds(options_.interval));
      })),
      retry_(loop.add_timer([this] { api_worker_.post([this] { publish(); }); })),
      relist_(loop.add_timer([this] { relist(); })),
      pool_file_(options_.kubelet),
      claims_worker_("claims", [log](std::string_view failure) { log->error("serving claims: {}", failure); }),
      api_worker_("api-server", [log](std::string_view failure) { log->error("API server: {}", failure); }) {
  update();
  periodic_.set(std::chrono::seconds(options_.interval));
}

DraSide::~DraSide() {
  stop();
}

void DraSide::on_change() {
  // Not put off by each change: on a node where something changes all the time it would never come.
  if (!settle_.is_set()) settle_.set(kQuiet);
}

void DraSide::update() {
  if (updating_) return settle_.set(kQuiet);
  updating_ = true;
  claims_worker_.post([this] {
    bool again = false;
    try {
      again = look();
    } catch (const std::exception& failure) {
      log_once("look", fmt::format("looking for devices of claims failed: {}", failure.what()));
      again = true;
    }
    loop_.post([this, again] { on_updated(again); });
  });
}

void DraSide::on_updated(bool again) {
  updating_ = false;
  if (again && !settle_.is_set()) settle_.set(kSoon);
}

/// The same about the same is said once.
void DraSide::log_once(const std::string& key, const std::string& line) {
  std::string& said = said_[key];
  if (said == line) return;
  said = line;
  if (!line.empty()) log_->warn("{}", line);
}

/// True when another look has to follow soon.
bool DraSide::look() {
  // No kubelet, or one too old to look for plugins: there is nobody to serve.
  std::error_code ignored;
  if (!std::filesystem::is_directory(options_.kubelet.registry(), ignored)) return false;
  if (pool_file_.look() == kubelet::PoolFile::News::wrong) return false;  // the device plugin's side says why
  const auto& pools = pool_file_.config().pools;
  if (!claims_ && std::none_of(pools.begin(), pools.end(), [](const auto& each) { return each.to_claims; }))
    return false;
  if ((!claims_ || !claims_->endpoint) && !begin()) return false;
  scan_node();
  try {
    if (claims_->endpoint->serve()) log_->info("claims of {} are served", options_.dra.driver);
    log_once("endpoint", "");
    return claims_->watches.carrier.is_waiting();
  } catch (const Error& error) {
    log_once("endpoint", fmt::format("claims are not served yet: {}", manager::describe(error)));
    return true;
  }
}

/// False when the cluster is not known.
bool DraSide::begin() {
  std::optional<kubernetes::Cluster> cluster;
  try {
    cluster = kubernetes::find_cluster(options_.dra.kubeconfig);
  } catch (const Error& error) {
    log_once("cluster", manager::describe(error));
    return false;
  }
  if (!cluster) {
    log_once("cluster", "a pool is for claims, but the API server is not known: give --kubeconfig, or run in a pod");
    return false;
  }
  log_once("cluster", "");
  claims_ = std::make_unique<Claims>(node_, *cluster, settings_of(options_, node_name_), log_);
  // The files of claims need their pools and devices.
  scan_node();
  claims_->driver.rebuild();  // before kubelet asks: after a reboot it does not
  claims_->endpoint = std::make_unique<dra::Endpoint>(
      options_.dra.driver,
      dra::endpoint_paths(options_.kubelet.directory, options_.dra.driver, options_.kubelet.instance), handlers());
  api_worker_.post([this, cluster] {
    client_ = std::make_unique<kubernetes::ApiClient>(*cluster);
    publisher_ = std::make_unique<dra::Publisher>(*client_, options_.dra.driver, node_name_);
    reporter_ = std::make_unique<dra::ClaimReporter>(*client_, options_.dra.driver, node_name_);
  });
  return true;
}

dra::EndpointHandlers DraSide::handlers() {
  // What was prepared or given back shows in slices and status at the next look.
  const auto touched = [this] { loop_.post([this] { on_change(); }); };
  return {.post = [this](std::function<void()> work) { claims_worker_.post(std::move(work)); },
          .prepare =
              [this, touched](const dra::ClaimRef& claim) {
                touched();
                RecordedRpc recorded(event_of("NodePrepareResources", claim));
                dra::Prepared prepared = claims_->driver.prepare(claim);
                end(recorded, prepared.error);
                return prepared;
              },
          .unprepare =
              [this, touched](const dra::ClaimRef& claim) {
                touched();
                RecordedRpc recorded(event_of("NodeUnprepareResources", claim));
                std::string error = claims_->driver.unprepare(claim);
                end(recorded, error);
                return error;
              },
          .on_registered = [this](const kubelet::RegistrationStatus& status) { on_registered(status); }};
}

void DraSide::on_registered(const kubelet::RegistrationStatus& status) {
  if (status.registered)
    log_->info("kubelet has registered {}", options_.dra.driver);
  else
    log_->error("kubelet did not register {}: {}", options_.dra.driver, status.error);
  loop_.post([this] {
    relist_after_ = kSoon;
    relist();
  });
}

void DraSide::relist() {
  api_worker_.post([this] {
    if (publisher_) publisher_->forget();
    publish();
  });
  constexpr std::chrono::seconds kLast{32};
  if (relist_after_ > kLast) return;
  relist_.set(relist_after_);
  relist_after_ *= 2;
}

void DraSide::scan_node() {
  const auto& pools = pool_file_.config().pools;
  const auto records = claims_->driver.records();
  dra::Scan found = dra::scan(node_, pools, records, claims_->watches, std::chrono::steady_clock::now());
  claims_->driver.know(found.offers, pools, found.facts);
  if (claims_->endpoint) tell_health(found, records);
  std::vector<dra::ClaimStatus> statuses;
  statuses.reserve(records.size());
  const auto attachments = dra::attachments_of(node_, records);
  claims_->offload.look({}, attachments, found, std::chrono::steady_clock::now());
  for (const state::ClaimRecord& each : records)
    statuses.push_back(dra::status_of(each, attachments, options_.dra.driver, claims_->offload.conditions()));
  claims_->driver.tell_network(records, statuses);
  auto troubles = dra::troubles_of(found.offers, records, found.lost);
  api_worker_.post([this, found = std::move(found), statuses = std::move(statuses), troubles = std::move(troubles)] {
    if (!publisher_) return;
    publisher_->offer(found.offers, found.facts);
    statuses_ = statuses;
    publish();
    if (troubles_ == troubles) return;
    troubles_ = troubles;
    try {
      reporter_->tell_pods(troubles, state::now_text());
    } catch (const Error& error) {
      log_->warn("a pod is not told of its device: {}", manager::describe(error));
    }
  });
}

void DraSide::tell_health(const dra::Scan& found, const std::vector<state::ClaimRecord>& records) {
  std::vector<dra::DeviceHealth> health;
  std::map<std::string, std::uint64_t> bad;
  for (const dra::Offer& each : found.offers) {
    const bool unhealthy = each.trouble && each.trouble->kind == dra::Trouble::Kind::unhealthy;
    const std::string line =
        unhealthy ? fmt::format("{} of {} is unhealthy: {}", each.device.id, each.resource, each.trouble->why) : "";
    log_once("health " + each.device.id, line);
    bad[each.resource] += unhealthy ? 1 : 0;
    const dra::ApiPlace place = dra::place_of(each, node_name_);
    health.push_back({place.pool, place.device, !unhealthy, unhealthy ? each.trouble->why : ""});
    if (each.ports == 0) continue;
    // Where ports are devices of their own, kubelet knows the bridge by those that claims have.
    for (const state::ClaimRecord& record : records)
      for (const state::ClaimedDevice& claimed : record.devices)
        if (claimed.pool == place.pool && claimed.device != place.device)
          health.push_back({place.pool, claimed.device, !unhealthy, unhealthy ? each.trouble->why : ""});
  }
  for (const state::ClaimRecord& record : records)
    for (const state::ClaimedDevice& claimed : record.devices) {
      if (!found.lost.contains(claimed.id)) continue;
      health.push_back({claimed.pool, claimed.device, false, dra::kLost});
      ++bad[claimed.resource];
    }
  for (const auto& [resource, count] : bad) metrics::tell_unhealthy(resource, "claims", count);
  // Told again at every interval, so it is good for three of them.
  claims_->endpoint->tell_health(dra::encode_health(health, std::time(nullptr), 3 * options_.interval));
}

void DraSide::sweep() {
  if (claims_) claims_->driver.sweep(std::chrono::steady_clock::now());
}

void DraSide::publish() {
  if (!publisher_) return;
  const auto now = std::chrono::steady_clock::now();
  // Two attempts, each with its own back-off: a server that refuses the status of claims must still hear of devices.
  const auto attempt = [this](std::string& said, const char* what, const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      const std::string words = manager::describe(error);
      if (words != said) log_->warn("{}: {}", what, words);
      said = words;
    }
  };
  attempt(publishing_failure_, "the API server is not told of the devices yet", [&] {
    if (publisher_->sync(now)) publishing_failure_.clear();
  });
  attempt(reporting_failure_, "the API server is not told of claims yet", [&] {
    if (reporter_->report(publisher_->api_version(), statuses_, now)) reporting_failure_.clear();
  });
  std::chrono::milliseconds left{0};  // until the first of the two may try again
  for (const auto each : {publisher_->until_due(now), reporter_->until_due(now)})
    if (each.count() > 0 && (left.count() == 0 || each < left)) left = each;
  if (left.count() > 0) loop_.post([this, left] { retry_.set(left); });
}

void DraSide::stop() {
  // Both threads first: work under way uses what is freed below.
  claims_worker_.stop();
  api_worker_.stop();
  claims_.reset();
}

}  // namespace barewire::daemon
