// Scenario 13, bounded: four emitters, group commits every 20 ms, retention every 100 ms under a window of a second and
// small segments, queries every 50 ms, verify beside it all, on a real file system. No call fails, no answer is short
// without saying so, and verification passes during and after. (The reference system's own test of this name fails: a
// query meets a segment that was unlinked under it.)
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include "engine/query/engine.h"
#include "engine/verify/print.h"
#include "engine/verify/verify.h"
#include "engine/writer/retainer.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace khipu::tests {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kLength = std::chrono::seconds(4);
constexpr int kEmitters = 4;

ingest::Batch some_events(int emitter, int number) {
  ingest::Batch batch;
  for (int i = 0; i < 8; ++i) {
    ingest::Event event;
    event.actor.type = "user";
    event.actor.id = batch.keep(std::string_view(fmt::format("u-{}", emitter)));
    event.action = "PUT";
    event.event_id = batch.keep(std::string_view(fmt::format("e-{}-{}-{}", emitter, number, i)));
    event.content_kind = codec::ContentKind::kText;
    event.content = batch.keep(as_bytes(std::string(300, 'x')));
    batch.events.push_back(event);
  }
  return batch;
}

// What went wrong, from any thread.
class Failures {
 public:
  void add(const std::string& what) {
    const std::lock_guard hold(mutex_);
    if (++count_ <= 5) text_ += what + "\n";
  }
  std::string text() {
    const std::lock_guard hold(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
  int count_ = 0;
};

std::string verified(const std::string& path) {
  const auto root = os::open_directory(path).value();
  verify::Options options;
  options.threads = 1;
  const Result<verify::Report> report = verify::run(*root, options);
  if (!report.ok()) return report.error().message;
  return report->verdict == verify::Verdict::kPass ? "" : verify::to_page(*report);
}

TEST_CASE("stress, scenario 13: emitters, commits, retention, queries and verify at once, and no call fails") {
  TempDirectory folder;
  const auto root = os::create_directory(folder / "root", 0750).value();
  const auto keys = os::create_directory(folder / "root.keys", 0700).value();
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  REQUIRE(writer::initialize(environment, {"example.org/stress"}).ok());
  writer::Options options;
  options.segment_size_bytes = 256 << 10;
  options.group_events = 1000;
  options.group_interval_us = 20000;
  auto writer = writer::Writer::open(environment, options).value();

  Failures failures;
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> acknowledged = 0, purged = 0, questions = 0, verifications = 0;
  const auto until_stopped = [&](milliseconds pause, auto work) {
    return std::thread([&stop, pause, work]() mutable {
      while (!stop) {
        work();
        std::this_thread::sleep_for(pause);
      }
    });
  };

  std::vector<std::thread> threads;
  for (int emitter = 0; emitter < kEmitters; ++emitter) {
    threads.push_back(until_stopped(milliseconds(1), [&, emitter, number = 0]() mutable {
      const auto receipt = writer->submit_and_wait(some_events(emitter, number++));
      if (!receipt.ok()) return failures.add("submit: " + receipt.error().message);
      acknowledged += receipt->count;
    }));
  }
  writer::RetainerOptions how;
  how.pause = [](int64_t us) {
    std::this_thread::sleep_for(std::chrono::microseconds(us));
    return true;
  };
  const auto retainer =
      writer::Retainer::open(os::open_directory(folder / "root").value(), *writer, os::system_clock(), how).value();
  threads.push_back(until_stopped(milliseconds(100), [&] {
    const auto decided = retainer->decide(TableId::kLogs, {1, 4 << 20}, "stress");
    if (!decided.ok()) return failures.add("retention: " + decided.error().message);
    const auto swept = retainer->sweep();
    if (!swept.ok()) return failures.add("sweep: " + swept.error().message);
    if (swept->waited_out) failures.add("sweep: readers held a slot for ten minutes");
    purged += swept->segments;
  }));
  const auto store = snapshot::Store::open(os::open_directory(folder / "root").value()).value();
  query::Engine engine(*store, [] { return os::system_clock().now(); }, {});
  threads.push_back(until_stopped(milliseconds(50), [&] {
    query::EventRequest request;
    request.filter = query::Filter{};
    request.limit = 5;
    const auto page = engine.events(request);
    if (!page.ok()) return failures.add("query: " + page.error().code + " " + page.error().hint);
    if (!page->findings.empty())
      failures.add("query: finding " + page->findings[0].code + " " + page->findings[0].where);
    if (page->total + page->coverage.purged_rows != page->as_of.tree_size)
      failures.add("query: rows are unaccounted for");
    if (page->coverage.purged_overlap != (page->coverage.purged_rows > 0)) failures.add("query: overlap not said");
    ++questions;
  }));
  threads.push_back(until_stopped(milliseconds(200), [&] {
    const std::string wrong = verified(folder / "root");
    if (!wrong.empty()) failures.add("verify beside it: " + wrong);
    ++verifications;
  }));

  std::this_thread::sleep_for(kLength);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  REQUIRE(failures.text() == "");
  CHECK(acknowledged > 1000);
  CHECK(purged > 0);
  CHECK(questions > 10);
  CHECK(verifications > 1);
  REQUIRE(writer->close().ok());
  writer.reset();
  REQUIRE(verified(folder / "root") == "");
  writer = writer::Writer::open(environment, options).value();
  REQUIRE(writer->submit_and_wait(some_events(9, 9)).ok());
  CHECK(writer->status().head.tables[index_of(TableId::kLogs)].size == acknowledged + 8);
  REQUIRE(writer->close().ok());
  CHECK(verified(folder / "root") == "");
}

}  // namespace
}  // namespace khipu::tests
