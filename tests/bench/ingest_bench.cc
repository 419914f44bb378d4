// Durable ingest through the engine API beside SQLite and the bare disk, in one run. Prints a table, or JSON with
// --json. Usage: bench_ingest [--events N] [--sqlite-events N] [--always N] [--dir DIR] [--json]
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "tests/bench/contest.h"
#include "tests/bench/figures.h"

namespace {

using namespace khipu;
constexpr size_t kBatch = 1000;

struct Settings {
  uint64_t events = 1000000, sqlite_events = 200000, always = 5000;
  std::string dir = "/tmp/khipu-bench";
  bool json = false;
};
struct Measured {
  std::string name;
  uint64_t events = 0;
  double seconds = 0;
  uint64_t disk_bytes = 0;
  double rate() const { return static_cast<double>(events) / seconds; }
};

using bench::die;
using bench::must;

enum class Registry { kEmpty, kKnown };

// A log of its own, in a folder of its own.
struct Log {
  std::string path;
  std::unique_ptr<os::Directory> root, keys;
  std::unique_ptr<writer::Writer> writer;
  uint64_t bytes_before = 0;
};

Log open_log(const Settings& settings, const std::string& name, writer::SyncPolicy policy, Registry registry) {
  Log log;
  log.path = settings.dir + "/" + name;
  std::filesystem::remove_all(log.path);
  std::filesystem::create_directories(log.path);
  log.root = must(os::create_directory(log.path + "/root", 0750));
  log.keys = must(os::create_directory(log.path + "/root.keys", 0700));
  const writer::Environment environment{*log.root, *log.keys, os::system_clock(), os::system_random()};
  must(writer::initialize(environment, {"bench.example/audit"}));
  writer::Options options;
  log.writer = must(writer::Writer::open(environment, options));
  if (registry == Registry::kKnown) bench::introduce(*log.writer, kBatch);
  options.sync = policy;
  log.writer->reconfigure(options);
  log.bytes_before = bench::folder_bytes(log.path);
  return log;
}

std::vector<ingest::Batch> batches_of(uint64_t events, size_t batch_size) {
  bench::Generator generator(1);
  std::vector<ingest::Batch> batches((events + batch_size - 1) / batch_size);
  for (uint64_t i = 0; i < events; ++i) bench::append(batches[i / batch_size], generator.next());
  return batches;
}

Measured group_run(const Settings& settings, const std::string& name, Registry registry) {
  const Log log = open_log(settings, name, writer::SyncPolicy::kGroup, registry);
  std::vector<ingest::Batch> batches = batches_of(settings.events, kBatch);
  Measured row{name, settings.events, 0, 0};
  row.seconds = bench::seconds_of([&] {
    bench::InFlight in_flight;
    for (ingest::Batch& batch : batches) bench::submit(*log.writer, in_flight, std::move(batch));
    in_flight.drain();
  });
  must(log.writer->close());
  row.disk_bytes = bench::folder_bytes(log.path) - log.bytes_before;
  return row;
}

// One event a sync: by one caller who waits for each answer, or with many of them on their way. The disk's speed for
// one small sync changes by the second, so the runs take turns of kTurn events and each says its median turn.
constexpr uint64_t kTurn = 200;

struct Always {
  const char* name;
  Registry registry;
  bool waits;
};

std::vector<Measured> always_runs(const Settings& settings) {
  constexpr Always kRuns[] = {{"khipu always, one caller, entities known", Registry::kKnown, true},
                              {"khipu always, 32 on their way, entities known", Registry::kKnown, false},
                              {"khipu always, one caller, registry empty at first", Registry::kEmpty, true}};
  std::vector<Log> logs;
  std::vector<std::vector<ingest::Batch>> batches;
  std::vector<Measured> rows{{"bare append, 1 a sync", kTurn, 0, 400 * kTurn}};
  for (const Always& run : kRuns) {
    logs.push_back(open_log(settings, run.name, writer::SyncPolicy::kAlways, run.registry));
    batches.push_back(batches_of(settings.always, 1));
    rows.push_back({run.name, kTurn, 0, 0});
  }
  bench::Bare bare(settings.dir + "/bare, in turns");
  std::vector<std::vector<double>> turns(rows.size());
  for (uint64_t done = 0; done + kTurn <= settings.always; done += kTurn) {
    turns[0].push_back(bench::seconds_of([&] { bare.append(kTurn, 1, false); }));
    for (size_t i = 0; i < logs.size(); ++i) {
      turns[i + 1].push_back(bench::seconds_of([&] {
        bench::InFlight in_flight;
        for (uint64_t k = done; k < done + kTurn; ++k) {
          if (kRuns[i].waits) {
            must(logs[i].writer->submit_and_wait(std::move(batches[i][k])));
          } else {
            bench::submit(*logs[i].writer, in_flight, std::move(batches[i][k]));
          }
        }
        in_flight.drain();
      }));
    }
  }
  if (turns[0].empty()) die("--always: at least " + std::to_string(kTurn));
  for (size_t i = 0; i < rows.size(); ++i) {
    std::sort(turns[i].begin(), turns[i].end());
    rows[i].seconds = turns[i][turns[i].size() / 2];
  }
  for (size_t i = 0; i < logs.size(); ++i) {
    must(logs[i].writer->close());
    rows[i + 1].disk_bytes = (bench::folder_bytes(logs[i].path) - logs[i].bytes_before) / turns[0].size();
  }
  return rows;
}

Measured bare_run(const Settings& settings, const std::string& name, bool hashed) {
  bench::Bare bare(settings.dir + "/" + name);
  const double seconds = bench::seconds_of([&] { bare.append(settings.events, kBatch, hashed); });
  return {name, settings.events, seconds, 400 * settings.events};
}

Measured sqlite_run(const Settings& settings, const std::string& name, bool tuned) {
  std::vector<bench::PlainEvent> events;
  bench::Generator generator(1);
  for (uint64_t i = 0; i < settings.sqlite_events; ++i) events.push_back(generator.next());
  const std::string path = settings.dir + "/" + name + ".db";
  const double seconds = bench::sqlite(path, events, kBatch, tuned);
  return {name, events.size(), seconds, std::filesystem::file_size(path)};
}

Settings parse(int count, char** words) {
  Settings settings;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    const auto number = [&] { return i + 1 < count ? std::strtoull(words[++i], nullptr, 10) : 0; };
    if (word == "--events")
      settings.events = number();
    else if (word == "--sqlite-events")
      settings.sqlite_events = number();
    else if (word == "--always")
      settings.always = number();
    else if (word == "--dir" && i + 1 < count)
      settings.dir = words[++i];
    else if (word == "--json")
      settings.json = true;
    else
      die("usage: bench_ingest [--events N] [--sqlite-events N] [--always N] [--dir DIR] [--json]");
  }
  return settings;
}

}  // namespace

int main(int count, char** words) {
  const Settings settings = parse(count, words);
  std::filesystem::create_directories(settings.dir);
  std::vector<Measured> rows;
  rows.push_back(bare_run(settings, "bare append, 1000 a sync", false));
  rows.push_back(bare_run(settings, "bare append + SHA-256 tree, 1000 a sync", true));
  rows.push_back(group_run(settings, "khipu group, entities known", Registry::kKnown));
  rows.push_back(sqlite_run(settings, "sqlite WAL FULL, 1000 a transaction", false));
  rows.push_back(sqlite_run(settings, "sqlite tuned, checkpoint every 256 MB", true));
  rows.push_back(group_run(settings, "khipu group, registry empty at first", Registry::kEmpty));
  for (Measured& row : always_runs(settings)) rows.push_back(std::move(row));
  bench::Figures figures("ingest", settings.json);
  for (const Measured& row : rows) {
    figures.row(row.name)
        .add("events_per_s", row.rate())
        .add("disk_bytes_per_event", static_cast<double>(row.disk_bytes) / static_cast<double>(row.events));
  }
  const auto ratio = [&](const char* name, size_t over, size_t under) {
    figures.row(name).add("ratio", rows[over].rate() / rows[under].rate());
  };
  ratio("khipu group / bare append", 2, 0);
  ratio("khipu group / bare append + SHA-256 tree", 2, 1);
  ratio("khipu group / sqlite", 2, 3);
  ratio("khipu group / sqlite tuned", 2, 4);
  ratio("khipu group, registry empty at first / sqlite", 5, 3);
  for (size_t i = 7; i < rows.size(); ++i) ratio((rows[i].name + " / bare append, 1 a sync").c_str(), i, 6);
  figures.print();
  std::filesystem::remove_all(settings.dir);
  return 0;
}
