// Full verification beside bare leaf hashing of the same payloads on as many threads, in one run; and an incremental
// one of the last 1% of the events beside the full one. Usage: bench_verify [EVENTS] [DIR]   (1000000,
// /tmp/khipu-bench-verify). The log stays there and is used again.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include "engine/os/pages.h"
#include "engine/segment/reader.h"
#include "engine/tree/tree.h"
#include "engine/verify/verify.h"
#include "engine/writer/writer.h"
#include "tests/bench/figures.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;

using bench::die;
using bench::must;

// What a piece of work took: by the wall, and of the processors' time, which other processes disturb less.
struct Took {
  double wall_s = 0, cpu_s = 0;
};
Took measure(const std::function<void()>& work) {
  const std::clock_t cpu = std::clock();
  const auto start = std::chrono::steady_clock::now();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC};
}
constexpr int kRounds = 5;  // the best of each counts, run in turn
void keep_best(Took& best, const Took& now, int round) {
  best.wall_s = round == 0 ? now.wall_s : std::min(best.wall_s, now.wall_s);
  best.cpu_s = round == 0 ? now.cpu_s : std::min(best.cpu_s, now.cpu_s);
}

void append_events(const writer::Environment& environment, bench::Generator& generator, uint64_t events) {
  auto writer = must(writer::Writer::open(environment, {}));
  for (uint64_t done = 0; done < events; done += 1000) {
    ingest::Batch batch;
    for (int i = 0; i < 1000; ++i) bench::append(batch, generator.next());
    must(writer->submit_and_wait(std::move(batch)));
  }
  if (const Result<void> closed = writer->close(); !closed.ok()) die(closed.error().message);
}

// `events` events, the state of a full verification of them, and 1% more.
void make_log(const std::string& folder, uint64_t events) {
  std::filesystem::create_directories(folder);
  const auto root = must(os::create_directory(folder + "/root", 0750));
  const auto keys = must(os::create_directory(folder + "/root.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  if (const Result<void> made = writer::initialize(environment, {"example.org/bench"}); !made.ok()) {
    die(made.error().message);
  }
  bench::Generator generator(1);
  append_events(environment, generator, events);
  const verify::Report report = must(verify::run(*root, {}));
  if (!report.state) die("the log does not verify");
  const auto kept = must(os::open_directory(folder));
  const std::string state = verify::format_state(*report.state);
  if (const Result<void> saved = kept->replace_file("state", as_bytes(state)); !saved.ok()) die(saved.error().message);
  append_events(environment, generator, events / 100);
}

verify::State kept_state(const std::string& folder) {
  const auto kept = must(os::open_directory(folder));
  const auto file = must(kept->open_file("state", os::Mode::kRead));
  const Buffer text = must(file->read_all(verify::kStateSizeMax));
  return must(verify::parse_state(as_text(text)));
}

// Every payload that verify hashes, of all tables, in memory: so the bare side is hashing and nothing else.
std::vector<Buffer> payloads(os::Directory& root) {
  std::vector<Buffer> all;
  for (const TableId table : kTables) {
    const auto folder = must(root.open_directory(table_name(table)));
    for (uint64_t number = 0;; ++number) {
      auto file = folder->open_file(segment::segment_name({number}), os::Mode::kRead);
      if (!file.ok()) break;
      segment::Reader reader(**file, segment::kHeaderSize, must(file.value()->size()));
      for (segment::Step step = must(reader.next()); step.kind == segment::Step::Kind::kFrame;
           step = must(reader.next())) {
        if (codec::is_row(step.frame.kind)) all.emplace_back(step.frame.payload.begin(), step.frame.payload.end());
      }
    }
  }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  os::use_one_large_heap();  // as `khipu verify` does
  bench::Figures figures("verify", bench::take_flag(argc, argv, "--json"));
  const uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1000000;
  const std::string folder = argc > 2 ? argv[2] : "/tmp/khipu-bench-verify";
  if (!std::filesystem::exists(std::filesystem::path(folder) / "root" / "HEAD") ||
      !std::filesystem::exists(std::filesystem::path(folder) / "state")) {
    make_log(folder, events);
  }
  const auto root = must(os::open_directory(folder + "/root"));
  const std::vector<Buffer> records = payloads(*root);
  for (const size_t threads : {size_t{1}, size_t{std::max(1U, std::thread::hardware_concurrency())}}) {
    Took bare, full, since;
    verify::Options options;
    options.threads = threads;
    for (int round = 0; round < kRounds; ++round) {
      keep_best(bare, measure([&] {
                  std::vector<std::future<void>> parts;
                  for (size_t part = 0; part < threads; ++part) {
                    parts.push_back(std::async(std::launch::async, [&, part] {
                      for (size_t i = part; i < records.size(); i += threads) (void)tree::leaf_hash(records[i]);
                    }));
                  }
                }),
                round);
      verify::Verdict verdict = verify::Verdict::kIncomplete;
      keep_best(full, measure([&] { verdict = must(verify::run(*root, options)).verdict; }), round);
      if (verdict != verify::Verdict::kPass) die("the log does not verify");
      verify::Options incremental = options;
      incremental.since = kept_state(folder);
      keep_best(since, measure([&] { verdict = must(verify::run(*root, incremental)).verdict; }), round);
      if (verdict != verify::Verdict::kPass) die("the log does not verify since the state");
    }
    const auto rows = static_cast<double>(records.size());
    const std::string name = "threads " + std::to_string(threads) + ": ";
    figures.row(name + "bare leaf hashing").add("rows_per_s", rows / bare.wall_s);
    figures.row(name + "full verify")
        .add("rows_per_s", rows / full.wall_s)
        .add("of_bare", bare.wall_s / full.wall_s)
        .add("of_bare_by_cpu", bare.cpu_s / full.cpu_s);
    figures.row(name + "incremental verify of 1% new events")
        .add("ms", since.wall_s * 1e3)
        .add("of_full", since.wall_s / full.wall_s)
        .add("of_full_by_cpu", since.cpu_s / full.cpu_s);
  }
  figures.print();
}
