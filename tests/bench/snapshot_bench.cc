// Opening a snapshot: cold (a new process) as meta/ grows, and beside a writer at full speed.
// Usage: bench_snapshot [META_ROWS] [SECONDS]   (1000000, 10)
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"
#include "tests/bench/figures.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using Steady = std::chrono::steady_clock;

using bench::die;
using bench::must;
double ms_since(Steady::time_point start) {
  return std::chrono::duration<double, std::milli>(Steady::now() - start).count();
}

// Import receipts stand for TABLE_HEADs: as many bytes, and decoded in the same way.
ingest::Batch receipts(uint64_t count) {
  ingest::Batch batch;
  codec::Import receipt;
  receipt.source = "s";
  receipt.format = "jsonl";
  for (uint64_t i = 0; i < count; ++i) batch.statements.push_back(receipt);
  return batch;
}

}  // namespace

int main(int argc, char** argv) {
  bench::Figures figures("snapshot", bench::take_flag(argc, argv, "--json"));
  const uint64_t rows = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
  const uint64_t seconds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10;
  const std::string folder = "/tmp/khipu-bench-snapshot";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directory(folder);
  const auto root = must(os::create_directory(folder + "/log", 0750));
  const auto keys = must(os::create_directory(folder + "/log.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  if (const Result<void> made = writer::initialize(environment, {"bench/snapshot"}); !made.ok()) {
    die(made.error().message);
  }
  const auto writer = must(writer::Writer::open(environment, {}));

  uint64_t next = 1000;
  for (uint64_t done = 0; done < rows;) {
    must(writer->submit_and_wait(receipts(1000)));
    done += 1000;
    if (done < next && done < rows) continue;
    next *= 10;
    const auto start = Steady::now();
    const auto store = must(snapshot::Store::open(must(os::open_directory(folder + "/log"))));
    const auto cold = must(store->snapshot());
    const double took = ms_since(start);
    const auto size = static_cast<double>(cold->size(TableId::kMeta));
    figures.row("cold open").add("rows_of_meta", size).add("ms", took).add("ns_per_row", took * 1e6 / size);
  }

  std::atomic<bool> stop = false;
  std::atomic<uint64_t> events = 0;
  std::vector<std::thread> producers;
  for (uint64_t i = 0; i < 2; ++i) {
    producers.emplace_back([&, i] {
      bench::Generator generator(i);
      while (!stop) {
        ingest::Batch batch;
        for (int n = 0; n < 500; ++n) bench::append(batch, generator.next());
        events += must(writer->submit_and_wait(std::move(batch))).count;
      }
    });
  }
  const auto store = must(snapshot::Store::open(must(os::open_directory(folder + "/log"))));
  (void)must(store->snapshot());
  std::vector<double> opens;
  const auto start = Steady::now();
  while (ms_since(start) < 1000.0 * static_cast<double>(seconds)) {
    const auto before = Steady::now();
    (void)must(store->snapshot());
    opens.push_back(ms_since(before));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  stop = true;
  for (std::thread& producer : producers) producer.join();
  std::sort(opens.begin(), opens.end());
  figures.row("beside a writer")
      .add("events_per_s", static_cast<double>(events) / static_cast<double>(seconds))
      .add("opens", static_cast<double>(opens.size()))
      .add("p50_ms", opens[opens.size() / 2])
      .add("p99_ms", opens[opens.size() * 99 / 100])
      .add("max_ms", opens.back());
  if (const Result<void> closed = writer->close(); !closed.ok()) die(closed.error().message);
  figures.print();
  std::filesystem::remove_all(folder);
}
