// SPDX-License-Identifier: Apache-2.0
// Counters are asked for every two seconds, one request per PF; the node itself when something changed. Text is
// compared before it is sent: most events of the kernel change nothing that is drawn.
#include "device-manager/daemon/page_side.h"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "core/journal_search.h"
#include "core/utf8.h"
#include "device-manager/daemon/page_files.h"
#include "device-manager/drift.h"
#include "device-manager/history.h"
#include "device-manager/snapshot_json.h"

namespace barewire::daemon {
namespace {

namespace json = boost::json;
using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kEvery{2000};
constexpr std::chrono::milliseconds kSoon{200};    ///< after a change: one seldom comes alone
constexpr std::chrono::milliseconds kFresh{1000};  ///< for who asks for the node without listening
constexpr std::size_t kMostEvents = 200;           ///< of a VF's history
constexpr std::size_t kLongestSubject = 256;
constexpr std::string_view kJson = "application/json";

/// On one line, as an event has to be; names that are no UTF-8 are made so.
std::string line_of(const json::value& value) {
  return replace_bytes(json::serialize(value));
}

Route file(const char* path, std::string_view type, std::string_view text) {
  auto body = std::make_shared<const std::string>(text);
  return {.path = path, .now = [type, body] { return Answer{200, type, body}; }};
}

Answer json_answer(std::string text) {
  return {200, kJson, std::make_shared<const std::string>(std::move(text))};
}

}  // namespace

PageSide::PageSide(const Node& node, std::string pools_file, std::shared_ptr<spdlog::logger> log, EventLoop& loop)
    : node_(node),
      pools_file_(std::move(pools_file)),
      log_(std::move(log)),
      loop_(loop),
      timer_(loop.add_timer([this] { tick(); })),
      events_([this] { loop_.post([this] { tick(); }); }),
      worker_("page",
              [this](std::string_view failure) { log_->warn("the page is not told of the node: {}", failure); }) {}

std::vector<Route> PageSide::routes() {
  // What fails is told to who asked, not to the log: anybody may ask as often as they like.
  const auto reply_with = [this](const std::function<std::string()>& make, const Route::Reply& reply) {
    worker_.post([make, reply] {
      try {
        reply(json_answer(make()));
      } catch (const std::exception& error) {
        reply(text_answer(500, escape_line(error.what())));
      }
    });
  };
  return {
      file("/", "text/html; charset=utf-8", kPageHtml),
      file("/page.css", "text/css; charset=utf-8", kPageCss),
      file("/page.js", "text/javascript; charset=utf-8", kPageJs),
      {.path = "/node.json",
       .later = [this, reply_with](const std::string&,
                                   const Route::Reply& reply) { reply_with([this] { return node_text(); }, reply); }},
      {.path = "/history",
       .later =
           [this, reply_with](const std::string& subject, const Route::Reply& reply) {
             if (subject.empty() || subject.size() > kLongestSubject)
               return reply(text_answer(400, "?vf= takes a PCI address, or a pod as NAMESPACE/NAME"));
             reply_with([this, subject] { return history_text(subject); }, reply);
           },
       .takes = "vf"},
      {.path = "/events", .events = &events_}};
}

void PageSide::on_change() {
  changed_ = true;
  if (busy_ || hurried_ || !timer_.is_set()) return;
  // Once: changes that go on and on would put it off for ever.
  hurried_ = true;
  timer_.set(kSoon);
}

void PageSide::tick() {
  if (busy_) return;  // another has come in meanwhile
  hurried_ = false;
  if (events_.listeners() == 0) return;  // until the first joins again
  busy_ = true;
  worker_.post([this, changed = std::exchange(changed_, false)] {
    if (changed) pace_.on_change();
    const auto begin = steady_clock::now();
    try {
      publish();
    } catch (const std::exception& failure) {
      log_->warn("the page is not told of the node: {}", failure.what());
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
    loop_.post([this, took] {
      busy_ = false;
      timer_.set(changed_ ? std::max(kSoon, took) : kEvery);
    });
  });
}

void PageSide::look() {
  pace_.begin(steady_clock::now());
  topology_.reset();
  topology_ =
      manager::take_topology(node_, {.find_drift = manager::quick_drift_finders(node_), .pools_file = pools_file_});
  looked_ = steady_clock::now();
  pace_.end(looked_);
  if (topology_->vswitch)
    offload_.note(*topology_->vswitch, std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()));
}

json::object PageSide::ports_json() const {
  json::object ports;
  if (!topology_->vswitch) return ports;
  json::object offload = offload_.to_json();
  for (const manager::BridgeEntry& bridge : topology_->vswitch->bridges)
    for (const manager::PortEntry& port : bridge.ports)
      ports[port.name] = json::object{
          {"rxBytes", manager::or_null(port.statistics.rx_bytes)},
          {"txBytes", manager::or_null(port.statistics.tx_bytes)},
          {"offload", offload.contains(port.name) ? std::move(offload[port.name]) : json::value(json::array())}};
  return ports;
}

void PageSide::publish() {
  const auto now = steady_clock::now();
  // Who joins after a while of nobody must not get the node of then.
  if (now - looked_ > 2 * Pace::kLongest) {
    events_.forget();
    published_.clear();
  }
  if (!topology_ || pace_.is_due(now)) {
    look();
  } else {
    std::vector<std::string> problems;  // told by the next look
    topology_->traffic = manager::read_traffic(topology_->snapshot.pfs, problems);
  }
  // Not only after a look of its own: who asked for /node.json may have had it looked at.
  auto document = to_json(*topology_);
  document.erase("traffic");
  publish_changed("node", document);
  publish_changed("ports", ports_json());
  publish_changed("flows", flows_json());
  topology_->traffic = meter_.measure(std::move(topology_->traffic), steady_clock::now());
  if (!publish_changed("traffic", to_json(topology_->traffic))) events_.keep_alive();
}

bool PageSide::publish_changed(const std::string& event, const json::value& what) {
  std::string text = line_of(what);
  std::string& last = published_[event];
  if (text == last) return false;
  events_.publish(event, text);
  last = std::move(text);
  return true;
}

json::value PageSide::flows_json() const {
  return topology_->vswitch ? manager::to_json(topology_->vswitch->flows) : json::value(nullptr);
}

std::string PageSide::node_text() {
  const auto now = steady_clock::now();
  if (!topology_ || (now - looked_ > kFresh && pace_.may_look(now))) look();
  auto document = to_json(*topology_);
  document["ports"] = ports_json();
  document["flows"] = flows_json();
  return line_of(document) + "\n";
}

std::string PageSide::history_text(const std::string& subject) const {
  // Of "default/web-0" the name alone: the journal has its parts apart.
  const std::string_view word = std::string_view(subject).substr(subject.rfind('/') + 1);
  const journal::History history = journal::read_about(node_.cni_state_dir + journal::kBelow, word);
  auto chosen = manager::select(history.events, subject, std::nullopt);
  // The newest: what a page has room for.
  if (chosen.size() > kMostEvents) chosen.erase(chosen.begin(), chosen.end() - kMostEvents);
  json::array events;
  for (const journal::Event& event : chosen) events.emplace_back(manager::to_json(event));
  return line_of(json::object{{"format", 1},
                              {"events", std::move(events)},
                              {"damagedLines", history.damaged},
                              {"problems", json::array(history.problems.begin(), history.problems.end())}}) +
         "\n";
}

}  // namespace barewire::daemon
