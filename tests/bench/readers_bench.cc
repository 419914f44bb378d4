// Readers beside a writer at full speed, each a process of its own: what they cost the writer, and how long a snapshot
// takes to open, at growing sizes of the log. Usage: bench_readers [--seconds S] [--sizes N,N,...] [--dir DIR]
//
// Processes that only burn the processor stand in for the readers once: what the writer loses beside them it loses to
// the scheduler, and only what it loses beyond that could be waiting. Prints a table.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "engine/query/engine.h"
#include "engine/snapshot/store.h"
#include "engine/writer/writer.h"
#include "tests/bench/figures.h"
#include "tests/bench/generator.h"
#include "tests/bench/must.h"

namespace {

using namespace khipu;
using Steady = std::chrono::steady_clock;
constexpr int kReaders = 4;
constexpr size_t kBatch = 1000;

using bench::die;
using bench::must;
double seconds_since(Steady::time_point start) { return std::chrono::duration<double>(Steady::now() - start).count(); }

// ---- what the other processes do: each prints one line at its end

// Queries without end: events of one actor, the newest 25, total exact.
int read_for(const std::string& root, double seconds) {
  const auto store = must(snapshot::Store::open(must(os::open_directory(root))));
  query::Engine engine(*store, [] { return os::system_clock().now(); }, {});
  uint64_t queries = 0;
  const auto start = Steady::now();
  for (; seconds_since(start) < seconds; ++queries) {
    query::EventRequest request;
    request.filter.emplace();
    request.filter->where.actors = {"user:u-" + std::to_string(queries % 50)};
    const query::Answer<query::EventPage> page = engine.events(request);
    if (!page.ok()) die(page.error().code + " " + page.error().hint);
  }
  std::printf("%llu\n", static_cast<unsigned long long>(queries));
  return 0;
}

int burn_for(double seconds) {
  const auto start = Steady::now();
  uint64_t spins = 0;
  while (seconds_since(start) < seconds) ++spins;
  std::printf("%llu\n", static_cast<unsigned long long>(spins));
  return 0;
}

// Opens the root and takes a snapshot, again and again: microseconds of every opening, and of every further snapshot.
int open_for(const std::string& root, double seconds) {
  std::vector<double> fresh, next;
  const auto start = Steady::now();
  const auto kept = must(snapshot::Store::open(must(os::open_directory(root))));
  while (seconds_since(start) < seconds) {
    const auto before = Steady::now();
    {
      const auto store = must(snapshot::Store::open(must(os::open_directory(root))));
      must(store->snapshot());
    }
    fresh.push_back(seconds_since(before) * 1e6);
    const auto again = Steady::now();
    must(kept->snapshot());
    next.push_back(seconds_since(again) * 1e6);
  }
  std::sort(fresh.begin(), fresh.end());
  std::sort(next.begin(), next.end());
  const auto at = [](const std::vector<double>& times, double share) {
    return times[std::min(times.size() - 1, static_cast<size_t>(share * static_cast<double>(times.size())))];
  };
  std::printf("%zu %.0f %.0f %.0f %.0f %.0f\n", fresh.size(), at(fresh, 0.5), at(fresh, 0.99), fresh.back(),
              at(next, 0.5), at(next, 0.99));
  return 0;
}

// This program again, as one of the above.
class Other {
 public:
  explicit Other(const std::string& command) : pipe_(popen(command.c_str(), "r")) {
    if (pipe_ == nullptr) die("popen");
  }
  std::string line() {
    char text[256] = {};
    if (std::fgets(text, sizeof text, pipe_) == nullptr) text[0] = '\0';
    if (pclose(pipe_) != 0) die("another process failed");
    return text;
  }

 private:
  FILE* pipe_;
};

// ---- the writer

class Load {
 public:
  explicit Load(const std::string& folder) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
    root_ = must(os::create_directory(folder + "/root", 0750));
    keys_ = must(os::create_directory(folder + "/root.keys", 0700));
    const writer::Environment environment{*root_, *keys_, os::system_clock(), os::system_random()};
    must(writer::initialize(environment, {"bench.example/audit"}));
    writer_ = must(writer::Writer::open(environment, {}));
  }
  ~Load() { must(writer_->close()); }

  uint64_t size() const { return events_; }
  void fill(uint64_t size) {
    while (events_ < size) submit();
    drain();
  }
  // Events a second while `seconds` last, as fast as it takes them.
  double rate(double seconds) {
    const uint64_t before = events_;
    const auto start = Steady::now();
    while (seconds_since(start) < seconds) submit();
    drain();
    return static_cast<double>(events_ - before) / seconds_since(start);
  }

 private:
  void submit() {
    ingest::Batch batch;
    for (size_t i = 0; i < kBatch; ++i) bench::append(batch, generator_.next());
    {
      std::unique_lock hold(mutex_);
      moved_.wait(hold, [&] { return in_flight_ < 16; });
      ++in_flight_;
    }
    events_ += kBatch;
    writer_->submit(std::move(batch), [this](const Result<writer::Receipt>& receipt) {
      if (!receipt.ok()) die(receipt.error().message);
      const std::lock_guard hold(mutex_);
      --in_flight_;
      moved_.notify_all();
    });
  }
  void drain() {
    std::unique_lock hold(mutex_);
    moved_.wait(hold, [&] { return in_flight_ == 0; });
  }

  std::unique_ptr<os::Directory> root_, keys_;
  std::unique_ptr<writer::Writer> writer_;
  bench::Generator generator_{1};
  uint64_t events_ = 0;
  std::mutex mutex_;
  std::condition_variable moved_;
  int in_flight_ = 0;
};

struct Settings {
  double seconds = 3;
  std::vector<uint64_t> sizes = {10000, 300000, 1000000};
  std::string dir = "/tmp/khipu-bench-readers";
};

Settings parse(int count, char** words) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (i + 1 == count) die("usage: bench_readers [--seconds S] [--sizes N,N,...] [--dir DIR] [--json]");
    const std::string value = words[++i];
    if (word == "--seconds") {
      settings.seconds = std::strtod(value.c_str(), nullptr);
    } else if (word == "--dir") {
      settings.dir = value;
    } else if (word == "--sizes") {
      settings.sizes.clear();
      std::istringstream parts(value);
      for (std::string part; std::getline(parts, part, ',');) {
        settings.sizes.push_back(std::strtoull(part.c_str(), nullptr, 10));
      }
    } else {
      die("unknown argument " + word);
    }
  }
  return settings;
}

}  // namespace

int main(int count, char** words) {
  const std::string role = count > 1 ? words[1] : "";
  if (count == 4 && role == "--reader") return read_for(words[2], std::strtod(words[3], nullptr));
  if (count == 4 && role == "--burner") return burn_for(std::strtod(words[3], nullptr));
  if (count == 4 && role == "--opener") return open_for(words[2], std::strtod(words[3], nullptr));

  bench::Figures figures("readers", bench::take_flag(count, words, "--json"));
  const Settings settings = parse(count, words);
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  Load load(settings.dir);
  const auto other = [&](const std::string& what) {
    return Other("'" + self + "' " + what + " '" + settings.dir + "/root' " + std::to_string(settings.seconds));
  };
  const auto beside = [&](const std::string& what, double& done) {
    std::vector<Other> others;
    for (int i = 0; i < kReaders; ++i) others.push_back(other(what));
    const double rate = load.rate(settings.seconds);
    done = 0;
    for (Other& one : others) done += std::strtod(one.line().c_str(), nullptr);
    return rate;
  };
  for (const uint64_t size : settings.sizes) {
    load.fill(size);
    double ignored = 0, queries = 0;
    const double alone = load.rate(settings.seconds);
    const double burners = beside("--burner", ignored);
    const double readers = beside("--reader", queries);
    Other opener = other("--opener");
    load.rate(settings.seconds);
    double opens = 0, fresh50 = 0, fresh99 = 0, fresh_max = 0, next50 = 0, next99 = 0;
    std::istringstream(opener.line()) >> opens >> fresh50 >> fresh99 >> fresh_max >> next50 >> next99;
    const auto row = [&](const char* name) -> bench::Figures::Row& {
      return figures.row(std::to_string(load.size()) + " events: " + name);
    };
    row("writer alone").add("events_per_s", alone);
    row("beside 4 burners").add("events_per_s", burners);
    row("beside 4 readers")
        .add("events_per_s", readers)
        .add("of_burners", readers / burners)
        .add("queries_per_s", queries / settings.seconds);
    row("snapshot opened afresh beside the writer")
        .add("p50_ms", fresh50 / 1e3)
        .add("p99_ms", fresh99 / 1e3)
        .add("max_ms", fresh_max / 1e3)
        .add("openings", opens);
    row("next snapshot").add("p50_ms", next50 / 1e3).add("p99_ms", next99 / 1e3);
  }
  figures.print();
  return 0;
}
