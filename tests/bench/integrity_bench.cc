// What trees, commit frames and signatures cost the writer: the processor time of group commits with and without them,
// alternating, each run in a process of its own. Without trees nothing can be indexed, so neither of these two indexes,
// and what the indexer takes beside the writer is a row of its own. Usage: bench_integrity [--events N] [--runs N]
// [--dir DIR]
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <string>

#include "engine/writer/integrity.h"
#include "engine/writer/writer.h"
#include "tests/bench/figures.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
constexpr size_t kBatch = 1000;

using bench::die;
using bench::must;

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

enum class Way { kWithout, kWith, kIndexed };

// Processor seconds of the whole process from the first submission to the last answer.
double run(const std::string& path, uint64_t events, Way way) {
  std::filesystem::remove_all(path);
  std::filesystem::create_directories(path);
  auto root = must(os::create_directory(path + "/root", 0750));
  auto keys = must(os::create_directory(path + "/root.keys", 0700));
  const writer::Environment environment{*root, *keys, os::system_clock(), os::system_random()};
  must(writer::initialize(environment, {"bench.example/audit"}));
  writer::integrity = way != Way::kWithout;
  writer::Options options;
  options.index_segments = way == Way::kIndexed;
  auto writer = must(writer::Writer::open(environment, options));
  bench::Generator generator(1);
  std::vector<ingest::Batch> batches((events + kBatch - 1) / kBatch);
  for (uint64_t i = 0; i < events; ++i) bench::append(batches[i / kBatch], generator.next());
  std::mutex mutex;
  std::condition_variable moved;
  size_t open = 0;
  const double before = processor_seconds();
  for (ingest::Batch& batch : batches) {
    std::unique_lock hold(mutex);
    moved.wait(hold, [&] { return open < 32; });
    ++open;
    hold.unlock();
    writer->submit(std::move(batch), [&](const Result<writer::Receipt>& receipt) {
      if (!receipt.ok()) die(receipt.error().message);
      const std::lock_guard answered(mutex);
      --open;
      moved.notify_all();
    });
  }
  std::unique_lock hold(mutex);
  moved.wait(hold, [&] { return open == 0; });
  return processor_seconds() - before;
}

// In a child: threads, memory and the switch start afresh. The writer is not closed: without trees there is nothing to
// publish.
double run_apart(const std::string& path, uint64_t events, Way way) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) die("pipe");
  const pid_t child = fork();
  if (child == 0) {
    const double spent = run(path, events, way);
    if (write(pipe_ends[1], &spent, sizeof spent) != sizeof spent) std::_Exit(3);
    std::_Exit(0);
  }
  close(pipe_ends[1]);
  double spent = 0;
  const bool told = read(pipe_ends[0], &spent, sizeof spent) == sizeof spent;
  close(pipe_ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (!told || status != 0) die("a run failed");
  return spent;
}

}  // namespace

int main(int count, char** words) {
  bench::Figures figures("integrity", bench::take_flag(count, words, "--json"));
  uint64_t events = 300000, runs = 5;
  std::string directory = "/tmp/khipu-bench-integrity";
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (i + 1 == count) die(word + ": unknown, or without a value (--events N, --runs N, --dir DIR)");
    const char* const value = words[++i];
    if (word == "--events") {
      events = std::strtoull(value, nullptr, 10);
    } else if (word == "--runs") {
      runs = std::strtoull(value, nullptr, 10);
    } else if (word == "--dir") {
      directory = value;
    } else {
      die(word + ": unknown (--events N, --runs N, --dir DIR)");
    }
  }
  if (events == 0 || runs == 0) die("--events and --runs want at least 1");
  std::vector<double> with, without, indexed;
  for (uint64_t i = 0; i < runs; ++i) {
    with.push_back(run_apart(directory, events, Way::kWith));
    without.push_back(run_apart(directory, events, Way::kWithout));
    indexed.push_back(run_apart(directory, events, Way::kIndexed));
  }
  std::filesystem::remove_all(directory);
  const auto each = [&](std::vector<double>& spent) {  // the best: what disturbs only adds
    return *std::min_element(spent.begin(), spent.end()) * 1e6 / static_cast<double>(events);
  };
  const double full = each(with), bare = each(without);
  figures.row("with trees, commit frames and signatures").add("cpu_us_per_event", full);
  figures.row("without").add("cpu_us_per_event", bare);
  figures.row("they cost (bar 1)").add("cpu_us_per_event", full - bare);
  figures.row("indexing beside them").add("cpu_us_per_event", each(indexed) - full);
  figures.print();
  return 0;
}
